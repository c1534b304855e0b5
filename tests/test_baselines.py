"""Interpolation of training volumes against polynomials it must reproduce, and what it keeps in memory."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.errors import ParameterError
from hyperinr_core.measure.baselines import Baseline
from hyperinr_core.volume import Grid, VolumeSeries

TIMES = np.array([0.0, 1.0, 1.5, 4.0, 4.25])  # far from uniform


class Volumes:
    """A loader of polynomials in time that counts what it is asked for."""

    def __init__(self, degree: int) -> None:
        self.coefficients = np.random.default_rng(degree).standard_normal((degree + 1, 2, 3, 4))
        self.asked: list[int] = []

    def at(self, time: float) -> np.ndarray:
        return sum(c * time**power for power, c in enumerate(self.coefficients))

    def __call__(self, step: int, name: str, z_range: object) -> np.ndarray:
        self.asked.append(step)
        return self.at(TIMES[step])


def series(volumes: Volumes) -> VolumeSeries:
    return VolumeSeries(Grid((4, 3, 2)), TIMES, {"density": 1}, volumes, "a polynomial")


@pytest.mark.parametrize("kind", ["linear", "catmull_rom"])
def test_a_straight_line_is_reproduced_at_uneven_times(kind):
    volumes = Volumes(1)
    baseline = Baseline(series(volumes), ("density",))
    for time in (0.0, 0.3, 1.2, 3.9, 4.1, 4.25):
        np.testing.assert_allclose(baseline(time, kind)[..., 0], volumes.at(time), atol=1e-5)


def test_linear_is_the_share_of_the_gap():
    volumes = Volumes(3)
    expected = 0.8 * volumes.at(1.5) + 0.2 * volumes.at(4.0)
    np.testing.assert_allclose(Baseline(series(volumes), ("density",))(2.0, "linear")[..., 0], expected, atol=1e-4)


def test_catmull_rom_is_the_hermite_cubic_of_the_neighbours():
    volumes, time = Volumes(3), 2.0
    left, right, before, after = volumes.at(1.5), volumes.at(4.0), volumes.at(1.0), volumes.at(4.25)
    slopes = (right - before) / 3.0, (after - left) / 2.75
    s, gap = 0.2, 2.5
    expected = (
        (2 * s**3 - 3 * s**2 + 1) * left
        + (s**3 - 2 * s**2 + s) * gap * slopes[0]
        + (-2 * s**3 + 3 * s**2) * right
        + (s**3 - s**2) * gap * slopes[1]
    )
    values = Baseline(series(volumes), ("density",))(time, "catmull_rom")[..., 0]
    np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "catmull_rom"])
def test_a_training_time_gives_that_volume_exactly(kind):
    volumes = Volumes(2)
    values = Baseline(series(volumes), ("density",))(1.5, kind)
    np.testing.assert_array_equal(values[..., 0], volumes.at(1.5).astype(np.float32))


def test_each_volume_is_read_once_on_the_way_through():
    volumes = Volumes(2)
    baseline = Baseline(series(volumes), ("density",))
    for time in np.linspace(0, 4.25, 60):
        for kind in ("linear", "catmull_rom"):
            baseline(time, kind)
    assert sorted(volumes.asked) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("time", [-0.1, 4.3])
def test_it_does_not_extrapolate(time):
    with pytest.raises(ParameterError, match=r"time is .*; expected 0 to 4.25"):
        Baseline(series(Volumes(1)), ("density",))(time, "linear")


def test_two_parameters_are_refused():
    two = VolumeSeries(
        Grid((4, 3, 2)), np.zeros((1, 2)), {"density": 1}, Volumes(1), "lights", ("a", "b"), ("free",) * 2
    )
    with pytest.raises(ParameterError, match="lights has the parameters a, b; expected one"):
        Baseline(two, ("density",))
