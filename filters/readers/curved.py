"""Curved, uneven and terrain-following axes, as models of ocean and weather have them, to a regular grid.

Across, values are interpolated in the cells of the model's own grid, which VTK finds once for all steps; then along each column.
Where values are missing the others count, if they have at least half of the weight, so that a coast stays in its place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hyperinr.filters.readers.grids import MOST_POINTS
from hyperinr_core.volume import Grid

#: Share of the distances of neighbouring points that may be smaller than the default grid's.
SMALLER = 0.25

#: Most points along an uneven axis for each that it has.
FINER = 2

#: Points of a model that may be at one place: a globe's grid folds along its seams. More are filled in where it computes nothing.
MOST_AT_ONE = 4


@dataclass(frozen=True)
class Across:
    """Where the points of a regular grid lie among the points of a model's.

    Attributes
    ----------
    corners : (4, n) of the model's points, flat, for each of the grid's n points. weights : (4, n), 0 outside the model.
    shape : (ny, nx) of the grid.
    """

    corners: np.ndarray
    weights: np.ndarray
    shape: tuple[int, int]

    def taken(self, planes: np.ndarray) -> np.ndarray:
        """(k, ny, nx, c) of the model's planes (k, y, x, c)."""
        flat = planes.reshape(len(planes), -1, planes.shape[-1])
        total = np.zeros((len(planes), self.corners.shape[1], planes.shape[-1]))
        weight = np.zeros_like(total)
        for corners, weights in zip(self.corners, self.weights):
            _add(total, weight, flat[:, corners], weights[:, None])
        return _mean(total, weight).reshape(len(planes), *self.shape, -1)


def _add(total: np.ndarray, weight: np.ndarray, values: np.ndarray, weights: np.ndarray) -> None:
    """Add values times weights where there are values, and the weights."""
    has_value = np.isfinite(values)
    total += np.where(has_value, values, 0) * weights
    weight += has_value * weights


def _mean(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weight >= 0.5 - 1e-9, total / weight, np.nan)


@dataclass(frozen=True)
class Warp:
    """From the points of a model to those of a grid; `heights` are (nz,) or, with `moving`, given at each reading."""

    grid: Grid
    across: Across
    heights: np.ndarray | None

    def applied(self, values: np.ndarray, columns: np.ndarray | None, z_range: tuple[int, int] | None) -> np.ndarray:
        """(nz, ny, nx, c) of all planes of a model, (k, y, x, c), with NaN outside it.

        Parameters
        ----------
        columns : (k, y, x) heights of the model's points, where they are not the same everywhere.
        """
        z0, z1 = z_range or (0, self.grid.dims[2])
        targets = self.grid.origin[2] + np.arange(z0, z1) * self.grid.spacing[2]
        if columns is not None:
            return _in_columns(self.across.taken(values), self.across.taken(columns[..., None])[..., 0], targets)
        if self.heights is None:
            return self.across.taken(values[z0:z1])
        before, share = between(self.heights, targets)
        needed, places = np.unique([before, np.minimum(before + 1, len(values) - 1)], return_inverse=True)
        planes = self.across.taken(values[needed])
        low, high = planes[places.reshape(2, -1)]
        return _between(low, high, share[:, None, None, None])


