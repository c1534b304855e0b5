"""Steps in the files that VTK's own readers read: headers first, then the planes of one array at a time."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.image import GHOSTS, VALID, array_of, captured_messages, numeric_arrays, without_hidden
from hyperinr.filters.readers.appended import read_from
from hyperinr.filters.readers.grids import cell_grid, grid_in, point_grid, shape_of, whole_extent
from hyperinr.filters.readers.steps import FileSteps, ZRange, wants_cells
from hyperinr.filters.readers.workers import workers
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Extent, Grid

#: Names of time in a data set's field data, in the order of preference.
TIME_ARRAYS = ("TimeValue", "TIME", "CycleValue", "CYCLE")


@dataclass(frozen=True)
class Format:
    """A reader of VTK.

    Attributes
    ----------
    slabs : it reads a few planes without the rest.
    full : its header does not tell enough, so that opening a step reads it.
    fragile : damaged files crash it, as 1 of 840 did, so that another process reads each file first.
    """

    module: str
    reader: str
    slabs: bool = False
    full: bool = False
    fragile: bool = False


FORMATS = {
    ".vti": Format("vtkIOXML", "vtkXMLImageDataReader", slabs=True),
    ".pvti": Format("vtkIOXML", "vtkXMLPImageDataReader", slabs=True),
    ".vtr": Format("vtkIOXML", "vtkXMLRectilinearGridReader", full=True),
    ".pvtr": Format("vtkIOXML", "vtkXMLPRectilinearGridReader", full=True),
    ".vtk": Format("vtkIOLegacy", "vtkGenericDataObjectReader", fragile=True),
}


class VTKFiles:
    """Opens the files of one series: the first in full, the others by their headers where these tell enough.

    Point data is preferred; data that lives on cells alone (or the requested fields do) becomes a grid of
    points at the cell centres. Rectilinear grids are taken when their coordinates are evenly spaced.
    """

    def __init__(self, fields: tuple[str, ...] | None = None) -> None:
        self._fields = fields
        self._on_cells = False
        self._first: FileSteps | None = None
        self._times_in_data = False
        self._left_out: set[str] = set()
        self._sound: set[Path] = set()

    def open(self, path: Path, suffix: str) -> FileSteps:
        """The steps of one file; DataError when it is broken or holds no regular grid."""
        kind = FORMATS[suffix]
        first = self._first
        if kind.fragile and first is None:
            self._check_sound(path)
        if first is None or kind.full or self._times_in_data:
            frames = self._open_full(path, kind)
        else:
            frames = self._open_header(path, kind, first) or self._open_full(path, kind)
        self._first = first or frames
        return frames

    def _check_sound(self, path: Path) -> None:
        """DataError for a file that crashes its reader, or keeps it longer than any sound one would."""
        if path not in self._sound:
            workers().ask(path, "load", patience=20 + path.stat().st_size / 1e6)
            self._sound.add(path)

    def _open_full(self, path: Path, kind: Format) -> FileSteps:
        with captured_messages() as messages:
            reader = _reader(path, kind)
            reader.Update()
            data = reader.GetOutput()
            times = _times_of(reader)
        _raise_failure(path, data, messages)
        grid = point_grid(path, data)
        arrays = self._choose_arrays(path, data)
        if times is None:
            times = _time_in_data(data)
            self._times_in_data = times is not None
        return self._frames(path, kind, _Source(data.GetExtent(), grid, arrays, times))

    def _open_header(self, path: Path, kind: Format, first: FileSteps) -> FileSteps | None:
        """What the header tells; None when that is no extent, so that the file must be read to know."""
        with captured_messages() as messages:
            reader = _reader(path, kind)
            reader.UpdateInformation()
            info = reader.GetOutputInformation(0)
            extent = whole_extent(info)
        if messages or extent is None:
            return None
        grid = grid_in(info, extent)
        arrays = self._arrays_in_header(reader, first)
        return self._frames(path, kind, _Source(extent, grid, arrays, _times_of(reader)))

    def _choose_arrays(self, path: Path, data: Any) -> dict[str, int]:
        points, cells = numeric_arrays(data.GetPointData()), numeric_arrays(data.GetCellData())
        if self._first is None:
            self._on_cells = wants_cells(path, points, cells, self._fields or ())
        attributes, arrays = (data.GetCellData(), cells) if self._on_cells else (data.GetPointData(), points)
        self._left_out |= {attributes.GetArrayName(i) for i in range(attributes.GetNumberOfArrays())} - set(arrays)
        return arrays

    def _arrays_in_header(self, reader: Any, first: FileSteps) -> dict[str, int]:
        kind = "Cell" if self._on_cells else "Point"
        if hasattr(reader, f"Get{kind}DataArraySelection"):
            selection = getattr(reader, f"Get{kind}DataArraySelection")()
            names = {selection.GetArrayName(i) for i in range(selection.GetNumberOfArrays())}
            return dict.fromkeys(names - self._left_out - {GHOSTS, VALID}, 0)
        return first.arrays  # image files hold one array; of a legacy file only reading it tells

    def _frames(self, path: Path, kind: Format, source: _Source) -> FileSteps:
        on_cells = self._on_cells
        grid = cell_grid(source.grid) if on_cells else source.grid
        times = source.times or ()
        n = len(times) or 1

        def read(frame: int, name: str, z_range: ZRange | None) -> np.ndarray:
            z0, z1 = z_range or (0, grid.dims[2])
            time = times[frame] if n > 1 else None
            if kind.fragile:
                self._check_sound(path)
            values, first_plane = _read(path, kind, source.extent, name, (z0, z1), time, on_cells)
            start = z0 - (first_plane - source.extent[4])
            if values.shape[1:3] != grid.shape[1:] or start + z1 - z0 > len(values):
                raise DataError(
                    f"{path} gives {name!r} with (nz, ny, nx) {values.shape[:3]}; expected {grid.shape}, write it again"
                )
            return values[start : start + z1 - z0]

        return FileSteps(path, grid, source.arrays, read, n, source.times)


@dataclass(frozen=True)
class _Source:
    """What a file says of itself: extent and grid are those of its points."""

    extent: Extent
    grid: Grid
    arrays: dict[str, int]
    times: tuple[float, ...] | None


def _reader(path: Path, kind: Format) -> Any:
    """VTK's reader, set to read everything the file has."""
    reader = getattr(importlib.import_module(f"vtkmodules.{kind.module}"), kind.reader)()
    if kind.module == "vtkIOXML":
        read_from(reader, path)
    else:
        reader.SetFileName(str(path))
    if kind.module == "vtkIOLegacy":
        for attribute in ("Scalars", "Vectors", "Normals", "Tensors", "Fields"):
            getattr(reader, f"ReadAll{attribute}On")()
    return reader


