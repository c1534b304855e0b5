"""Teachers that compute: each knows the training steps exactly, and what lies between them as its kind can."""

from __future__ import annotations

import numpy as np
import pytest
from series import moving_blob

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.teachers import CHEAP, create
from hyperinr_core.volume import Grid, VolumeSeries


@pytest.mark.parametrize("name", CHEAP)
def test_training_steps_are_reproduced(name):
    series = moving_blob()
    teacher = create(name, series, "motion")
    for step, theta in enumerate(series.thetas):
        np.testing.assert_allclose(teacher.evaluate(theta), series.read(step, ["motion"]), atol=1e-4)


@pytest.mark.parametrize("name", ["linear", "catmull_rom", "spline"])
def test_a_field_that_changes_linearly_in_uneven_time_is_exact(name):
    times = np.array([0, 0.1, 1, 1.2, 3, 4])
    pattern = np.random.default_rng(1).random((10, 12, 14)).astype(np.float32)
    series = VolumeSeries(Grid((14, 12, 10)), times, {"c": 1}, lambda s, n, z: pattern + np.float32(times[s]), "ramp")
    teacher = create(name, series, "c")
    for t in (0.05, 0.7, 1.15, 2.5, 3.3):
        found = teacher.evaluate(np.array([t]))[..., 0] - pattern
        np.testing.assert_allclose(found, t, atol=2e-3)


def test_the_spline_is_scipys():
    from scipy.interpolate import CubicSpline

    times = np.linspace(0, 2, 12)
    series = moving_blob(dims=(6, 6, 6), thetas=times)
    volumes = np.stack([series.read(step, ["density"]) for step in range(12)])
    expected = CubicSpline(times, volumes, bc_type="natural")(0.77)
    np.testing.assert_allclose(create("spline", series, "density").evaluate(np.array([0.77])), expected, atol=5e-3)


def test_unknown_teacher_and_too_many_parameters_are_said():
    with pytest.raises(ParameterError, match="expected one of linear"):
        create("oracle", moving_blob(), "density")
    thetas = np.random.default_rng(0).random((5, 2))
    lights = VolumeSeries(
        Grid((6, 6, 6)), thetas, {"c": 1}, lambda s, n, z: np.ones((6, 6, 6)), "lights", ("a", "b"), ("free", "free")
    )
    with pytest.raises(ParameterError, match="has the parameters a, b"):
        create("flow", lights, "c")
    assert np.allclose(create("linear", lights, "c").evaluate(np.array([0.5, 0.5])), 1)
