"""A bound on errors at training steps: these are stored, as whole numbers of a unit that no kernel's rounding changes.

Between them, what the network lacks at the nearest step fades away until half way to the next.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.inr import Progress, Values
from hyperinr_core.volume import Field
from hyperinr_core.volume_coding import decode_volume

#: Bytes of steps that stay in memory once they are decoded, and how many do at least: as many as a motion carries.
MOST_BYTES, LEAST_KEPT = 1 << 28, 4

#: Points. A coordinate that is so near to a point of the training grid is one: unit coordinates are float32.
ON_POINT = 1e-4

#: A training step's number, and how much it counts.
Share = tuple[int, float]


@dataclass(frozen=True, eq=False)
class Bound:
    """Training steps, each component of which is low + number * unit * extent of its field's range.

    Attributes
    ----------
    shape : (nz, ny, nx) of the training grid.
    positions : (K,) float64 of the steps in parameter space, increasing.
    codes : (B,) uint8, the frames of `volume_coding`, for each step one of each component.
    ends : (K, C) int64 where frames end in `codes`.
    units : (F,) for each field what its numbers count, a share of its extent.
    largest_errors : (F,) in the fields' units, that no point of any step exceeds.
    path : of the file that it was read from, for messages.
    """

    shape: tuple[int, int, int]
    positions: np.ndarray
    codes: np.ndarray
    ends: np.ndarray
    units: tuple[float, ...]
    largest_errors: tuple[float, ...]
    path: str = ""
    _kept: OrderedDict[int, np.ndarray] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @property
    def n_bytes(self) -> int:
        """Of the stored steps."""
        return self.codes.nbytes + self.ends.nbytes + self.positions.nbytes

    def step_at(self, place: float) -> int | None:
        """The number of the step that is at a place in parameter space, None where there is none."""
        found = int(np.searchsorted(self.positions, place))
        return found if found < len(self.positions) and self.positions[found] == place else None

    def nearest(self, place: float) -> Share:
        """The nearest step, and how much what is lacking there counts: 1 at it and beyond the first and the last, 0 half way."""
        at, last = self.positions, len(self.positions) - 1
        right = int(np.clip(np.searchsorted(at, place), 0, last))
        if right == 0 or place >= at[right]:
            return right, 1.0
        share = float((place - at[right - 1]) / (at[right] - at[right - 1]))
        return (right, 2 * share - 1) if share > 0.5 else (right - 1, 1 - 2 * share)

    def values(self, step: int, fields: Sequence[Field], box: Sequence[tuple[int, int]] | None = None) -> np.ndarray:
        """(nz, ny, nx, C) float32 of a step; some numbers at masked points. FormatError where it is damaged.

        Parameters
        ----------
        fields : the model's, in whose ranges the values are.
        box : inclusive first and last points along z, y, x; all when None.
        """
        inside = tuple(slice(first, last + 1) for first, last in box or [(0, n - 1) for n in self.shape])
        found = np.empty((*(part.stop - part.start for part in inside), self.ends.shape[1]), np.float32)
        lows, extents = ranges_of(fields)
        units = np.repeat(self.units, [f.n_components for f in fields])
        for component, numbers in enumerate(self._numbers(step)):
            found[..., component] = numbers[inside] * (units[component] * extents[component]) + lows[component]
        return found

    def _numbers(self, step: int) -> np.ndarray:
        """(C, nz, ny, nx) int32."""
        with self._lock:
            if step not in self._kept:
                begin = 0 if step == 0 else int(self.ends[step - 1, -1])
                begins = [begin, *self.ends[step, :-1].tolist()]
                frames = [self.codes[first:end] for first, end in zip(begins, self.ends[step])]
                try:
                    self._kept[step] = np.stack([decode_volume(frame, self.shape) for frame in frames])
                except FormatError as error:
                    raise FormatError(f"{self.path} cannot be used: {error}") from None
            self._kept.move_to_end(step)
            while len(self._kept) > LEAST_KEPT and len(self._kept) * self._kept[step].nbytes > MOST_BYTES:
                self._kept.popitem(last=False)
            return self._kept[step]


def ranges_of(fields: Sequence[Field]) -> tuple[np.ndarray, np.ndarray]:
    """(C,) the low of each component, and (C,) the largest extent of its field's; 1 where a field has a single value."""
    lows = [low for each in fields for low, _ in each.value_range]
    extents = [max(high - low for low, high in each.value_range) or 1.0 for each in fields]
    return np.array(lows), np.repeat(extents, [each.n_components for each in fields])


