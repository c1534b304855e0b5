"""Training steps as splines: what paths carry values from. Decoded once, and kept while time moves inside a gap."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hyperinr_core.motion import kernel
from hyperinr_core.motion.reference import REACH

if TYPE_CHECKING:
    from hyperinr_core.motion.motion import Moment

#: Points that a spline needs beyond the cell of a sample.
PAD = 3

#: Bytes of splines that stay in memory, as long as the steps around one time fit.
MOST_BYTES = 1 << 30

#: Share of an axis from which on all of it is decoded.
NEARLY_ALL = 0.75

#: Points that a box's ends are rounded to, outwards: one that paths reach a little farther from is the same.
ROUND = 16

#: Inclusive first and last points along z, y, x.
Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class Step:
    """A block of a volume as cubic B-splines through its values.

    Attributes
    ----------
    shape : (nz, ny, nx) of the grid.
    periodic : (3,) z, y, x.
    start : (3,) place that the arrays begin at; before the grid's first point where a border is in them.
    splines : (c, pz, py, px) float32 coefficients.
    values : (c, pz, py, px) float32, those themselves.
    origin : (3,) place of the grid's first point.
    """

    shape: tuple[int, int, int]
    periodic: tuple[bool, bool, bool]
    start: tuple[int, int, int]
    splines: np.ndarray
    values: np.ndarray
    origin: tuple[int, int, int] = (0, 0, 0)

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        periodic: Sequence[bool],
        shape: Sequence[int] | None = None,
        start: Sequence[int] = (0, 0, 0),
    ) -> Step:
        """Of values (z, y, x, c) from a point of a grid on; what ends before the grid does is good for less than there is."""
        nz, ny, nx = shape or values.shape[:3]
        extended, begins, margins = np.moveaxis(values, -1, 0), [], []
        for axis, (n, size, first, wraps) in enumerate(zip((nz, ny, nx), values.shape, start, periodic)):
            if n == 1 and axis == 0:  # a plane
                begins.append(0)
                margins.append(slice(None))
                continue
            width = [(0, 0)] * 4
            width[axis + 1], how = extension(n, size, first, wraps)
            extended = np.pad(extended, width, mode=how)
            begins.append(first - width[axis + 1][0] + REACH)
            margins.append(slice(REACH, extended.shape[axis + 1] - REACH))
        extended = np.ascontiguousarray(extended, np.float32)
        splines = np.stack([kernel.spline(part) for part in extended])
        inner = np.ascontiguousarray(extended[(slice(None), *margins)])
        wz, wy, wx = (bool(wraps) for wraps in periodic)
        return cls((nz, ny, nx), (wz, wy, wx), (begins[0], begins[1], begins[2]), splines, inner)

    def cut(self, box: Box) -> Step:
        """What `of` gives of a smaller box of the same volume."""
        parts, begins = [slice(None)], []
        for axis, ((first, last), n) in enumerate(zip(box, self.shape)):
            if n == 1:
                begin, end = self.start[axis], self.start[axis] + self.values.shape[axis + 1]
            else:
                begin = -PAD if first == 0 else first + REACH
                end = n + PAD if last == n - 1 else last + 1 - REACH
            begins.append(begin)
            parts.append(slice(begin - self.start[axis], end - self.start[axis]))
        splines, values = (self._solid(array[tuple(parts)]) for array in (self.splines, self.values))
        return type(self)(self.shape, self.periodic, (begins[0], begins[1], begins[2]), splines, values)

    @staticmethod
    def _solid(array: Any) -> Any:
        """The same numbers side by side."""
        return np.ascontiguousarray(array)

    @property
    def limits(self) -> list[tuple[int, int, int]]:
        """Of each axis the first and the last place that has values, and after how many points these repeat, 0 for never."""
        found = []
        for n, wraps, first, size, begin in zip(
            self.shape, self.periodic, self.origin, self.values.shape[1:], self.start
        ):
            if not wraps:
                found.append((first, first + n - 1, 0))
            elif size >= n:
                found.append((first, first + n, n))
            else:  # what lies beyond an end is in the arrays
                found.append((begin, begin + size, 0))
        return found

    def seen_from(self, point: Sequence[int]) -> Step:
        """The same where places are counted from a point z, y, x of the grid."""
        (sz, sy, sx), (oz, oy, ox) = (np.subtract(place, point).tolist() for place in (self.start, self.origin))
        return replace(self, start=(sz, sy, sx), origin=(oz, oy, ox))

    def of_components(self, columns: slice) -> Step:
        """The same of some of the components."""
        return replace(self, splines=self.splines[columns], values=self.values[columns])

    @property
    def n_bytes(self) -> int:
        return self.splines.nbytes + self.values.nbytes


def extension(n: int, size: int, first: int, wraps: bool) -> tuple[tuple[int, int], Literal["wrap", "reflect", "edge"]]:
    """Points that a block of an axis of n points is extended by, before and after, and how, as `numpy.pad` names it.

    What lies beyond the grid goes on around it, or reflected in its border points.
    """
    width = (REACH + PAD) * (first == 0), (REACH + PAD) * (first + size == n)
    return width, "wrap" if wraps else "reflect" if n > 1 else "edge"


def box_around(
    shape: Sequence[int],
    periodic: Sequence[bool],
    low: Sequence[float],
    high: Sequence[float],
    reach: Sequence[int],
    beyond: bool = False,
) -> Box:
    """The points whose values are needed between two corners (3,) z, y, x in points; whole axes where that is nearly all.

    Parameters
    ----------
    beyond : whether a box may go on beyond the end of a periodic axis, all of which is taken otherwise.
    """
    found = []
    for n, wraps, first, last, far in zip(shape, periodic, low, high, reach):
        begin = int(np.floor(first)) - far - REACH - PAD
        end = int(np.ceil(last)) + far + REACH + PAD
        inside = begin >= 0 and end < n
        begin, end = begin // ROUND * ROUND, end // ROUND * ROUND + ROUND - 1
        goes_on = wraps and beyond
        length = end - begin if goes_on else min(end, n - 1) - max(begin, 0)
        if (wraps and not inside and not beyond) or length >= NEARLY_ALL * n:
            begin, end = 0, n - 1
        found.append((begin, end) if goes_on else (max(begin, 0), min(end, n - 1)))
    return tuple(found)


class Source(ABC):
    """Where steps come from, and where they are carried."""

    #: Points that are asked for between two calls of a caller's progress callback.
    slab_points = 1 << 20

    @property
    @abstractmethod
    def whole(self) -> Box:
        """All of the grid."""

    @abstractmethod
    def around(self, low: Sequence[float], high: Sequence[float], reach: Sequence[int]) -> Box:
        """The box to ask for, of what lies between two corners (3,) z, y, x in points and reaches so much farther."""

    @abstractmethod
    def get(self, numbers: Sequence[int], box: Box, progress: Callable[[float], object] | None = None) -> list[Step]:
        """The steps of some numbers, on a box at least; `progress` hears of the share of them that is there."""

    def carry(
        self,
        moments: Sequence[Moment],
        columns: Sequence[slice],
        box: Box,
        places: Sequence[np.ndarray],
        scattered: bool,
        out: np.ndarray,
    ) -> None:
        """Write values of fields at their moments into their columns of `out`.

        Parameters
        ----------
        box : what values at the places are made of. places, scattered : as of `kernel.carry`.
        """
        steps = self.get(moments[0].steps, box)
        for moment, own in zip(moments, columns):
            kernel.carry(moment, [step.of_components(own) for step in steps], places, scattered, out[..., own])

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array for `carry`."""
        return np.empty(shape, np.float32)


