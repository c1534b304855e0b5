"""Images in .vtkhdf files by h5py: VTK reads their time steps only from 9.3 on, and what is in them is HDF5 as it stands."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.grids import RESAMPLE, NotRegular, cell_grid, shape_of, shifted_grid
from hyperinr.filters.readers.libraries import library
from hyperinr.filters.readers.steps import Box, FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import IDENTITY, Extent

SUFFIXES = (".vtkhdf",)


def open_vtkhdf(path: Path, fields: Sequence[str] | None) -> FileSteps:
    """The steps of an image; arrays on points, or those on cells where there are no others or these are wanted."""
    with _root(path) as root:
        kind = _text(root.attrs.get("Type", b""))
        if kind != "ImageData":
            raise NotRegular(f"{path} holds a {kind or 'thing of no type'}; expected ImageData, {RESAMPLE}")
        x0, x1, y0, y1, z0, z1 = (int(i) for i in root.attrs["WholeExtent"])
        extent = (x0, x1, y0, y1, z0, z1)
        direction = root.attrs.get("Direction", IDENTITY)
        grid = shifted_grid(extent, root.attrs["Origin"], root.attrs["Spacing"], direction)
        steps = root.get("Steps")
        times = None if steps is None else tuple(np.asarray(steps["Values"], np.float64).tolist())
        arrays = {where: _arrays(root, where, extent, len(times or (0,))) for where in ("PointData", "CellData")}
    points, cells = arrays["PointData"], arrays["CellData"]
    wanted = set(fields or ())
    on_cells = bool(cells) and (not points or (bool(wanted & set(cells)) and not wanted & set(points)))
    where, shape = "CellData" if on_cells else "PointData", shape_of(extent, on_cells)

    def read(frame: int, name: str, z_range: ZRange | None) -> np.ndarray:
        return part(frame, name, (slice(*(z_range or (0, shape[0]))), slice(0, shape[1]), slice(0, shape[2])))

    def part(frame: int, name: str, box: Box) -> np.ndarray:
        with _root(path) as root:
            return _read(path, root, where, name, frame, box, shape)

    grid = cell_grid(grid) if on_cells else grid
    return FileSteps(path, grid, arrays[where], read, len(times or (0,)), times, part=part)


@contextlib.contextmanager
def _root(path: Path) -> Iterator[Any]:
    with library("h5py", "VTKHDF").File(path, "r") as file:
        if "VTKHDF" not in file:
            raise DataError(f"{path} has no group VTKHDF; expected a whole .vtkhdf file, write it again")
        yield file["VTKHDF"]


def _arrays(root: Any, where: str, extent: Extent, n_steps: int) -> dict[str, int]:
    """Components by name of the numeric arrays that have a value for each point, or cell."""
    shape, arrays = shape_of(extent, where == "CellData"), {}
    for name, array in root.get(where, {}).items():
        sizes = getattr(array, "shape", ())
        rest = _without_time(sizes, shape, n_steps)
        if rest is not None and array.dtype.kind in "iuf":
            arrays[name] = math.prod(map(int, rest)) // math.prod(shape)
    arrays.pop("vtkGhostType", None)
    return arrays


def _without_time(sizes: Sequence[int], shape: Sequence[int], n_steps: int) -> tuple[int, ...] | None:
    """The sizes of one step of an array, None for an array that is no such field."""
    for rest in (tuple(sizes), tuple(sizes[1:])):
        if rest[:3] == tuple(shape) and len(rest) in (3, 4):
            return rest
        if shape[0] == 1 and rest[:2] == tuple(shape[1:]) and len(rest) in (2, 3):  # a plane may leave z out
            return rest
    return None


def _read(path: Path, root: Any, where: str, name: str, frame: int, box: Box, shape: Any) -> np.ndarray:
    array = root[where][name]
    rest = _without_time(array.shape, shape, 0)
    if rest is None:
        raise DataError(
            f"{path} has {name!r} of shape {array.shape}; expected (nz, ny, nx) {shape} in every step, write it again"
        )
    index: tuple[Any, ...] = ()
    if len(rest) < array.ndim:
        # an array that stays as it is for some steps is stored once for them
        offsets = root.get(f"Steps/{where[:-4]}DataOffsets/{name}")
        index = (frame if offsets is None else int(offsets[frame]),)
        if index[0] >= array.shape[0]:
            raise DataError(f"{path} has {array.shape[0]} steps of {name!r}; expected at least {index[0] + 1}")
    if rest[:3] == tuple(shape):
        return np.asarray(array[(*index, *box)])
    return np.asarray(array[(*index, *box[1:])])[None]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
