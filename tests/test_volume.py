"""Grids and series."""

from __future__ import annotations

import numpy as np
import pytest
from series import moving_blob

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.volume import Grid, VolumeSeries


def test_grid_keeps_its_box_when_dims_change():
    grid = Grid((11, 5, 1), origin=(1, 2, 3), spacing=(0.5, 1.0, 4.0))
    finer = grid.with_dims((21, 9, 1))
    assert finer.spacing == (0.25, 0.5, 4.0) and finer.origin == grid.origin
    assert grid.shape == (1, 5, 11) and grid.n_points == 55 and grid.n_pos_dims == 2
    x, y, z = grid.axes((2, 4, 0, 4, 0, 0))
    np.testing.assert_allclose(x, [0.2, 0.3, 0.4])
    assert y[[0, -1]].tolist() == [0, 1] and z.tolist() == [0]


@pytest.mark.parametrize(
    "wrong", [{"dims": (0, 1, 1)}, {"dims": (2, 2)}, {"spacing": (1, np.nan, 1)}, {"origin": (1, 2)}]
)
def test_impossible_grid(wrong):
    with pytest.raises(ParameterError, match="grid"):
        Grid(**{"dims": (2, 2, 2), **wrong})


def test_series_reads_fields_side_by_side_and_slabs():
    series = moving_blob()
    both = series.read(3, ["motion", "density"])
    assert both.shape == (12, 14, 16, 3) and both.dtype == np.float32
    np.testing.assert_array_equal(both[..., 0], both[..., 2])
    np.testing.assert_array_equal(series.read(3, ["density"], (4, 6)), both[4:6, ..., 2:])
    assert series.select([0, 3]).thetas.ravel().tolist() == [0, 1.5]
    np.testing.assert_array_equal(series.select([0, 3]).read(1, ["density"]), both[..., 2:])


@pytest.mark.parametrize(
    ("thetas", "message"),
    [
        ([], "has no steps"),
        ([0, 1, 1], r"goes from time 1 \(step 1\) to 1"),
        ([0, 2, 1], r"goes from time 2 \(step 1\) to 1"),
        ([0, np.nan], "expected finite parameter values"),
    ],
)
def test_impossible_times(thetas, message):
    with pytest.raises(DataError, match=message):
        VolumeSeries(Grid((2, 2, 2)), thetas, {"a": 1}, None, "this")


def test_step_of_another_shape_is_named():
    series = VolumeSeries(Grid((2, 3, 4)), [0], {"a": 1}, lambda *_: np.zeros((4, 3, 1)), "this")
    with pytest.raises(DataError, match=r"step 0 of this gives 'a' with shape \(4, 3, 1\); expected \(4, 3, 2\)"):
        series.read(0, ["a"])


@pytest.mark.parametrize("number", [1e39, -4e38])
def test_numbers_beyond_float32_are_named_as_they_are(number):
    values = np.array([0.0, number]).reshape(2, 1, 1)
    series = VolumeSeries(Grid((1, 1, 2)), [0], {"a": 1}, lambda *_: values, "this")
    with pytest.raises(DataError, match=rf"holds numbers up to {abs(number):.6g}".replace("+", r"\+")):
        series.read(0, ["a"])
