"""Which teacher is taken, and what leaving steps out may promise."""

from __future__ import annotations

import numpy as np
import pytest
from series import moving_blob, waves

from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.choice import PerGap, _per_gap, _per_gap_promise, choose, leave_one_out
from hyperinr_core.volume import Grid, VolumeSeries


def test_noise_promises_nothing():
    scores = dict(zip("abcd", 30 + np.random.default_rng(0).standard_normal((4, 400))))
    best = max(values.mean() for values in scores.values())
    assert abs(_per_gap_promise(scores) - best) < 0.2
    assert np.max(list(scores.values()), axis=0).mean() > best + 0.9, "what choosing on the step itself would promise"


def test_a_candidate_that_is_better_in_one_half_promises_what_it_holds():
    halves = np.repeat([40.0, 30.0], 10)
    scores = {"early": halves, "late": halves[::-1]}
    assert 39 < _per_gap_promise(scores) <= 40
    assert _per_gap(scores) == ("early",) * 11 + ("late",) * 10


def test_auto_takes_the_flow_for_motion_and_a_curve_for_smooth_change():
    moving = choose(waves(times=np.linspace(0, 4, 7)), "w")
    assert moving.teacher == "flow" and moving.psnr["flow"] > moving.psnr["linear"]
    times = np.linspace(0, 3, 9)
    pattern = np.random.default_rng(1).random((10, 10, 10)).astype(np.float32)
    swing = VolumeSeries(Grid((10, 10, 10)), times, {"c": 1}, lambda s, n, z: pattern * np.sin(2 * times[s]), "swing")
    still = choose(swing, "c")
    assert still.teacher in ("catmull_rom", "spline") and still.interpolation == "catmull_rom"


def test_auto_takes_another_teacher_where_motion_is_too_large():
    noise = np.random.default_rng(3).random((7, 12, 12, 12)).astype(np.float32)
    series = VolumeSeries(Grid((12, 12, 12)), np.arange(7.0), {"c": 1}, lambda s, n, z: noise[s], "noise")
    assert choose(series, "c").teacher != "flow"


def test_two_steps_take_the_plain_teacher_and_say_so():
    choice = choose(moving_blob(n_steps=2), "density")
    assert choice.teacher == "linear" and "two steps" in choice.reason and choice.psnr == {}
    assert choose(moving_blob(n_steps=1), "density").teacher == "none"
    np.testing.assert_allclose(
        create("flow", moving_blob(n_steps=2), "density").evaluate(np.array([0.0])), moving_blob(n_steps=2).read(0, ["density"])
    )  # fmt: skip


def test_leaving_out_equals_a_series_that_never_had_the_step():
    series = waves(times=np.linspace(0, 2, 5), speed=3.3)
    steps, scores = leave_one_out({name: create(name, series, "w") for name in ("linear", "flow")})
    assert steps == [1, 2, 3]
    fresh = create("flow", series.select([0, 1, 3, 4]), "w").evaluate(series.thetas[2])
    every = np.stack([series.read(step, ["w"]) for step in range(5)])
    expected = psnr(fresh, every[2], (float(every.min()), float(every.max())))
    assert scores["flow"][1] == pytest.approx(expected, abs=0.01)


def test_each_gap_may_have_its_own_teacher():
    series = moving_blob()
    teacher = PerGap(series, "density", ["linear", "spline", "linear", "catmull_rom"])
    for t, name in ((0.2, "linear"), (0.7, "spline"), (1.2, "linear"), (1.7, "catmull_rom"), (2.0, "linear")):
        expected = create(name, series, "density").evaluate(np.array([t]))
        np.testing.assert_array_equal(teacher.evaluate(np.array([t])), expected)
