"""Training on the shadows of one volume: truth for any light is computed as it is needed, so the best teacher is at hand."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

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
from hyperinr_core.light.shadow import default_unit_distance
from hyperinr_core.measure.metrics import paired_psnr
from hyperinr_core.pictures.transfer import TransferFunction, extinction
from hyperinr_core.spaces.sphere import LightSphere, light_directions
from hyperinr_core.training.lights.samples import LightStream
from hyperinr_core.training.settings import PRESETS, DistillationConfig, MotionConfig, RunConfig, preset
from hyperinr_core.training.task import Context, Lesson, Task, every
from hyperinr_core.training.teachers import teachers_of
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.teachers.turned import Turned
from hyperinr_core.volume import Field, Grid, VolumeSeries

FIELD = Field("shadow", 1, ((0.0, 1.0),))

#: Whose shadows are learned: the truth of any light; the training lights' alone; a teacher's, fitted to the training lights'.
TEACHERS = ("exact", "none", *teachers_of("shadow"))

#: Lights that a teacher is asked for, for each training light.
LIGHTS_PER_LIGHT = 4

#: Places that the stored quality is measured at, at most: scattered light takes its time.
QUALITY_VOXELS = 1 << 16

#: What a teacher keeps of its fit.
STATE = "state.safetensors"

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


class Lights(Task):
    """Shadows that a volume casts on itself, for any direction of the light.

    Parameters
    ----------
    values : (nz, ny, nx) scalars that cast the shadow.
    source : where they came from.

    Raises
    ------
    DataError for NaN, or a transfer function that is clear or opaque everywhere.
    """

    name = "shadow"
    settings: ShadowConfig

    def __init__(
        self, values: np.ndarray, grid: Grid, function: TransferFunction, settings: ShadowConfig, source: str
    ) -> None:
        self.truth = truth_of(values, grid, function, settings)
        self.function, self.settings, self.source = function, settings, source

    def unused(self) -> dict[str, str]:
        volumes = "only hyperinr train on a series of volumes uses it"
        unused = {
            "encoding.guide_resolution": "--guide sets it",
            "training.base": volumes,
            "budget.target_psnr": volumes,
            "encoders.count": "--encoders sets it",
            "encoders.poisson": "Poisson disks place what --gaussian leaves",
            "encoders.gaussian": "--gaussian sets it",
            "encoders.sigma": volumes,
            **every("distillation", DistillationConfig, volumes),
            **every("motion", MotionConfig, volumes),
            "distillation.teacher": "--teacher sets it",
            "distillation.teacher_samples": "only a --teacher that is a network is fitted",
        }
        if self.settings.teacher not in ("exact", "none"):
            del unused["distillation.teacher_samples"]
        return unused

    def learn(self, config: RunConfig, context: Context) -> Lesson:
        settings, grid, seed = self.settings, self.truth.grid, config.training.seed
        config = config.replace(encoding={"guide_resolution": guide_resolution(grid, settings)})
        context.expect(config.architecture((FIELD,)))
        lights = poisson_lights(settings.lights, seed)
        series = light_series(self.truth, lights, self.source)
        positions = lights
        if settings.teacher != "none":
            positions = encoder_lights(settings.encoders, settings.gaussian, settings.sigma, lights, seed + 1)
        return Lesson(
            stream=LightStream(series, self.truth, config, *self._pool(series, config, context)),
            config=config,
            parameters=light_parameters(lights),
            fields=(FIELD,),
            positions=positions,
            quality=partial(_quality, truth=self.truth, lights=lights),
            interpolation=settings.interpolation,
            guide=guide_of(self.truth, settings),
            identity={"extinction": hashlib.sha256(self.truth.tau.data).hexdigest()},
            provenance={
                "shadow": {"unit_distance": unit_distance_of(grid, settings)},
                "transfer_function": {"digest": self.function.digest, **self.function.to_dict()},
            },
            forget=lambda: (context.folder / STATE).unlink(missing_ok=True),
        )

    def _pool(
        self, series: VolumeSeries, config: RunConfig, context: Context
    ) -> tuple[np.ndarray | None, Teacher | None]:
        """The lights that a model may learn from, and who knows those that are no training lights; None for all lights."""
        if self.settings.teacher == "exact":
            return None, None
        if self.settings.teacher == "none":
            return series.thetas, None
        taught = random_lights(0, LIGHTS_PER_LIGHT * len(series), config.training.seed)
        teacher = context.world.in_turn(lambda: fitted_teacher(self.settings.teacher, series, config, context))
        return np.concatenate([series.thetas, taught]), teacher


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
    return shadows.unit_distance or default_unit_distance(grid)


def light_series(truth: ShadowTruth, lights: np.ndarray, source: str) -> VolumeSeries:
    """Shadow volumes as a series over the light, computed when they are read."""

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        return truth(lights[step])[slice(*(z_range or (None,)))]

    names, roles = zip(*((p.name, p.role) for p in light_parameters(lights)))
    return VolumeSeries(truth.grid, lights, {FIELD.name: 1}, load, source, names, roles)


def fitted_teacher(kind: str, series: VolumeSeries, config: RunConfig, context: Context) -> Teacher:
    """A network fitted to the training lights' volumes, over the direction in space: angles have a seam and poles."""
    teacher, training = Turned(series, FIELD.name, kind, light_directions), config.training
    teacher.fit(
        FitSettings(
            config.distillation.teacher_samples,
            seed=training.seed,
            state=context.folder / STATE,
            memory_bytes=training.memory_bytes,
            device=context.device,
            progress=context.tell.fraction("fitting the teacher"),
        )
    )
    return teacher


def _quality(model: HyperINR, truth: ShadowTruth, lights: np.ndarray) -> dict[str, dict[str, list[float]]]:
    """PSNR of each training light in dB, at QUALITY_VOXELS places."""
    voxels = np.random.Generator(np.random.Philox(key=[0, 9])).permutation(truth.tau.size)[:QUALITY_VOXELS]
    numbers = []
    for number, light in enumerate(lights):
        values = model.generate(light).sample_grid().ravel()[voxels]
        numbers.append(round(paired_psnr([values] * 2, truth.twice(light, 2 * number, voxels)), 3))
    return {"training_psnr_db": {FIELD.name: numbers}}
