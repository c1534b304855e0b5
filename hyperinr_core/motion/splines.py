"""Cubic B-splines on lattices that are coarser than the data: few numbers for fields that vary slowly, such as motion."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from hyperinr_core.motion import kernel
from hyperinr_core.spline_base import cubic_weights

#: Points of the data for each cell of the coarse lattice.
COARSENESS = 4

#: Nodes of an axis, at least, where the data has as many points.
FEWEST = 4


class Nodes:
    """The nodes of a coarse lattice over the points of a grid: along each axis even, from border to border or around it.

    Coefficients of a field are (..., cz, cy, cx): one for each node of a periodic axis, two more than nodes of any other, one
    for an axis of a single point.

    Parameters
    ----------
    shape : (nz, ny, nx) of the grid.
    periodic : (3,) z, y, x: whether the point after the last is the first.
    counts : (3,) nodes along each axis; one for about every COARSENESS points when None.
    known : (3,) coordinates along z, y, x, in points, at which values are given and asked for; those of all points when None.
    """

    def __init__(
        self,
        shape: Sequence[int],
        periodic: Sequence[bool],
        counts: Sequence[int] | None = None,
        known: Sequence[np.ndarray] | None = None,
    ) -> None:
        self.shape, self.periodic = tuple(shape), tuple(periodic)
        self.counts = _three(counts or [_count(n, wraps) for n, wraps in zip(self.shape, self.periodic)])
        self._known = [np.arange(n) for n in self.shape] if known is None else known

    @property
    def coefficient_shape(self) -> tuple[int, int, int]:
        """(cz, cy, cx)."""
        cz, cy, cx = (m if wraps or m == 1 else m + 2 for m, wraps in zip(self.counts, self.periodic))
        return cz, cy, cx

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """Nodes per point along each axis."""
        return tuple(
            m / n if wraps else (m - 1) / max(n - 1, 1) for n, m, wraps in zip(self.shape, self.counts, self.periodic)
        )

    @cached_property
    def axes(self) -> list[np.ndarray]:
        """Along z, y, x float32, where the nodes lie, in points."""
        places = [np.arange(m) / scale if scale else np.zeros(1) for m, scale in zip(self.counts, self.scales)]
        return [place.astype(np.float32) for place in places]

    @cached_property
    def places(self) -> np.ndarray:
        """(3, mz, my, mx) float32, where the nodes lie, in points."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"))

    @cached_property
    def through(self) -> list[np.ndarray]:
        """Along z, y, x (coefficients, nodes) float32: what makes `padded(interpolate(values))` of values at the nodes."""
        found = []
        for m, wraps in zip(self.counts, self.periodic):
            matrix = np.eye(m)
            if m > 1:
                matrix = _around(matrix, 0) if wraps else _through(matrix, 0)
            found.append((matrix[np.arange(-1, m + 2) % m] if wraps else matrix).astype(np.float32))
        return found

    def fit(self, values: np.ndarray, start: Sequence[int] = (0, 0, 0)) -> np.ndarray:
        """Coefficients that come nearest to values (..., nz, ny, nx) at the known points, by least squares.

        Those of blocks, each from its point `start` (3,) z, y, x on, add up to those of the whole grid.
        """
        for axis, (matrix, first) in enumerate(zip(self._fits, start)):
            values = _along(matrix[:, first : first + values.shape[axis - 3]], values, axis - 3)
        return values

    def at_points(self, coefficients: np.ndarray) -> np.ndarray:
        """(..., nz, ny, nx) values of splines (..., cz, cy, cx) at the known points."""
        for axis, matrix in enumerate(self._bases):
            coefficients = _along(matrix, coefficients, axis - 3)
        return coefficients

    def gathered(self, values: np.ndarray) -> np.ndarray:
        """(..., cz, cy, cx) what each coefficient has of values (..., nz, ny, nx): the transpose of `at_points`."""
        for axis, matrix in enumerate(self._bases):
            values = _along(matrix.T, values, axis - 3)
        return values

    def interpolate(self, values: np.ndarray) -> np.ndarray:
        """Coefficients of the splines through values (..., mz, my, mx) at the nodes, straight at borders."""
        for axis, (m, wraps) in enumerate(zip(self.counts, self.periodic)):
            if m > 1:
                values = _around(values, axis - 3) if wraps else _through(values, axis - 3)
        return values.astype(np.float32)

    def padded(self, coefficients: np.ndarray) -> np.ndarray:
        """(pz, py, px, k) of coefficients (k, cz, cy, cx), as `at` takes them: one before and two after a periodic axis."""
        width = [(1, 2) if wraps else (0, 0) for wraps in self.periodic]
        padded = np.pad(coefficients, [(0, 0), *width], mode="wrap") if any(self.periodic) else coefficients
        return np.ascontiguousarray(np.moveaxis(padded, 0, -1), np.float32)

    def at(self, padded: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """(k, ...) values of splines at positions (3, ...) in points; beyond a border the border's."""
        return kernel.channels(self, padded, positions)

    @cached_property
    def _bases(self) -> list[np.ndarray]:
        axes = zip(self._known, self.counts, self.periodic, self.scales)
        return [_basis(places * scale, m, wraps) for places, m, wraps, scale in axes]

    @cached_property
    def _fits(self) -> list[np.ndarray]:
        return [np.linalg.pinv(basis) for basis in self._bases]


def _three(counts: Sequence[int]) -> tuple[int, int, int]:
    z, y, x = counts
    return z, y, x


def _count(n: int, wraps: bool) -> int:
    cells = -(-n // COARSENESS) if wraps else -(-(n - 1) // COARSENESS) + 1
    return min(max(cells, FEWEST), n)


def _basis(u: np.ndarray, m: int, wraps: bool) -> np.ndarray:
    """(n, coefficients) what each coefficient adds at places (n,) in nodes."""
    if m == 1:
        return np.ones((len(u), 1))
    first = np.minimum(np.floor(u).astype(int), m - 1 if wraps else m - 2)
    matrix = np.zeros((len(u), m if wraps else m + 2))
    for step, weight in enumerate(cubic_weights(u - first).T):
        np.add.at(matrix, (np.arange(len(u)), (first + step - 1) % m if wraps else first + step), weight)
    return matrix


def _around(values: np.ndarray, axis: int) -> np.ndarray:
    """Coefficients of the periodic spline through values."""
    from scipy import ndimage

    return ndimage.spline_filter1d(values, 3, axis, np.float64, mode="grid-wrap")


def _through(values: np.ndarray, axis: int) -> np.ndarray:
    """Coefficients of the spline through two values or more that is straight at both ends: there they are the values."""
    from scipy.linalg import solve_banded

    values = np.moveaxis(values, axis, 0).astype(np.float64)
    found = np.concatenate([values[:1], values, values[-1:]])
    if len(values) > 2:
        right = 6 * values[1:-1]
        right[0] -= values[0]
        right[-1] -= values[-1]
        bands = np.ones((3, len(right)))
        bands[1] = 4
        found[2:-2] = solve_banded((1, 1), bands, right.reshape(len(right), -1)).reshape(right.shape)
    found[0], found[-1] = 2 * found[1] - found[2], 2 * found[-2] - found[-3]
    return np.moveaxis(found, 0, axis)


def _along(matrix: np.ndarray, values: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(np.tensordot(matrix.astype(np.float32), values, axes=(1, axis)), 0, axis)
