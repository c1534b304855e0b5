"""What the panel's choices mean: grids, extents, theta."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr.filters import choices, panel
from hyperinr.filters.choices import (
    BETWEEN,
    CONTINUOUS,
    TRAINED,
    clamped_theta,
    output_extent,
    output_grid,
    space_bounds,
    steps_in_words,
    time_steps,
)
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
    assert output_extent(plane, (0, 0, 0), (3, 3, 0)) == (0, 3, 0, 3, 0, 0)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((10, 11, 0, 8, -1, 1), (0, 10, 0, 4, 0, 2)),
        ((10.3, 10.7, 2, 4, -1, 0), (3, 7, 1, 2, 0, 1)),  # bounds on points take no further cell
        ((10.31, 10.69, 2.5, 3.5, -0.5, -0.5), (3, 7, 1, 2, 0, 1)),  # inside cells the whole cells
        ((-99, 10.05, -99, 99, 0.99, 99), (0, 1, 0, 4, 1, 2)),  # what lies outside is cut off
        ((10.3 - 1e-12, 10.7 + 1e-12, 2, 4, -1, 0), (3, 7, 1, 2, 0, 1)),  # nor do bounds that are off by rounding
        ((11, 11, 8, 8, 1, 1), (9, 10, 3, 4, 1, 2)),  # the last point takes the last cell
    ],
)
def test_extent_covers_the_box(bounds, expected):
    corner, end = np.reshape(bounds, (3, 2)).T
    assert output_extent(GRID, corner, end - corner) == expected
    assert output_extent(GRID, end, corner - end) == expected, "a box that was dragged through itself"


@pytest.mark.parametrize(
    ("corner", "size"), [((12, 0, -1), (1, 8, 2)), ((10, 0, -9), (1, 8, 7)), ((10, 9, -1), (1, 0, 1))]
)
def test_box_outside_the_data_is_refused(corner, size):
    with pytest.raises(
        ParameterError, match=r"region of interest spans .*; expected one that meets the data's 10 to 11"
    ):
        output_extent(GRID, corner, size)


def test_extent_of_a_flipped_axis():
    grid = Grid((5, 5, 5), spacing=(-1.0, 1.0, 1.0))
    assert output_extent(grid, (-2, 0, 0), (1, 4, 4)) == (1, 2, 0, 4, 0, 4)
    assert space_bounds(grid).tolist() == [[-4, 0], [0, 4], [0, 4]]


def test_extent_of_a_grid_that_is_turned_in_space():
    quarter = Grid((11, 5, 3), (1.0, 2.0, 3.0), (0.5, 1.0, 1.0), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    assert space_bounds(quarter).tolist() == [[-3, 1], [2, 7], [3, 5]]
    # the grid's x runs along space's y: 2 + 0.5 i; its y along space's -x: 1 - j
    assert output_extent(quarter, (-1, 3, 3), (1, 1, 1)) == (2, 4, 1, 2, 0, 1)


def trained_at(*values):
    return Parameter("time", "time", (values[0], values[-1]), "s", values)


@pytest.mark.parametrize(("n_trained", "n_steps"), [(2, 201), (10, 181), (13, 241), (21, 201), (101, 201), (201, 401)])
def test_a_few_hundred_steps_lie_between_the_training_steps(n_trained, n_steps):
    time = trained_at(*np.linspace(0, 6, n_trained).tolist())
    steps = time_steps(time, BETWEEN, 0)
    assert len(steps) == n_steps and (np.diff(steps) > 0).all()
    assert set(time.values) <= set(steps), "training steps are played as they are"
    np.testing.assert_allclose(np.diff(steps), 6 / (n_steps - 1), rtol=1e-9)
    assert steps_in_words(time, steps) == f"{n_steps} steps, {n_trained} trained"


def test_steps_between_are_the_numbers_that_people_type():
    steps = time_steps(trained_at(*np.linspace(0, 6, 21)), BETWEEN, 0)
    assert {0.69, 4.14, 5.97} < set(steps), "0.6900000000000001 cannot be typed"
    femto = time_steps(trained_at(1e-15, 2e-15, 3.5e-15), BETWEEN, 4)
    np.testing.assert_allclose(np.diff(femto[:6]), 0.2e-15, rtol=1e-9)


def test_longer_intervals_are_divided_into_more_parts():
    steps = np.array(time_steps(trained_at(0.0, 1.0, 10.0), BETWEEN, 0))
    assert 100 <= len(steps) <= 400 and (steps < 1).sum() == 20 and (steps > 1).sum() == 200


def test_the_user_says_how_many_lie_between_or_none_or_that_time_is_continuous():
    time = trained_at(0.0, 1.0, 3.0)
    assert time_steps(time, BETWEEN, 1) == [0.0, 0.5, 1.0, 2.0, 3.0]
    assert time_steps(time, TRAINED, 7) == [0.0, 1.0, 3.0]
    assert time_steps(time, CONTINUOUS, 7) == [] and steps_in_words(time, []) == "any time from 0 to 3"
    assert time_steps(trained_at(2.0), BETWEEN, 0) == [2.0]
    assert panel.BETWEEN == choices.BETWEEN


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
