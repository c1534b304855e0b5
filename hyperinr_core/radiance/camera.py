"""A camera of any kind as VTK has it, and the one of a picture by its angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.spaces.sphere import camera_frames


@dataclass(frozen=True)
class Camera:
    """Where a picture is taken from.

    Attributes
    ----------
    position, focal_point, up : (3,) in the field's unit, as in VTK.
    view_angle : degrees from the lowest to the highest row; 0 for a parallel projection.
    parallel_scale : half the height that is seen, of a parallel projection.
    """

    position: tuple[float, float, float]
    focal_point: tuple[float, float, float]
    up: tuple[float, float, float]
    view_angle: float = 30.0
    parallel_scale: float = 1.0

    def __post_init__(self) -> None:
        numbers = np.array([*self.position, *self.focal_point, *self.up, self.view_angle, self.parallel_scale])
        if numbers.shape != (11,) or not np.isfinite(numbers).all() or not 0 <= self.view_angle < 180:
            raise ParameterError(
                f"the camera is {self}; expected three finite numbers each, and a view angle of 0 to less than 180 degrees"
            )
        if self.parallel_scale <= 0 or not np.linalg.norm(np.cross(np.subtract(*self._ends()), self.up)) > 0:
            raise ParameterError(
                f"the camera is {self}; expected a position beside the focal point, an up direction across the view, and a "
                "scale above 0"
            )

    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.position, np.float64), np.array(self.focal_point, np.float64)

    def frame(self) -> np.ndarray:
        """(3, 3) rows right, up and towards the camera, of length 1."""
        towards = np.subtract(*self._ends())
        towards /= np.linalg.norm(towards)
        right = np.cross(self.up, towards)
        right /= np.linalg.norm(right)
        return np.stack([right, np.cross(towards, right), towards])

    def rays(self) -> np.ndarray:
        """(7, 3) origin, origin_u, origin_v, direction, direction_u, direction_v, towards.

        Pixel (u, v), in half heights from the centre, sees from origin + u origin_u + v origin_v along
        direction + u direction_u + v direction_v.
        """
        right, up, towards = self.frame()
        zero = np.zeros(3)
        if not self.view_angle:
            scale = self.parallel_scale
            return np.stack([self.position, scale * right, scale * up, -towards, zero, zero, towards])
        half = math.tan(math.radians(self.view_angle / 2))
        return np.stack([self.position, zero, zero, -towards, half * right, half * up, towards])


def camera_of(view: Sequence[float] | np.ndarray, optics: Optics) -> Camera:
    """The camera of a picture: the centre is 0, and half the height that it sees there is 1.

    Parameters
    ----------
    view : (2,) azimuth and elevation in degrees.
    """
    _, up, towards = camera_frames(np.asarray(view, np.float64) * [optics.turn, optics.tilt])
    far = 10.0 if not optics.view_angle else 1 / math.tan(math.radians(optics.view_angle / 2))
    return Camera(tuple((far * towards).tolist()), (0.0, 0.0, 0.0), tuple(up.tolist()), optics.view_angle)