class Bounded(Values):
    """A network's values, and what they lack at the nearest training step.

    Parameters
    ----------
    shape : (nz, ny, nx) of the training grid.
    near : the step, and how much what is lacking there counts; at 1 its own values stand at the grid's points, bit by bit.
    stored : gives (nz, ny, nx, C) of a step. lacking : the same, less the network's values there.
    """

    def __init__(
        self,
        plain: Values,
        shape: tuple[int, int, int],
        near: Share,
        stored: Callable[[int], np.ndarray],
        lacking: Callable[[int, Progress | None], np.ndarray],
    ) -> None:
        self._plain, self._shape, (self._step, self._share) = plain, shape, near
        self._stored, self._lacking = stored, lacking
        self.slab_points = plain.slab_points

    def at_points(self, points: np.ndarray) -> np.ndarray:
        """(B, C) float32 at points (B, D) float32 in [0, 1], x first."""
        from scipy.ndimage import map_coordinates

        values, places = self._plain.at_points(points), self._in_points(list(points.T), len(points))
        lacking = self._lacking(self._step, None)
        for column, numbers in zip(values.T, np.moveaxis(lacking, -1, 0)):
            column += np.float32(self._share) * map_coordinates(numbers, places, order=1, mode="nearest")
        on_points = np.all([_is_whole(place) for place in places], axis=0)
        if self._share == 1 and on_points.any():
            z, y, x = (place[on_points].astype(np.intp) for place in places)
            values[on_points] = self._own[z, y, x]
        return values

    def on_grid(self, axes: tuple[np.ndarray, ...], out: np.ndarray) -> None:
        """Write what is at every combination of unit coordinates along x, y (, z) into out (nz, ny, nx, C) or (ny, nx, C)."""
        places, volume = self._in_points(axes), out if len(axes) == 3 else out[None]
        on_points = [_is_whole(place) for place in places]
        if self._share < 1 or not all(whole.all() for whole in on_points):
            self._plain.on_grid(axes, out)
            volume += np.float32(self._share) * _between(self._lacking(self._step, None), places)
        if self._share == 1:
            own = np.ix_(*(place[whole].astype(np.intp) for place, whole in zip(places, on_points)))
            volume[np.ix_(*on_points)] = self._own[own]

    def prepare(self, axes: tuple[np.ndarray, ...], progress: Progress | None) -> None:
        """Decode the step."""
        self._plain.prepare(axes, progress)
        if self._share < 1:
            self._lacking(self._step, progress)

    @cached_property
    def _own(self) -> np.ndarray:
        return self._stored(self._step)

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._plain.empty(shape)

    def _in_points(self, unit: Sequence[np.ndarray], n_points: int = 1) -> list[np.ndarray]:
        """z, y, x in points of unit coordinates along x, y (, z); of a plane z is 0, for as many points as are scattered."""
        missing = [np.zeros(n_points)] * (3 - len(unit))
        found = []
        for axis, n in zip([*missing, *reversed(unit)], self._shape):
            place = axis.astype(np.float64) * (n - 1)
            nearest = np.rint(place)
            found.append(np.where(abs(place - nearest) < ON_POINT, nearest, place))
        return found


def _is_whole(place: np.ndarray) -> np.ndarray:
    return place == np.rint(place)


def _between(values: np.ndarray, places: Sequence[np.ndarray]) -> np.ndarray:
    """Values (z, y, x, C) at every combination of places, linear along each axis."""
    for axis, place in enumerate(places):
        low = np.clip(place.astype(np.intp), 0, max(values.shape[axis] - 2, 0))
        share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(4)])
        below = values.take(low, axis)
        if share.any():
            above = values.take(np.minimum(low + 1, values.shape[axis] - 1), axis)
            below += share * (above - below)
        values = below
    return values
