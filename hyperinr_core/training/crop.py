"""A block of every step of a series: what methods are compared on, and models tried on, before all of it is learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from hyperinr_core.mask import Mask
from hyperinr_core.volume import Grid, VolumeSeries

#: Share of a block that must not be masked in any step, if that can be had, and places that are tried for it along an axis.
ENOUGH, N_TRIED = 0.25, 4


def central(grid: Grid, most_points: int) -> tuple[slice, slice, slice]:
    """Along x, y, z: the block of at most about so many points in the middle, cut from the longest axes."""
    dims = list(grid.dims)
    while math.prod(dims) > max(most_points, 1):
        longest = int(np.argmax(dims))
        dims[longest] = max(int(dims[longest] * max(0.8, most_points / math.prod(dims))), 1)
    starts = ((full - n) // 2 for full, n in zip(grid.dims, dims))
    x, y, z = (slice(start, start + n) for start, n in zip(starts, dims))
    return x, y, z


def least_valid(mask: Mask) -> float:
    """The share of points that hold values where it is smallest, over steps and fields."""
    sheets = np.unique(mask.owners)
    return min(float(mask.valid(sheet).mean()) for sheet in sheets)


def _fullest(grid: Grid, most_points: int, mask: Mask) -> tuple[slice, slice, slice]:
    """Along x, y, z: a block of the size of the central one, that one where enough of it is not masked."""
    best = central(grid, most_points)
    sizes = [axis.stop - axis.start for axis in best]
    most = least_valid(mask.cut(best[::-1]))
    starts = [np.linspace(0, n - size, N_TRIED, dtype=int) for n, size in zip(grid.dims, sizes)]
    for corner in product(*(np.unique(each) for each in starts)):
        if most >= ENOUGH:
            break
        x, y, z = (slice(int(start), int(start) + size) for start, size in zip(corner, sizes))
        share = least_valid(mask.cut((z, y, x)))
        if share > most:
            best, most = (x, y, z), share
    return best


def cropped(series: VolumeSeries, most_points: int) -> VolumeSeries:
    """The series on its central block, or on another of which less is masked; itself where it is small."""
    x, y, z = (
        central(series.grid, most_points) if series.mask is None else _fullest(series.grid, most_points, series.mask)
    )
    if tuple(axis.stop - axis.start for axis in (x, y, z)) == series.grid.dims:
        return series
    return cut_out(series, (z, y, x))


def cut_out(series: VolumeSeries, box: Sequence[slice]) -> VolumeSeries:
    """The series on a box z, y, x of its grid's points; one that leaves the grid goes on at the other end of the axis."""
    places = [np.arange(part.start, part.stop) % n for part, n in zip(box, series.grid.shape)]
    zs, ys, xs = places
    z, y, x = box
    rows, columns = _runs(ys), _runs(xs)

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        parts = []
        for run in _runs(zs[slice(*(z_range or (None,)))]):
            values = series.loader(step, name, (run.start, run.stop))
            parts.append(_joined([_joined([values[:, row, column] for column in columns], 2) for row in rows], 1))
        return _joined(parts, 0)

    mask = None
    if series.mask is not None:
        inside = all(len(_runs(each)) == 1 for each in places)
        mask = series.mask.cut((z, y, x) if inside else np.ix_(*places))
    return replace(series, grid=grid_of(series.grid, box), loader=load, mask=mask)


def _runs(places: np.ndarray) -> list[slice]:
    """The parts of an axis that lie side by side."""
    parts = np.split(places, np.flatnonzero(np.diff(places) != 1) + 1)
    return [slice(int(part[0]), int(part[-1]) + 1) for part in parts]


def _joined(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis)


def grid_of(grid: Grid, box: Sequence[slice]) -> Grid:
    """The points of a grid in a box z, y, x."""
    return grid.part([end for part in reversed(box) for end in (part.start, part.stop - 1)])
