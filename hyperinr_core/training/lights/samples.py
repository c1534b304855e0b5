"""What a model of shadows is trained on: points of the shadow volumes of a pool of lights."""

from __future__ import annotations

import numpy as np

from hyperinr_core.light.lights import ShadowTruth, random_lights
from hyperinr_core.training.samples import Batch
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.volume import VolumeSeries

#: Points that are swept in about the time of a training step: how often the pool gets a new light follows from it.
POINTS_PER_STEP = 1 << 18

#: Most lights in the pool; more of them gain nothing.
MAX_POOL = 2048


class LightStream:
    """Draws batches of points from shadow volumes of a pool of lights, which changes as training goes on.

    What is drawn at an iteration depends on the seed and the iteration alone.

    Parameters
    ----------
    series : the training lights.
    truth : the shadow volume of any light.
    config : see RunConfig; its memory limits the pool.
    lights : (n, 2) the pool, if it stays as it is: the training lights, and others that the teacher knows.
    teacher : knows those others.
    """

    def __init__(
        self,
        series: VolumeSeries,
        truth: ShadowTruth,
        config: RunConfig,
        lights: np.ndarray | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self.series = series
        self._truth, self._lights, self._teacher = truth, lights, teacher
        training = config.training
        self._seed, self._n_steps, self._n_points = training.seed, training.batch_steps, training.batch_points
        fits = max(1, training.memory_bytes // (2 * series.grid.n_points))
        self._n_pool = min(MAX_POOL, fits) if lights is None else len(lights)
        self._period = max(1, series.grid.n_points * truth.n_sweeps // POINTS_PER_STEP)
        self._pool: dict[int, tuple[int, np.ndarray]] = {}

    @property
    def batch_size(self) -> int:
        """Points of one batch, over all its lights."""
        return self._n_steps * self._n_points

    def draw(self, iteration: int) -> Batch:
        """The batch of an iteration."""
        rng = np.random.Generator(np.random.Philox(key=[self._seed, 2 * iteration]))
        first = iteration // self._period if self._lights is None else 0
        numbers = first + rng.integers(0, self._n_pool, self._n_steps)
        grid = self.series.grid
        index = rng.integers(0, grid.n_points, (self._n_steps, self._n_points))
        thetas = np.concatenate([self._light(int(number)) for number in numbers])
        values = [self._values(int(number), chosen, iteration) for number, chosen in zip(numbers, index)]
        targets = np.stack(values).astype(np.float32)[..., None]
        places = np.unravel_index(index, grid.shape)[::-1]
        points = np.stack([place / max(n - 1, 1) for place, n in zip(places, grid.dims)], axis=-1).astype(np.float32)
        return Batch(thetas, points, targets, np.ones(self._n_steps, np.float32))

    def close(self) -> None:
        """Drop the pool."""
        self._pool.clear()

    def _light(self, number: int) -> np.ndarray:
        """(1, 2) a light of the endless sequence, or of the pool that stays."""
        return random_lights(number, 1, self._seed) if self._lights is None else self._lights[[number]]

    def _teacher_of(self, number: int) -> Teacher | None:
        """Who knows a light's shadow; None for truth."""
        return None if self._lights is None or number < len(self.series) else self._teacher

    def _values(self, number: int, voxels: np.ndarray, iteration: int) -> np.ndarray:
        """(n,) shadow of a light at voxels. What is random is drawn anew each time: kept, its noise would be learned."""
        if self._truth.kind == "scatter" and self._teacher_of(number) is None:
            return self._truth.scattered_at(self._light(number)[0], voxels, iteration)
        return self._volume(number)[voxels]

    def _volume(self, number: int) -> np.ndarray:
        """(n_points,) float16 shadow of a light."""
        slot = number % self._n_pool
        if slot not in self._pool or self._pool[slot][0] != number:
            light, teacher = self._light(number)[0], self._teacher_of(number)
            values = self._truth(light) if teacher is None else teacher.evaluate(light)
            self._pool[slot] = number, values.astype(np.float16).ravel()
        return self._pool[slot][1]
