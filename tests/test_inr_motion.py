"""What a model says of its motion: velocity in space, trust and uncertainty."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from carried import carried_model
from masked import masked_model
from models import random_model
from series import moving_blob

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.motion.build import build
from hyperinr_core.training.motion.evidence import examine
from hyperinr_core.training.motion.pairs import Pairs
from hyperinr_core.volume import Field, Grid

TURN = (0.0, -0.6, 0.8, 1.0, 0.0, 0.0, 0.0, 0.8, 0.6)  # along z, y, and both
TIMES = (0.0, 0.2, 0.5, 0.99, 1.0, 1.01, 1.7, 2.0)  # steps, and beside them


def turned(model):
    return dataclasses.replace(model, grid=Grid(model.grid.dims, (3.0, 0.0, 1.0), (0.5, 0.25, 2.0), TURN))


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("time", TIMES)
def test_velocity_is_in_lengths_of_space_by_time(time, anchored):
    model = turned(carried_model(anchored=anchored))
    moving = model.generate(time).motion("density")
    # points by time are 1, 2, 0.5 along axes with spacings 0.5, 0.25, 2, which lie along y, -x and z, x and z
    expected = np.array([0.5 * -0.6 + 1.0 * 0.8, 0.5, 0.5 * 0.8 + 1.0 * 0.6])
    assert moving.velocity.shape == (8, 10, 12, 3) and moving.velocity.dtype == np.float32
    np.testing.assert_allclose(moving.velocity, np.broadcast_to(expected, (8, 10, 12, 3)), atol=2e-3)
    np.testing.assert_allclose(moving.trust, 0.8, atol=1e-6)
    np.testing.assert_allclose(moving.uncertainty, 0.1, atol=1e-6)


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("time", TIMES[2:-1])
def test_velocity_is_that_of_its_time_and_goes_on_over_steps(time, anchored):
    model = carried_model(lambda t: np.array([t * t, 0.0, -2.0 * t * t]), anchored, n_encoders=9)
    velocity = model.generate(time).motion("density").velocity
    expected = 2 * time * np.array([0.5, 0.0, -2.0])  # by the spacing 0.5, 0.25, 1
    np.testing.assert_allclose(velocity, np.broadcast_to(expected, velocity.shape), atol=0.01)


def test_another_grid_and_a_part_of_it():
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("b", 2, ((-1.0, 1.0),) * 2))
    inr = carried_model(fields=fields).generate(0.7)
    grid, region = inr.grid.with_dims((9, 17, 5)), (2, 8, 3, 9, 1, 3)
    whole, part = inr.motion("b", grid), inr.motion("b", grid, region)
    for one, other in zip(whole, part):
        np.testing.assert_array_equal(one[1:4, 3:10, 2:9], other)
    np.testing.assert_allclose(whole.velocity[..., 0], 0.5, atol=1e-3)
    np.testing.assert_allclose(whole.uncertainty, 0.2, atol=1e-6)  # of the second field


def test_planes_move_in_their_plane():
    model = turned(carried_model(dims=(12, 10, 1)))
    velocity = model.generate(0.3).motion("density").velocity
    assert velocity.shape == (1, 10, 12, 3)
    np.testing.assert_allclose(velocity, np.broadcast_to([-0.3, 0.5, 0.4], velocity.shape), atol=2e-3)


def test_masked_points_are_nan():
    inr = carried_model(model=masked_model()).generate(0.5)
    valid = inr.valid()["density"]
    for array in inr.motion("density"):
        np.testing.assert_array_equal(np.isnan(array.reshape(*valid.shape, -1)).all(axis=-1), ~valid)
    assert 0 < valid.mean() < 1


def test_what_knows_no_motion_says_so():
    for inr in (random_model().generate(0.5), carried_model().generate(0.5, interpolation="linear")):
        with pytest.raises(ParameterError, match="blended encoders, which know no motion"):
            inr.motion("density")
    with pytest.raises(ParameterError, match="no field 'speed'; expected one of density"):
        carried_model().generate(0.5).motion("speed")


def test_what_was_found_of_a_blob_is_how_it_moves():
    series = moving_blob((32, 24, 24), 4)
    pairs = Pairs(series, "density", (False,) * 3, None)
    motion = build({"density": (pairs, examine(pairs, (0.0, 10.0)))})
    model = dataclasses.replace(random_model((32, 24, 24), n_encoders=4), motion=motion, grid=series.grid)
    moving = model.generate(1.1).motion("density")
    inside = series.read(2, ["density"])[..., 0] > 6
    # 0.2 of the 31 cells of length 1 by time, along x
    np.testing.assert_allclose(np.median(moving.velocity[inside], axis=0), [6.2, 0, 0], atol=0.5)
    assert moving.trust[inside].min() > 0 and 0 < moving.uncertainty.max() < 5
