"""What lights a medium, how it scatters, and the lens it is seen through."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.tracing.medium import Medium
from hyperinr_core.tracing.path_native import View

#: Bounces at most that can be asked for.
MOST_BOUNCES = 1024

#: How pictures look unless somebody says: degrees that the light is wide, how much edges look like surfaces, and these shine.
SOFTNESS, SURFACE, GLOSS = 6.0, 0.5, 0.5

#: Light from all around by name: colours of what is above and below.
ENVIRONMENTS = {
    "sky": ((0.5, 0.6, 0.75), (0.22, 0.2, 0.18)),
    "even": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "dark": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
}

_WHITE = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Light:
    """A light far away.

    Attributes
    ----------
    direction : (3,) towards it, in space; any length.
    color : (3,) linear; a white matt surface that faces it shows this. (0, 0, 0) for no light.
    diameter : of its disc in degrees, 0 to 180: how soft shadows are.
    """

    direction: Sequence[float] | np.ndarray = (0.0, 0.0, 1.0)
    color: Sequence[float] = _WHITE
    diameter: float = 4.0

    def __post_init__(self) -> None:
        size = float(np.linalg.norm(self.direction)) if len(self.direction) == 3 else 0.0
        if not (size > 0 and math.isfinite(size)) or not _is_color(self.color) or not 0 <= self.diameter <= 180:
            raise ParameterError(
                f"the light is {self}; expected a direction that is not 0, three finite numbers of at least 0, and a diameter "
                "of 0 to 180 degrees"
            )


@dataclass(frozen=True)
class Environment:
    """Light from all around.

    Attributes
    ----------
    above, below : (3,) linear colours of what is straight up and straight down; between, as the cosine to `up` goes.
    up : (3,) in space.
    image : (height, width, 3) linear colours of all directions in place of both, times `above`: rows from up to down, columns
        around, the middle one towards x where z is up.
    """

    above: Sequence[float] = _WHITE
    below: Sequence[float] = _WHITE
    up: Sequence[float] = (0.0, 0.0, 1.0)
    image: np.ndarray | None = None

    def __post_init__(self) -> None:
        size = float(np.linalg.norm(self.up)) if len(self.up) == 3 else 0.0
        if not _is_color(self.above) or not _is_color(self.below) or not (size > 0 and math.isfinite(size)):
            raise ParameterError(
                f"the environment is above {self.above}, below {self.below}, up {self.up}; expected three finite numbers each, "
                "colours of at least 0"
            )
        image = self.image
        if image is not None and (image.ndim != 3 or image.shape[2] != 3 or not image.size or not _is_light(image)):
            raise ParameterError(
                f"the environment's image has shape {image.shape}; expected (height, width, 3) of finite numbers of at least 0"
            )

    @classmethod
    def named(cls, name: str) -> Environment:
        """One of `ENVIRONMENTS`."""
        above, below = ENVIRONMENTS[name]
        return cls(above, below)

    def axes(self) -> np.ndarray:
        """(3, 3) rows: forwards, left and up of the image, in space."""
        up = np.array(self.up, np.float64) / np.linalg.norm(self.up)
        forward = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 0.0, -math.copysign(1.0, up[0])])
        level = forward - np.dot(forward, up) * up
        level /= np.linalg.norm(level)
        return np.stack([level, np.cross(up, level), up])


@dataclass(frozen=True)
class Scene:
    """All of a picture but the medium and the camera.

    Attributes
    ----------
    light, environment : what there is to see by.
    bounces : times that light is scattered on its way, at most.
    g : mean cosine of the angle of scattering, more than -1 to less than 1 (Henyey and Greenstein).
    surface : how much edges in the field look like surfaces, lit by where they face; 0 for a mere cloud, 1 for most opaque
        things.
    gloss : how much such surfaces shine, 0 to 1.
    aperture : radius of the lens, in the grid's unit; 0 for one that is sharp everywhere.
    focus : distance from the camera at which a lens is sharp; that of the focal point when None.
    """

    light: Light = field(default_factory=Light)
    environment: Environment = field(default_factory=Environment)
    bounces: int = 8
    g: float = 0.0
    surface: float = 0.0
    gloss: float = 0.0
    aperture: float = 0.0
    focus: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.bounces <= MOST_BOUNCES or not -1 < self.g < 1:
            raise ParameterError(
                f"bounces is {self.bounces} and g {self.g:g}; expected 1 to {MOST_BOUNCES}, and more than -1 to less than 1"
            )
        if not 0 <= self.surface <= 1e3 or not 0 <= self.gloss <= 1:
            raise ParameterError(
                f"surface is {self.surface:g} and gloss {self.gloss:g}; expected 0 to 1000, and 0 to 1"
            )
        if not (self.aperture >= 0 and math.isfinite(self.aperture)) or not (self.focus is None or self.focus > 0):
            raise ParameterError(
                f"aperture is {self.aperture:g} and focus {self.focus}; expected at least 0, and more than 0"
            )

    def view(self, medium: Medium, camera: Camera, size: Sequence[int], seed: int) -> View:
        """As the kernel takes it, with lengths in diagonals along the medium's axes."""
        towards = np.array(self.light.direction, np.float64) / np.linalg.norm(self.light.direction)
        rays = camera.rays()[:6]
        rays[0] -= medium.grid.origin
        rays[:3] /= medium.diagonal
        lens = self.aperture / medium.diagonal * camera.frame()[:2]
        image = None if self.environment.image is None else np.ascontiguousarray(self.environment.image, np.float32)
        spacing = np.abs(medium.grid.spacing) / medium.diagonal
        view = View(
            g=self.g,
            surface=self.surface * SURFACE_POINTS * float(np.mean(spacing)),
            gloss=self.gloss,
            light=_numbers(medium.axes @ towards),
            light_color=_numbers(math.pi * np.array(self.light.color)),
            light_cosine=math.cos(math.radians(self.light.diameter / 2)),
            below=_numbers(self.environment.below),
            above=_numbers(self.environment.above),
            axes=_numbers(self.environment.axes() @ medium.axes.T),
            camera=_numbers(rays @ medium.axes.T),
            lens=_numbers(lens @ medium.axes.T),
            focus=(self.focus or _distance(camera)) / medium.diagonal,
            width=size[0],
            height=size[1],
            n_bounces=self.bounces,
            seed=seed % 2**64,
        )
        if image is not None:
            view.image, view.image_height, view.image_width = image.ctypes.data, *image.shape[:2]
            view.kept = image
        return view


#: Of a change across one point's length by all of the table's range, how much it looks like a surface.
SURFACE_POINTS = 60.0


def _distance(camera: Camera) -> float:
    return float(np.linalg.norm(np.subtract(camera.position, camera.focal_point)))


def _numbers(values: np.ndarray | Sequence[float]) -> ctypes.Array:
    flat = np.ravel(np.asarray(values, np.float64)).tolist()
    return (ctypes.c_double * len(flat))(*flat)


def _is_color(color: Sequence[float]) -> bool:
    return len(color) == 3 and _is_light(np.asarray(color, np.float64))


def _is_light(values: np.ndarray) -> bool:
    return bool(np.isfinite(values).all() and values.min() >= 0)
