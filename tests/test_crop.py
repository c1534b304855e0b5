"""Blocks that are cut out of a series: their values, their place in space, their masks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from series import moving_blob

from hyperinr_core.mask import Mask
from hyperinr_core.training.crop import central, cut_out, grid_of
from hyperinr_core.volume import Grid

BOXES = [
    (slice(2, 9), slice(0, 14), slice(3, 5)),
    (slice(-3, 4), slice(10, 18), slice(0, 16)),
]


def test_the_block_is_cut_from_the_longest_axes():
    x, y, z = central(Grid((300, 200, 100)), 1 << 20)
    nx, ny, nz = (axis.stop - axis.start for axis in (x, y, z))
    assert 0.7 * 2**20 < nx * ny * nz <= 2**20 and nz == 100 and x.start == (300 - nx) // 2


@pytest.mark.parametrize("box", BOXES)
def test_a_box_has_the_series_values_and_goes_on_around_it(box):
    series = moving_blob()
    whole, part = series.read(1, ["motion"]), cut_out(series, box)
    places = np.ix_(*(np.arange(axis.start, axis.stop) % n for axis, n in zip(box, whole.shape)))
    np.testing.assert_array_equal(part.read(1, ["motion"]), whole[places])
    np.testing.assert_array_equal(part.read(1, ["motion"], (2, 5)), whole[places][2:5])


@pytest.mark.parametrize("box", BOXES)
def test_a_box_has_the_series_mask(box):
    series = moving_blob()
    valid = np.random.default_rng(0).random(series.grid.shape) < 0.5
    mask = Mask(series.grid.shape, series.thetas[:1], np.packbits(valid)[None], np.zeros((1, 2), int))
    part = cut_out(replace(series, mask=mask), box)
    places = np.ix_(*(np.arange(axis.start, axis.stop) % n for axis, n in zip(box, valid.shape)))
    np.testing.assert_array_equal(part.mask.valid(0), valid[places])


def test_a_box_lies_where_it_was():
    turned = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    grid = Grid((16, 14, 12), (1.0, 2.0, 3.0), (0.5, 0.25, 2.0), turned)
    part = grid_of(grid, (slice(2, 9), slice(4, 14), slice(6, 8)))
    assert part == Grid((2, 10, 7), (1.0 - 4 * 0.25, 2.0 + 6 * 0.5, 3.0 + 2 * 2.0), (0.5, 0.25, 2.0), turned)
