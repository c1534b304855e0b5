"""Weights on a line: lines are reproduced, a position hit is taken alone, the cubic is smooth."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.line import Line, catmull_rom_weights, linear_weights

POSITIONS = np.array([0.0, 1.0, 2.5, 3.0, 5.0])


@pytest.mark.parametrize("weights_at", [linear_weights, catmull_rom_weights])
def test_lines_are_reproduced_at_uneven_positions(weights_at):
    for t in np.linspace(0, 5, 51):
        indices, weights = weights_at(POSITIONS, t)
        assert weights.sum() == pytest.approx(1)
        assert weights @ (2 * POSITIONS[indices] + 1) == pytest.approx(2 * t + 1)


@pytest.mark.parametrize("weights_at", [linear_weights, catmull_rom_weights])
def test_an_encoders_own_position_takes_it_alone(weights_at):
    for index, t in enumerate(POSITIONS):
        indices, weights = weights_at(POSITIONS, t)
        assert indices.tolist() == [index] and weights.tolist() == [1]


def test_catmull_rom_on_even_positions_is_the_textbook_one():
    indices, weights = catmull_rom_weights(np.arange(6.0), 2.5)
    assert indices.tolist() == [1, 2, 3, 4]
    np.testing.assert_allclose(weights, [-1 / 16, 9 / 16, 9 / 16, -1 / 16])


def test_catmull_rom_is_smooth_across_positions():
    values = np.sin(POSITIONS)

    def at(t):
        indices, weights = catmull_rom_weights(POSITIONS, t)
        return weights @ values[indices]

    for t in POSITIONS[1:-1]:
        assert (at(t) - at(t - 1e-5)) / 1e-5 == pytest.approx((at(t + 1e-5) - at(t)) / 1e-5, abs=1e-3)


def test_one_parameter_of_any_role_is_a_line():
    for role in ("time", "free", "view_azimuth"):
        space = space_of((role,), POSITIONS[:, None])
        assert type(space) is Line and list(space.kinds) == ["linear", "catmull_rom"]
        for kind, weights_at in space.kinds.items():
            for found, expected in zip(space.weights(np.array([1.7]), kind), weights_at(POSITIONS, 1.7)):
                np.testing.assert_array_equal(found, expected)
    with pytest.raises(ParameterError, match=r"'idw'; expected one of linear, catmull_rom for 1 parameter\(s\), free"):
        space_of(("free",), POSITIONS[:, None]).weights(np.array([1.7]), "idw")
