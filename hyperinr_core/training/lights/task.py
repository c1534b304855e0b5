"""Trains a shadow model: truth for any light is computed as it is needed, so the exact teacher is always at hand."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hyperinr_core import __version__, hinr
from hyperinr_core.config import Config
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.guide import Guide, make_guide
from hyperinr_core.light.lights import (
    KINDS,
    ShadowTruth,
    encoder_lights,
    light_parameters,
    poisson_lights,
    random_lights,
)
from hyperinr_core.measure.metrics import paired_psnr
from hyperinr_core.pictures.transfer import TransferFunction, extinction
from hyperinr_core.spaces.sphere import LightSphere, light_directions
from hyperinr_core.training.checkpoint import begin
from hyperinr_core.training.samples import Batch
from hyperinr_core.training.settings import PRESETS, RunConfig, preset, refuse_unused
from hyperinr_core.training.trainer import Report, Trainer
from hyperinr_core.volume import Field, Grid, VolumeSeries

FIELD = Field("shadow", 1, ((0.0, 1.0),))

#: Points that are swept in about the time of a training step: how often the pool gets a new light follows from it.
POINTS_PER_STEP = 1 << 18

#: Most lights in the pool; more of them gain nothing.
MAX_POOL = 2048

#: Whose shadows are learned: the truth of any light; the training lights' alone; CoordNet's, fitted to the training lights'.
TEACHERS = ("exact", "none", "coordnet")

#: Lights that CoordNet is asked for, for each training light.
LIGHTS_PER_LIGHT = 4

#: Places that the stored quality is measured at, at most: scattered light takes its time.
QUALITY_VOXELS = 1 << 16

#: Vertices along an axis of a guide unless a number is set.
MAX_GUIDE = 64

#: Grid points for each entry of a level: the guide knows much, so that small tables lose little.
POINTS_PER_ENTRY = 32


@dataclass(frozen=True)
class ShadowConfig(Config):
    """What kind of shadows a model learns, and from which lights.

    Attributes
    ----------
    kind, diameter, albedo, g : see ShadowTruth.
    paths : random paths from each point for what scatters. A few will do: the loss is least at the mean of all noise.
    lights : training lights, spread by Poisson disks: what the teachers none and coordnet learn from, and what the quality is
        measured on.
    encoders : encoders on the sphere; with the teacher none there is one on each training light instead.
    gaussian, sigma : share of the encoders that lie around training lights, normally distributed with sigma degrees; the
        others are spread by Poisson disks.
    interpolation : barycentric, or idw, the paper's.
    teacher : exact, none or coordnet, see TEACHERS.
    guide : vertices along an axis of the light's coarse sweep that the network gets as an input, even; 0 for none, -1 for
        three quarters of what the grid has along its longest, at most MAX_GUIDE.
    unit_distance : length over which the opacities hold; 0 for 1/128 of the diagonal.
    """

    kind: str = "hard"
    diameter: float = 10.0
    albedo: float = 0.9
    g: float = 0.3
    paths: int = 4
    lights: int = 35
    encoders: int = 60
    gaussian: float = 0.0
    sigma: float = 10.0
    interpolation: str = "barycentric"
    teacher: str = "exact"
    guide: int = -1
    unit_distance: float = 0.0

    LIMITS: ClassVar[dict[str, tuple]] = {
        "kind": KINDS,
        "diameter": (0.01, 180.0),
        "albedo": (0.0, 1.0),
        "g": (-0.99, 0.99),
        "paths": (1, 1 << 20),
        "lights": (4, 1 << 16),
        "encoders": (4, 1 << 16),
        "interpolation": tuple(LightSphere.kinds),
        "gaussian": (0.0, 1.0),
        "sigma": (0.01, 90.0),
        "teacher": TEACHERS,
        "guide": (-1, 256),
        "unit_distance": (0.0, 1e30),
    }


def shadow_preset(name: str, grid: Grid) -> RunConfig:
    """The settings of a preset for shadows on a grid."""
    config = preset(name, grid)
    log2_size = round(math.log2(grid.n_points / POINTS_PER_ENTRY))
    size = min(max(log2_size, 8), config.encoding.log2_hashmap_size)
    return config.replace(encoding={"log2_hashmap_size": size}, training={"samples": PRESETS[name] // 2})


class LightStream:
    """Draws batches of points from shadow volumes of a pool of lights, which changes as training goes on.

    What is drawn at an iteration depends on the seed and the iteration alone.

    Parameters
    ----------
    series : the training lights.
    truth : the shadow volume of any light.
    config : see RunConfig; its memory limits the pool.
    lights : (n, 2) the pool, if it stays as it is: the training lights, and others that the teacher knows.
    teacher : the shadow volume (nz, ny, nx) of those others.
    """

    def __init__(
        self,
        series: VolumeSeries,
        truth: ShadowTruth,
        config: RunConfig,
        lights: np.ndarray | None = None,
        teacher: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.series = series
        self._truth, self._lights, self._teacher = truth, lights, teacher
        training = config.training
        self._seed, self._n_steps, self._n_points = training.seed, training.batch_steps, training.batch_points
        fits = max(1, (training.memory_mb << 20) // (2 * series.grid.n_points))
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
        targets = [self._values(int(number), chosen, iteration) for number, chosen in zip(numbers, index)]
        targets = np.stack(targets).astype(np.float32)[..., None]
        places = np.unravel_index(index, grid.shape)[::-1]
        points = np.stack([place / max(n - 1, 1) for place, n in zip(places, grid.dims)], axis=-1).astype(np.float32)
        return Batch(thetas, points, targets, np.ones(self._n_steps, np.float32))

    def close(self) -> None:
        """Drop the pool."""
        self._pool.clear()

    def _light(self, number: int) -> np.ndarray:
        """(1, 2) a light of the endless sequence, or of the pool that stays."""
        return random_lights(number, 1, self._seed) if self._lights is None else self._lights[[number]]

    def _is_taught(self, number: int) -> bool:
        return self._lights is not None and number >= len(self.series)

    def _values(self, number: int, voxels: np.ndarray, iteration: int) -> np.ndarray:
        """(n,) shadow of a light at voxels. What is random is drawn anew each time: kept, its noise would be learned."""
        if self._truth.kind == "scatter" and not self._is_taught(number):
            return self._truth.scattered_at(self._light(number)[0], voxels, iteration)
        return self._volume(number)[voxels]

    def _volume(self, number: int) -> np.ndarray:
        """(n_points,) float16 shadow of a light."""
        slot = number % self._n_pool
        if slot not in self._pool or self._pool[slot][0] != number:
            source = self._teacher if self._is_taught(number) else self._truth
            self._pool[slot] = number, source(self._light(number)[0]).astype(np.float16).ravel()
        return self._pool[slot][1]


def train_shadow(
    values: np.ndarray,
    grid: Grid,
    function: TransferFunction,
    output: str | os.PathLike,
    shadows: ShadowConfig,
    config: RunConfig,
    source: str,
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[Report], Any] | None = None,
) -> HyperINR:
    """Train a shadow model of a volume and write it.

    Parameters
    ----------
    values : (nz, ny, nx) scalars that cast the shadow.
    source : where they came from, for provenance.
    resume : go on from the checkpoint beside `output` if there is one.

    Raises
    ------
    DataError for NaN, or a transfer function that is clear or opaque everywhere; ParameterError when an unfinished run
    would be overwritten, or for a setting that is not used; Interrupted when the run was stopped, with its checkpoint kept.
    """
    path = begin(output, resume)
    refuse_unused(config, _unused(shadows))
    truth = truth_of(values, grid, function, shadows)
    seed = config.training.seed
    lights = poisson_lights(shadows.lights, seed)
    series = light_series(truth, lights, source)
    config = config.replace(encoding={"guide_resolution": guide_resolution(grid, shadows)})
    stream = LightStream(series, truth, config, *_pool(series, shadows, config, device))
    positions = lights
    if shadows.teacher != "none":
        positions = encoder_lights(shadows.encoders, shadows.gaussian, shadows.sigma, lights, seed + 1)
    identity = {"shadow": shadows.to_dict(), "extinction": hashlib.sha256(truth.tau).hexdigest()}
    trainer = Trainer(
        stream, positions, light_parameters(lights), (FIELD,), config, device, shadows.interpolation,
        guide=guide_of(truth, shadows), identity=identity,
    )  # fmt: skip
    if path.exists():
        trainer.load_state(path)
    model = trainer.run(path, progress)
    provenance = {
        "software": f"hyperinr {__version__}",
        "source": source,
        "shadow": {**shadows.to_dict(), "unit_distance": unit_distance_of(grid, shadows)},
        "transfer_function": {"digest": function.digest, **function.to_dict()},
        "training": config.training.to_dict(),
        "evaluator": trainer.evaluator.name,
    }
    quality = {"training_psnr_db": {FIELD.name: _quality(model, truth, lights)}}
    model = dataclasses.replace(model, provenance=provenance, quality=quality)
    hinr.save(model, output)
    path.unlink(missing_ok=True)
    return model


def _unused(shadows: ShadowConfig) -> dict[str, str]:
    """Settings of a run that lights do not use, and what to do instead; see `refuse_unused`."""
    volumes = "only hyperinr train on a series of volumes uses it"
    unused = {
        "encoding.guide_resolution": "--guide sets it",
        "training.base": volumes,
        "training.sparsity": "hyperinr compress makes the finished model small",
        "encoders.count": "--encoders sets it",
        "encoders.poisson": "Poisson disks place what --gaussian leaves",
        "encoders.gaussian": "--gaussian sets it",
        "encoders.sigma": volumes,
        "distillation.teacher": "--teacher sets it",
        **{f"distillation.{name}": volumes for name in ("count", "poisson", "gaussian", "sigma", "weight", "storage")},
    }
    if shadows.teacher != "coordnet":
        unused["distillation.teacher_samples"] = "only --teacher coordnet is fitted"
    return unused


def truth_of(values: np.ndarray, grid: Grid, function: TransferFunction, shadows: ShadowConfig) -> ShadowTruth:
    """What casts the shadows, ready to be asked for any light."""
    tau = extinction(values, function, unit_distance_of(grid, shadows))
    return ShadowTruth(tau, grid, shadows.kind, shadows.diameter, shadows.albedo, shadows.g, shadows.paths)


def guide_of(truth: ShadowTruth, shadows: ShadowConfig) -> Guide | None:
    """The guide that the settings ask for."""
    resolution = guide_resolution(truth.grid, shadows)
    if not resolution:
        return None
    return make_guide(truth.tau, truth.grid, resolution, shadows.diameter if shadows.kind == "soft" else 0.0)


def guide_resolution(grid: Grid, shadows: ShadowConfig) -> int:
    """Vertices of the guide along an axis; 0 for none."""
    return min(3 * max(grid.dims) // 8 * 2, MAX_GUIDE) if shadows.guide < 0 else shadows.guide


def unit_distance_of(grid: Grid, shadows: ShadowConfig) -> float:
    """Length over which the opacities hold."""
    from hyperinr_core.light.shadow import default_unit_distance

    return shadows.unit_distance or default_unit_distance(grid)


def light_series(truth: ShadowTruth, lights: np.ndarray, source: str) -> VolumeSeries:
    """Shadow volumes as a series over the light, computed when they are read."""

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        return truth(lights[step])[slice(*(z_range or (None,)))]

    names, roles = zip(*((p.name, p.role) for p in light_parameters(lights)))
    return VolumeSeries(truth.grid, lights, {FIELD.name: 1}, load, source, names, roles)


def _pool(series: VolumeSeries, shadows: ShadowConfig, config: RunConfig, device: str) -> tuple:
    """The lights that a model may learn from, and who knows those that are no training lights; nothing for all lights."""
    if shadows.teacher == "exact":
        return ()
    if shadows.teacher == "none":
        return (series.thetas,)
    training = config.training
    taught = random_lights(0, LIGHTS_PER_LIGHT * len(series), training.seed)
    return np.concatenate([series.thetas, taught]), coordnet_of(series, config, device)


def coordnet_of(series: VolumeSeries, config: RunConfig, device: str) -> Callable[[np.ndarray], np.ndarray]:
    """CoordNet fitted to the training lights' volumes, over the direction in space: angles have a seam and poles."""
    from hyperinr_core.training.teachers import create
    from hyperinr_core.training.teachers.base import FitSettings

    directions = light_directions(series.thetas)
    turned = VolumeSeries(
        series.grid, directions, series.field_info, series.loader, series.source, ("dx", "dy", "dz"), ("free",) * 3
    )
    teacher, training = create("coordnet", turned, FIELD.name), config.training
    samples = config.distillation.teacher_samples
    teacher.fit(FitSettings(samples, seed=training.seed, memory_bytes=training.memory_mb << 20, device=device))
    return lambda light: teacher.evaluate(light_directions(light))[..., 0]


def _quality(model: HyperINR, truth: ShadowTruth, lights: np.ndarray) -> list[float]:
    """PSNR of each training light in dB, at QUALITY_VOXELS places."""
    voxels = np.random.Generator(np.random.Philox(key=[0, 9])).permutation(truth.tau.size)[:QUALITY_VOXELS]
    numbers = []
    for number, light in enumerate(lights):
        found = model.generate(light).sample_grid().ravel()[voxels]
        numbers.append(round(paired_psnr([found] * 2, truth.twice(light, 2 * number, voxels)), 3))
    return numbers
