"""What the page of `hyperinr view` gets when it asks for a picture by paths of light: one that gets better while it asks.

The server works on a picture for as long as a question lasts, a fraction of a second, and keeps what it has for the next one.
So a picture ends by itself when nobody asks any more: the page was changed, or left.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from hyperinr.plugin.drawing import JPEG_QUALITY, number_of
from hyperinr.plugin.voxel_drawing import VoxelDrawing
from hyperinr_core.errors import Aborted, ParameterError
from hyperinr_core.pictures.camera import BESIDE, Camera
from hyperinr_core.pictures.look import BACKGROUND
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.tracing.film import Film, developed, exposure_of, trace
from hyperinr_core.tracing.medium import Medium
from hyperinr_core.tracing.staging import GLOSS, SOFTNESS, SURFACE, Environment, Light, Scene

#: Samples of each pixel at which the picture is shown: taking the noise out takes as long as some of them.
SHOWN = (1, 4, 10, 20, 36, 64)

#: Light from all around, as `hyperinr render --style cinematic` has it.
ENVIRONMENT = "sky"

#: Pixels of a side of a picture, at least and at most.
SIZES = (16, 1024)

#: The picture that comes first has so many times fewer pixels along a side; seconds and samples that it takes at most.
COARSE, QUICK, N_QUICK = 4, 0.15, 16

#: Seconds that a question is worked on, about, and that it takes to hear that it is enough.
STEP, PACE = 0.2, 0.1

#: Pixels that the noise is taken out of at a time.
PART = 1 << 16

#: Seconds that a picture is kept for which nobody asks.
PATIENCE = 10.0

#: What the page tells of its camera, as vtk.js calls it: points, and numbers.
CAMERA = ("position", "focalPoint", "viewUp"), ("viewAngle", "parallelScale")


class CinematicDrawing:
    """Pictures of a volume; may be asked from several threads, and goes on with the pictures of several browsers."""

    def __init__(self, drawing: VoxelDrawing) -> None:
        self._drawing = drawing
        self._lock = threading.Lock()
        self._pictures: dict[str, _Picture] = {}

    def draw(self, values: dict[str, Any], field: Any, look: Any, size: Any, seen: Any) -> dict[str, Any]:
        """Go on with a picture for a moment.

        Parameters
        ----------
        look : "camera", as vtk.js has it; "colors"; and "light" as `VoxelDrawing.light` has it: a "shadow" says where it comes
            from, any other stands beside the camera.
        size : width and height in pixels. seen : samples of the picture that the page has, -1 where it has none.

        Returns
        -------
        {"share": of the work that is done, 0 to 1}, and where there is a better picture {"samples", "media", "data"}: a
        JPEG file, in the end a PNG file.

        Raises
        ------
        ParameterError for values, a field, a look or a size that are none.
        """
        key = repr((values, field, look, size))
        picture = self._kept(key) or self._keep(key, self._begun(values, field, look, size))
        try:
            return picture.gone_on(number_of("samples", seen))
        except BaseException:  # not to be gone on with
            with self._lock:
                self._pictures.pop(key, None)
            raise

    def _kept(self, key: str) -> _Picture | None:
        now = time.monotonic()
        with self._lock:
            self._pictures = {other: old for other, old in self._pictures.items() if now - old.asked_at < PATIENCE}
            if key in self._pictures:
                self._pictures[key].asked_at = now
            return self._pictures.get(key)

    def _keep(self, key: str, picture: _Picture) -> _Picture:
        with self._lock:
            return self._pictures.setdefault(key, picture)

    def _begun(self, values: dict[str, Any], field: Any, look: Any, size: Any) -> _Picture:
        if not isinstance(look, dict) or set(look) != {"camera", "colors", "light"}:
            raise ParameterError(f"the picture's look is {look!r:.40}; expected camera, colors and light")
        if not isinstance(size, list) or len(size) != 2:
            raise ParameterError(f"the picture's size is {size!r:.40}; expected width and height")
        width, height = (int(np.clip(number_of("size", side), *SIZES)) for side in size)
        camera, light = _camera(look["camera"]), look["light"]
        medium = self._drawing.medium(values, field, light, look["colors"])
        shadowed = light["kind"] == "shadow"
        towards = direction_of(light["azimuth"], light["elevation"]) if shadowed else camera.light(BESIDE)
        sun, sky = Light(towards, diameter=SOFTNESS), Environment.named(ENVIRONMENT)
        scene = Scene(sun, sky, surface=SURFACE, gloss=GLOSS)
        return _Picture(medium, camera, scene, (width, height))


class _Picture:
    """One that is worked on while somebody asks."""

    def __init__(self, medium: Medium, camera: Camera, scene: Scene, size: tuple[int, int]) -> None:
        self.asked_at = time.monotonic()
        self._scene = medium, camera, scene
        self._film, self._lock = Film(size), threading.Lock()
        self._work = self._worked()
        self._shown: dict[str, Any] = {"samples": -1}

    def gone_on(self, seen: float) -> dict[str, Any]:
        """What the page is told, after `STEP` or as soon as there is a better picture than the one that it has seen."""
        with self._lock:
            end = time.monotonic() + STEP
            for _ in self._work:
                if self._shown["samples"] > seen or time.monotonic() >= end:
                    break
            samples = self._shown["samples"]
            share = 1.0 if samples == SHOWN[-1] else self._film.n_samples / (SHOWN[-1] + 1)
            return {"share": share, **(self._shown if samples > seen else {})}

    def _worked(self) -> Iterator[None]:
        """All of the work, in pieces of `PACE` about."""
        coarse = Film([-(-side // COARSE) for side in self._film.size])
        trace(*self._scene, coarse, N_QUICK, seconds=QUICK)
        yield from self._developed(coarse, 0)
        for wanted in SHOWN:
            while self._film.n_samples < wanted:
                self._trace()
                yield
            yield from self._developed(self._film, wanted)

    def _trace(self) -> None:
        """The rest of a sample, or as much of it as can be done in a moment."""
        end = time.monotonic() + PACE

        def progress(_: float) -> None:
            if time.monotonic() >= end:
                raise Aborted("the picture is gone on with later")

        with contextlib.suppress(Aborted):
            trace(*self._scene, self._film, 1, progress=progress)

    def _developed(self, film: Film, samples: int) -> Iterator[None]:
        """Show what a film has, which the page knows by its samples."""
        from hyperinr.filters.readers.picture_files import encoded

        width, height = film.size
        n_rows = max(PART // width, 1)
        rows = [slice(first, min(first + n_rows, height)) for first in range(0, height, n_rows)]
        means, pixels = np.empty((height, width, 4), np.float32), np.empty((height, width, 3), np.uint8)
        for part in rows:
            means[part] = film.denoised(part.start, part.stop)
            yield
        exposure = exposure_of(means)
        for part in rows:
            pixels[part] = developed(means[part], BACKGROUND, exposure)
            yield
        kind = "PNG" if samples == SHOWN[-1] else "JPEG"
        data = encoded(pixels, kind, JPEG_QUALITY)
        self._shown = {"samples": samples, "media": f"image/{kind.lower()}", "data": data}
        yield


def _camera(told: Any) -> Camera:
    """The camera that the page tells."""
    points, numbers = CAMERA
    known = isinstance(told, dict) and set(told) == {*points, *numbers}
    if not known or not all(isinstance(told[name], list) and len(told[name]) == 3 for name in points):
        raise ParameterError(f"the camera is {told!r:.40}; expected {', '.join((*points, *numbers))}")
    position, focal_point, up = (_triple(name, told[name]) for name in points)
    angle, scale = (number_of(name, told[name]) for name in numbers)
    return Camera(position, focal_point, up, angle, scale)


def _triple(name: str, told: list) -> tuple[float, float, float]:
    x, y, z = (number_of(name, number) for number in told)
    return x, y, z