def _read(
    path: Path, kind: Format, extent: Extent, name: str, planes: ZRange, time: float | None, on_cells: bool
) -> tuple[np.ndarray, int]:
    """At least these planes of one array, (nz, ny, nx[, c]), and the z index of the first one."""
    z0 = extent[4] + planes[0]
    z1 = min(extent[4] + planes[1] - (0 if on_cells else 1), extent[5])
    wanted = (*extent[:4], z0, z1) if kind.slabs else extent
    with captured_messages() as messages:
        reader = _reader(path, kind)
        reader.UpdateInformation()
        _select_only(reader, name, on_cells)
        if time is None:
            reader.UpdateExtent(wanted)
        elif kind.module == "vtkIOXML":  # its times are the numbers of the steps
            for step in (0, int(time)):  # VTK 9.6 and 9.7 read nothing of a later step before the first
                reader.SetTimeStep(step)
                reader.UpdateExtent(wanted)
        else:
            reader.UpdateTimeStep(time, -1, 1, 0, wanted)
        data = reader.GetOutput()
    _raise_failure(path, data, messages)
    attributes = data.GetCellData() if on_cells else data.GetPointData()
    if name not in numeric_arrays(attributes):
        raise DataError(
            f"{path} has no array {name!r} on its {'cells' if on_cells else 'points'}; expected it in every step"
        )
    shape = shape_of(data.GetExtent(), on_cells)
    if attributes.GetArray(name).GetNumberOfTuples() != math.prod(shape):
        raise DataError(f"{path} has an incomplete array {name!r}; expected {math.prod(shape)} tuples, write it again")
    values = array_of(attributes, name, shape)
    return without_hidden(values, attributes, on_cells), data.GetExtent()[4]


def _select_only(reader: Any, name: str, on_cells: bool) -> None:
    for kind in ("Point", "Cell"):
        if hasattr(reader, f"Get{kind}DataArraySelection"):
            selection = getattr(reader, f"Get{kind}DataArraySelection")()
            selection.DisableAllArrays()
            if on_cells == (kind == "Cell"):
                for each in (name, GHOSTS, VALID):
                    selection.EnableArray(each)


def _times_of(reader: Any) -> tuple[float, ...] | None:
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

    info, key = reader.GetOutputInformation(0), vtkStreamingDemandDrivenPipeline.TIME_STEPS()
    # VTK's legacy reader publishes 0 whatever the file says
    if reader.IsA("vtkDataReader") or not info.Has(key) or not info.Length(key):
        return None
    return tuple(info.Get(key))


def _time_in_data(data: Any) -> tuple[float] | None:
    for name in TIME_ARRAYS:
        array = data.GetFieldData().GetArray(name)
        if array is not None and array.GetNumberOfTuples() == 1:
            return (array.GetComponent(0, 0),)
    return None


def _raise_failure(path: Path, data: Any, messages: list[str]) -> None:
    """DataError when VTK complained, gave nothing without a complaint, or read past the end."""
    is_empty = data is None or not hasattr(data, "GetNumberOfPoints") or not data.GetNumberOfPoints()
    if not messages and not is_empty and not _is_short_text(path, data):
        return
    reason = f"VTK finds {'no data set' if data is None else 'no points' if is_empty else 'too few numbers'} in it"
    reason = " ".join(messages[0].split()).rstrip(".") if messages else reason
    raise DataError(
        f"{path} cannot be read ({reason}); expected a whole {path.suffix} file, write or download it again"
    )


def _is_short_text(path: Path, data: Any) -> bool:
    """Whether a legacy file in ASCII has fewer words than values, which VTK 9.7 reads without a word."""
    if path.suffix.lower() != ".vtk":
        return False
    with open(path, "rb") as file:
        start = [file.readline(256) for _ in range(3)]
        if start[2].strip() != b"ASCII":
            return False
        words = sum(len(line.split()) for line in file)
    n_tuples = ((data.GetPointData(), data.GetNumberOfPoints()), (data.GetCellData(), data.GetNumberOfCells()))
    return words < sum(n * sum(numeric_arrays(attributes).values()) for attributes, n in n_tuples)
