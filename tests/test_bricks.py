"""Bricks as one model: values, masks, motion, and which files are opened."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brick_models import bricked
from masked import masked_model
from moving_models import moving_model

from hyperinr_core import hinr
from hyperinr_core.bricks import Bricks
from hyperinr_core.errors import FormatError, ParameterError
from hyperinr_core.joining import brick_path, join
from hyperinr_core.stored_tables import StoredTables
from hyperinr_core.volume import Field


@pytest.fixture
def path(tmp_path):
    bricked(tmp_path / "m.hinr")
    return tmp_path / "m.hinr"


def opened(model):
    """Numbers of the bricks that were read."""
    return sorted(model._opened)


def blended(model, theta, column=0, of=lambda inr: inr.sample_grid()[..., 0]):
    """By hand: the bricks' whole volumes, weighted."""
    total = np.zeros(model.grid.shape)
    for number in range(len(model.cuts)):
        x0, x1, y0, y1, z0, z1 = model.cuts.extent(number)
        places = [np.arange(x0, x1 + 1.0), np.arange(y0, y1 + 1.0), np.arange(z0, z1 + 1.0)]
        wx, wy, wz = model.cuts.weights(number, places)
        own = of(model.brick(number).generate(theta, "reference"))
        total[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1] += wz[:, None, None] * wy[:, None] * wx * own
    return total


def test_values_are_the_bricks_and_blend_where_they_overlap(path):
    model = hinr.load(path)
    assert isinstance(model, Bricks) and model.parts == (4, "bricks") and not model.is_masked
    inr = model.generate(0.7, "reference")
    values = inr.sample_grid()[..., 0]
    np.testing.assert_allclose(values, blended(model, 0.7), atol=1e-5)
    own = model.brick(0).generate(0.7, "reference").sample_grid(region=(0, 8, 0, 6, 0, 17))[..., 0]
    np.testing.assert_allclose(values[:, :7, :9], own, atol=1e-6)  # where no other is
    region = inr.sample_grid(region=(7, 15, 3, 12, 2, 5))[..., 0]
    np.testing.assert_allclose(region, values[2:6, 3:13, 7:16], atol=1e-6)
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, n) for n in (24, 20, 18)], indexing="ij"), -1).reshape(-1, 3)
    np.testing.assert_allclose(inr.sample(points).reshape(24, 20, 18).T, values, atol=1e-4)


def test_between_points_of_the_grid_too(path):
    model = hinr.load(path)
    inr = model.generate(0.3)
    fine = inr.sample_grid(model.grid.with_dims((47, 39, 35)))
    np.testing.assert_allclose(fine[::2, ::2, ::2], inr.sample_grid(), atol=1e-4)
    x, y, z = model.grid.with_dims((47, 39, 35)).axes()
    points = np.array([[x[23], y[5], z[7]], [x[25], y[19], z[1]]])
    np.testing.assert_allclose(inr.sample(points), [fine[7, 5, 23], fine[1, 19, 25]], atol=1e-5)


def test_only_bricks_that_a_region_touches_are_opened(path):
    model = hinr.load(path)
    inr = model.generate(0.7)
    assert opened(model) == []
    inr.sample_grid(region=(0, 5, 0, 5, 0, 17))
    assert opened(model) == [0]
    inr.sample(np.array([[1.0, 1.0, 0.5]]))
    assert opened(model) == [0, 3]


def test_bricks_that_are_not_shown_are_let_go_where_they_take_much_memory(path, monkeypatch):
    monkeypatch.setattr("hyperinr_core.bricks.KEPT_BYTES", 1)
    model = hinr.load(path)
    model.generate(0.7).sample_grid()
    model.generate(0.7).sample_grid(region=(0, 5, 0, 5, 0, 17))
    assert opened(model) == [0]


def test_a_theta_outside_and_a_wrong_interpolation_are_refused(path):
    model = hinr.load(path)
    with pytest.raises(ParameterError, match="the range of the training data"):
        model.generate(2.5)
    with pytest.raises(ParameterError, match="interpolation"):
        model.generate(0.5, interpolation="cubic").sample_grid()


def test_a_plane_is_cut_too(tmp_path):
    model = bricked(tmp_path / "p.hinr", (24, 20, 1))
    values = model.generate(0.4, "reference").sample_grid()
    assert values.shape == (1, 20, 24, 1)
    np.testing.assert_allclose(values[..., 0], blended(model, 0.4), atol=1e-5)
    assert model.generate(0.4).sample(np.array([[0.5, 0.5]])).shape == (1, 1)


def test_values_that_float32_does_not_tell_apart(tmp_path):
    fields = (Field("p", 1, ((101325.0, 101325.01),)), Field("u", 2, ((0.0, 1.0), (-1.0, 1.0))))
    model = bricked(tmp_path / "m.hinr", fields=fields)
    inr = model.generate(0.7, "reference")
    values = inr.sample_grid()
    assert values.dtype == np.float64
    expected = blended(model, 0.7, of=lambda inr: inr.sample_grid()[..., 0] - 101325)
    np.testing.assert_allclose(values[..., 0] - 101325, expected, atol=1e-6)


