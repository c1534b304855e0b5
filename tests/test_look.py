"""How fields are shown: what is common is clear, what is rare is seen, and zero is the middle of signed values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from models import random_model

from hyperinr_core.pictures.look import (
    FALLING,
    RISING,
    SIGNED,
    Look,
    camera_at,
    look_of,
    looks_of,
    time_format,
    title_of,
)
from hyperinr_core.pictures.transfer import COLOR_MAPS
from hyperinr_core.volume import Field, Parameter

RNG = np.random.default_rng(4)


def opacity(look, value):
    x, alpha = np.array(look.opacities).T
    return np.interp(value, x, alpha)


def test_values_that_are_rare_and_large_are_opaque():
    values = RNG.exponential(1.0, 20000)
    look = look_of(values)
    assert look.colors == RISING and look.low < 0.1 and 5 < look.high < 9
    assert opacity(look, np.median(values)) == 0 and opacity(look, look.high) == pytest.approx(0.9)
    assert np.diff(np.array(look.opacities)[:, 0]).min() >= 0


def test_values_that_are_rare_and_small_are_opaque():
    values = 10 - RNG.exponential(1.0, 20000)
    look = look_of(values)
    assert look.colors == FALLING
    assert opacity(look, np.median(values)) == 0 and opacity(look, look.low) == pytest.approx(0.9)
    assert np.diff(np.array(look.opacities)[:, 0]).min() >= 0


def test_values_on_both_sides_of_zero_are_centred_on_it_and_both_are_seen():
    look = look_of(RNG.normal(0.1, 1.0, 20000))
    assert look.colors == SIGNED and look.low == -look.high
    assert opacity(look, 0) == 0 and opacity(look, look.low) == opacity(look, look.high) == pytest.approx(0.9)


def test_a_little_noise_below_zero_is_no_sign():
    assert look_of(np.abs(RNG.normal(0, 1, 20000)) - 0.05).colors == RISING


@pytest.mark.parametrize(
    "values", [np.zeros(5), np.full(5, 7.0), np.array([np.nan, np.inf]), np.array([]), np.r_[np.zeros(9999), 1.0]]
)
def test_values_that_say_little_still_have_a_range(values):
    look = look_of(values)
    assert look.high > look.low and np.isfinite([look.low, look.high]).all()


def test_every_field_of_a_model_has_one_look_for_all_times_that_json_keeps():
    fields = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((0.0, 1.0),) * 3))
    looks = looks_of(random_model(fields=fields))
    assert list(looks) == ["density", "velocity"] and {look.colors for look in looks.values()} <= set(COLOR_MAPS)
    assert looks["velocity"].low >= 0, "a vector shows its length"
    for look in looks.values():
        assert Look.from_dict(json.loads(json.dumps(look.to_dict()))) == look
    assert [title_of(field) for field in fields] == ["density [kg/m^3]", "velocity"]


@pytest.mark.parametrize(
    ("bounds", "units", "said"),
    [((0.0, 6.0), "s", "time 4.137 s"), ((0.0, 4200.0), "", "time 4"), ((0.0, 2e-3), "h", "time 4.137000 h")],
)
def test_times_are_written_with_four_digits_of_the_whole(bounds, units, said):
    assert time_format(Parameter("time", "time", bounds, units)).format(time=4.137) == said


def test_the_camera_looks_at_the_middle_from_outside():
    position, focus = camera_at((0.0, 4.0, -1.0, 1.0, 2.0, 2.0))
    assert focus == [2.0, 0.0, 2.0] and np.linalg.norm(np.subtract(position, focus)) > 4
