"""The order of values in memory, and which of them are drawn."""

from __future__ import annotations

import numpy as np

from hyperinr_core.training.drawing import BRICK, FINE, RUN, by_bricks, even, placed


def test_values_lie_brick_by_brick_and_each_once():
    order = by_bricks((24, 16, 16))
    z, y, x = np.unravel_index(order.reshape(-1, RUN), (24, 16, 16))
    for axis in (x, y, z):
        assert (np.ptp(axis, axis=1) == BRICK - 1).all()
    for shape in ((1, 19, 33), (3, 8, 9), (17, 5, 8)):
        assert sorted(by_bricks(shape)) == list(range(np.prod(shape)))


def test_each_value_of_an_even_step_is_drawn_alike():
    n_values = RUN + 5
    drawn = placed(even(n_values), n_values, np.random.default_rng(0).integers(0, FINE, 100 * n_values))
    assert (np.diff(drawn // RUN) >= 0).all(), "in the order of the runs"
    assert np.abs(np.bincount(drawn, minlength=n_values) - 100).max() <= 2
