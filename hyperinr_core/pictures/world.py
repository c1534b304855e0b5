"""From the space that given cameras stand in to that of a radiance field, and back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.pictures.camera import Camera

#: Least spread of the directions of cameras, as the smallest eigenvalue of what their axes leave of a point; 0 is parallel.
LEAST_SPREAD = 1e-3

#: Share of the cameras that must see the centre before them.
MOST_SEE = 0.9


@dataclass(frozen=True)
class World:
    """Where a radiance field is in the space of the cameras that its pictures were given with.

    Attributes
    ----------
    origin : (3,) the field's, which the cameras look at.
    unit : the field's length 1: half the height that the widest camera sees there.
    axes : (3, 3) rows, the field's x, y and z axes, of which z is nearest to what is up in the pictures.
    """

    origin: tuple[float, ...]
    unit: float
    axes: tuple[tuple[float, ...], ...]

    def inward(self, camera: Camera) -> Camera:
        """A camera of that space in the field's."""
        axes = np.array(self.axes)
        position, focal_point = (
            (axes @ np.subtract(p, self.origin)) / self.unit for p in (camera.position, camera.focal_point)
        )
        return replace(
            camera,
            position=_triple(position),
            focal_point=_triple(focal_point),
            up=_triple(axes @ np.array(camera.up)),
            parallel_scale=camera.parallel_scale / self.unit,
        )


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = map(float, values)
    return x, y, z


def world_of(cameras: Sequence[Camera], source: str) -> World:
    """The space of cameras that look at one scene from around it.

    Parameters
    ----------
    source : where they are from, for messages.

    Raises
    ------
    DataError for cameras that look in one direction, or away from what they have before them.
    """
    rays = np.stack([camera.rays() for camera in cameras])
    starts, ways = rays[:, 0], rays[:, 3] / np.linalg.norm(rays[:, 3], axis=1, keepdims=True)
    across = np.eye(3) - ways[:, :, None] * ways[:, None, :]
    whole = across.mean(axis=0)
    if np.linalg.eigvalsh(whole)[0] < LEAST_SPREAD:
        raise DataError(
            f"{source} has {len(cameras)} cameras that all look in one direction; expected cameras around a scene, which it "
            "takes to know what is near and far"
        )
    origin = np.linalg.solve(whole, np.einsum("nij,nj->i", across, starts) / len(cameras))
    ahead = np.einsum("ni,ni->n", origin - starts, ways)
    if (ahead > 0).mean() < MOST_SEE and not all(camera.view_angle == 0 for camera in cameras):
        raise DataError(
            f"{source} has {(ahead <= 0).sum()} of {len(cameras)} cameras that look away from where their views meet; expected "
            "cameras that look along their negative z axis with y up, as OpenGL's do, turn y and z around"
        )
    return World(_triple(origin), _widest(cameras, origin), _axes(cameras))


def _widest(cameras: Sequence[Camera], origin: np.ndarray) -> float:
    """The most that half the height of a picture shows at a point."""
    seen = []
    for camera in cameras:
        towards = camera.frame()[2]
        far = max(float(towards @ np.subtract(camera.position, origin)), 0.0)
        seen.append(far * math.tan(math.radians(camera.view_angle / 2)) if camera.view_angle else camera.parallel_scale)
    return max(seen)


def _axes(cameras: Sequence[Camera]) -> tuple[tuple[float, ...], ...]:
    """Rows x, y and z of a right-handed frame, z being the axis nearest to the mean of what is up for cameras."""
    up = np.mean([camera.frame()[1] for camera in cameras], axis=0)
    z = int(np.argmax(abs(up)))
    sign = -1.0 if up[z] < 0 else 1.0
    rows = np.zeros((3, 3))
    rows[0, (z + 1) % 3], rows[1, (z + 2) % 3], rows[2, z] = 1, sign, sign
    return tuple(map(tuple, rows.tolist()))


def world_in(provenance: dict[str, Any]) -> World | None:
    """The space that a model's provenance tells of; None where its cameras are those of angles.

    Raises DataError for a damaged one.
    """
    found = provenance.get("world")
    if found is None:
        return None
    try:
        world = World(_triple(found["origin"]), float(found["unit"]), tuple(map(_triple, found["axes"])))
        numbers = np.array([*world.origin, world.unit, *np.ravel(world.axes)])
        if numbers.shape != (13,) or not np.isfinite(numbers).all() or world.unit <= 0:
            raise ValueError("numbers")
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(
            f"the model's cameras are in a space {str(found)[:80]!r} ({error}); expected an origin, a unit and axes, "
            "train it again"
        ) from None
    return world


def angles_around(cameras: Sequence[Camera]) -> np.ndarray:
    """(n, 2) azimuth from 0 to 360 and elevation in degrees from which cameras in a field's space look at its origin."""
    away = np.array(
        [np.array(camera.position) if camera.view_angle else camera.frame()[2] for camera in cameras]
    )  # a parallel projection is the same from all along its direction
    x, y, z = away.T
    return np.stack([np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))], axis=1)
