"""XML files with appended data are read by a VTK whose parser refuses it."""

from __future__ import annotations

import numpy as np
import pytest
from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

from hyperinr.filters.image import to_image
from hyperinr.filters.readers import appended
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

GRID = Grid((13, 12, 11))
ARRAYS = {
    "speed [m/s] µ": np.random.default_rng(0).random(GRID.shape, np.float32),
    "velocity": np.random.default_rng(1).random((*GRID.shape, 3), np.float32),
}


@pytest.fixture(autouse=True)
def broken_parser(monkeypatch):
    monkeypatch.setattr(appended, "parser_takes_appended_data", lambda: False)


def write(path, raw, compressor, wide):
    writer = vtkXMLImageDataWriter()
    writer.SetInputData(to_image(GRID, ARRAYS))
    writer.SetFileName(str(path))
    writer.SetDataModeToAppended()
    writer.SetEncodeAppendedData(not raw)
    getattr(writer, f"SetCompressorTypeTo{compressor}")()
    writer.SetBlockSize(4096)  # several blocks to an array
    getattr(writer, "SetHeaderTypeToUInt64" if wide else "SetHeaderTypeToUInt32")()
    writer.Write()


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("compressor", ["None", "ZLib", "LZ4"])
@pytest.mark.parametrize("raw", [True, False])
def test_every_kind_of_appended_data(tmp_path, raw, compressor, wide):
    write(tmp_path / "a.vti", raw, compressor, wide)
    assert b'format="appended"' in (tmp_path / "a.vti").read_bytes()
    series = open_series(tmp_path / "a.vti")
    assert series.grid == GRID
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(series.read(0, [name]), expected.reshape(*GRID.shape, -1))
    np.testing.assert_array_equal(series.read(0, ["velocity"], (3, 5)), ARRAYS["velocity"][3:5])


def test_inline_data_is_left_alone(tmp_path):
    from hyperinr.filters.image import write_image

    write_image(tmp_path / "a.vti", to_image(GRID, ARRAYS))
    assert b"appended" not in (tmp_path / "a.vti").read_bytes()
    np.testing.assert_array_equal(open_series(tmp_path / "a.vti").read(0, ["velocity"]), ARRAYS["velocity"])


@pytest.mark.parametrize("compressor", ["None", "ZLib"])
def test_a_short_file_is_named(tmp_path, compressor):
    write(tmp_path / "a.vti", True, compressor, False)
    content = (tmp_path / "a.vti").read_bytes()
    (tmp_path / "a.vti").write_bytes(content[:-5000])
    with pytest.raises(DataError, match=r"a\.vti is shorter than its header says"):
        open_series(tmp_path / "a.vti")


@pytest.mark.parametrize("quote", ['"', "'"])
def test_pieces_of_parallel_files(tmp_path, quote):
    from vtkmodules.vtkIOParallelXML import vtkXMLPImageDataWriter

    writer = vtkXMLPImageDataWriter()
    writer.SetInputData(to_image(GRID, ARRAYS))
    writer.SetFileName(str(tmp_path / "a & b.pvti"))
    writer.SetNumberOfPieces(3)
    writer.SetEndPiece(2)
    writer.EncodeAppendedDataOff()
    writer.Write()
    for path in tmp_path.rglob("*.*vti"):  # not what lies behind the header
        head, *rest = path.read_bytes().split(b"<AppendedData", 1)
        rest = [part.replace(b'"raw"', quote.encode() + b"raw" + quote.encode(), 1) for part in rest]
        path.write_bytes(b"<AppendedData".join([head.replace(b'"', quote.encode()), *rest]))
    series = open_series(tmp_path / "a & b.pvti")
    assert series.grid == GRID
    for name, expected in ARRAYS.items():
        np.testing.assert_array_equal(series.read(0, [name]), expected.reshape(*GRID.shape, -1))
    np.testing.assert_array_equal(series.read(0, ["velocity"], (3, 8)), ARRAYS["velocity"][3:8])
