"""One pass over a series: the ranges and masks of its fields, and a part of it in memory that teachers are compared on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.mask import Mask, Sheets, filled, valid_points
from hyperinr_core.training.crop import ENOUGH, central, cropped, cut_out, grid_of, least_valid
from hyperinr_core.training.samples import Block, fits_into, scan_fields
from hyperinr_core.volume import Field, VolumeSeries

#: Larger volumes are compared on a central block of about so many points.
MOST_POINTS = 1 << 20


@dataclass(frozen=True)
class Surroundings:
    """Where motion is found: what is learned, and what moves into it and out of it.

    Attributes
    ----------
    series, block : as of `Survey`, of the surroundings.
    inner : the box z, y, x of the series that is learned.
    """

    series: VolumeSeries
    block: VolumeSeries
    inner: tuple[slice, ...]


@dataclass(frozen=True)
class Survey:
    """What one pass over a series found out.

    Attributes
    ----------
    fields : with their ranges over all steps.
    series : the series, where there is a mask with numbers at masked points and no other fields than these; where all of it
        fits into memory no step is read a second time until `release`.
    block : its steps on a central part of the grid, in memory; the series itself where that is small enough.
    release : lets go of what is kept for the series, before training keeps its own.
    around : of a brick; None where the series is all there is.
    """

    fields: tuple[Field, ...]
    series: VolumeSeries
    block: VolumeSeries
    release: Callable[[], None] = lambda: None
    around: Surroundings | None = None


def survey_within(series: VolumeSeries, inner: Sequence[slice], names: Sequence[str], memory_bytes: int) -> Survey:
    """A survey of a box z, y, x of a series, and of all of it as surroundings; what fits into memory is read once."""
    kept = Kept(series) if fits_into(series, names, memory_bytes) else None
    whole = kept.series if kept else series
    found, around = (survey(each, names, memory_bytes) for each in (cut_out(whole, inner), whole))

    def release() -> None:
        for each in (found, around, kept):
            if each is not None:
                each.release()

    return replace(found, release=release, around=Surroundings(around.series, around.block, tuple(inner)))


def survey(series: VolumeSeries, names: Sequence[str], memory_bytes: int) -> Survey:
    """Read the named fields of every step once.

    Raises
    ------
    DataError for a step that cannot be read, holds Inf, or has no value but NaN in a field.
    """
    holes = Holes(series, names)
    if fits_into(series, names, memory_bytes):
        kept = Kept(series)
        fields = scan_fields(kept.series, names, memory_bytes, masked=holes.take)
        mask = holes.mask()
        if mask is not None:
            kept.fill(mask, names)
        return Survey(fields, kept.series, cropped(kept.series, MOST_POINTS), kept.release)
    n_values = sum(series.field_info[name] for name in names)
    block = Cut(series, names, min(MOST_POINTS, memory_bytes // (8 * n_values * len(series))))
    fields = scan_fields(series, names, memory_bytes, block.take, holes.take)
    mask = holes.mask()
    if mask is None:
        return Survey(fields, series, block.series)
    whole = without_holes(series, mask, names)
    return Survey(fields, whole, block.without_holes(mask) or cropped(whole, block.series.grid.n_points))


def without_holes(series: VolumeSeries, mask: Mask, names: Sequence[str]) -> VolumeSeries:
    """The named fields of a series with numbers at masked points, filled whenever a step is read."""

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        values = series.read(step, [name], z_range)
        valid = valid_points(values)
        return values if valid.all() else filled(values, valid)

    return replace(series, loader=load, field_info={name: series.field_info[name] for name in names}, mask=mask)


class Holes:
    """Finds the masks of fields, while every step is read."""

    def __init__(self, series: VolumeSeries, names: Sequence[str]) -> None:
        self._series, self._names = series, names
        self._sheets, self._owners = Sheets(), np.full((len(series), len(names)), -1)
        self._step = -1
        self._valid: list[np.ndarray] = []

    def take(self, block: Block, values: np.ndarray) -> None:
        """Note what is masked in planes (nz, ny, nx, C) of a step, of which the series has no earlier one to come."""
        if block.step != self._step:
            self._finish()
            self._step, self._valid = block.step, [np.ones(self._series.grid.shape, bool) for _ in self._names]
        ends = np.cumsum([self._series.field_info[name] for name in self._names])[:-1]
        for valid, part in zip(self._valid, np.split(values, ends, axis=-1)):
            valid[block.z_start : block.z_stop] = valid_points(part)

    def mask(self) -> Mask | None:
        """Of all steps, once they were read; None where nothing is masked."""
        self._finish()
        if (self._owners < 0).all():
            return None
        if (self._owners < 0).any():
            self._owners[self._owners < 0] = self._sheets.add(np.ones(self._series.grid.shape, bool))
        return self._sheets.mask(self._series.grid.shape, self._series.thetas, self._owners.tolist())

    def _finish(self) -> None:
        for number, valid in enumerate(self._valid):
            if not valid.any():
                raise DataError(
                    f"step {self._step} of {self._series.source} has no value but NaN in field {self._names[number]!r}; "
                    "expected one at least, leave the step out"
                )
            self._owners[self._step, number] = self._sheets.add(valid)
        self._valid = []


class Kept:
    """A series of which each field of each step is read once and kept, until it is released."""

    def __init__(self, series: VolumeSeries) -> None:
        self._truth, self._lock = series, threading.Lock()
        self._volumes: dict[tuple[int, str], np.ndarray] = {}
        self._is_released = False
        self.series = replace(series, loader=self._load)

    def fill(self, mask: Mask, names: Sequence[str]) -> None:
        """Have numbers at the masked points of the named fields, which were all read."""
        self._truth = without_holes(self._truth, mask, names)
        self.series = replace(self._truth, loader=self._load)
        for (step, name), values in self._volumes.items():
            self._volumes[step, name] = filled(values, self.series.valid(step, name))
            self._volumes[step, name].flags.writeable = False

    def release(self) -> None:
        """Keep nothing more; what is read from now on comes from the files."""
        self._is_released = True
        self._volumes.clear()

    def _load(self, step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        if self._is_released:
            return self._truth.read(step, [name], z_range)
        with self._lock:
            if (step, name) not in self._volumes:
                self._volumes[step, name] = _unmapped(self._truth.read(step, [name]))
                self._volumes[step, name].flags.writeable = False
            return self._volumes[step, name][slice(*(z_range or (None,)))]


def _unmapped(values: np.ndarray) -> np.ndarray:
    """A copy of a box of a mapped file, of which rows and columns around it are in memory, too; other arrays as they are."""
    base: np.ndarray | None = values
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    return values if base is None or values.flags.c_contiguous else np.ascontiguousarray(values)


class Cut:
    """The central block of a series that is larger than memory, taken while the whole is read."""

    def __init__(self, series: VolumeSeries, names: Sequence[str], most_points: int) -> None:
        self._x, self._y, self._z = central(series.grid, most_points)
        self._names = names
        columns = np.cumsum([0, *(series.field_info[name] for name in names)])
        self._columns = {name: slice(*pair) for name, pair in zip(names, zip(columns, columns[1:]))}
        grid = grid_of(series.grid, (self._z, self._y, self._x))
        self._values = np.empty((len(series), *grid.shape, columns[-1]), np.float32)
        self.series = replace(series, grid=grid, loader=self._load)

    def take(self, block: Block, values: np.ndarray) -> None:
        """Copy what lies in the block from planes (nz, ny, nx, C) of a step."""
        first, last = max(block.z_start, self._z.start), min(block.z_stop, self._z.stop)
        if first < last:
            planes = values[first - block.z_start : last - block.z_start, self._y, self._x]
            self._values[block.step, first - self._z.start : last - self._z.start] = planes

    def without_holes(self, mask: Mask) -> VolumeSeries | None:
        """The series with numbers at masked points; None where too much of it is masked."""
        cut = mask.cut((self._z, self._y, self._x))
        if least_valid(cut) < ENOUGH:
            return None
        for step, owners in enumerate(cut.owners):
            for name, owner in zip(self._names, owners):
                values = self._values[step][..., self._columns[name]]
                values[...] = filled(values, cut.valid(owner))
        info = {name: self.series.field_info[name] for name in self._names}
        return replace(self.series, mask=cut, field_info=info)

    def _load(self, step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        return self._values[step, slice(*(z_range or (None,))), ..., self._columns[name]]
