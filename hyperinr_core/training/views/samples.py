"""What a model of pictures is trained on: pixels of the training pictures and of what a teacher said."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hyperinr_core.pictures.picture_set import RANGE, PictureSet, to_bytes
from hyperinr_core.training.samples import Batch
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.training.views.placement import taught_thetas
from hyperinr_core.volume import Parameter

#: Pixels that a teacher is asked for in each of its pictures, at most.
ASKED_PIXELS = 16384

#: Share of the batches that are drawn from the training pictures when there is a teacher.
TRUTH_SHARE = 0.1


@dataclass
class TaughtPictures:
    """What a teacher said: (n, P) thetas, (n, k) pixels and their (n, k, C) uint8 colours; n is 0 without a teacher."""

    thetas: np.ndarray
    pixels: np.ndarray
    colors: np.ndarray


class PixelStream:
    """Draws pixels of one picture after the other, from the training pictures and from a teacher's.

    What is drawn at an iteration depends on the seed and the iteration alone.
    """

    def __init__(self, pictures: PictureSet, taught: TaughtPictures, config: RunConfig) -> None:
        self.series, self._taught = pictures, taught
        training = config.training
        self._seed, self._n_steps, self._n_points = training.seed, training.batch_steps, training.batch_points
        self._n_components = pictures.field_info[pictures.name]
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._most_kept = max(1, training.memory_bytes // (pictures.grid.n_points * self._n_components))

    @property
    def batch_size(self) -> int:
        """Points of one batch, over all its pictures."""
        return self._n_steps * self._n_points

    def draw(self, iteration: int) -> Batch:
        """The batch of an iteration."""
        rng = np.random.Generator(np.random.Philox(key=[self._seed, 2 * iteration]))
        thetas, pixels, colors = zip(*(self._part(rng) for _ in range(self._n_steps)))
        nx, ny, _ = self.series.grid.dims
        index = np.stack(pixels)
        points = np.stack([index % nx / max(nx - 1, 1), index // nx / max(ny - 1, 1)], axis=-1).astype(np.float32)
        targets = np.stack(colors).astype(np.float32) / np.float32(RANGE[1])
        return Batch(np.stack(thetas), points, targets, np.ones(self._n_steps, np.float32))

    def close(self) -> None:
        """Drop the pictures."""
        self._kept.clear()

    def _part(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Theta (P,), pixels (n,) and colours (n, C) of a picture drawn at random."""
        if len(self._taught.thetas) and rng.random() >= TRUTH_SHARE:
            number = int(rng.integers(len(self._taught.thetas)))
            chosen = rng.integers(0, self._taught.pixels.shape[1], self._n_points)
            return self._taught.thetas[number], self._taught.pixels[number][chosen], self._taught.colors[number][chosen]
        step = int(rng.integers(len(self.series)))
        pixels = rng.integers(0, self.series.grid.n_points, self._n_points)
        return self.series.thetas[step], pixels, self._picture(step)[pixels]

    def _picture(self, step: int) -> np.ndarray:
        """(n_points, C) uint8; the latest stay in memory."""
        if step not in self._kept:
            self._kept[step] = self.series.picture(step).reshape(-1, self._n_components)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(step)
        return self._kept[step]


def n_asked(training: PictureSet) -> int:
    """Pixels that a teacher is asked for in each of its pictures."""
    return min(ASKED_PIXELS, training.grid.n_points)


def ask(
    teacher: Teacher,
    training: PictureSet,
    parameters: tuple[Parameter, ...],
    count: int,
    seed: int,
    progress: Callable[[int, int], object],
) -> TaughtPictures:
    """A teacher's colours at random pixels of pictures at views that cover the bounds evenly."""
    thetas = taught_thetas(training, parameters, count, seed)
    rng = np.random.Generator(np.random.Philox(key=[seed, 14]))
    n_points, n_components = training.grid.n_points, training.field_info[training.name]
    n_pixels = n_asked(training)
    pixels = np.empty((count, n_pixels), np.int32)
    colors = np.empty((count, n_pixels, n_components), np.uint8)
    for number, theta in enumerate(thetas):
        pixels[number] = np.sort(rng.choice(n_points, n_pixels, replace=False, shuffle=False))
        colors[number] = to_bytes(teacher.at(theta, pixels[number]))
        progress(number + 1, count)
    return TaughtPictures(thetas, pixels, colors)