def _between(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """From low to high by shares of 0 to 1."""
    total, weight = np.zeros_like(low), np.zeros_like(low)
    _add(total, weight, low, 1 - share)
    _add(total, weight, high, share)
    return _mean(total, weight)


def between(points: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the one of points (n,), rising or falling, that is before each place, and how far it is to the next, 0 to 1."""
    order = slice(None) if points[-1] >= points[0] else slice(None, None, -1)
    found = np.interp(places, points[order], np.arange(len(points), dtype=np.float64)[order])
    before = np.clip(np.floor(found).astype(int), 0, max(len(points) - 2, 0))
    return before, found - before


def _in_columns(planes: np.ndarray, heights: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(nz, ny, nx, c) at increasing heights (nz,), of planes (k, ny, nx, c) at heights (k, ny, nx); NaN beyond these."""
    if np.nanmean(heights[-1]) < np.nanmean(heights[0]):
        heights, planes = heights[::-1], planes[::-1]
    rounding = 1e-6 * (np.nanmax(heights) - np.nanmin(heights))
    below = np.zeros(heights.shape[1:], int)
    levels = []
    for target in targets:
        for _ in range(len(heights)):
            is_under = _taken(heights, below + 1) <= target
            is_under &= below < len(heights) - 2
            if not is_under.any():
                break
            below += is_under
        low, high = _taken(heights, below), _taken(heights, below + 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = np.clip(np.nan_to_num((target - low) / (high - low)), 0, 1)[..., None]
            is_inside = (target >= low - rounding) & (target <= high + rounding)
        values = _between(_taken(planes, below), _taken(planes, below + 1), share)
        levels.append(np.where(is_inside[..., None], values, np.nan))
    return np.stack(levels)


def _taken(planes: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(ny, nx[, c]) of planes (k, ny, nx[, c]), each point from the plane of its number."""
    rows, columns = np.indices(numbers.shape, sparse=True)
    return planes[numbers, rows, columns]


def even_axis(points: np.ndarray, most: float) -> tuple[float, float, int]:
    """First, last and count of even points over uneven ones, (...,) along the last axis, at most so many."""
    low, high = float(np.nanmin(points)), float(np.nanmax(points))
    steps = np.abs(np.diff(points))
    steps = steps[np.isfinite(steps) & (steps > 1e-9 * (high - low))]
    if not len(steps):
        return low, high, 1
    n = (high - low) / float(np.quantile(steps, SMALLER)) * (1 + 1e-9) + 1
    return low, high, max(int(min(n, FINER * points.shape[-1], most)), 2)


def grid_of_axes(x: np.ndarray, y: np.ndarray, z: np.ndarray, dims: tuple[int, int, int] | None) -> Grid:
    """The default grid over points along each axis, (n,) or (..., n) where it differs from line to line."""
    axes = [even_axis(points, MOST_POINTS) for points in (x, y, z)]
    counts = np.array([count for *_, count in axes], float)
    if counts.prod() > MOST_POINTS:
        counts[counts > 1] *= (MOST_POINTS / counts.prod()) ** (1 / (counts > 1).sum())
    counts = np.array(dims) if dims else np.maximum(counts.astype(int), 1)
    spacing = [(high - low) / (n - 1) if n > 1 else 1.0 for (low, high, _), n in zip(axes, counts)]
    return Grid(counts.tolist(), [low for low, *_ in axes], spacing)


def across_axes(x: np.ndarray, y: np.ndarray, grid: Grid) -> Across:
    """For points (nx,) and (ny,) along straight axes."""
    places = [grid.origin[axis] + np.arange(grid.dims[axis]) * grid.spacing[axis] for axis in (0, 1)]
    (i, fx), (j, fy) = between(x, places[0]), between(y, places[1])
    shape = (len(j), len(i))
    corners, weights = [], []
    for dj, wy in ((0, 1 - fy), (1, fy)):
        for di, wx in ((0, 1 - fx), (1, fx)):
            row, column = np.minimum(j + dj, len(y) - 1), np.minimum(i + di, len(x) - 1)
            corners.append((row[:, None] * len(x) + column).ravel())
            weights.append((wy[:, None] * wx).ravel())
    return Across(np.array(corners), np.array(weights), shape)


def across_cells(x: np.ndarray, y: np.ndarray, grid: Grid, is_round: bool) -> Across:
    """For points at (ny, nx) places, whose quadrangles VTK finds the grid's points in.

    Parameters
    ----------
    is_round : x are longitudes, which may pass 360 degrees.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import VTK_QUAD, vtkCellArray, vtkUnstructuredGrid

    from hyperinr.filters.readers.probing import probed

    quads, places = _places(_quads(x, y), x, y, grid, is_round)
    points, cells, mesh = vtkPoints(), vtkCellArray(), vtkUnstructuredGrid()
    points.SetData(numpy_to_vtk(places.reshape(-1, 3), deep=1))
    starts, numbers = np.arange(0, 4 * len(places) + 1, 4), np.arange(4 * len(places))
    cells.SetData(numpy_to_vtkIdTypeArray(starts, deep=1), numpy_to_vtkIdTypeArray(numbers, deep=1))
    mesh.SetPoints(points)
    mesh.SetCells(VTK_QUAD, cells)
    for name, attributes, values in (
        ("u", mesh.GetPointData(), np.tile([0.0, 1.0, 1.0, 0.0], len(places))),
        ("v", mesh.GetPointData(), np.tile([0.0, 0.0, 1.0, 1.0], len(places))),
        ("cell", mesh.GetCellData(), np.arange(len(places), dtype=np.float64)),
    ):
        array = numpy_to_vtk(values, deep=1)
        array.SetName(name)
        attributes.AddArray(array)
    dims = (*grid.dims[:2], 1)
    box = [0, dims[0] - 1, 0, dims[1] - 1, 0, 0]
    found, valid = probed(mesh, box, dims, (*grid.origin[:2], 0.0), grid.spacing)
    u, v, cell = (found[name].ravel() for name in ("u", "v", "cell"))
    corners = quads[np.rint(cell).astype(int)].T
    weights = np.array([(1 - u) * (1 - v), u * (1 - v), u * v, (1 - u) * v]) * valid.ravel()
    return Across(corners, weights, (grid.dims[1], grid.dims[0]))


def _quads(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Flat numbers (n, 4) of the corners of a model's cells, without those that miss one."""
    number = np.arange(x.size).reshape(x.shape)
    quads = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], -1).reshape(-1, 4)
    return quads[np.isfinite(x.ravel()[quads]).all(1) & np.isfinite(y.ravel()[quads]).all(1)]


def unrolled(x: np.ndarray) -> np.ndarray:
    """Longitudes in one turn of the globe that begins after the widest gap between them."""
    around = np.unique(x[np.isfinite(x)] % 360)
    gaps = np.diff(around, append=around[0] + 360)
    low = around[(np.argmax(gaps) + 1) % len(around)]
    low -= 360 if low > 180 else 0
    low -= 1e-6  # rounding must not send the first one around the globe
    return low + (x - low) % 360


def sound(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (ny, nx) with NaN for those that are filled in, such as with 0, where a model computes nothing."""
    _, numbers, counts = np.unique(x.ravel() + 1j * y.ravel(), return_inverse=True, return_counts=True)
    is_filled = (counts[numbers.ravel()] > MOST_AT_ONE).reshape(x.shape)
    return np.where(is_filled, np.nan, x), np.where(is_filled, np.nan, y)


def _places(
    quads: np.ndarray, x: np.ndarray, y: np.ndarray, grid: Grid, is_round: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The cells, some of them twice on a globe, and the places of their corners, (n, 4, 3)."""
    x, y = x.ravel()[quads], y.ravel()[quads]
    if is_round:
        first = x[:, :1]
        x = first + (x - first + 180) % 360 - 180
        # into the grid's turn of the globe, and again beside it what reaches over its ends
        x += 360 * np.ceil((grid.origin[0] - x.max(axis=1, keepdims=True)) / 360)
        again = x.min(axis=1) + 360 <= grid.origin[0] + grid.spacing[0] * (grid.dims[0] - 1)
        quads = np.concatenate([quads, quads[again]])
        x, y = np.concatenate([x, x[again] + 360]), np.concatenate([y, y[again]])
    return quads, np.stack([x, y, np.zeros_like(x)], -1)
