"""Directions: of lights and of cameras, as vectors and as angles, and the space of lights around a scene.

Azimuth is counted around z from x to y. The polar angle is counted from z, the elevation from the xy plane: polar is 90
minus the elevation. A light's direction is the one towards it. Angles are in degrees.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hyperinr_core.spaces.space import N_NEIGHBORS, Coefficients, Space, alone

#: Roles of the two parameters of a light around a scene.
LIGHT_ROLES = ("light_azimuth", "light_polar")

#: Lights so near to each other, in radians, are one.
SAME_LIGHT = 1e-9


class LightSphere(Space):
    """Lights (N, 2), whose distances are those on the sphere: no seam at azimuth 0 or at the poles."""

    @classmethod
    def fits(cls, roles: Sequence[str]) -> bool:
        return tuple(roles) == LIGHT_ROLES

    def _weights(self, theta: np.ndarray, kind: str) -> Coefficients:
        return self.kinds[kind](self, theta)

    def barycentric(self, theta: np.ndarray) -> Coefficients:
        """Weights of the corners of the triangle of the spherical Delaunay triangulation that theta (2,) lies in.

        They are continuous in theta, 1 on a light, and linear in the direction up to their sum.
        """
        triangles, inverses = self._triangles
        if not len(triangles):
            return self.inverse_distance(theta)
        parts = inverses @ light_directions(theta)
        best = int(np.argmax(parts.min(axis=1)))
        weights = np.maximum(parts[best], 0)
        weights[weights < SAME_LIGHT * weights.max()] = 0
        taking_part = weights > 0
        return triangles[best][taking_part], weights[taking_part] / weights.sum()

    def inverse_distance(self, theta: np.ndarray) -> Coefficients:
        """Shepard's weights over the nearest lights, p = 1, for theta (2,); a light hit exactly is returned alone."""
        n_neighbors = min(N_NEIGHBORS, len(self.positions))
        chords, indices = self._tree.query(light_directions(theta), k=np.arange(1, n_neighbors + 1))
        if chords[0] < SAME_LIGHT:
            return alone(int(indices[0]))
        inverse = 1 / (2 * np.arcsin(np.minimum(chords / 2, 1)))
        return indices.astype(np.int64), inverse / inverse.sum()

    kinds = {"barycentric": barycentric, "idw": inverse_distance}  # noqa: RUF012 - typed by Space

    @cached_property
    def _directions(self) -> np.ndarray:
        return light_directions(self.positions)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self._directions)

    @cached_property
    def _triangles(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3) corners and (n, 3, 3) what maps a direction to their shares: a hull on the sphere is its triangulation."""
        from scipy.spatial import ConvexHull, QhullError

        try:
            triangles = ConvexHull(self._directions).simplices.astype(np.int64)
        except (QhullError, ValueError):  # fewer than four lights, or all on a circle
            triangles = np.empty((0, 3), np.int64)
        corners = self._directions[triangles].transpose(0, 2, 1)
        wide = abs(np.linalg.det(corners)) > SAME_LIGHT if len(triangles) else np.zeros(0, bool)
        return triangles[wide], np.linalg.inv(corners[wide])


def direction_of(azimuth: float, elevation: float) -> np.ndarray:
    """(3,) unit vector towards a light, from degrees.

    Examples
    --------
    >>> direction_of(90.0, 0.0).round(6).tolist()
    [0.0, 1.0, 0.0]
    >>> azimuth, elevation = angles_of(direction_of(120.0, -30.0))
    >>> round(azimuth, 6), round(elevation, 6)
    (120.0, -30.0)
    """
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])


def angles_of(direction: np.ndarray) -> tuple[float, float]:
    """Azimuth in [0, 360) and elevation in [-90, 90] degrees of a vector (3,) towards a light."""
    x, y, z = (float(v) for v in direction)
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


def light_directions(angles: np.ndarray) -> np.ndarray:
    """(..., 3) unit vectors of azimuth and polar angle (..., 2) in degrees."""
    azimuth, polar = np.moveaxis(np.radians(np.asarray(angles, np.float64)), -1, 0)
    return np.stack([np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)], axis=-1)


def light_angles(directions: np.ndarray) -> np.ndarray:
    """(N, 2) azimuth in [0, 360) and polar angle in degrees of unit vectors (N, 3)."""
    x, y, z = directions.T
    return np.stack([np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arccos(np.clip(z, -1, 1)))], axis=1)


def camera_frames(angles: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rows right, up and towards the camera of views (..., 2), azimuth and elevation in degrees, up along z."""
    azimuth, elevation = np.moveaxis(np.radians(np.asarray(angles, np.float64)), -1, 0)
    zero = np.zeros_like(azimuth)
    right = np.stack([-np.sin(azimuth), np.cos(azimuth), zero], axis=-1)
    towards = np.stack(
        [np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)], axis=-1
    )
    return np.stack([right, np.cross(towards, right), towards], axis=-2)
