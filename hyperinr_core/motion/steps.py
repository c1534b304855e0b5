"""Training steps as splines: what paths carry values from. Decoded once, and kept while time moves inside a gap."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.motion import kernel
from hyperinr_core.motion.reference import REACH

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
    start : (3,) point of the grid that the arrays begin at; before its first where a border is in them.
    splines : (c, pz, py, px) float32 coefficients.
    values : (c, pz, py, px) float32, those themselves.
    """

    shape: tuple[int, int, int]
    periodic: tuple[bool, bool, bool]
    start: tuple[int, int, int]
    splines: np.ndarray
    values: np.ndarray

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
            # what lies beyond the grid goes on around it, or reflected in its border points
            width = [(0, 0)] * 4
            width[axis + 1] = (REACH + PAD) * (first == 0), (REACH + PAD) * (first + size == n)
            extended = np.pad(extended, width, mode="wrap" if wraps else "reflect" if n > 1 else "edge")
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
        splines, values = (np.ascontiguousarray(array[tuple(parts)]) for array in (self.splines, self.values))
        return Step(self.shape, self.periodic, (begins[0], begins[1], begins[2]), splines, values)

    @property
    def n_bytes(self) -> int:
        return self.splines.nbytes + self.values.nbytes


def box_around(
    shape: Sequence[int], periodic: Sequence[bool], low: Sequence[float], high: Sequence[float], reach: Sequence[int]
) -> Box:
    """The points whose values are needed between two corners (3,) z, y, x in points; whole axes where that is nearly all."""
    found = []
    for n, wraps, first, last, far in zip(shape, periodic, low, high, reach):
        begin = int(np.floor(first)) - far - REACH - PAD
        end = int(np.ceil(last)) + far + REACH + PAD
        inside = begin >= 0 and end < n
        begin, end = begin // ROUND * ROUND, end // ROUND * ROUND + ROUND - 1
        if (wraps and not inside) or min(end, n - 1) - max(begin, 0) >= NEARLY_ALL * n:
            begin, end = 0, n - 1
        found.append((max(begin, 0), min(end, n - 1)))
    return tuple(found)


class Steps:
    """The splines of the steps that were used last.

    Parameters
    ----------
    decode : (step, box, progress) to values (z, y, x, C) at the points of a box.
    whole : whether values can be had of the whole grid alone.
    """

    def __init__(
        self,
        decode: Callable[[int, Box, Callable[[float], object] | None], np.ndarray],
        shape: tuple[int, int, int],
        periodic: Sequence[bool],
        whole: bool = False,
    ) -> None:
        self._decode, self._shape, self._periodic, self._whole = decode, shape, tuple(periodic), whole
        self._kept: OrderedDict[int, tuple[Box, Step]] = OrderedDict()
        self._lock = threading.RLock()

    def get(self, numbers: Sequence[int], box: Box, progress: Callable[[float], object] | None = None) -> list[Step]:
        """The steps of some numbers, on a box at least; `progress` hears of the share of them that is there."""
        if self._whole:
            box = tuple((0, n - 1) for n in self._shape)
        with self._lock:
            missing = [step for step in numbers if not self._has(step, box)]
            for done, step in enumerate(missing):
                heard = None if progress is None else _part(progress, done, len(missing))
                values = self._decode(step, box, heard)
                start = tuple(first for first, _ in box)
                self._kept[step] = box, Step.of(values, self._periodic, self._shape, start)
            kept = [self._kept[step] for step in numbers]
            alike = all(other == kept[0][0] for other, _ in kept)
            found = [step if alike else step.cut(box) for _, step in kept]
            for step in numbers:
                self._kept.move_to_end(step)
            while len(self._kept) > len(numbers) and self._n_bytes() > MOST_BYTES:
                self._kept.popitem(last=False)
            return found

    def _has(self, step: int, box: Box) -> bool:
        if step not in self._kept:
            return False
        return all(a[0] <= b[0] and b[1] <= a[1] for a, b in zip(self._kept[step][0], box))

    def _n_bytes(self) -> int:
        return sum(step.n_bytes for _, step in self._kept.values())


def _part(progress: Callable[[float], object], done: int, total: int) -> Callable[[float], object]:
    return lambda fraction: progress((done + fraction) / total)
