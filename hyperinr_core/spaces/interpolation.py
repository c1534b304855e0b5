"""Interpolation coefficients over positions in parameter space.

The same coefficients blend encoders in a HyperINR and volumes in the baselines it is compared to.
"""

from __future__ import annotations

from typing import Callable

import numpy as np

#: (indices (K,) int64, weights (K,) float64 that sum to 1)
Coefficients = tuple[np.ndarray, np.ndarray]

#: Lights so near to each other, in radians, are one.
SAME_LIGHT = 1e-9

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


class LightSphere:
    """Weights over lights around a scene, whose distances are those on the sphere: no seam at azimuth 0 or at the poles.

    Parameters
    ----------
    positions : (N, 2) azimuth and polar angle in degrees, N >= 1.
    """

    def __init__(self, positions: np.ndarray, n_neighbors: int = N_NEIGHBORS) -> None:
        from scipy.spatial import cKDTree

        self._directions = light_directions(positions)
        self._tree = cKDTree(self._directions)
        self._n_neighbors = min(n_neighbors, len(positions))
        self._triangles: np.ndarray | None = None

    def inverse_distance(self, theta: np.ndarray) -> Coefficients:
        """Shepard's weights over the K nearest lights, p = 1, for theta (2,); a light hit exactly is returned alone."""
        chords, indices = self._tree.query(light_directions(theta), k=np.arange(1, self._n_neighbors + 1))
        if chords[0] < SAME_LIGHT:
            return _one(int(indices[0]))
        inverse = 1 / (2 * np.arcsin(np.minimum(chords / 2, 1)))
        return indices.astype(np.int64), inverse / inverse.sum()

    def barycentric(self, theta: np.ndarray) -> Coefficients:
        """Weights of the corners of the triangle of the spherical Delaunay triangulation that theta (2,) lies in.

        They are continuous in theta, 1 on a light, and linear in the direction up to their sum.
        """
        if self._triangles is None:
            self._triangulate()
        if self._triangles is None or not len(self._triangles):
            return self.inverse_distance(theta)
        parts = self._inverses @ light_directions(theta)
        best = int(np.argmax(parts.min(axis=1)))
        weights = np.maximum(parts[best], 0)
        weights[weights < SAME_LIGHT * weights.max()] = 0
        taking_part = weights > 0
        return self._triangles[best][taking_part], weights[taking_part] / weights.sum()

    def _triangulate(self) -> None:
        """The convex hull of points on a sphere is their Delaunay triangulation."""
        from scipy.spatial import ConvexHull, QhullError

        try:
            triangles = ConvexHull(self._directions).simplices.astype(np.int64)
        except (QhullError, ValueError):  # fewer than four lights, or all on a circle
            triangles = np.empty((0, 3), np.int64)
        corners = self._directions[triangles].transpose(0, 2, 1)
        wide = abs(np.linalg.det(corners)) > SAME_LIGHT if len(triangles) else np.zeros(0, bool)
        self._triangles = triangles[wide]
        self._inverses = np.linalg.inv(corners[wide])


def light_directions(angles: np.ndarray) -> np.ndarray:
    """(..., 3) unit vectors of azimuth and polar angle (..., 2) in degrees."""
    azimuth, polar = np.moveaxis(np.radians(np.asarray(angles, np.float64)), -1, 0)
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)


def _one(index: int) -> Coefficients:
    return np.array([index]), np.array([1.0])
