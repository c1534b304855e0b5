"""Fitting a radiance field to pictures whose cameras are known: from coarse to fine, by single rays from all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

#: Degrees above the camera from which light comes, as the key light of ParaView's kit does: worth 0.45 dB from above and
#: below, where pictures turn with the azimuth.
LIGHT = 40.0

#: Differences of density and colour up to which they count squared, then in proportion.
BENDS = (0.5, 0.05)

#: Logarithm of a voxel's optical depth, and its colour, before anything is known: thin fog.
START, GREY = -4.5, 0.5

#: Mean squared error of a batch from which on smoothness falls with it: what pictures say counts for more where they agree.
USUAL_ERROR = 1.5e-3

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


class Fit:
    """A fit under way. What a call of the kernel does depends on the seed and on where the fit is alone, so that one that goes on
    from its state ends with the bytes of an unbroken one, whatever the number of threads.

    Parameters
    ----------
    cameras : n of the pictures', which look at the origin from all around.
    pictures : n of (height, width, C) uint8, the lowest row first: 3 colours, or 4 with an opacity.
    background : (height, width, 3) in [0, 1], what stands behind the scene; unused with an opacity.
    """

    def __init__(
        self,
        cameras: Sequence[Camera],
        pictures: Sequence[np.ndarray],
        background: np.ndarray,
        levels: Sequence[Level] = LEVELS,
        seed: int = 0,
    ) -> None:
        self._cameras, self._background, self._levels, self._seed = cameras, background, levels, seed
        self._pictures = [np.ascontiguousarray(picture) for picture in pictures]
        height, width = self._pictures[0].shape[:2]
        self._number, self._step = 0, 0  # of the level, and in it
        self._error = USUAL_ERROR
        self._hold(_begun(HALF_BOX * max(1, width / height), levels[0].longest))

    @property
    def share(self) -> float:
        """How much is done."""
        done = sum(level.steps * level.rays for level in self._levels[: self._number])
        if not self.is_over:
            done += self._step * self._levels[self._number].rays
        return done / sum(level.steps * level.rays for level in self._levels)

    @property
    def is_over(self) -> bool:
        return self._number == len(self._levels)

    @property
    def field(self) -> RadianceField:
        """What is found so far, without what is empty."""
        return kept(self._field)[0]

    def advance(self) -> None:
        """Some steps."""
        level, first = self._levels[self._number], self._number == 0
        if self._step and self._step % (CALL * LOOK) == 0 and not first:  # whose fog has to thicken first
            field, rows = kept(self._field)
            self._hold(field, [moment[rows] for moment in self._moments])
        n_steps = min(CALL, level.steps - self._step)
        settings = _settings(level, self._step / level.steps, self._seed, min(1.0, self._error / USUAL_ERROR))
        before = sum(one.steps for one in self._levels[: self._number])
        self._error = self._field.lattice.fit(self._moments, self._shown, settings, before + self._step, n_steps)
        self._step += n_steps
        if self._step < level.steps:
            return
        if first:  # what no ray has ever met is outside of all pictures, and still fog
            self._field.values[..., DENSITY][self._moments[1][..., DENSITY] == 0] = LEAST_LOG
        self._number, self._step = self._number + 1, 0
        if not self.is_over:
            self._hold(refined(self._field, self._levels[self._number].longest))

    def state(self) -> dict[str, np.ndarray]:
        """All that `resume` needs to go on from here."""
        arrays = {**arrays_of(self._field), "at": np.array([self._number, self._step])}
        arrays["error"] = np.array([self._error])
        return {**arrays, "first": self._moments[0], "second": self._moments[1]}

    def resume(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from where a fit of the same pictures and settings was."""
        self._number, self._step = state["at"].tolist()
        self._error = float(state["error"][0])
        self._hold(field_of(state), [np.array(state["first"]), np.array(state["second"])])

    def _hold(self, field: RadianceField, moments: list[np.ndarray] | None = None) -> None:
        """Fit this field from now on."""
        self._field = field
        self._moments = moments or [np.zeros_like(field.values) for _ in range(2)]
        self._shown = _shown(field, self._cameras, self._pictures, self._background)


def fit(
    cameras: Sequence[Camera],
    pictures: Sequence[np.ndarray],
    background: np.ndarray,
    levels: Sequence[Level] = LEVELS,
    seed: int = 0,
) -> RadianceField:
    """A field that shows the pictures, as `Fit` finds it without a break."""
    fitting = Fit(cameras, pictures, background, levels, seed)
    while not fitting.is_over:
        fitting.advance()
    return fitting.field


def arrays_of(field: RadianceField) -> dict[str, np.ndarray]:
    """A field as arrays, which `field_of` takes."""
    place, dims = np.array([*field.origin, field.spacing]), np.array(field.dims)
    return {
        "place": place,
        "dims": dims,
        "index": field.index,
        "values": field.values,
        "light": np.array([field.light]),
    }


def field_of(arrays: Mapping[str, np.ndarray]) -> RadianceField:
    """The field of `arrays_of`."""
    (*origin, spacing), dims = arrays["place"].tolist(), arrays["dims"].tolist()
    index, values = np.array(arrays["index"]), np.array(arrays["values"])
    return RadianceField(tuple(origin), spacing, tuple(dims), index, values, float(arrays["light"][0]))


def _begun(half: float, longest: int) -> RadianceField:
    """A thin grey fog in a cube of so many voxels along each axis."""
    n = -(-longest // EDGE)
    values = np.zeros((n**3, VOXELS, LINE), np.float32)
    values[..., :DENSITY] = GREY
    values[..., DENSITY] = START
    index = np.arange(n**3, dtype=np.int32).reshape(n, n, n)
    return RadianceField((-half,) * 3, 2 * half / (longest - 1), (longest,) * 3, index, values, LIGHT)


def _shown(
    field: RadianceField, cameras: Sequence[Camera], pictures: Sequence[np.ndarray], background: np.ndarray
) -> Shown:
    return Shown(np.stack([field.rays(camera) for camera in cameras]), pictures, background)


def _settings(level: Level, share: float, seed: int, smooth: float) -> Settings:
    """The kernel's, at a share of the level's steps, with a share of its smoothness."""
    smooth *= level.smooth
    rates = [rate * FALL**share for rate in RATES]
    return Settings(level.rays, seed, *rates, *DECAYS, smooth, smooth, *BENDS)
