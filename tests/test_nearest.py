"""Inverse distance weights over the nearest positions in a space of several parameters."""

from __future__ import annotations

import numpy as np

from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.nearest import Nearest


def test_inverse_distance_over_the_nearest_four():
    positions = np.array([[0, 0], [1, 0], [0, 10], [1, 10], [0.5, 5.0]])
    interpolate = Nearest(("time", "free"), positions, np.array([[0, 1], [0, 10.0]])).inverse_distance
    indices, weights = interpolate(np.array([0.5, 5.0]))
    assert indices.tolist() == [4] and weights.tolist() == [1]
    indices, weights = interpolate(np.array([0.25, 2.5]))
    distances = np.hypot(positions[:, 0] - 0.25, (positions[:, 1] - 2.5) / 10)
    nearest = np.argsort(distances)[:4]
    assert sorted(indices) == sorted(nearest)
    expected = 1 / distances[indices] / (1 / distances[nearest]).sum()
    np.testing.assert_allclose(weights, expected)


def test_several_parameters_have_a_space_of_the_nearest_whose_bounds_are_those_of_its_positions():
    positions = np.array([[0, 0], [1, 0], [0, 10], [1, 10], [0.5, 5.0]])
    given = space_of(("time", "free"), positions, np.array([[0, 1], [0, 10.0]]))
    own = space_of(("time", "free"), positions)
    assert type(own) is Nearest and list(own.kinds) == ["idw"]
    for found, expected in zip(*(space.weights(np.array([0.2, 3.0]), "idw") for space in (own, given))):
        np.testing.assert_array_equal(found, expected)


def test_a_parameter_that_never_changes_does_not_count():
    positions = np.array([[0, 3], [1, 3], [2, 3.0]])
    indices, weights = space_of(("time", "free"), positions).weights(np.array([0.5, 3.0]), "idw")
    assert sorted(indices) == [0, 1, 2] and weights.sum() == 1 and np.isfinite(weights).all()
