"""Fitting a radiance field to pictures whose cameras are known: from coarse to fine, by single rays from all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from hyperinr_core.pictures.camera import Camera
from hyperinr_core.radiance.field import DENSITY, LEAST_LOG, RadianceField
from hyperinr_core.radiance.grids import kept, refined
from hyperinr_core.radiance.voxels import EDGE, LINE, VOXELS, Settings, Shown


@dataclass(frozen=True)
class Level:
    """One grid of a fit.

    Attributes
    ----------
    longest : voxels along the longest axis.
    steps, rays : batches, and single rays of each.
    smooth : how much a difference of neighbouring voxels counts beside the squared errors of one ray.
    """

    longest: int
    steps: int
    rays: int
    smooth: float


#: Half the edge of the cube in which the scene must lie, in half heights of the picture.
HALF_BOX = 1.15

#: Most voxels along an axis as a share of the pictures' pixels.
FINEST = 0.8

#: Grids that are fitted one after the other; how many rays see each is in proportion to what is asked for.
LEVELS = (
    Level(33, 200, 2048, 1e-4),
    Level(65, 400, 2048, 5e-5),
    Level(129, 1000, 4096, 5e-5),
    Level(193, 1200, 4096, 7e-5),
)

#: Rays in all that a level is worth, for each point of a face of its grid: with fewer it would learn noise.
WORTH = 150

#: A level of few rays has smaller batches, for so many of them, down to so many rays: 20 pictures of 32 x 32 were worth 15.6 dB
#: in batches of 2048 rays, and 23.2 in batches of 256.
LEAST_STEPS, LEAST_RAYS = 200, 256

#: Adam's rates of density and colour, which fall to a share along each level, and its means' decays.
RATES, FALL, DECAYS = (0.15, 0.015), 0.1, (0.9, 0.99)

#: Differences of density and colour up to which they count squared, then in proportion.
BENDS = (0.5, 0.05)

#: Logarithm of a voxel's optical depth, and its colour, before anything is known: thin fog.
START, GREY = -4.5, 0.5

#: Steps of one call of the kernel, and calls between two looks at what has become empty.
CALL, LOOK = 50, 4


def levels_for(size: tuple[int, int], n_rays: int) -> tuple[Level, ...]:
    """The levels that pictures of a (width, height) resolve, with so many rays in all."""
    finest = max(LEVELS[0].longest, min(FINEST * max(size), (n_rays / WORTH) ** 0.5))
    levels = [level for level in LEVELS if level.longest <= finest]
    whole = sum(level.steps * level.rays for level in levels)
    return tuple(_of_rays(level, level.steps * level.rays * n_rays / whole) for level in levels)


def _of_rays(level: Level, n_rays: float) -> Level:
    """A level of so many rays in all."""
    rays = level.rays
    while rays > LEAST_RAYS and n_rays < LEAST_STEPS * rays:
        rays //= 2
    return replace(level, steps=max(1, round(n_rays / rays)), rays=rays)


def fit(
    cameras: Sequence[Camera],
    pictures: Sequence[np.ndarray],
    background: np.ndarray,
    levels: Sequence[Level] = LEVELS,
    seed: int = 0,
    progress: Callable[[float], object] = lambda done: None,
) -> RadianceField:
    """A field that shows the pictures. Equal seeds give equal bytes, whatever the number of threads.

    Parameters
    ----------
    cameras : n of the pictures', which look at the origin from all around.
    pictures : n of (height, width, C) uint8, the lowest row first: 3 colours, or 4 with an opacity.
    background : (height, width, 3) in [0, 1], what stands behind the scene; unused with an opacity.
    """
    pictures = [np.ascontiguousarray(picture) for picture in pictures]
    whole, done = sum(level.steps * level.rays for level in levels), 0
    height, width = pictures[0].shape[:2]
    field, first_step = _begun(HALF_BOX * max(1, width / height), levels[0].longest), 0
    for level in levels:
        if level is not levels[0]:
            field = refined(field, level.longest)
        moments = [np.zeros_like(field.values) for _ in range(2)]
        shown = _shown(field, cameras, pictures, background)
        for call, step in enumerate(range(0, level.steps, CALL)):
            if call and call % LOOK == 0 and level is not levels[0]:  # whose fog has to thicken first
                field, rows = kept(field)
                moments = [moment[rows] for moment in moments]
                shown = _shown(field, cameras, pictures, background)
            n_steps = min(CALL, level.steps - step)
            settings = _settings(level, step / level.steps, seed)
            field.lattice.fit(moments, shown, settings, first_step + step, n_steps)
            done += n_steps * level.rays
            progress(done / whole)
        if level is levels[0]:  # what no ray has ever met is outside of all pictures, and still fog
            field.values[..., DENSITY][moments[1][..., DENSITY] == 0] = LEAST_LOG
        first_step += level.steps
    return kept(field)[0]


def _begun(half: float, longest: int) -> RadianceField:
    """A thin grey fog in a cube of so many voxels along each axis."""
    n = -(-longest // EDGE)
    values = np.zeros((n**3, VOXELS, LINE), np.float32)
    values[..., :DENSITY] = GREY
    values[..., DENSITY] = START
    index = np.arange(n**3, dtype=np.int32).reshape(n, n, n)
    return RadianceField((-half,) * 3, 2 * half / (longest - 1), (longest,) * 3, index, values)


def _shown(
    field: RadianceField, cameras: Sequence[Camera], pictures: Sequence[np.ndarray], background: np.ndarray
) -> Shown:
    return Shown(np.stack([field.rays(camera) for camera in cameras]), pictures, background)


def _settings(level: Level, share: float, seed: int) -> Settings:
    """The kernel's, at a share of the level's steps."""
    rates = [rate * FALL**share for rate in RATES]
    return Settings(level.rays, seed, *rates, *DECAYS, level.smooth, level.smooth, *BENDS)
