"""How a grid is cut into bricks: which points each has, and how much it counts where bricks overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Extent


@dataclass(frozen=True)
class Cuts:
    """A grid cut at planes across its axes. Bricks are numbered from 0, along x fastest, then y, then z.

    Attributes
    ----------
    dims : (nx, ny, nz) of the whole grid.
    counts : (3,) bricks along x, y, z.
    overlap : points that a brick has beyond each of its cuts.

    Raises
    ------
    ParameterError where bricks would be so thin that more than two of them meet along an axis.

    Examples
    --------
    >>> cuts = Cuts((64, 64, 32), (2, 2, 1), 4)
    >>> len(cuts), cuts.extent(0), cuts.extent(3)
    (4, (0, 35, 0, 35, 0, 31), (28, 63, 28, 63, 0, 31))
    """

    dims: tuple[int, int, int]
    counts: tuple[int, int, int]
    overlap: int

    def __post_init__(self) -> None:
        if self.overlap < 1 or min(self.counts) < 1:
            raise ParameterError(f"bricks are {self.counts} with {self.overlap} points of overlap; expected 1 at least")
        for name, n, count in zip("xyz", self.dims, self.counts):
            if count > 1 and n // count < 2 * self.overlap:
                raise ParameterError(
                    f"{count} bricks along {name} have {n // count} of {n} points each; expected at least "
                    f"{2 * self.overlap}, ask for at most {max(n // (2 * self.overlap), 1)} along {name}"
                )

    def __len__(self) -> int:
        return math.prod(self.counts)

    def extent(self, number: int) -> Extent:
        """The first and last point of a brick along x, y, z, in the grid."""
        (x0, x1), (y0, y1), (z0, z1) = (self._ends(axis, place) for axis, place in enumerate(self._place(number)))
        return (x0, x1, y0, y1, z0, z1)

    def weights(self, number: int, places: Sequence[np.ndarray]) -> list[np.ndarray]:
        """How much a brick counts at places in points along x, y, z: float32 of their shapes, whose product counts.

        Those of all bricks sum to 1. Across an overlap they go smoothly from 0 to 1, as 3 t^2 - 2 t^3, so that neither values nor
        their slopes jump; they are 0 beyond a brick, and at its own last points.
        """
        found = []
        for axis, (part, where) in enumerate(zip(self._place(number), places)):
            weight = np.ones(where.shape)
            if part > 0:
                weight = self._rise(axis, part, where)
            if part + 1 < self.counts[axis]:
                weight = weight * (1 - self._rise(axis, part + 1, where))
            found.append(weight.astype(np.float32))
        return found

    def touched(self, places: Sequence[np.ndarray]) -> list[int]:
        """Bricks that count at places in points along x, y, z, between the smallest and the largest along each axis."""
        parts = []
        for axis, where in enumerate(places):
            low, high = (float(where.min()), float(where.max())) if where.size else (1.0, 0.0)
            parts.append([part for part in range(self.counts[axis]) if self._counts(axis, part, low, high)])
        nx, ny, _ = self.counts
        return [x + nx * (y + ny * z) for z in parts[2] for y in parts[1] for x in parts[0]]

    def _counts(self, axis: int, part: int, low: float, high: float) -> bool:
        """Whether a brick counts somewhere from low to high along an axis."""
        first, last = self._ends(axis, part)
        begins = high > first or part == 0
        return low <= high and begins and (low < last or part + 1 == self.counts[axis])

    def _place(self, number: int) -> tuple[int, int, int]:
        nx, ny, _ = self.counts
        return number % nx, number // nx % ny, number // (nx * ny)

    def _cut(self, axis: int, part: int) -> int:
        """The first point of a part of an axis without overlap."""
        return part * self.dims[axis] // self.counts[axis]

    def _ends(self, axis: int, part: int) -> tuple[int, int]:
        first = self._cut(axis, part) - (self.overlap if part > 0 else 0)
        last = self._cut(axis, part + 1) - 1 + (self.overlap if part + 1 < self.counts[axis] else 0)
        return first, last

    def _rise(self, axis: int, part: int, where: np.ndarray) -> np.ndarray:
        """From 0 to 1 across the overlap at the beginning of a part."""
        first = self._cut(axis, part) - self.overlap
        t = np.clip((where - first) / (2 * self.overlap - 1), 0, 1)
        return t * t * (3 - 2 * t)


def counts_for(dims: Sequence[int], n_bricks: int) -> tuple[int, int, int]:
    """So many bricks along x, y, z: each prime factor, the largest first, cuts the axis whose bricks are longest.

    Of several z, which files have apart, before y, before x.

    Examples
    --------
    >>> counts_for((128, 128, 64), 8), counts_for((100, 100, 1), 6)
    ((2, 2, 2), (2, 3, 1))
    """
    counts, left, factors, divisor = [1, 1, 1], n_bricks, [], 2
    while left > 1:
        while left % divisor == 0:
            factors.append(divisor)
            left //= divisor
        divisor += 1
    for factor in reversed(factors):
        longest = max((2, 1, 0), key=lambda axis: dims[axis] / counts[axis])
        counts[longest] *= factor
    x, y, z = counts
    return x, y, z
