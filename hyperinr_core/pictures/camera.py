"""A camera of any kind as VTK has it, and the one of a picture by its angles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.picture_set import Optics, PictureSet
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.spaces.views import view_angles


@dataclass(frozen=True)
class Camera:
    """Where a picture is taken from.

    Attributes
    ----------
    position, focal_point, up : (3,) in the field's unit, as in VTK.
    view_angle : degrees from the lowest to the highest row; 0 for a parallel projection.
    parallel_scale : half the height that is seen, of a parallel projection.
    center : (2,) where the direction of the view meets the picture, right and up from its middle in half heights.
    pixel_aspect : the width of a pixel over its height.
    """

    position: tuple[float, float, float]
    focal_point: tuple[float, float, float]
    up: tuple[float, float, float]
    view_angle: float = 30.0
    parallel_scale: float = 1.0
    center: tuple[float, float] = (0.0, 0.0)
    pixel_aspect: float = 1.0

    def __post_init__(self) -> None:
        shape = [self.view_angle, self.parallel_scale, *self.center, self.pixel_aspect]
        numbers = np.array([*self.position, *self.focal_point, *self.up, *shape])
        if numbers.shape != (14,) or not np.isfinite(numbers).all() or not 0 <= self.view_angle < 180:
            raise ParameterError(
                f"the camera is {self}; expected three finite numbers each, and a view angle of 0 to less than 180 degrees"
            )
        if (
            min(self.parallel_scale, self.pixel_aspect) <= 0
            or not np.linalg.norm(np.cross(np.subtract(*self._ends()), self.up)) > 0
        ):
            raise ParameterError(
                f"the camera is {self}; expected a position beside the focal point, an up direction across the view, and a "
                "scale and a pixel's aspect above 0"
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
        half = math.tan(math.radians(self.view_angle / 2)) if self.view_angle else self.parallel_scale
        along_u, along_v = half * self.pixel_aspect * right, half * up
        middle = -self.center[0] * along_u - self.center[1] * along_v
        zero = np.zeros(3)
        if not self.view_angle:
            return np.stack([self.position + middle, along_u, along_v, -towards, zero, zero, towards])
        return np.stack([self.position, zero, zero, middle - towards, along_u, along_v, towards])

    def zoomed(self, zoom: float) -> Camera:
        """The camera that sees as many times larger from the same place."""
        half = math.tan(math.radians(self.view_angle / 2)) / zoom
        return replace(self, view_angle=math.degrees(2 * math.atan(half)), parallel_scale=self.parallel_scale / zoom)


def camera_of(view: Sequence[float] | np.ndarray, optics: Optics) -> Camera:
    """The camera of a picture: the centre is 0, and half the height that it sees there is 1.

    Parameters
    ----------
    view : (2,) azimuth and elevation in degrees.
    """
    _, up, towards = camera_frames(np.asarray(view, np.float64) * [optics.turn, optics.tilt])
    far = 10.0 if not optics.view_angle else 1 / math.tan(math.radians(optics.view_angle / 2))
    return Camera(tuple((far * towards).tolist()), (0.0, 0.0, 0.0), tuple(up.tolist()), optics.view_angle)


def cameras_of(pictures: PictureSet, optics: Optics) -> list[Camera]:
    """The cameras of pictures: those that they have, or else those of their angles."""
    return list(pictures.cameras) or [camera_of(view, optics) for view in view_angles(pictures.thetas, pictures.roles)]
