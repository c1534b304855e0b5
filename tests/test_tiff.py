"""TIFF stacks by tifffile: pages are planes or steps, contiguous or packed, ImageJ's and OME's."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError

NAME = "Tiff Scalars"


def values(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)


def check(series, expected):
    """The series holds the steps of (t, z, y, x, c), and gives any planes of them."""
    expected = expected.astype(np.float32)
    assert (len(series), series.grid.dims) == (len(expected), expected.shape[3:0:-1])
    for step, whole in enumerate(expected):
        np.testing.assert_array_equal(series.read(step, [NAME]), whole)
        np.testing.assert_array_equal(series.read(step, [NAME], (1, 2)), whole[1:2])


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_are_planes(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", values(4, 20, 16), photometric="minisblack", compression=compression)
    check(open_series(tmp_path / "a.tif"), values(4, 20, 16)[None, ..., None])
    check(open_series(tmp_path / "a.tif", axes="zyx"), values(4, 20, 16)[None, ..., None])
    series = open_series(tmp_path / "a.tif", axes="tyx")
    assert (len(series), series.grid.dims) == (4, (16, 20, 1))


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_hyperstacks_of_imagej(tmp_path, byteorder):
    data = values(3, 4, 2, 20, 16)
    metadata = {"axes": "TZCYX", "spacing": 2.5, "unit": "um", "finterval": 0.5}
    tifffile.imwrite(
        tmp_path / "a.tif", data, imagej=byteorder == ">", ome=byteorder == "<", resolution=(4, 2), byteorder=byteorder,
        metadata=metadata if byteorder == ">" else {"axes": "TZCYX", "PhysicalSizeX": 0.25, "PhysicalSizeY": 0.5,
        "PhysicalSizeZ": 2.5, "TimeIncrement": 0.5},
    )  # fmt: skip
    series = open_series(tmp_path / "a.tif")
    check(series, data.transpose(0, 1, 3, 4, 2))
    assert (series.grid.spacing, series.grid.direction) == ((0.25, 0.5, 2.5), (1, 0, 0, 0, 1, 0, 0, 0, 1))
    assert (series.thetas[:, 0].tolist(), series.units) == ([0, 0.5, 1], {"time": "s"})


def test_colours_are_components_and_files_are_steps(tmp_path):
    for step in range(2):
        tifffile.imwrite(tmp_path / f"a{step}.tif", values(20, 16, 3).astype("u1") + step, photometric="rgb")
    series = open_series(tmp_path)
    assert (len(series), series.grid.dims, series.field_info) == (2, (16, 20, 1), {NAME: 3})
    np.testing.assert_array_equal(series.read(1, [NAME])[0], values(20, 16, 3).astype("u1") + np.uint8(1))


def test_rows_lie_as_in_paraview(tmp_path):
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOImage import vtkTIFFReader

    tifffile.imwrite(tmp_path / "a.tif", values(20, 16), photometric="minisblack")
    reader = vtkTIFFReader()
    reader.SetFileName(str(tmp_path / "a.tif"))
    reader.Update()
    shown = vtk_to_numpy(reader.GetOutput().GetPointData().GetArray(NAME)).reshape(20, 16)
    np.testing.assert_array_equal(open_series(tmp_path / "a.tif").read(0, [NAME])[0, ..., 0], shown)


def test_broken_files_are_one_sentence(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", values(4, 20, 16), photometric="minisblack")
    content = (tmp_path / "a.tif").read_bytes()
    for share in (0, 5, len(content) // 2):
        (tmp_path / "a.tif").write_bytes(content[:share])
        with pytest.raises(DataError, match=r"a\.tif .*expected"):
            open_series(tmp_path / "a.tif").read(0, [NAME])
