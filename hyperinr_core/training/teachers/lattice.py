"""Sampling, smoothing and differentiating volumes whose axes may each be periodic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from itertools import product

import numpy as np
from scipy import ndimage

from hyperinr_core.spline_base import cubic_weights

#: Points that a cubic spline needs beyond the cell of a sample.
PAD = 3

#: An axis is periodic when the step across its ends is at most so many times the step between neighbours.
PERIODIC_RATIO = 1.5


class Lattice:
    """Index space of volumes: D axes in NumPy's order, each periodic or with a border that values do not cross.

    Parameters
    ----------
    shape : (D,) points along each axis.
    periodic : (D,) whether the point after the last is the first.
    """

    def __init__(self, shape: Sequence[int], periodic: Sequence[bool]) -> None:
        self.shape, self.periodic = tuple(shape), tuple(periodic)
        self._modes = ["wrap" if wraps else "mirror" for wraps in self.periodic]

    @cached_property
    def points(self) -> np.ndarray:
        """(D, ...) float32 the points' own places; of a large grid much that only who asks for it should pay."""
        found = np.empty((len(self.shape), *self.shape), np.float32)
        for axis, (part, n) in enumerate(zip(found, self.shape)):
            part[...] = np.arange(n).reshape([-1 if other == axis else 1 for other in range(len(self.shape))])
        return found

    def coarser(self, smallest: int) -> Lattice:
        """The lattice with half the points along each axis that keeps at least `smallest` of them."""
        shape = [-(-n // 2) if n >= 2 * smallest else n for n in self.shape]
        return Lattice(shape, self.periodic)

    def padded(self, volume: np.ndarray, order: int) -> np.ndarray:
        """What `sample` takes: coefficients of the spline of an order (1 or 3) through a volume, with a border."""
        if order == 3:
            for axis, wraps in enumerate(self.periodic):
                if self.shape[axis] > 1:
                    mode = "grid-wrap" if wraps else "mirror"
                    volume = ndimage.spline_filter1d(volume, 3, axis, np.float32, mode=mode)
        for axis, wraps in enumerate(self.periodic):
            width = [(PAD, PAD) if a == axis else (0, 0) for a in range(volume.ndim)]
            reflects = not wraps and self.shape[axis] > PAD
            volume = np.pad(volume, width, mode="wrap" if wraps else "reflect" if reflects else "edge")
        return volume

    def sample(self, padded: np.ndarray, positions: np.ndarray, order: int) -> np.ndarray:
        """Values of a spline at positions (D, ...) in index units; beyond a border the border's value."""
        inside = self._inside(positions)
        return ndimage.map_coordinates(padded, inside, output=np.float32, order=order, mode="nearest", prefilter=False)

    def slopes(self, padded: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """(1 + D, ...) values of a cubic spline at positions (D, ...) in index units, and their slopes along each axis."""
        inside = self._inside(positions)
        first = inside.astype(np.int64)
        weights = [(cubic_weights(f.ravel()).reshape(*f.shape, 4), _cubic_slopes(f)) for f in inside - first]
        found = np.zeros((1 + len(positions), *positions.shape[1:]), np.float32)
        for taps in product(range(4), repeat=len(positions)):
            values = padded[tuple(first + np.reshape(taps, (-1, *[1] * (first.ndim - 1))) - 1)]
            for along, part in enumerate(found):  # 0 is along none
                part += values * math.prod(
                    each[axis == along - 1][..., tap] for axis, (each, tap) in enumerate(zip(weights, taps))
                )
        return found

    def _inside(self, positions: np.ndarray) -> np.ndarray:
        """Positions in a padded volume."""
        inside = np.empty_like(positions)
        for axis, (n, wraps) in enumerate(zip(self.shape, self.periodic)):
            p = positions[axis]
            inside[axis] = (p - n * np.floor(p / n) if wraps else np.clip(p, 0, n - 1)) + PAD
        return inside

    def smooth(self, values: np.ndarray, sigma: float | Sequence[float]) -> np.ndarray:
        """Gaussian mean over a neighbourhood; its standard deviation in points, or that along each axis."""
        return ndimage.gaussian_filter(values, sigma, mode=self._modes, truncate=2.5)

    def gradient(self, values: np.ndarray) -> list[np.ndarray]:
        """Central differences along each axis."""
        parts = []
        for axis, (n, wraps) in enumerate(zip(self.shape, self.periodic)):
            if wraps:
                parts.append(0.5 * (np.roll(values, -1, axis) - np.roll(values, 1, axis)))
            else:
                parts.append(np.gradient(values, axis=axis) if n > 1 else np.zeros_like(values))
        return parts

    def resample(self, values: np.ndarray, target: Lattice) -> np.ndarray:
        """Values at the points of a finer or coarser lattice over the same box."""
        ratios = [old / new for old, new in zip(self.shape, target.shape)]
        scale = np.array(ratios, np.float32).reshape(-1, *[1] * len(self.shape))
        return self.sample(self.padded(values, 1), (target.points + 0.5) * scale - 0.5, 1)


def _cubic_slopes(f: np.ndarray) -> np.ndarray:
    """(..., 4) slopes of `cubic_weights`."""
    g = 1 - f
    return np.stack([-0.5 * g * g, f * (1.5 * f - 2), 0.5 + f * (1 - 1.5 * f), 0.5 * f * f], axis=-1)


def periodic_axes(volumes: Sequence[np.ndarray]) -> tuple[bool, ...]:
    """Which of the three axes of volumes (nz, ny, nx, C) go on at their other end.

    Across the ends of a periodic axis values change as little as between neighbours; in any other data the two ends have
    nothing to do with each other. An axis on which the data is constant counts as not periodic.
    """
    return tuple(_is_periodic(volumes, axis) for axis in range(3))


def _is_periodic(volumes: Sequence[np.ndarray], axis: int) -> bool:
    planes = [np.moveaxis(volume, axis, 0) for volume in volumes]
    return min(map(len, planes)) > 2 * PAD and ends_meet([each[[-2, -1, 0, 1]] for each in planes])


def ends_meet(ends: Sequence[np.ndarray]) -> bool:
    """Whether an axis goes on at its other end, of volumes' last two planes and first two (4, ...), in this order."""
    across = inside = 0.0
    for before, last, first, after in ends:
        across += float(abs(first - last).mean())
        inside += 0.5 * float(abs(after - first).mean() + abs(last - before).mean())
    return 0 < across <= PERIODIC_RATIO * inside
