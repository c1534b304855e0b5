"""A film: what a picture has gathered so far, sample by sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.tracing import path_native
from hyperinr_core.tracing.medium import Medium
from hyperinr_core.tracing.staging import Scene
from hyperinr_core.tracing.tone import to_screen

#: Samples of a pixel, and pixels of a picture, at most.
MOST_SAMPLES, MOST_PIXELS = 65536, 1 << 26

#: The luminance that is brighter than so many per cent of what is shown comes out as this.
BRIGHT, BRIGHT_AS = 99.0, 0.8

#: Seconds between two calls of `progress`, about.
PACE = 0.1


class Film:
    """Sums over samples, which can be gone on with.

    Parameters
    ----------
    size : width and height in pixels.

    Attributes
    ----------
    sums : (height, width, 10) float32, lowest row first; see `path_native.N_CHANNELS`.
    n_samples : how many were begun.
    """

    def __init__(self, size: Sequence[int]) -> None:
        width, height = (int(side) for side in size)
        if width < 1 or height < 1 or width * height > MOST_PIXELS:
            raise ParameterError(
                f"the size is {width} x {height}; expected at least 1, and {MOST_PIXELS} pixels at most"
            )
        self.sums = np.zeros((height, width, path_native.N_CHANNELS), np.float32)
        self.n_samples = 0

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.sums.shape[1], self.sums.shape[0]

    @property
    def means(self) -> np.ndarray:
        """(height, width, 4) radiance and opacity: what is behind shows by 1 minus that, as it is."""
        return self.sums[..., :4] / np.maximum(self.sums[..., 9:], 1)

    def denoised(self) -> np.ndarray:
        """What `means` are without the noise, by non-local means: blurred where samples vary, sharp where they do not."""
        return path_native.denoise(self.sums)

    def picture(self, background: Sequence[float] | np.ndarray = (0.0, 0.0, 0.0), exposure: float = 1.0) -> np.ndarray:
        """(height, width, 3) uint8, lowest row first; see `developed`."""
        return developed(self.means, background, exposure)


def developed(means: np.ndarray, background: Sequence[float] | np.ndarray, exposure: float = 1.0) -> np.ndarray:
    """(height, width, 3) uint8 of radiance and opacity (height, width, 4).

    Parameters
    ----------
    background : (3,) or (height, width, 3) colours of a screen in [0, 1]; they stay as they are where nothing covers them.
    exposure : factor of the radiance.
    """
    # mixed on the screen's scale, as ParaView does: an edge is as bright as its two sides let expect
    front = to_screen(exposure * means[..., :3] / np.maximum(means[..., 3:], 1e-6))
    shown = means[..., 3:] * front + (1 - means[..., 3:]) * np.asarray(background, np.float64)
    return np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def exposure_of(means: np.ndarray) -> float:
    """The factor that makes the bright parts of a picture (height, width, 4) bright."""
    shown = means[means[..., 3] > 0.05]
    if not len(shown):
        return 1.0
    luminance = shown[:, :3] @ (0.2126, 0.7152, 0.0722) / shown[:, 3]
    bright = float(np.percentile(luminance, BRIGHT))
    return BRIGHT_AS / bright if bright > 0 else 1.0


def trace(
    medium: Medium,
    camera: Camera,
    scene: Scene,
    film: Film,
    samples: int = 1,
    seed: int = 0,
    seconds: float | None = None,
    progress: Callable[[float], None] | None = None,
) -> None:
    """Add samples of every pixel to a film.

    Paths of light are followed from the camera through the medium: delta tracking to where they are scattered, one ray from
    there to the light with the share that arrives (ratio tracking), and on in a random direction, until they leave for the
    environment, were scattered often enough or carry next to nothing (Russian roulette). The mean over samples is the
    solution of the radiative transfer equation up to so many scatterings (Novak et al. 2018, "Monte Carlo methods for
    volumetric light transport simulation").

    Parameters
    ----------
    film : gone on with; its samples are other ones than those that it has.
    samples : of a pixel, each with one path.
    seed : equal seeds give equal pictures, whatever the number of threads.
    seconds : after which no further sample is begun; the first one is.
    progress : called about every 0.1 s with the share that is done, 0 to 1; what it raises ends the work, and what was
        gathered stays in the film.

    Raises
    ------
    ParameterError for samples out of range; BackendError without the compiled kernel.

    Examples
    --------
    >>> from hyperinr_core.tracing.medium import Medium
    >>> from hyperinr_core.volume import Grid
    >>> values = np.ones((4, 4, 4), np.float32)
    >>> fog = Medium(values, Grid((4, 4, 4)), np.ones((2, 3)), np.array([0.0, 9.0]), 0.0, 1.0)
    >>> film = Film((8, 8))
    >>> trace(fog, Camera((1.5, -9.0, 1.5), (1.5, 1.5, 1.5), (0, 0, 1), 10.0), Scene(), film, samples=4)
    >>> film.n_samples, bool(film.means[4, 4, 3] == 1)
    (4, True)
    """
    if not 1 <= samples <= MOST_SAMPLES - film.n_samples:
        raise ParameterError(
            f"{samples} samples were asked for, with {film.n_samples} there; expected 1 to {MOST_SAMPLES} in all"
        )
    view, n_tiles = scene.view(medium, camera, film.size, seed), path_native.n_tiles(*film.size)
    began, at_once = time.monotonic(), 1
    for number in range(samples):
        if number and seconds is not None and time.monotonic() - began >= seconds:
            return
        film.n_samples += 1
        first = 0
        while first < n_tiles:
            n, start = min(at_once, n_tiles - first), time.monotonic()
            medium.native.trace(view, film.n_samples - 1, first, n, film.sums)
            first += n
            pace = (time.monotonic() - start) / n
            at_once = int(min(max(PACE / max(pace, 1e-7), 1), 4 * n))
            if progress:
                progress((number + first / n_tiles) / samples)
