"""Shear-warp: where things are seen, how much comes through, and what hides what."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hyperinr_core.pictures.compositing import Ramp, picture, seen_along_y, step_length
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.volume import Grid

GRID = Grid((20, 16, 12), (3.0, -1.0, 2.0), (0.5, 0.75, 1.0))
BLACK = (0.0, 0.0, 0.0)
VIEWS = [(0, 0), (90, 0), (37, 21), (200, -50), (305, 80), (10, 90), (123, -90), (45, 45)]


def at(u, v, size):
    """Column and row of a place in half diagonals."""
    return u * size / 2 + (size - 1) / 2, v * size / 2 + (size - 1) / 2


@pytest.mark.parametrize("view", VIEWS)
def test_a_bright_voxel_is_seen_where_the_camera_puts_it(view):
    size = 101
    rgba = np.zeros((*GRID.shape, 4), np.float32)
    index = np.array([15, 3, 9])
    rgba[tuple(index[::-1])] = 1
    shown = picture(rgba, GRID, np.array(view, float), (size, size), BLACK).astype(float)[..., 0]
    row, column = (np.average(np.arange(size), weights=shown.sum(axis=axis)) for axis in (1, 0))
    extent = np.multiply(GRID.spacing, np.subtract(GRID.dims, 1))
    place = (index * GRID.spacing - extent / 2) / (math.dist((0, 0, 0), extent) / 2)
    right, up, _ = camera_frames(np.array(view, float))
    expected = at(right @ place, up @ place, size)
    assert (column, row) == pytest.approx(expected, abs=0.6)


def test_a_turned_grid_is_turned_in_the_picture():
    turned = Grid(GRID.dims, GRID.origin, GRID.spacing, (0, -1, 0, 1, 0, 0, 0, 0, 1))  # its x points along y
    rgba = np.random.default_rng(0).random((*GRID.shape, 4)).astype(np.float32) * 0.1
    pictures = [
        picture(rgba, grid, np.array(view, float), (60, 60), BLACK)
        for grid, view in ((GRID, (30, 20)), (turned, (120, 20)))
    ]
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize("view", VIEWS)
def test_light_fades_with_the_way_through(view):
    grid = Grid((40, 40, 40))
    view = np.array(view, float)
    ramp = Ramp(((0, 1, 1, 1), (1, 1, 1, 1)), ((0, 0), (1, 0.05)), 0.0, 1.0)
    rgba = ramp.rgba(np.ones(grid.shape, np.float32), step_length(grid, view))
    middle = picture(rgba, grid, view, (41, 41), BLACK)[20, 20, 0] / 255
    through = 40 * step_length(grid, view)  # the ray through the centre leaves by the faces across its major axis
    assert middle == pytest.approx(1 - 0.95**through, abs=0.02)


def test_what_is_in_front_hides_what_is_behind():
    rgba = np.zeros((8, 8, 8, 4), np.float32)
    rgba[..., 0, :] = (1, 0, 0, 1)  # low x is red
    rgba[..., 7, :] = (0, 1, 0, 1)
    for azimuth, channel in ((0.0, 1), (180.0, 0)):
        assert picture(rgba, Grid((8, 8, 8)), np.array([azimuth, 0.0]), (33, 33), BLACK)[16, 16].argmax() == channel


def test_the_background_is_where_nothing_is():
    shown = picture(
        np.zeros((4, 4, 4, 4), np.float32), Grid((4, 4, 4)), np.array([30.0, 20.0]), (9, 9), (0.2, 0.4, 1.0)
    )
    assert (shown == [51, 102, 255]).all()


def test_opacity_goes_through_its_points():
    ramp = Ramp(((0, 1, 1, 1), (1, 1, 1, 1)), ((0, 1.0), (0.5, 0.0), (0.75, 0.4), (1, 0.4)), -1.0, 1.0)
    alpha = ramp.rgba(np.array([-1.0, -0.5, 0.0, 0.25, 0.9]), 1.0)[:, 3]
    np.testing.assert_allclose(alpha, [0.9999, 0.5, 0.0, 0.2, 0.4], atol=3e-3)


def test_zoom_enlarges_about_the_middle():
    rgba = np.random.default_rng(0).random((*GRID.shape, 4)).astype(np.float32)
    view = np.array([37.0, 21.0])
    wide, near = (picture(rgba, GRID, view, (90, 90), BLACK, zoom) for zoom in (1.0, 3.0))
    np.testing.assert_array_equal(near[1::3, 1::3], wide[30:60, 30:60])


def test_a_wide_picture_shows_more_at_the_sides():
    rgba = np.random.default_rng(0).random((*GRID.shape, 4)).astype(np.float32)
    view = np.array([37.0, 21.0])
    square, wide = (picture(rgba, GRID, view, (width, 60), BLACK, 2.0) for width in (60, 100))
    assert wide.shape == (60, 100, 3)
    np.testing.assert_array_equal(wide[:, 20:80], square)


def test_a_ramp_is_clear_at_its_low_end_and_clamps_beyond():
    ramp = Ramp(((0, 0, 0, 0), (1, 1, 0.5, 0)), ((0, 0), (1, 0.5)), 10.0, 20.0)
    rgba = ramp.rgba(np.array([0.0, 10.0, 15.0, 20.0, 99.0]), 1.0)
    np.testing.assert_allclose(rgba[:, 3], [0, 0, 0.25, 0.5, 0.5], atol=2e-3)
    np.testing.assert_allclose(rgba[3], [0.5, 0.25, 0, 0.5], atol=1e-6)
    np.testing.assert_allclose(ramp.rgba(np.array([20.0]), 2.0)[0, 3], 0.75, atol=1e-6)


def test_along_y_the_last_points_are_in_front_and_x_goes_to_the_left():
    rgba = np.zeros((2, 3, 4, 4), np.uint8)
    rgba[1, 0, 0] = (255, 0, 0, 255)  # red, behind
    rgba[1, 2, 0] = (0, 0, 255, 51)  # blue, a fifth of the light in a step of one unit
    shown = seen_along_y(rgba, Grid((4, 3, 2), spacing=(1.0, 2.0, 1.0)), unit_distance=2.0)
    assert shown.shape == (2, 4, 3)
    np.testing.assert_allclose(shown[1, 3], [0.8, 0.0, 0.2], atol=1e-3)
    shown[1, 3] = 1
    assert (shown == 1).all(), "white where nothing is"
    twice_as_long = seen_along_y(rgba, Grid((4, 3, 2), spacing=(1.0, 4.0, 1.0)), unit_distance=2.0)
    np.testing.assert_allclose(twice_as_long[1, 3], [0.64, 0.0, 0.36], atol=1e-3)
