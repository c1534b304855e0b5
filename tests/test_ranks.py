"""Pieces of all ranks make the whole."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr.filters.image import array_of, to_image
from hyperinr.filters.ranks import _merged
from hyperinr_core.volume import Grid


def test_pieces_of_all_ranks_make_the_whole():
    grid = Grid((5, 4, 6), (1.0, 2.0, 3.0), (0.5, 1.0, 2.0))
    whole = (0, 4, 0, 3, 2, 7)
    values = np.arange(6 * 4 * 5, dtype=np.float32).reshape(6, 4, 5)
    cells = np.arange(5 * 3 * 4 * 2, dtype=np.float64).reshape(5, 3, 4, 2)
    parts = []
    for low, high in ((2, 4), (4, 7)):
        part = to_image(grid, {"a": values[low - 2 : high - 1]}, (0, 4, 0, 3, low, high))
        array = to_image(Grid((4, 3, high - low)), {"c": cells[low - 2 : high - 2]}).GetPointData().GetArray("c")
        part.GetCellData().AddArray(array)
        parts.append(part)
    image = _merged(parts, whole)
    assert image.GetExtent() == whole and image.GetOrigin() == grid.origin and image.GetSpacing() == grid.spacing
    np.testing.assert_array_equal(array_of(image.GetPointData(), "a", (6, 4, 5)), values)
    np.testing.assert_array_equal(array_of(image.GetCellData(), "c", (5, 3, 4)), cells)
    with pytest.raises(Exception, match="hold 60% of 'a'"):
        _merged([parts[0]], (0, 4, 0, 3, 2, 6))
