"""The pictures of `hyperinr render --style cinematic`: a model or a volume by paths of light, still or moving."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperinr_core import hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.model import Model
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.look import BACKGROUND, CAMERA, UNITS_ACROSS, Look, look_of, looks_of, magnitude
from hyperinr_core.pictures.transfer import COLOR_MAPS, TransferFunction, load, parse_opacity
from hyperinr_core.radiance.file import is_radiance
from hyperinr_core.spaces.sphere import angles_of, camera_frames, direction_of
from hyperinr_core.tracing import open_image_denoise
from hyperinr_core.tracing.film import Film, developed, exposure_of, trace
from hyperinr_core.tracing.medium import Medium, medium_of
from hyperinr_core.tracing.staging import ENVIRONMENTS, GLOSS, Environment, Light, Scene
from hyperinr_core.volume import Grid

#: Degrees from the lowest to the highest row, ParaView's default.
VIEW_ANGLE = 30.0

#: Where the light stands beside the camera unless somebody says: degrees to the left, and above the horizon.
LEFT_OF_CAMERA, LIGHT_ELEVATION = 55.0, 50.0

#: Times that an open shutter sees.
SHUTTER_TIMES = 8


@dataclass(frozen=True)
class Wishes:
    """What the options ask for; see `hyperinr render --help`."""

    spp: int
    seconds: float | None
    function: str | None
    opacity: str | None
    view: tuple[float, float] | None
    zoom: float
    light: tuple[float, float] | None
    softness: float
    environment: str
    surface: float
    bounces: int
    albedo: float
    aperture: float
    shutter: float
    frames: int
    until: dict[str, float]
    orbit: float
    orbit_light: float
    denoiser: str
    seed: int


def shoot_of(
    path: str,
    values: dict[str, float],
    field: str | None,
    dims: tuple[int, int, int] | None,
    size: Sequence[int],
    wishes: Wishes,
) -> tuple[Shoot, str]:
    """The frames of a model's or a volume's file, and the field that is shown.

    Raises
    ------
    ParameterError for values, a field or wishes that do not fit what the file holds.
    """
    if Path(path).suffix != ".hinr":
        from hyperinr.plugin.commands.train_shadow import read_volume

        if values or wishes.until:
            raise ParameterError(f"{path} is a volume; expected no --at and no --until, which are for models")
        volume, grid, source = read_volume(path, field, dims)
        return Shoot(subject_of_volume(volume, grid, wishes), {}, None, size, wishes), field or source
    if is_radiance(path):
        raise ParameterError(f"{path} holds radiance fields; expected a model of volumes, or --style paraview")
    model = hinr.load(path)
    names = [item.name for item in model.fields]
    shown = field or names[0]
    if shown not in names:
        raise ParameterError(f"the model has no field {shown!r}; expected one of {', '.join(names)}")
    if model.grid.n_pos_dims == 2:
        raise ParameterError(f"{path} is of dims {model.grid.dims}; expected a model of volumes, or --style paraview")
    for ends in (values, {**values, **wishes.until}):
        model.theta(ends)
    time = next((parameter.name for parameter in model.parameters if parameter.role == "time"), None)
    return Shoot(subject_of(model, shown, dims, wishes), values, time, size, wishes), shown


class Subject:
    """What is shown: a field at any values of the parameters, on one grid with one transfer function for all of them."""

    def __init__(
        self, at: Callable[[dict[str, float]], np.ndarray], grid: Grid, function: TransferFunction, albedo: float
    ) -> None:
        self._at, self.grid, self._function, self._albedo = at, grid, function, albedo

    def medium(self, values: dict[str, float]) -> Medium:
        """At values by parameter."""
        sides = [step * (n - 1) for step, n in zip(self.grid.spacing, self.grid.dims)]
        unit = math.hypot(*sides) / UNITS_ACROSS
        return medium_of(self._at(values), self.grid, self._function, unit, self._albedo)


def subject_of(model: Model, field: str, dims: Sequence[int] | None, wishes: Wishes) -> Subject:
    """A field of a model, or its magnitude."""
    grid = model.grid.with_dims(dims) if dims else model.grid
    look = looks_of(model)[field]

    def at(values: dict[str, float]) -> np.ndarray:
        inr = model.generate(model.theta(values, clamp=True))
        return magnitude(inr.split(inr.sample_grid(grid), [field])[field])

    return Subject(at, grid, function_of(look, wishes), wishes.albedo)


def subject_of_volume(values: np.ndarray, grid: Grid, wishes: Wishes) -> Subject:
    """A volume as it is."""
    return Subject(lambda _: values, grid, function_of(look_of(values), wishes), wishes.albedo)


def function_of(look: Look, wishes: Wishes) -> TransferFunction:
    """The look's colours and opacities, or those that somebody wishes, stretched over the look's range."""
    low, high = look.low, look.high
    if wishes.function:
        function = load(wishes.function, (low, high))
    else:
        colors = tuple((low + x * (high - low), *rgb) for x, *rgb in COLOR_MAPS[look.colors])
        function = TransferFunction(colors, look.opacities)
    return function.with_opacity(parse_opacity(wishes.opacity)) if wishes.opacity else function


def camera_of(grid: Grid, view: Sequence[float], size: Sequence[int], zoom: float = 1.0) -> Camera:
    """The camera that has a grid's box in view.

    Parameters
    ----------
    view : (2,) azimuth and elevation in degrees, z up.
    size : width and height of the picture.
    zoom : how much larger it is than when it just fits: the camera stands where it stood, and sees less.
    """
    sides = np.multiply(grid.spacing, np.subtract(grid.dims, 1))
    middle = grid.origin + np.reshape(grid.direction, (3, 3)) @ sides / 2
    _, up, towards = camera_frames(np.array(view))
    across = math.tan(math.radians(VIEW_ANGLE / 2)) * min(1.0, size[0] / size[1])
    far = np.linalg.norm(sides) / 2 / math.sin(math.atan(across))
    position, focal_point = tuple((middle + far * towards).tolist()), tuple(middle.tolist())
    return Camera(position, focal_point, tuple(up.tolist()), VIEW_ANGLE).zoomed(zoom)


def environment_of(name: str) -> Environment:
    """One of `ENVIRONMENTS`, or the picture of a file: rows from above to below, columns all around."""
    if name in ENVIRONMENTS:
        return Environment.named(name)
    path = Path(name)
    if not path.is_file():
        raise ParameterError(
            f"environment is {name!r}; expected one of {', '.join(ENVIRONMENTS)}, or a picture of all around that is there"
        )
    if path.suffix == ".npy":
        image = np.load(path, allow_pickle=False)
        if image.ndim != 3 or image.shape[-1] != 3:
            raise DataError(f"{name} has shape {image.shape}; expected (height, width, 3), amounts of light")
        return Environment(image=np.asarray(image, np.float32))
    from hyperinr.filters.readers.picture_files import read_picture
    from hyperinr_core.tracing.tone import to_linear

    pixels = read_picture(path)[::-1, :, :3]
    return Environment(image=to_linear(pixels / 255).astype(np.float32))


class Shoot:
    """The frames of a picture, one after the other.

    Parameters
    ----------
    values : of the parameters, at the first frame.
    time : name of the parameter that passes while the shutter is open; None where there is none.
    """

    def __init__(
        self, subject: Subject, values: dict[str, float], time: str | None, size: Sequence[int], wishes: Wishes
    ) -> None:
        self._subject, self._values, self._time, self._size, self._wishes = subject, values, time, size, wishes
        self._view = wishes.view or angles_of(np.array(CAMERA))
        self._environment = environment_of(wishes.environment)
        self._exposure: float | None = None
        self._still: dict[tuple, Medium] = {}
        if wishes.shutter and time is None:
            raise ParameterError("the shutter is open for a while, but nothing moves; expected a model with a time")

    def frame(self, number: int, progress: Callable[[float], None]) -> np.ndarray:
        """(height, width, 3) uint8, lowest row first."""
        wishes, share = self._wishes, number / max(self._wishes.frames - 1, 1)
        # a whole turn ends one step before it began, so that the film can be played round and round
        turn = number / wishes.frames if wishes.frames > 1 else 0.0
        azimuth, elevation = self._view
        camera = camera_of(self._subject.grid, (azimuth + turn * wishes.orbit, elevation), self._size, wishes.zoom)
        light = wishes.light or (azimuth - LEFT_OF_CAMERA, LIGHT_ELEVATION)
        scene = Scene(
            Light(direction_of(light[0] + turn * wishes.orbit_light, light[1]), diameter=wishes.softness),
            self._environment, wishes.bounces, surface=wishes.surface, gloss=GLOSS, aperture=wishes.aperture,
        )  # fmt: skip
        values = {name: low + share * (wishes.until.get(name, low) - low) for name, low in self._values.items()}
        return self._developed(self._exposed(values, camera, scene, progress))

    def _exposed(
        self, values: dict[str, float], camera: Camera, scene: Scene, progress: Callable[[float], None]
    ) -> Film:
        wishes, film, moments = self._wishes, Film(self._size), self._moments(values)
        for k, moment in enumerate(moments):
            samples = wishes.spp * (k + 1) // len(moments) - wishes.spp * k // len(moments)
            if not samples:
                continue
            seconds = wishes.seconds / len(moments) if wishes.seconds else None

            def one(share: float, k: int = k) -> None:
                progress((k + share) / len(moments))

            trace(self._medium(moment), camera, scene, film, samples, wishes.seed, seconds, one)
        return film

    def _moments(self, values: dict[str, float]) -> list[dict[str, float]]:
        if not self._wishes.shutter or self._time is None:
            return [values]
        shares = (np.arange(SHUTTER_TIMES) + 0.5) / SHUTTER_TIMES - 0.5
        return [{**values, self._time: values[self._time] + self._wishes.shutter * share} for share in shares.tolist()]

    def _medium(self, values: dict[str, float]) -> Medium:
        """The last one is kept: often nothing but the camera or the light moves."""
        key = tuple(values.values())
        if key not in self._still:
            self._still = {key: self._subject.medium(values)}
        return self._still[key]

    def _developed(self, film: Film) -> np.ndarray:
        means = film.denoised() if self._wishes.denoiser == "own" else open_image_denoise.denoised(film)
        if self._exposure is None:  # one for all frames, or they flicker
            self._exposure = exposure_of(means)
        return developed(means, BACKGROUND, self._exposure)
