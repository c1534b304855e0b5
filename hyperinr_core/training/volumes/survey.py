"""One pass over a series: the ranges of its fields, and a part of it in memory that teachers are compared on."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperinr_core.training.samples import Block, fits_into, scan_fields
from hyperinr_core.volume import Field, Grid, VolumeSeries

#: Larger volumes are compared on a central block of about so many points.
MOST_POINTS = 1 << 20


@dataclass(frozen=True)
class Survey:
    """What one pass over a series found out.

    Attributes
    ----------
    fields : with their ranges over all steps.
    series : the series; where all of it fits into memory no step is read a second time until `release`.
    block : its steps on a central part of the grid, in memory; the series itself where that is small enough.
    release : lets go of what is kept for the series, before training keeps its own.
    """

    fields: tuple[Field, ...]
    series: VolumeSeries
    block: VolumeSeries
    release: Callable[[], None] = lambda: None


def survey(series: VolumeSeries, names: Sequence[str], memory_bytes: int) -> Survey:
    """Read the named fields of every step once.

    Raises
    ------
    DataError for a step that cannot be read, or holds NaN or Inf.
    """
    if fits_into(series, names, memory_bytes):
        kept = Kept(series)
        fields = scan_fields(kept.series, names, memory_bytes)
        return Survey(fields, kept.series, _cropped(kept.series, MOST_POINTS), kept.release)
    n_values = sum(series.field_info[name] for name in names)
    block = Cut(series, names, min(MOST_POINTS, memory_bytes // (8 * n_values * len(series))))
    return Survey(scan_fields(series, names, memory_bytes, block.take), series, block.series)


class Kept:
    """A series of which each field of each step is read once and kept, until it is released."""

    def __init__(self, series: VolumeSeries) -> None:
        self._truth, self._lock = series, threading.Lock()
        self._volumes: dict[tuple[int, str], np.ndarray] = {}
        self._is_released = False
        self.series = replace(series, loader=self._load)

    def release(self) -> None:
        """Keep nothing more; what is read from now on comes from the files."""
        self._is_released = True
        self._volumes.clear()

    def _load(self, step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        if self._is_released:
            return self._truth.read(step, [name], z_range)
        with self._lock:
            if (step, name) not in self._volumes:
                self._volumes[step, name] = self._truth.read(step, [name])
                self._volumes[step, name].flags.writeable = False
            return self._volumes[step, name][slice(*(z_range or (None,)))]


class Cut:
    """The central block of a series that is larger than memory, taken while the whole is read."""

    def __init__(self, series: VolumeSeries, names: Sequence[str], most_points: int) -> None:
        self._x, self._y, self._z = central(series.grid, most_points)
        columns = np.cumsum([0, *(series.field_info[name] for name in names)])
        self._columns = {name: slice(*pair) for name, pair in zip(names, zip(columns, columns[1:]))}
        grid = Grid(tuple(axis.stop - axis.start for axis in (self._x, self._y, self._z)))
        self._values = np.empty((len(series), *grid.shape, columns[-1]), np.float32)
        self.series = replace(series, grid=grid, loader=self._load)

    def take(self, block: Block, values: np.ndarray) -> None:
        """Copy what lies in the block from planes (nz, ny, nx, C) of a step."""
        first, last = max(block.z_start, self._z.start), min(block.z_stop, self._z.stop)
        if first < last:
            planes = values[first - block.z_start : last - block.z_start, self._y, self._x]
            self._values[block.step, first - self._z.start : last - self._z.start] = planes

    def _load(self, step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        return self._values[step, slice(*(z_range or (None,))), ..., self._columns[name]]


def central(grid: Grid, most_points: int) -> tuple[slice, slice, slice]:
    """Along x, y, z: the block of at most about so many points in the middle, cut from the longest axes."""
    dims = list(grid.dims)
    while math.prod(dims) > max(most_points, 1):
        longest = int(np.argmax(dims))
        dims[longest] = max(int(dims[longest] * max(0.8, most_points / math.prod(dims))), 1)
    starts = ((full - n) // 2 for full, n in zip(grid.dims, dims))
    x, y, z = (slice(start, start + n) for start, n in zip(starts, dims))
    return x, y, z


def _cropped(series: VolumeSeries, most_points: int) -> VolumeSeries:
    """The series on its central block; itself where it is small."""
    x, y, z = central(series.grid, most_points)
    dims = tuple(axis.stop - axis.start for axis in (x, y, z))
    if dims == series.grid.dims:
        return series

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        first, last = z_range or (0, dims[2])
        return series.loader(step, name, (z.start + first, z.start + last))[:, y, x]

    return replace(series, grid=Grid(dims), loader=load)
