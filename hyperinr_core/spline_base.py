"""The base of a model: few numbers that hold what is smooth in a field, so that the network only learns what they lack.

Cubic B-splines in space, one set of coefficients for each of some positions in time, blended as encoders are. A field
that is smooth in space and time needs hardly more; hash tables alone would reach about 50 dB there, the base has no such limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Union

import numpy as np

from hyperinr_core.spaces.line import Line

#: Coefficients that a point takes part in, along each axis.
SUPPORT = 4

#: Stored coefficients are whole numbers from 0 to this.
LEVELS = 65535

#: Points evaluated at a time.
CHUNK = 1 << 16

#: One spline for each axis z, y, x: an axis of a plane has none.
Axes = tuple[Union[np.ndarray, None], ...]


@dataclass(frozen=True, eq=False)
class Base:
    """Coefficients of cubic B-splines over space, at positions of one parameter.

    Attributes
    ----------
    positions : (K,) float64, increasing, in the parameter's units.
    coefficients : (K, cz, cy, cx, c) uint16; cz is 1 for a plane, every other count at least SUPPORT.
    components : (c,) which of a model's outputs have this base, increasing; the network alone gives the others.
    limits : (c, 2) float64, what the smallest and largest coefficient stand for, in the fields' units.
    residual : (c, 2) float64, the range of what the network adds.
    interpolation : linear or catmull_rom, how the coefficients of the positions blend.
    """

    positions: np.ndarray
    coefficients: np.ndarray
    components: tuple[int, ...]
    limits: np.ndarray
    residual: np.ndarray
    interpolation: str

    def at(self, theta: float) -> Spline:
        """The base at theta, within the positions' range."""
        indices, weights = Line.kinds[self.interpolation](self.positions, theta)
        low, high = self.limits.T
        blended = np.zeros(self.coefficients.shape[1:], np.float32)
        for index, weight in zip(indices, weights):
            blended += np.float32(weight) * self.coefficients[index]
        scale = ((high - low) / LEVELS).astype(np.float32)
        return Spline(blended * scale + low.astype(np.float32), self.components)


class Spline:
    """A field of cubic B-splines.

    Parameters
    ----------
    coefficients : (cz, cy, cx, c) float32.
    components : (c,) which of a model's outputs they are for.
    """

    def __init__(self, coefficients: np.ndarray, components: tuple[int, ...]) -> None:
        self._coefficients, self.components = coefficients, list(components)
        self._counts = [n for n in coefficients.shape[2::-1] if n > 1]  # x, y (, z)

    def on_grid(self, axes: tuple[np.ndarray, ...], like: Any = None) -> Any:
        """(nz, ny, nx, c) or (ny, nx, c) at every combination of the unit coordinates along x, y (, z).

        Parameters
        ----------
        like : an array, or a tensor on whose device it is computed.
        """
        there = (lambda array: array) if like is None or isinstance(like, np.ndarray) else partial(_beside, like)
        values = there(self._coefficients if len(axes) == 3 else self._coefficients[0])
        # the slowest axis first: it leaves the least to multiply for the others
        for place, axis in enumerate(reversed(axes)):
            values = _along(there(basis(axis, values.shape[place])), values, place)
        return values

    def at_points(self, points: np.ndarray) -> np.ndarray:
        """(B, c) at points (B, D) in [0, 1], x first."""
        values = np.empty((len(points), self._coefficients.shape[-1]), np.float32)
        for start in range(0, len(points), CHUNK):
            values[start : start + CHUNK] = self._chunk(points[start : start + CHUNK])
        return values

    def _chunk(self, points: np.ndarray) -> np.ndarray:
        placed = [_place(points[:, axis], count) for axis, count in enumerate(self._counts)]
        total = np.zeros((len(points), self._coefficients.shape[-1]), np.float32)
        for steps in np.ndindex(*[SUPPORT] * len(placed)):
            index = tuple(first + step for (first, _), step in zip(placed, steps))[::-1]
            weight = np.prod([weights[:, step] for (_, weights), step in zip(placed, steps)], axis=0)
            total += weight[:, None] * self._coefficients[index if len(index) == 3 else (0, *index)]
        return total


def basis(axis: np.ndarray, count: int) -> np.ndarray:
    """(n, count) what each of `count` coefficients adds at unit coordinates (n,)."""
    first, weights = _place(axis, count)
    matrix = np.zeros((len(axis), count), np.float32)
    for step in range(SUPPORT):
        matrix[np.arange(len(axis)), first + step] = weights[:, step]
    return matrix


def _place(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """First coefficient (n,) and the four weights (n, 4) of the uniform cubic B-spline over [0, 1] at x (n,)."""
    u = x.astype(np.float64) * (count - SUPPORT + 1)
    first = np.minimum(u.astype(np.int64), count - SUPPORT)
    return first, cubic_weights(u - first).astype(np.float32)


def cubic_weights(f: np.ndarray) -> np.ndarray:
    """(n, 4) of the coefficients of a uniform cubic B-spline around fractions (n,) of a cell."""
    return np.stack([(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, 3 * (f + f**2 - f**3) + 1, f**3], axis=1) / 6


def _beside(tensor: Any, array: np.ndarray) -> Any:
    """An array as a tensor on the device of another one."""
    import torch

    return torch.as_tensor(array, device=tensor.device)


def _along(matrix: Any, values: Any, place: int) -> Any:
    """The matrix times the values along one of their axes."""
    shape = values.shape
    product = matrix @ values.reshape(*shape[:place], shape[place], -1)
    return product.reshape(*shape[:place], len(matrix), *shape[place + 1 :])
