"""Views of a scene: two angles of a camera that looks at a centre, beside any other parameters.

A camera that keeps its up direction rolls when its azimuth changes: near a pole the picture turns as fast as it does
on the equator. The angle between two cameras, taken as rotations, is therefore flat in azimuth and elevation, and so
are the distances here, unlike those of lights, which are directions and do not roll.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Callable, ClassVar

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces.space import N_NEIGHBORS, Coefficients, Space
from hyperinr_core.spaces.sphere import camera_frames

#: Roles of the two angles, in degrees; polar is 90 minus the elevation.
AZIMUTH = "view_azimuth"
ELEVATIONS = ("view_elevation", "view_polar")

#: Angles so near to each other, in degrees, are one; so are weights that differ by so little.
SAME_ANGLE = 1e-9

#: How far from one plane cameras on a sphere of radius 1 are, in the mean, that stand on one circle.
ONE_CIRCLE = 0.02


def angle_columns(roles: Sequence[str]) -> tuple[int, int] | None:
    """Which parameters are the azimuth and the elevation of a view; None unless there is one of each."""
    azimuths = [index for index, role in enumerate(roles) if role == AZIMUTH]
    elevations = [index for index, role in enumerate(roles) if role in ELEVATIONS]
    return (azimuths[0], elevations[0]) if len(azimuths) == len(elevations) == 1 else None


class Views:
    """Views (n, 2), azimuth and elevation in degrees; azimuth has no seam.

    Parameters
    ----------
    rows : (n,) what indices the views have for the caller.
    """

    def __init__(self, angles: np.ndarray, rows: np.ndarray) -> None:
        wrapped = np.stack([angles[:, 0] % 360, angles[:, 1]], axis=1)
        self._points = np.concatenate([wrapped + np.array([turn, 0]) for turn in (0.0, -360.0, 360.0)])
        self._rows = np.tile(rows, 3)
        self._n_neighbors = min(N_NEIGHBORS, len(angles))

    def weights(self, view: np.ndarray, kind: str) -> Coefficients:
        """Coefficients for a view (2,)."""
        return self.kinds[kind](self, np.array([view[0] % 360, view[1]]))

    def barycentric(self, view: np.ndarray) -> Coefficients:
        """Weights of the corners of the triangle of the Delaunay triangulation that a view lies in.

        Beyond the views' elevations, those of the nearest triangle without the negative ones.
        """
        triangles, inverses = self._triangles
        if not len(triangles):
            return self.inverse_distance(view)
        parts = inverses @ np.array([*view, 1.0])
        best = int(np.argmax(parts.min(axis=1)))
        weights = np.where(parts[best] > SAME_ANGLE, parts[best], 0)
        taking_part = weights > 0
        return self._rows[triangles[best][taking_part]], weights[taking_part] / weights.sum()

    def inverse_distance(self, view: np.ndarray) -> Coefficients:
        """Shepard's weights over the nearest views, p = 1; a view hit exactly is returned alone."""
        distances, indices = self._tree.query(view, k=np.arange(1, self._n_neighbors + 1))
        if distances[0] < SAME_ANGLE:
            return self._rows[indices[:1]], np.ones(1)
        inverse = 1 / distances
        return self._rows[indices], inverse / inverse.sum()

    kinds: ClassVar[dict[str, Callable[..., Coefficients]]] = {"barycentric": barycentric, "idw": inverse_distance}

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree  # here, because models without views never need it

        return cKDTree(self._points)

    @cached_property
    def _triangles(self) -> tuple[np.ndarray, np.ndarray]:
        """(n, 3) corners, and (n, 3, 3) what maps a view and 1 to their shares."""
        from scipy.spatial import Delaunay, QhullError

        try:
            triangles = Delaunay(self._points).simplices.astype(np.int64)
        except (QhullError, ValueError):  # all views on a line
            triangles = np.empty((0, 3), np.int64)
        azimuths = self._points[triangles, 0]
        triangles = triangles[(azimuths.max(axis=1) >= 0) & (azimuths.min(axis=1) <= 360)]
        corners = np.concatenate([self._points[triangles], np.ones((*triangles.shape, 1))], axis=2)
        # by hand: libraries start threads for each of many small matrices
        first, second, third = np.moveaxis(corners, 1, 0)
        adjugates = np.stack([np.cross(second, third), np.cross(third, first), np.cross(first, second)], axis=1)
        determinants = (first * adjugates[:, 0]).sum(axis=1)
        wide = abs(determinants) > SAME_ANGLE
        return triangles[wide], adjugates[wide] / determinants[wide, None, None]