class Steps(Source):
    """The splines of the steps that were used last.

    Parameters
    ----------
    decode : (step, box, progress) to values (z, y, x, C) at the points of a box.
    whole : whether values can be had of the whole grid alone.
    beyond : as of `box_around`.
    """

    def __init__(
        self,
        decode: Callable[[int, Box, Callable[[float], object] | None], np.ndarray],
        shape: tuple[int, int, int],
        periodic: Sequence[bool],
        whole: bool = False,
        beyond: bool = False,
    ) -> None:
        self._decode, self._shape, self._periodic = decode, shape, tuple(periodic)
        self._only_whole, self._beyond = whole, beyond
        self._kept: OrderedDict[int, tuple[Box, Step]] = OrderedDict()
        self._lock = threading.RLock()

    @property
    def whole(self) -> Box:
        return tuple((0, n - 1) for n in self._shape)

    def around(self, low: Sequence[float], high: Sequence[float], reach: Sequence[int]) -> Box:
        return box_around(self._shape, self._periodic, low, high, reach, self._beyond)

    def get(self, numbers: Sequence[int], box: Box, progress: Callable[[float], object] | None = None) -> list[Step]:
        if self._only_whole:
            box = self.whole
        with self._lock:
            missing = [step for step in dict.fromkeys(numbers) if not self._has(step, box)]
            for done, step in enumerate(missing):
                heard = None if progress is None else share_of(progress, done, len(missing))
                self._kept[step] = box, self._made(self._decode(step, box, heard), [first for first, _ in box])
            kept = [self._kept[step] for step in numbers]
            alike = all(other == kept[0][0] for other, _ in kept)
            found = [step if alike else step.cut(box) for _, step in kept]
            for step in numbers:
                self._kept.move_to_end(step)
            while len(self._kept) > len(numbers) and self._n_bytes() > self._most_bytes():
                self._kept.popitem(last=False)
            return found

    def _made(self, values: np.ndarray, start: Sequence[int]) -> Step:
        return Step.of(values, self._periodic, self._shape, start)

    def _most_bytes(self) -> int:
        return MOST_BYTES

    def _has(self, step: int, box: Box) -> bool:
        if step not in self._kept:
            return False
        return all(a[0] <= b[0] and b[1] <= a[1] for a, b in zip(self._kept[step][0], box))

    def _n_bytes(self) -> int:
        return sum(step.n_bytes for _, step in self._kept.values())


class Seen(Source):
    """Steps of a larger grid, as a part of it sees them: its places are counted from its own first point z, y, x.

    Attributes
    ----------
    box : of the larger grid, that all parts ask for together; what is asked for when None.
    """

    def __init__(self, steps: Steps, point: Sequence[int]) -> None:
        self._steps, self._point = steps, tuple(point)
        self.box: Box | None = None

    @property
    def whole(self) -> Box:
        return self._steps.whole

    def around(self, low: Sequence[float], high: Sequence[float], reach: Sequence[int]) -> Box:
        """As of `Steps`, in the larger grid."""
        return self._steps.around(np.add(low, self._point).tolist(), np.add(high, self._point).tolist(), reach)

    def get(self, numbers: Sequence[int], box: Box, progress: Callable[[float], object] | None = None) -> list[Step]:
        """As of `Steps`."""
        return [step.seen_from(self._point) for step in self._steps.get(numbers, self.box or box, progress)]


def share_of(progress: Callable[[float], object], done: int, total: int) -> Callable[[float], object]:
    """Progress of one of several equal pieces of work."""
    return lambda fraction: progress((done + fraction) / total)
