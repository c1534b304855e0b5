"""Which points a VTK data set has: the grids of images, of even rectilinear grids, and of cell centres."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.volume import IDENTITY, Extent, Grid

RESAMPLE = "apply ParaView's Resample To Image filter and save its result"

#: Points of the grid that is resampled to where none is asked for: more are worth asking for.
MOST_POINTS = 1 << 24


class NotRegular(DataError):
    """Data whose points lie on no regular grid, so that it must be resampled."""


def point_grid(path: Path, data: Any) -> Grid:
    """The grid of an image, or of a rectilinear grid with evenly spaced coordinates."""
    if data.IsA("vtkImageData"):
        return grid_of(data)
    if not data.IsA("vtkRectilinearGrid"):
        raise NotRegular(f"{path} holds a {data.GetClassName()}; expected a regular grid (vtkImageData), {RESAMPLE}")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    axes = [vtk_to_numpy(getattr(data, f"Get{axis}Coordinates")()).astype(np.float64) for axis in "XYZ"]
    spacing = [even_spacing(path, "xyz"[i], axis) for i, axis in enumerate(axes)]
    return _with_positive_spacing(Grid([len(axis) for axis in axes], [axis[0] for axis in axes], spacing))


def even_spacing(path: Path, name: str, axis: np.ndarray) -> float:
    """The signed distance of neighbouring points along an axis; DataError when it differs."""
    if len(axis) == 1:
        return 1.0
    steps, mean = np.diff(axis), (axis[-1] - axis[0]) / (len(axis) - 1)
    rounding = 4 * np.finfo(np.float32).eps * np.abs(axis).max()  # coordinates are often stored as float32
    if mean == 0 or np.abs(steps - mean).max() > 1e-3 * abs(mean) + rounding:
        raise NotRegular(
            f"{path} has {name} coordinates {np.abs(steps).min():g} to {np.abs(steps).max():g} apart; "
            f"expected even spacing, {RESAMPLE}"
        )
    return float(mean)


def _with_positive_spacing(grid: Grid) -> Grid:
    """The same points with descending axes (latitude from north to south) as a turned direction."""
    signs = np.where(np.asarray(grid.spacing) < 0, -1.0, 1.0)
    direction = np.reshape(grid.direction, (3, 3)) * signs
    return Grid(grid.dims, grid.origin, tuple(np.abs(grid.spacing)), tuple(direction.ravel()))


def grid_of(image: Any) -> Grid:
    """The grid of the points of a vtkImageData; its first point is the origin, wherever the extent starts."""
    matrix = image.GetDirectionMatrix()
    direction = tuple(matrix.GetElement(row, column) for row in range(3) for column in range(3))
    return shifted_grid(image.GetExtent(), image.GetOrigin(), image.GetSpacing(), direction)


def shifted_grid(extent: Extent, origin: Iterable[float], spacing: Iterable[float], direction: Iterable[float]) -> Grid:
    """The grid of an extent, with the origin moved from index 0 to the extent's first point."""
    start = np.asarray(extent[::2]) * np.asarray(tuple(spacing))
    origin = np.asarray(tuple(origin)) + np.reshape(tuple(direction), (3, 3)) @ start
    dims = tuple(extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3))
    return _with_positive_spacing(Grid(dims, tuple(origin), tuple(spacing), tuple(direction)))


def whole_extent(info: Any) -> Extent | None:
    """The extent of all points that an image's pipeline information tells; None for what is no image or empty."""
    from vtkmodules.vtkCommonDataModel import vtkDataObject
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

    key = vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT()
    if not info.Has(key) or not info.Has(vtkDataObject.SPACING()):
        return None
    extent = info.Get(key)
    return extent if extent[0] <= extent[1] else None


def grid_in(info: Any, extent: Extent) -> Grid:
    """The grid of the points of an image's pipeline information."""
    from vtkmodules.vtkCommonDataModel import vtkDataObject

    def get(key: Any, default: tuple[float, ...]) -> tuple[float, ...]:
        return info.Get(key) if info.Has(key) else default

    origin, spacing = get(vtkDataObject.ORIGIN(), (0.0,) * 3), get(vtkDataObject.SPACING(), (1.0,) * 3)
    return shifted_grid(extent, origin, spacing, get(vtkDataObject.DIRECTION(), IDENTITY))


def shape_of(extent: Extent, on_cells: bool) -> tuple[int, int, int]:
    """(nz, ny, nx) of the points or cells of an extent."""
    points = [extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in (2, 1, 0)]
    nz, ny, nx = (max(n - 1, 1) if on_cells else n for n in points)
    return nz, ny, nx


def cell_grid(grid: Grid) -> Grid:
    """The grid of the cells' centres."""
    halves = [step / 2 if n > 1 else 0.0 for n, step in zip(grid.dims, grid.spacing)]
    origin = np.asarray(grid.origin) + np.reshape(grid.direction, (3, 3)) @ halves
    return Grid(tuple(max(n - 1, 1) for n in grid.dims), tuple(origin), grid.spacing, grid.direction)
