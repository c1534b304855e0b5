"""One parameter: positions on a line, interpolated between neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperinr_core.spaces.space import Coefficients, Space, alone


def linear_weights(positions: np.ndarray, t: float) -> Coefficients:
    """Linear interpolation between the two positions around t (HyperINR section 2, one parameter).

    Parameters
    ----------
    positions : (N,) increasing.
    t : within the positions' range; beyond it the nearest position is returned.
    """
    right = int(np.searchsorted(positions, t))
    if right == 0 or right == len(positions):
        return alone(min(right, len(positions) - 1))
    if positions[right] == t:
        return alone(right)
    share = (t - positions[right - 1]) / (positions[right] - positions[right - 1])
    return np.array([right - 1, right]), np.array([1 - share, share])


def catmull_rom_weights(positions: np.ndarray, t: float) -> Coefficients:
    """Cubic Hermite interpolation whose slopes are the differences across each position's two neighbours.

    Slopes are one-sided at the ends, so that a straight line is reproduced everywhere. Arguments as `linear_weights`.
    """
    indices, weights = linear_weights(positions, t)
    if len(indices) == 1:
        return indices, weights
    left = int(indices[0])
    gap, s = positions[left + 1] - positions[left], weights[1]
    first, last = max(left - 1, 0), min(left + 2, len(positions) - 1)
    coefficients = np.zeros(last - first + 1)
    value_left, value_right = left - first, left + 1 - first
    coefficients[value_left] += (1 + 2 * s) * (1 - s) ** 2
    coefficients[value_right] += s**2 * (3 - 2 * s)
    slope_left = s * (1 - s) ** 2 * gap / (positions[left + 1] - positions[first])
    slope_right = s**2 * (s - 1) * gap / (positions[last] - positions[left])
    coefficients[value_right] += slope_left
    coefficients[0] -= slope_left
    coefficients[-1] += slope_right
    coefficients[value_left] -= slope_right
    return np.arange(first, last + 1), coefficients


class Line(Space):
    """Positions (N, 1) that increase."""

    #: (positions (N,), t) -> coefficients
    kinds = {"linear": linear_weights, "catmull_rom": catmull_rom_weights}  # noqa: RUF012 - typed by Space

    @classmethod
    def fits(cls, roles: Sequence[str]) -> bool:
        return len(roles) == 1

    def _weights(self, theta: np.ndarray, kind: str) -> Coefficients:
        return self.kinds[kind](self.positions[:, 0], float(theta[0]))
