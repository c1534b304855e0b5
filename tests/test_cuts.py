"""Where bricks lie, and how much each counts."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.cuts import Cuts, counts_for
from hyperinr_core.errors import ParameterError

CUTS = Cuts((23, 17, 9), (3, 2, 1), 3)


def test_bricks_overlap_and_leave_nothing_out():
    held = np.zeros((9, 17, 23), int)
    for number in range(len(CUTS)):
        x0, x1, y0, y1, z0, z1 = CUTS.extent(number)
        held[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1] += 1
    assert held.min() == 1 and held.max() == 4  # never more than two along an axis
    assert CUTS.extent(0) == (0, 9, 0, 10, 0, 8) and CUTS.extent(5) == (12, 22, 5, 16, 0, 8)


def test_weights_sum_to_one_everywhere_and_are_0_beyond_a_brick():
    places = [np.linspace(0, n - 1, 301) for n in CUTS.dims]
    total = np.zeros((301, 301))
    for number in range(len(CUTS)):
        x, y, z = CUTS.weights(number, places)
        assert (z == 1).all()
        total += y[:, None] * x
        x0, x1 = CUTS.extent(number)[:2]
        assert not x[(places[0] < x0) | (places[0] > x1)].any()
    np.testing.assert_allclose(total, 1, atol=1e-6)


def test_weights_begin_and_end_without_a_slope():
    where = np.linspace(0, 22, 22001)
    x, _, _ = CUTS.weights(0, [where, np.zeros(1), np.zeros(1)])
    slopes = np.abs(np.diff(x.astype(np.float64))) / np.diff(where)
    assert slopes.max() == pytest.approx(1.5 / 5, rel=0.01)
    assert np.abs(np.diff(slopes)).max() < 1e-3  # of a linear ramp they jump by 0.2


@pytest.mark.parametrize(
    ("region", "bricks"),
    [
        ((0, 3, 0, 3, 0, 8), [0]),
        ((0, 4, 0, 3, 0, 8), [0]),  # the first point of the next brick, where it counts nothing
        ((0, 5, 0, 3, 0, 8), [0, 1]),
        ((10, 11, 8, 8, 2, 2), [1, 4]),
        ((0, 22, 0, 16, 0, 8), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_region_touches_the_bricks_that_count_in_it(region, bricks):
    places = [np.arange(region[2 * axis], region[2 * axis + 1] + 1.0) for axis in range(3)]
    touched = CUTS.touched(places)
    assert touched == [n for n in range(6) if all(weight.any() for weight in CUTS.weights(n, places))]
    assert touched == bricks


def test_the_longest_axes_are_cut():
    assert counts_for((64, 64, 64), 8) == (2, 2, 2) and counts_for((64, 64, 64), 1) == (1, 1, 1)
    assert counts_for((1000, 10, 10), 6) == (6, 1, 1) and counts_for((64, 64, 1), 4) == (2, 2, 1)


def test_too_thin_bricks_are_refused_with_what_fits():
    with pytest.raises(ParameterError, match=r"4 bricks along y have 4 of 17 points each; .* at most 2 along y"):
        Cuts((64, 17, 9), (2, 4, 1), 3)
    with pytest.raises(ParameterError, match="expected 1 at least"):
        Cuts((64, 17, 9), (2, 0, 1), 3)
