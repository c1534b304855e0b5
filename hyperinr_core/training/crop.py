"""A block of every step of a series: what methods are compared on, and models tried on, before all of it is learned."""

from __future__ import annotations

import math
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
    dims = tuple(axis.stop - axis.start for axis in (x, y, z))
    if dims == series.grid.dims:
        return series

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        first, last = z_range or (0, dims[2])
        return series.loader(step, name, (z.start + first, z.start + last))[:, y, x]

    return replace(series, grid=Grid(dims), loader=load, mask=series.mask and series.mask.cut((z, y, x)))
