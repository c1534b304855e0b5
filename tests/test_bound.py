"""A bound holds at every point of every training step, whatever the model, and fades between the steps without a jump."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from bound_models import bounded_model, series_of
from brick_models import bricked
from masked import masked_model, wall
from models import based_model, random_model
from moving_models import moving_model

from hyperinr_core import hinr
from hyperinr_core.backends import native
from hyperinr_core.bounding import Promise, bounded
from hyperinr_core.config import EncodingConfig
from hyperinr_core.volume import Field

FIELDS = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0), (-3.0, 0.0), (5.0, 5.5)), "m/s"))
MODELS = {
    "plain": lambda: random_model(),
    "based": lambda: based_model(),
    "vector": lambda: random_model(fields=FIELDS, interpolation="catmull_rom"),
    "one step": lambda: random_model(n_encoders=1),
    "plane": lambda: random_model((14, 12, 1)),
    "moving": lambda: moving_model(fields=FIELDS, anchored=(True, False)),
    "moving plane": lambda: moving_model(dims=(14, 12, 1)),
    "masked": lambda: masked_model(wall, 5, names=("a",), fields=FIELDS),
    "moving, masked": lambda: moving_model(masked_model(wall, 5)),
    "of few digits": lambda: random_model(fields=(Field("p", 1, ((101325.0, 101325.01),)), FIELDS[0])),
    "moving, of few digits": lambda: moving_model(fields=(Field("p", 1, ((101325.0, 101325.01),)),)),
    "large": lambda: random_model(fields=(Field("p", 1, ((1e30, 3e30),)),)),
}


def worst(model, series, errors=None, **how):
    """(F,) the largest error at the points of all training steps, as a share of what was promised."""
    shares, errors = [], errors or model.largest_errors
    for step, (time,) in enumerate(series.thetas):
        inr = model.generate(time, **how)
        for (name, found), most in zip(inr.split(inr.sample_grid()).items(), errors):
            shares.append(np.nanmax(abs(found - np.asarray(series.loader(step, name, None), np.float64))) / most)
    return np.max(np.reshape(shares, (len(series), -1)), axis=0)


@pytest.mark.parametrize("name", MODELS)
def test_no_point_of_a_training_step_is_off_by_more_than_was_promised(tmp_path, name):
    plain = MODELS[name]()
    model, series = bounded_model(plain, 0.003), series_of(plain)
    extents = [max(high - low for low, high in field.value_range) for field in model.fields]
    wholes = [np.ptp(field.whole_range) for field in model.fields]
    np.testing.assert_allclose(model.largest_errors, 0.003 * np.array(wholes))
    assert all(error < extent for error, extent in zip(model.largest_errors, extents))
    hinr.save(model, tmp_path / "m.hinr")
    loaded = hinr.load(tmp_path / "m.hinr")
    for backend in ("native", "reference"):
        found = worst(loaded, series, backend=backend)
        assert (found <= 1).all() and (found > 0.8).all(), "the bound is used up"
    assert (worst(plain, series, model.largest_errors) > 5).all(), "without what is stored it would not be kept"


@pytest.mark.parametrize("name", ["plain", "vector", "moving", "masked"])
def test_an_absolute_error_is_that_of_every_field(name):
    plain = MODELS[name]()
    series = series_of(plain)
    model = bounded(plain, Promise(series, 0.02))
    assert model.largest_errors == (0.02,) * len(model.fields) and (worst(model, series) <= 1).all()


def test_threads_instruction_sets_and_precision_do_not_touch_the_bound(monkeypatch):
    plain = moving_model()
    series, model = series_of(plain), bounded_model(plain, 1e-5)
    for isa in native.supported_isas():
        monkeypatch.setenv("HYPERINR_ISA", isa)
        for n in (1, 3):
            native.library().hinr_set_num_threads(n)
            assert (worst(dataclasses.replace(model), series) <= 1).all()
    native.set_threads_from_environment()


@pytest.mark.parametrize("name", ["plain", "plane", "masked", "moving"])
def test_points_regions_and_finer_grids_have_the_numbers_of_the_grid(name):
    model = bounded_model(MODELS[name]())
    inr = model.generate(0.5)
    grid = inr.sample_grid()
    axes = np.meshgrid(*model.grid.axes(None, model.grid.n_pos_dims), indexing="ij")
    points = np.stack([axis.T.ravel() for axis in axes], axis=-1)
    np.testing.assert_array_equal(inr.sample(points).reshape(grid.shape), grid)
    nx, ny, nz = model.grid.dims
    finer = inr.sample_grid(inr.grid.with_dims((2 * nx - 1, 2 * ny - 1, max(2 * nz - 1, 1))))
    np.testing.assert_array_equal(finer[::2, ::2, ::2], grid)
    np.testing.assert_array_equal(inr.sample_grid(region=(2, 5, 1, 8, 0, 0)), grid[:1, 1:9, 2:6])
    between = model.generate(0.55)
    one = between.sample_grid()
    np.testing.assert_allclose(between.sample(points).reshape(one.shape), one, atol=1e-5)


def test_beside_points_of_the_grid_what_is_lacking_is_linear():
    plain = random_model()
    model = bounded_model(plain, 1e-4)
    lacking = (model.generate(1.0).sample_grid() - plain.generate(1.0).sample_grid()).astype(np.float64)
    place = np.array([[3.25, 4.5, 2.75]])
    unit = place / (np.array(model.grid.dims) - 1)
    found = model.generate(1.0).sample(unit) - plain.generate(1.0).sample(unit)
    part = lacking[2:4, 4:6, 3:5, 0]
    expected = np.einsum("zyx,z,y,x->", part, [0.25, 0.75], [0.5, 0.5], [0.75, 0.25])
    np.testing.assert_allclose(found[0, 0], expected, atol=1e-4)


def test_between_steps_it_fades_to_nothing_and_nothing_jumps():
    plain = random_model()
    model, inner = bounded_model(plain, 1e-4), (slice(1, -1),) * 3
    lacking = model.generate(0.5).sample_grid() - plain.generate(0.5).sample_grid()
    for time, share in ((0.5, 1.0), (0.5625, 0.75), (0.4375, 0.75), (0.75, 0.0), (0.25, 0.0)):
        found = model.generate(time).sample_grid() - plain.generate(time).sample_grid()
        np.testing.assert_allclose(found[inner], share * lacking[inner], atol=2e-3)
    for time in (0.5, 0.75, 1.0):
        at, beside = (model.generate(t).sample_grid() for t in (time, time + 1e-6))
        assert abs(at - beside).max() < 1e-3


def test_encoders_alone_are_to_be_had_for_those_who_ask():
    plain = moving_model()
    model = bounded_model(plain)
    for time in (0.5, 0.7):
        found, expected = (m.generate(time, interpolation="linear").sample_grid() for m in (model, plain))
        np.testing.assert_array_equal(found, expected)


def test_a_motion_carries_the_stored_steps():
    plain = moving_model()
    model, series = bounded_model(plain, 1e-4), series_of(plain)
    lattice = dataclasses.replace(
        plain, motion=dataclasses.replace(plain.motion, trust=0 * plain.motion.trust, bend=(0.0,))
    )
    still = dataclasses.replace(lattice, bound=model.bound)
    middle = still.generate(0.75).sample_grid()
    expected = (series.read(1, ["density"]) + series.read(2, ["density"])) / 2
    np.testing.assert_allclose(middle, expected, atol=5e-4)


def test_bricks_keep_to_the_bounds_of_each(tmp_path):
    for kind in ("plain", "moving"):
        series = {}

        def with_bound(brick, kind=kind, series=series):
            brick = moving_model(brick) if kind == "moving" else brick
            found = bounded_model(brick, 0.02, relative=False)
            series[brick.grid] = series_of(brick, seed=0)
            return found

        encoding = EncodingConfig(n_levels=3, log2_hashmap_size=6)
        bricked(tmp_path / f"{kind}.hinr", (16, 8, 6), (2, 1, 1), 2, with_bound, encoding=encoding)
        model = hinr.load(tmp_path / f"{kind}.hinr")
        values = model.generate(0.5).sample_grid()
        for number in (0, 1):
            brick = model.brick(number)
            truth = series[brick.grid].read(1, ["density"])
            own = slice(0, 5) if number == 0 else slice(11, 16)
            start = model.cuts.extent(number)[0]
            inside = slice(own.start - start, own.stop - start)
            assert abs(values[:, :, own] - truth[:, :, inside]).max() <= 0.02


def test_what_is_stored_counts_in_the_size():
    plain = random_model()
    model = bounded_model(plain)
    assert model.n_bytes == plain.n_bytes + model.bound.n_bytes
    assert bounded_model(plain, 1e-4).bound.n_bytes > model.bound.n_bytes > 0
