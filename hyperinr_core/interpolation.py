"""Interpolation coefficients over positions in parameter space.

The same coefficients blend encoders in a HyperINR and volumes in the baselines it is compared to.
"""

from __future__ import annotations

from typing import Callable

import numpy as np

#: (indices (K,) int64, weights (K,) float64 that sum to 1)
Coefficients = tuple[np.ndarray, np.ndarray]

#: Neighbours of the inverse distance weights.
N_NEIGHBORS = 4


def linear_weights(positions: np.ndarray, t: float) -> Coefficients:
    """Linear interpolation between the two positions around t (HyperINR section 2, one parameter).

    Parameters
    ----------
    positions : (N,) increasing.
    t : within the positions' range; beyond it the nearest position is returned.
    """
    right = int(np.searchsorted(positions, t))
    if right == 0 or right == len(positions):
        return _one(min(right, len(positions) - 1))
    if positions[right] == t:
        return _one(right)
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


#: Interpolations of one parameter by name: (positions (N,), t) -> coefficients.
ONE_PARAMETER: dict[str, Callable[[np.ndarray, float], Coefficients]] = {
    "linear": linear_weights,
    "catmull_rom": catmull_rom_weights,
}


class InverseDistance:
    """Shepard's weights over the K nearest positions, p = 1 (HyperINR equation 4).

    Parameters
    ----------
    positions : (N, P).
    bounds : (P, 2), distances are taken after mapping them to [0, 1].
    """

    def __init__(self, positions: np.ndarray, bounds: np.ndarray, n_neighbors: int = N_NEIGHBORS) -> None:
        from scipy.spatial import cKDTree  # here, because one parameter never needs it and viewing should open fast

        extent = bounds[:, 1] - bounds[:, 0]
        self._low, self._extent = bounds[:, 0], np.where(extent > 0, extent, 1)
        self._tree = cKDTree((positions - self._low) / self._extent)
        self._n_neighbors = min(n_neighbors, len(positions))

    def __call__(self, theta: np.ndarray) -> Coefficients:
        """Coefficients for theta (P,); a position hit exactly is returned alone."""
        query = (theta - self._low) / self._extent
        distances, indices = self._tree.query(query, k=np.arange(1, self._n_neighbors + 1))
        if distances[0] == 0:
            return _one(int(indices[0]))
        inverse = 1 / distances
        return indices.astype(np.int64), inverse / inverse.sum()


def _one(index: int) -> Coefficients:
    return np.array([index]), np.array([1.0])
