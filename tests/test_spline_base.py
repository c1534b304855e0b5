"""The base of a model: splines are what the textbook says, and smooth fields get one that lifts the model above interpolation."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models import based_model, random_base, random_model
from scipy.interpolate import BSpline
from series import moving_blob
from small import SMALL

from hyperinr_core import hinr
from hyperinr_core.measure.baselines import Baseline
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.spline_base import basis
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.smooth import fit_base, residual_series
from hyperinr_core.training.volumes.survey import survey
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Field, Grid, VolumeSeries

MEMORY = 1 << 30


def breathing(dims=(14, 12, 10), n_steps=9) -> VolumeSeries:
    """A smooth field "p" that swells and sinks where it is, a noisy moving blob "density", and both together as "both"."""
    blob, grid = moving_blob(dims, n_steps, noise=0.3), Grid(dims)
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    shapes = np.sin(2 * x + y).T, np.cos(x - 2 * z + y).T

    def load(step, name, z_range):
        if name == "density":
            return blob.loader(step, name, z_range)
        t = blob.thetas[step, 0]
        smooth = (np.sin(0.6 * t) * shapes[0] + np.cos(0.5 * t) * shapes[1])[slice(*(z_range or (None,)))]
        return smooth if name == "p" else np.stack([smooth, 2 * smooth], axis=-1)

    return VolumeSeries(grid, blob.thetas, {"p": 1, "density": 1, "both": 2}, load, "a breathing field")


def test_the_basis_is_the_uniform_cubic_b_spline():
    count, x = 9, np.linspace(0, 1, 50)
    knots = (np.arange(count + 4) - 3) / (count - 3)
    expected = BSpline.design_matrix(np.minimum(x, 1 - 1e-12), knots, 3).toarray()
    np.testing.assert_allclose(basis(x, count), expected, atol=1e-6)


@pytest.mark.parametrize("dims", [(12, 10, 8), (12, 10, 1)])
def test_points_and_grid_agree(dims):
    model = based_model(dims)
    inr = model.generate(0.3, "reference")
    grid = inr.sample_grid()
    axes = np.meshgrid(*model.grid.axes(None, model.grid.n_pos_dims), indexing="ij")
    points = np.stack([a.T.ravel() for a in axes], axis=1)
    np.testing.assert_allclose(inr.sample(points), grid.reshape(-1, 1), atol=1e-5)
    part = inr.sample_grid(region=(2, 5, 1, 4, 0, dims[2] - 1))
    np.testing.assert_allclose(part, grid[:, 1:5, 2:6], atol=1e-6)


def test_the_base_is_added_to_its_own_components_alone():
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("b", 2, ((-1.0, 1.0), (0.0, 2.0))))
    model = random_model(fields=fields)
    bare = model.generate(0.9, "reference").sample_grid()
    model = dataclasses.replace(model, base=random_base(model, components=(1,)))
    low, high = model.base.residual[0]
    inr = model.generate(0.9, "reference")
    smooth = model.base.at(0.9).on_grid(model.grid.axes())[..., 0]
    found = inr.sample_grid()
    np.testing.assert_array_equal(found[..., [0, 2]], bare[..., [0, 2]])
    network = (bare[..., 1] + 1) / 2  # what the network gives before its range -1 to 1
    np.testing.assert_allclose(found[..., 1], network * (high - low) + low + smooth, atol=1e-5)


def test_a_file_keeps_the_base(tmp_path):
    model = based_model()
    hinr.save(model, tmp_path / "m.hinr")
    loaded = hinr.load(tmp_path / "m.hinr")
    np.testing.assert_array_equal(loaded.generate(1.1).sample_grid(), model.generate(1.1).sample_grid())
    assert loaded.base.components == model.base.components


def test_smooth_fields_get_a_base_and_others_do_not():
    series = breathing()
    base = fit_base(survey(series, ["density", "p", "both"], MEMORY), "auto", {})
    assert base.components == (1, 2, 3)
    assert fit_base(survey(series, ["density"], MEMORY), "auto", {}) is None
    assert fit_base(survey(series, ["density"], MEMORY), "always", {}).components == (0,)
    assert fit_base(survey(series, ["p"], MEMORY), "never", {}) is None
    assert fit_base(survey(series.select([0, 1]), ["p"], MEMORY), "always", {}) is None


def test_a_base_that_leaves_tables_no_bytes_is_left_out():
    found = survey(breathing(), ["p"], MEMORY)
    n_bytes = fit_base(found, "auto", {}).coefficients.nbytes
    assert fit_base(found, "auto", {}, n_bytes) is not None
    assert fit_base(found, "auto", {}, n_bytes - 1) is None
    assert fit_base(found, "always", {}, n_bytes - 1) is not None


@pytest.mark.parametrize("more, has_base", [(0, True), (-2, False)])
def test_max_bytes_decide_whether_there_is_a_base(tmp_path, more, has_base):
    series = breathing((56, 48, 40))
    most = 2 * fit_base(survey(series, ["p"], MEMORY), "auto", {}).coefficients.nbytes + more
    config = SMALL.replace(budget={"max_bytes": most}, motion={"carry": "never"}, distillation={"teacher": "none"})
    model = train(Volumes(series, ["p"]), tmp_path / "m.hinr", config)
    assert (model.base is not None) == has_base
    assert (tmp_path / "m.hinr").stat().st_size <= most


def test_base_and_residual_make_the_field():
    series = breathing()
    names = ["density", "both"]
    base = fit_base(survey(series, names, MEMORY), "auto", {})
    rest = residual_series(series, names, base)
    for step, planes in ((0, None), (4, (2, 7))):
        truth = series.read(step, names, planes)
        smooth = base.at(float(series.thetas[step, 0])).on_grid(series.grid.axes())[slice(*(planes or (None,)))]
        found = rest.read(step, names, planes)
        np.testing.assert_array_equal(found[..., 0], truth[..., 0])
        np.testing.assert_allclose(found[..., 1:] + smooth, truth[..., 1:], atol=1e-5)
        assert np.abs(found[..., 1:]).max() < 0.01 * np.ptp(truth[..., 1:])


def test_a_smooth_field_is_learned_better_than_linear_interpolation_does_it(tmp_path):
    whole = breathing(n_steps=17)
    series = whole.select(range(0, 17, 2))
    limits = tuple(whole.read(0, ["p"]).min() + np.array([0, 2.5]))
    linear = Baseline(series, ("p",))

    def held_out(model):
        pairs = [(model.generate(whole.thetas[i]).sample_grid(), whole.read(i, ["p"])) for i in range(1, 17, 2)]
        return np.mean([psnr(found, truth, limits) for found, truth in pairs])

    config = SMALL.replace(distillation={"teacher": "auto"}, training={"samples": 200_000})
    model = train(Volumes(series, ["p"]), tmp_path / "m.hinr", config)
    bare = train(Volumes(series, ["p"]), tmp_path / "bare.hinr", config.replace(training={"base": "never"}))
    blended = np.mean(
        [psnr(linear(whole.thetas[i, 0], "linear"), whole.read(i, ["p"]), limits) for i in range(1, 17, 2)]
    )
    assert held_out(hinr.load(tmp_path / "m.hinr")) > blended > held_out(bare)
    assert model.fields[0].value_range[0][1] > 1  # the field's own range, not the residual's


def test_coefficients_stay_near_the_values_however_rough_these_are():
    n = 48
    values = np.random.default_rng(0).random((3, n, n, n)).astype(np.float32)
    series = VolumeSeries(
        Grid((n, n, n)),
        np.arange(3.0),
        {"noise": 1},
        lambda step, name, z: values[step][slice(*(z or (None,)))],
        "noise",
    )
    base = fit_base(survey(series, ["noise"], MEMORY), "always", {})
    assert abs(base.limits).max() < 100
