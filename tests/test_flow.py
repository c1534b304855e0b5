"""The teacher that moves what the flow says, and the motions that it keeps."""

from __future__ import annotations

import numpy as np
from series import moving_blob, waves

from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.teachers import create


def accuracy(teacher, series, step_thetas, truth) -> float:
    limits = (float(truth.min()), float(truth.max()))
    return psnr(teacher.evaluate(np.atleast_1d(step_thetas)), truth, limits)


def test_flow_moves_what_interpolation_fades():
    series = waves(times=np.linspace(0, 4, 9))
    given, truth = series.select(range(0, 9, 2)), series.read(3, ["w"])
    flow, linear = (accuracy(create(name, given, "w"), given, 1.5, truth) for name in ("flow", "linear"))
    assert flow > linear + 10


def test_flow_of_a_plane_and_of_a_vector_field():
    series = waves(n=48, dims=(48, 48, 1), times=np.linspace(0, 4, 9))
    given, truth = series.select(range(0, 9, 2)), series.read(3, ["w"])
    assert accuracy(create("flow", given, "w"), given, 1.5, truth) > 35
    blob = moving_blob(dims=(24, 20, 18), n_steps=5)
    given, truth = blob.select([0, 2, 4]), blob.read(1, ["motion"])
    flow, linear = (accuracy(create(name, given, "motion"), given, 0.5, truth) for name in ("flow", "linear"))
    assert flow > linear


def test_constant_regions_and_masks_do_not_break_the_flow():
    series = moving_blob(dims=(20, 20, 20))
    clean = series.loader

    def load(step, name, z_range):
        values = clean(step, name, z_range).copy()
        values[..., 10:] = -1000
        return values

    series.loader = load
    values = create("flow", series, "density").evaluate(np.array([0.25]))
    assert np.isfinite(values).all() and values.min() > -1300
    series.loader = lambda step, name, z_range: np.full((20, 20, 20), 3.0)
    np.testing.assert_allclose(create("flow", series, "density").evaluate(np.array([0.25])), 3, atol=1e-5)
