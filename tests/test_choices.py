"""What the panel's choices mean: grids, extents, theta."""

from __future__ import annotations

import pytest

from hyperinr.filters.choices import clamped_theta, output_extent, output_grid
from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Grid, Parameter

GRID = Grid((11, 5, 3), origin=(10.0, 0.0, -1.0), spacing=(0.1, 2.0, 1.0))
TIME = Parameter("time", "time", (1.0, 3.0))
ANGLE = Parameter("azimuth", "light_azimuth", (-90.0, 90.0))


def test_zeros_take_the_training_grid():
    assert output_grid(GRID, (0, 0, 0)) is GRID
    assert output_grid(GRID, (21, 0, 0)) == GRID.with_dims((21, 5, 3))


@pytest.mark.parametrize("dims", [(1, 0, 0), (-4, 0, 0), (0, 0, 1), (1 << 20, 1 << 20, 2)])
def test_impossible_dims_are_refused(dims):
    with pytest.raises(ParameterError, match=r"Dims .*; expected"):
        output_grid(GRID, dims)


def test_a_plane_stays_a_plane():
    plane = Grid((4, 4, 1))
    assert output_grid(plane, (8, 0, 1)).dims == (8, 4, 1)
    with pytest.raises(ParameterError, match="1, the data is flat"):
        output_grid(plane, (8, 8, 8))
    assert output_extent(plane, (0, 3, 0, 3, 0, 0)) == (0, 3, 0, 3, 0, 0)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((10, 11, 0, 8, -1, 1), (0, 10, 0, 4, 0, 2)),
        ((10.3, 10.7, 2, 4, -1, 0), (3, 7, 1, 2, 0, 1)),  # bounds on points take no further cell
        ((10.31, 10.69, 2.5, 3.5, -0.5, -0.5), (3, 7, 1, 2, 0, 1)),  # inside cells the whole cells
        ((-99, 10.05, -99, 99, 0.99, 99), (0, 1, 0, 4, 1, 2)),  # what lies outside is cut off
        ((11, 11, 8, 8, 1, 1), (9, 10, 3, 4, 1, 2)),  # the last point takes the last cell
    ],
)
def test_extent_covers_the_box(bounds, expected):
    assert output_extent(GRID, bounds) == expected


@pytest.mark.parametrize("bounds", [(12, 13, 0, 8, -1, 1), (10, 11, 3, 2, -1, 1), (10, 11, 0, 8, -9, -2)])
def test_box_outside_the_data_is_refused(bounds):
    with pytest.raises(ParameterError, match=r"region of interest spans .*; expected"):
        output_extent(GRID, bounds)


def test_extent_of_a_flipped_axis():
    assert output_extent(Grid((5, 5, 5), spacing=(-1.0, 1.0, 1.0)), (-2, -1, 0, 4, 0, 4)) == (1, 2, 0, 4, 0, 4)


def test_theta_is_what_was_asked_for_in_the_order_of_the_model():
    assert clamped_theta((ANGLE, TIME), 1.234, [12.5, 0, 0]) == ([12.5, 1.234], {})
    assert clamped_theta((TIME,), None, []) == ([1.0], {})


def test_theta_outside_is_moved_and_said():
    theta, moved = clamped_theta((TIME, ANGLE), 7.0, [-400.0])
    assert theta == [3.0, -90.0]
    assert "time 7 is outside the model's 1 to 3; 3 is shown" in moved["time"] and set(moved) == {"time", "azimuth"}


def test_a_parameter_without_a_slider_takes_the_middle_and_is_said():
    theta, moved = clamped_theta((ANGLE,), None, [])
    assert theta == [0.0] and "no slider" in moved["azimuth"]
