"""A model of pictures by radiance fields: one for each scene, blended between scenes, seen from any camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.model import theta_of
from hyperinr_core.pictures.camera import Camera, camera_of
from hyperinr_core.pictures.picture_set import RANGE, Optics
from hyperinr_core.radiance.carrying import Paths
from hyperinr_core.radiance.field import RadianceField, Seen
from hyperinr_core.radiance.grids import blended
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.views import angle_columns, other_columns, view_angles
from hyperinr_core.volume import Field, Grid, Parameter

#: Blended fields that are kept, since a camera moves while a time stands still.
N_KEPT = 2


@dataclass(frozen=True, eq=False)
class RadianceModel:
    """A value, as a HyperINR is.

    Attributes
    ----------
    parameters : P, of which one is a view's azimuth and one its elevation or polar angle.
    size : (width, height) of the pictures that it was fitted to.
    optics : their camera.
    background : (height, width, 3) uint8 behind the scene; None where the pictures have an opacity.
    positions : (N, P - 2) the other parameters of each scene, increasing when there is one.
    scenes : N fields, in units in which half a picture's height at the centre is 1.
    paths : along which scenes are carried to what lies between them, where there is one parameter besides the view.
    """

    parameters: tuple[Parameter, ...]
    size: tuple[int, int]
    optics: Optics
    background: np.ndarray | None
    positions: np.ndarray
    scenes: Sequence[RadianceField]
    provenance: dict[str, Any] = field(default_factory=dict)
    quality: dict[str, Any] = field(default_factory=dict)
    paths: Paths | None = None

    def __post_init__(self) -> None:
        if angle_columns(self.roles) is None:
            raise ParameterError(
                f"the roles are {', '.join(self.roles)}; expected a view's azimuth and elevation among them"
            )
        object.__setattr__(self, "_blended", lru_cache(N_KEPT)(self._blend))

    @property
    def roles(self) -> tuple[str, ...]:
        """The parameters'."""
        return tuple(parameter.role for parameter in self.parameters)

    @property
    def others(self) -> list[int]:
        """Which parameters are not the view's."""
        return other_columns(np.empty((0, len(self.parameters))), list(angle_columns(self.roles) or ()))

    @property
    def grid(self) -> Grid:
        """The pixels of the pictures."""
        return Grid((*self.size, 1))

    @property
    def fields(self) -> tuple[Field, ...]:
        """The one of the pictures."""
        n, name = (4, "rgba") if self.background is None else (3, "rgb")
        return (Field(name, n, (RANGE,) * n),)

    def theta(self, values: Sequence[float] | np.ndarray | Mapping[str, float], clamp: bool = False) -> np.ndarray:
        """(P,) float64; ParameterError unless all are finite numbers within the bounds, but for a view's, which may be any.

        Parameters
        ----------
        values : P numbers, or a mapping from every parameter's name to a number.
        clamp : move values outside the bounds onto them instead of raising.
        """
        return theta_of(self.parameters, values, clamp, angle_columns(self.roles) or ())

    def at(self, theta: Sequence[float] | np.ndarray) -> RadianceField:
        """The field at theta (P,), whatever its view."""
        return self._blended(tuple(self.theta(theta)[self.others].tolist()))  # type: ignore[attr-defined]

    def _blend(self, place: tuple[float, ...]) -> RadianceField:
        if not place:
            return self.scenes[0]
        roles = [self.roles[column] for column in self.others]
        bounds = np.array([self.parameters[column].bounds for column in self.others], np.float64)
        space = space_of(roles, self.positions, bounds)
        indices, weights = space.weights(np.array(place), "linear" if len(place) == 1 else "idw")
        fields = [self.scenes[int(index)] for index in indices]
        if self.paths is None or len(indices) == 1:
            return blended(fields, weights)
        gap, last = int(min(indices)), int(np.argmax(indices))
        share = float(weights[last])
        ways = [partial(self._way, gap, 1 - share if i == last else -share) for i in range(2)]
        return blended(fields, weights, ways)

    def _way(self, gap: int, share: float, points: np.ndarray) -> np.ndarray:
        """(n, 3) so much of the way through a gap."""
        return np.float32(share) * self.paths.at(gap, points)  # type: ignore[union-attr]

    def camera(self, theta: Sequence[float] | np.ndarray) -> Camera:
        """The camera of a picture at theta (P,)."""
        return camera_of(view_angles(self.theta(theta), self.roles), self.optics)

    def render(self, theta: Sequence[float] | np.ndarray, camera: Camera, width: int, height: int) -> Seen:
        """What any camera sees of the scene at theta (P,), whose view does not count."""
        return self.at(theta).render(camera, width, height)

    def picture(
        self,
        theta: Sequence[float] | np.ndarray,
        size: tuple[int, int] | None = None,
        camera: Camera | None = None,
    ) -> np.ndarray:
        """(height, width, 3 or 4) uint8 what the database would show at theta (P,), the lowest row first.

        Parameters
        ----------
        size : width and height in pixels; the training pictures' when None.
        camera : another one than that of theta's view.
        """
        width, height = size or self.size
        return self.before_background(self.render(theta, camera or self.camera(theta), width, height))

    def before_background(self, seen: Seen) -> np.ndarray:
        """(height, width, 3 or 4) uint8 what is seen of the scene, and what is behind it."""
        height, width = seen.opacity.shape
        if self.background is None:
            return seen.rgba()
        rows, columns = (np.arange(n) * old // n for n, old in zip((height, width), self.background.shape))
        behind = self.background[rows[:, None], columns] / np.float32(255)
        return np.rint(255 * seen.over(behind)).astype(np.uint8)
