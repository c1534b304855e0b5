"""Grids and series."""

from __future__ import annotations

import numpy as np
import pytest
from series import moving_blob

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.mask import Sheets
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


def test_nan_says_that_a_point_is_masked_and_of_a_vector_all_of_it():
    values = np.arange(48, dtype=np.float32).reshape(4, 3, 2, 2)
    values[1, 2, 0, 1] = np.nan
    series = VolumeSeries(Grid((2, 3, 4)), [0], {"v": 2}, lambda *_: values, "this")
    found = series.read(0, ["v"])
    assert np.isnan(found[1, 2, 0]).all() and np.isfinite(np.delete(found.reshape(-1, 2), 10, axis=0)).all()
    assert np.isfinite(values[1, 2, 0, 0]), "what the loader keeps is not changed"


def test_a_step_of_nothing_but_nan_is_an_error_and_a_plane_is_not():
    values = np.full((4, 3, 2), np.nan, np.float32)
    series = VolumeSeries(Grid((2, 3, 4)), [0], {"v": 1}, lambda step, name, z: values[slice(*(z or (None,)))], "this")
    with pytest.raises(DataError, match="step 0 of this has no value but NaN in field 'v'; expected one at least"):
        series.read(0, ["v"])
    assert np.isnan(series.read(0, ["v"], (1, 2))).all()


def test_the_truth_of_a_series_with_a_mask_has_nan():
    sheets, valid = Sheets(), np.ones((4, 3, 2), bool)
    valid[2, 1] = False
    mask = sheets.mask((4, 3, 2), np.array([[0.0]]), [[sheets.add(np.ones_like(valid)), sheets.add(valid)]])
    series = VolumeSeries(
        Grid((2, 3, 4)), [0], {"a": 1, "v": 1}, lambda step, name, z: np.ones((4, 3, 2))[slice(*(z or (None,)))],
        "this", mask=mask,
    )  # fmt: skip
    assert np.isfinite(series.read(0, ["a", "v"])).all()
    np.testing.assert_array_equal(np.isnan(series.truth(0, ["v", "a"], (1, 4)))[..., 0], ~valid[1:])
    assert np.isfinite(series.truth(0, ["a"])).all() and series.select([0]).mask is not None