class ViewSpace(Space):
    """Positions (N, P) in a space of two view angles and any other parameters.

    The other parameters' distinct values form a lattice, each point of which has views of its own. Weights are linear
    in the other parameters, between the values around theta, times the weights of the views there.

    Raises
    ------
    ParameterError when a lattice point has no views.
    """

    kinds = Views.kinds

    def __init__(self, roles: Sequence[str], positions: np.ndarray, bounds: np.ndarray) -> None:
        super().__init__(roles, positions, bounds)
        self._columns = list(angle_columns(roles) or ())
        self._others = other_columns(positions, self._columns)
        self._axes, rows_by_place = lattice(positions, self._others)
        self._layers = {place: Views(positions[rows][:, self._columns], rows) for place, rows in rows_by_place.items()}

    @classmethod
    def fits(cls, roles: Sequence[str]) -> bool:
        return angle_columns(roles) is not None

    def _weights(self, theta: np.ndarray, kind: str) -> Coefficients:
        ends = [_around(axis, theta[column]) for axis, column in zip(self._axes, self._others)]
        indices, weights = [], []
        for corner in itertools.product(*ends):
            rows, parts = self._layers[tuple(place for place, _ in corner)].weights(theta[self._columns], kind)
            indices.append(rows)
            weights.append(parts * math.prod(share for _, share in corner))
        return np.concatenate(indices), np.concatenate(weights)


def other_columns(positions: np.ndarray, columns: Sequence[int]) -> list[int]:
    """The parameters of positions (N, P) that are not the view's."""
    return [column for column in range(positions.shape[1]) if column not in columns]


def lattice(positions: np.ndarray, others: Sequence[int]) -> tuple[list[np.ndarray], dict[tuple[int, ...], np.ndarray]]:
    """Distinct values of each of some parameters of positions (N, P), and the rows at each combination of them.

    Raises ParameterError when a combination has no rows.
    """
    axes = [np.unique(positions[:, column]) for column in others]
    places = np.zeros((len(positions), len(others)), np.int64)
    for place, axis, column in zip(places.T, axes, others):
        place[:] = np.searchsorted(axis, positions[:, column])
    rows: dict[tuple[int, ...], list[int]] = {}
    for row, combination in enumerate(places.tolist()):
        rows.setdefault(tuple(combination), []).append(row)
    expected = math.prod(len(axis) for axis in axes)
    if len(rows) != expected:
        raise ParameterError(
            f"views stand at {len(rows)} of the {expected} combinations of the values of the other parameters; "
            "expected views at each of them"
        )
    return axes, {place: np.array(chosen) for place, chosen in rows.items()}


def _around(axis: np.ndarray, value: float) -> list[tuple[int, float]]:
    """Places and shares of the values of an axis around a value; the nearest end beyond them."""
    right = int(np.searchsorted(axis, value))
    if right == 0 or right == len(axis):
        return [(min(right, len(axis) - 1), 1.0)]
    share = float((value - axis[right - 1]) / (axis[right] - axis[right - 1]))
    return [(right, 1.0)] if share == 1 else [(right - 1, 1 - share), (right, share)]


def elevations(values: np.ndarray, role: str) -> np.ndarray:
    """Elevations in degrees of angles of a role."""
    return 90 - values if role == "view_polar" else values


def view_angles(thetas: np.ndarray, roles: Sequence[str]) -> np.ndarray:
    """(..., 2) azimuth and elevation in degrees of thetas (..., P), whose roles have one of each."""
    columns = angle_columns(roles)
    if columns is None:
        raise ParameterError(f"the roles are {', '.join(roles)}; expected a view's azimuth and elevation among them")
    azimuth, elevation = columns
    return np.stack([thetas[..., azimuth], elevations(thetas[..., elevation], roles[elevation])], axis=-1)


def on_one_circle(angles: np.ndarray) -> bool:
    """Whether views (n, 2), azimuth and elevation in degrees, stand on one circle, such as the equator."""
    towards = camera_frames(angles)[:, 2]
    return bool(np.linalg.svd(towards - towards.mean(axis=0), compute_uv=False)[-1] < ONE_CIRCLE * len(angles) ** 0.5)


def distinct_views(angles: np.ndarray) -> np.ndarray:
    """(n,) numbers, in the order of their angles, of the distinct views among (n, 2), azimuth and elevation in degrees.

    Azimuths a full turn apart are one view: databases that go from -180 to 180 hold it twice.
    """
    wrapped = np.round(angles, 9)
    wrapped[:, 0] %= 360
    return np.unique(wrapped, axis=0, return_inverse=True)[1].ravel()