def test_masks_are_the_bricks(tmp_path):
    def with_mask(model):
        return dataclasses.replace(model, mask=masked_model(dims=model.grid.dims, fields=model.fields).mask)

    model = bricked(tmp_path / "m.hinr", change=with_mask)
    assert model.is_masked
    inr = model.generate(0.7)
    valid = inr.valid()["density"]
    own = model.brick(0).generate(0.7).valid()["density"]
    np.testing.assert_array_equal(valid[:, :7, :9], own[:, :7, :9])
    values = inr.sample_grid()[..., 0]
    np.testing.assert_array_equal(np.isnan(values), ~valid)
    points = np.stack(np.meshgrid(*[np.linspace(0, 1, n) for n in (24, 20, 18)], indexing="ij"), -1).reshape(-1, 3)
    np.testing.assert_array_equal(np.isnan(inr.sample(points)).reshape(24, 20, 18).T, ~valid)
    header = hinr.read_header(tmp_path / "m.hinr")
    assert 0.05 < header["mask"]["shares"][0] < 0.5


def test_motion_is_the_bricks(tmp_path):
    model = bricked(tmp_path / "m.hinr", change=lambda model: moving_model(model))
    assert model.anchored == (True,) and model.motion_bytes > 0
    inr = model.generate(0.7)
    own = model.brick(0).generate(0.7)
    moving, alone = inr.motion("density"), own.motion("density")
    np.testing.assert_allclose(moving.velocity[:, :7, :9], alone.velocity[:, :7, :9], rtol=1e-5, atol=1e-6)
    of = {
        "trust": lambda inr: inr.motion("density").trust,
        "uncertainty": lambda inr: inr.motion("density").uncertainty,
    }
    for name, get in of.items():
        np.testing.assert_allclose(getattr(moving, name), blended(model, 0.7, of=get), atol=1e-5)


# Bricks that are missing, damaged, or of something else.


def test_a_damaged_brick_is_named_and_the_others_are_usable(path):
    brick_path(path, 1).write_bytes(b"nothing")
    model = hinr.load(path)
    inr = model.generate(0.7)
    assert np.isfinite(inr.sample_grid(region=(0, 5, 0, 5, 0, 17))).all()
    with pytest.raises(FormatError, match=r"0002\.hinr is not a whole \.hinr file"):
        inr.sample_grid()
    brick_path(path, 1).unlink()
    with pytest.raises(FormatError, match=r"0002\.hinr is not there"):
        hinr.load(path).generate(0.7).sample_grid()


def test_what_has_no_brick_is_masked_and_its_neighbours_take_the_overlap(path):
    before = hinr.load(path).generate(0.7).sample_grid()[..., 0]
    brick_path(path, 1).unlink()
    join(path, partial=True)
    model = hinr.load(path)
    assert model.is_masked and model.parts == (3, "bricks")
    inr = model.generate(0.7)
    values, own = inr.sample_grid()[..., 0], model.brick(0).generate(0.7).sample_grid()[..., 0]
    np.testing.assert_array_equal(values[:, :7, :9], before[:, :7, :9])
    np.testing.assert_allclose(values[:, :7, 9:14], own[:, :7, 9:14], atol=1e-5)  # all but the brick's last points
    assert np.isnan(values[:, :7, 14:]).all() and np.isfinite(values[:, 13:]).all()
    assert np.isnan(inr.sample(np.array([[1.0, 0.0, 0.5]]))).all()


def test_a_brick_of_something_else_is_refused(path):
    brick_path(path, 1).write_bytes(brick_path(path, 0).read_bytes())
    with pytest.raises(FormatError, match=r"0002\.hinr holds another model than brick 2 of"):
        hinr.load(path).generate(0.7).sample_grid()


def test_an_index_is_no_brick_and_no_single_model(path):
    brick_path(path, 1).write_bytes(path.read_bytes())
    with pytest.raises(FormatError, match=r"0002\.hinr is an index of 4 bricks; expected a model of one file"):
        hinr.load(path).generate(0.7).sample_grid()
    with pytest.raises(FormatError, match="is an index"):
        hinr.load_one(path)


def test_of_bricks_that_are_coarse_no_fine_level_is_read(tmp_path, monkeypatch):
    fine = slice(TWO_LEVELS, None)

    def without(model):
        tables = model.encoder_params.copy()
        tables[:, fine] = 0
        return dataclasses.replace(model, encoder_params=tables)

    bricked(tmp_path / "m.hinr", change=moving_model)
    expected = bricked(tmp_path / "z.hinr", change=lambda model: without(moving_model(model)))
    monkeypatch.setattr(hinr, "WORTH_IT", 0)
    monkeypatch.setattr("hyperinr_core.bricks.KEPT_BYTES", 1)
    model, read, original = hinr.load(tmp_path / "m.hinr"), set(), StoredTables._read
    with monkeypatch.context() as patch:
        patch.setattr(StoredTables, "_read", lambda self, *of: (read.add(of), original(self, *of)))
        few = model.coarse(8)  # 13 of the 24 points of the longest axis are a brick's
        found = few.generate(0.7, "reference", "linear").sample_grid()
    assert read == {(encoder, level) for encoder in (1, 2) for level in (0, 1)} and opened(model) == [0, 1, 2, 3]
    np.testing.assert_allclose(found, expected.generate(0.7, "reference", "linear").sample_grid(), atol=1e-5)
    few.generate(0.7, interpolation="linear").sample_grid(region=(0, 5, 0, 5, 0, 17))
    assert opened(model) == [0], "what is not shown is let go"


#: Numbers of a table of two levels of 4^3 and 8^3 vertices.
TWO_LEVELS = 4 * (4**3 + 8**3)
