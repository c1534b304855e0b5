"""Training on a series of volumes: a teacher is chosen for each field, fitted, and asked for its volumes."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from hyperinr_core.hinr_document import check_limits
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.mask import Mask
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.motion.motion import Motion
from hyperinr_core.shift import Shifts, restored_model, shifted_series, shifts_for
from hyperinr_core.spaces.line import Line
from hyperinr_core.spline_base import Base
from hyperinr_core.training.motion.velocity import named
from hyperinr_core.training.placement import place
from hyperinr_core.training.samples import SampleStream, check_precision, scan_fields
from hyperinr_core.training.settings import RunConfig, TrainingConfig
from hyperinr_core.training.task import Context, Lesson, Task, Tell
from hyperinr_core.training.teachers import CHEAP, create
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.teachers.choice import Choice, PerGap, choose
from hyperinr_core.training.threads import workers
from hyperinr_core.training.volumes.carry import find_carry
from hyperinr_core.training.volumes.distillation import DistillationSet
from hyperinr_core.training.volumes.smooth import fit_base, residual_series
from hyperinr_core.training.volumes.survey import Around, Survey, surveyed
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

#: Teacher volumes that the finished model is compared to, at most.
N_COMPARED = 16

#: Points of each training step that the stored quality is measured on, at most (whole planes of z).
QUALITY_POINTS = 1 << 20

#: Share of --max-bytes that a base may take; a larger one would leave tables too little.
BASE_SHARE = 0.5

#: Bytes for each point that a teacher takes while it makes a volume, about.
ASKING_BYTES = 60


class Volumes(Task):
    """Fields of a series of volumes, at any theta within it.

    Parameters
    ----------
    series : every step of it is trained on.
    names : fields to learn, all of them in one model; all of the data's when None.

    Attributes
    ----------
    around : what motion is found on, where that is more than what is learned.
    """

    name = "volumes"

    def __init__(self, series: VolumeSeries, names: Sequence[str] | None = None) -> None:
        self.series, self.names = series, list(names or series.field_info)
        self.source = series.source
        self.around: Around | None = None

    @property
    def searched(self) -> Grid:
        """The grid that motion is found on."""
        return self.around.series.grid if self.around else self.series.grid

    def unused(self) -> dict[str, str]:
        return {"encoding.guide_resolution": "only shadows of lights have a guide"}

    def learn(self, config: RunConfig, context: Context) -> Lesson:
        sizes = {name: self.series.field_info[name] for name in self.names if name in self.series.field_info}
        plain = [Field(name, size, ((0.0, 1.0),) * size) for name, size in sizes.items()]
        check_limits(series_parameters(self.series), self.series.grid, plain)
        shifts = shifts_for(self.series, self.names)
        given = shifted_series(self.series, shifts)
        asked = named(self.series, config.motion.velocity) if config.tries_motion else ()
        around = self.around if config.tries_motion else None
        around = around and Around(shifted_series(around.series, shifts), around.inner)
        found, velocity = surveyed(given, around, self.names, asked, config, context)
        check_precision(given, found.fields)
        context.expect(config.architecture(found.fields))
        taught = _taught(found, velocity, config, context)
        series, ranges, base = _to_learn(taught, found.fields, config.training)
        found.release()
        return Lesson(
            stream=_stream(series, ranges, config.training, taught.step_weights),
            config=config,
            parameters=series_parameters(self.series),
            fields=found.fields,
            positions=encoder_positions(self.series, config),
            quality=partial(_quality, series=given, taught=taught),
            interpolation=taught.interpolation,
            base=base,
            mask=_mask(found, len(self.names)),
            motion=taught.motion and _restored(taught.motion, found.fields, shifts),
            provenance={
                "training_steps": len(self.series),
                "training": config.training.to_dict(),
                "device": context.device,
            },
            choices=taught.choices,
            restored=partial(restored_model, shifts=shifts),
            forget=taught.forget,
        )


@dataclass(frozen=True)
class Taught:
    """What a model is trained on.

    Attributes
    ----------
    series : training steps and teacher volumes, by theta.
    is_truth : (n,) which of them are training steps.
    step_weights : (n,) float32 how much each counts in the loss.
    interpolation : how encoders blend; None for the default.
    base : what the model adds to, if anything; its `residual` still unknown.
    choices : the teacher of each field; in the first process alone.
    motion : along which the training steps are carried, if they are; in the first process alone.
    """

    series: VolumeSeries
    is_truth: np.ndarray
    step_weights: np.ndarray
    interpolation: str | None
    base: Base | None
    choices: dict[str, Choice]
    motion: Motion | None = None
    forget: Callable[[], None] = lambda: None


def _mask(found: Survey, n_fields: int) -> Mask | None:
    """Of the first fields; None where it was another, that masks anything."""
    mask = found.series.mask and found.series.mask.of_fields(n_fields).compact()
    return mask if mask is not None and mask.shares().any() else None


def _restored(motion: Motion, fields: Sequence[Field], shifts: Shifts) -> Motion:
    """The motion of fields, with what errors are expected in the data's units."""
    scales = [shifts[field.name].scale if field.name in shifts else 1.0 for field in fields]
    return replace(motion, largest_error=tuple(e * scale for e, scale in zip(motion.largest_error, scales)))


def encoder_positions(series: VolumeSeries, config: RunConfig) -> np.ndarray:
    """(N, P) positions: the training thetas, or as many as the settings ask for, placed as they say."""
    if config.encoders.count in (0, len(series)) and not (config.encoders.poisson or config.encoders.gaussian):
        return series.thetas.copy()
    count = config.encoders.count or len(series)
    return place(series, config.encoders.replace(count=count), config.training.seed)


def series_parameters(series: VolumeSeries) -> tuple[Parameter, ...]:
    """The scene parameters that a model of this series has."""
    return tuple(
        Parameter(
            name, role, (float(values.min()), float(values.max())), series.units.get(name, ""), tuple(values.tolist())
        )
        for name, role, values in zip(series.parameters, series.roles, series.thetas.T)
    )


def measure_quality(model: HyperINR, series: VolumeSeries) -> dict[str, Any]:
    """PSNR of every training step in dB over each field's global range, on at most QUALITY_POINTS points of a step."""
    nx, ny, nz = series.grid.dims
    n_planes = min(nz, max(1, QUALITY_POINTS // (nx * ny)))
    planes = sorted({int(z) for z in np.linspace(0, nz - 1, n_planes).round()})
    per_field: dict[str, list[float | None]] = {field.name: [] for field in model.fields}
    for step, theta in enumerate(series.thetas):
        # at its own steps a model that carries has what its encoders have
        inr = model.generate(theta, interpolation=model.interpolation)
        regions = [(0, nz - 1)] if len(planes) == nz else [(z, z) for z in planes]
        values = [inr.sample_grid(region=(0, nx - 1, 0, ny - 1, *pair)) for pair in regions]
        truth = [series.truth(step, list(per_field), (low, high + 1)) for low, high in regions]
        predicted, expected = inr.split(np.concatenate(values)), inr.split(np.concatenate(truth))
        for field in model.fields:
            per_field[field.name].append(_psnr(predicted[field.name], expected[field.name], field))
    return {"training_psnr_db": per_field, "planes_per_step": len(planes)}


def compare_to_teacher(model: HyperINR, taught: Taught) -> dict[str, list[float | None]]:
    """PSNR in dB of the model against its teacher, at up to N_COMPARED of the teacher's thetas; nothing without one."""
    between = np.flatnonzero(~taught.is_truth)
    if len(between) > N_COMPARED:
        between = between[np.linspace(0, len(between) - 1, N_COMPARED).round().astype(int)]
    per_field: dict[str, list[float | None]] = {field.name: [] for field in model.fields if len(between)}
    for step in between:
        inr = model.generate(taught.series.thetas[step])
        expected = inr.split(taught.series.truth(int(step), [field.name for field in model.fields]))
        predicted = inr.split(inr.sample_grid())
        for field in model.fields:
            per_field[field.name].append(_psnr(predicted[field.name], expected[field.name], field))
    return per_field


def _quality(model: HyperINR, series: VolumeSeries, taught: Taught) -> dict[str, Any]:
    return {**measure_quality(model, series), "teacher_psnr_db": compare_to_teacher(model, taught)}


def _psnr(values: np.ndarray, truth: np.ndarray, field: Field) -> float | None:
    """PSNR rounded to 0.001 dB; None for a perfect match, which JSON has no number for, or where all is masked."""
    if np.isnan(truth).all():
        return None
    decibel = psnr(values, truth, field.whole_range)
    return round(float(decibel), 3) if np.isfinite(decibel) else None


def _to_learn(
    taught: Taught, fields: tuple[Field, ...], training: TrainingConfig
) -> tuple[VolumeSeries, tuple[Field, ...], Base | None]:
    """What the network learns: the series that was taught and its ranges, or what they add to the base."""
    if taught.base is None:
        return taught.series, fields, None
    names = [field.name for field in fields]
    series = residual_series(taught.series, names, taught.base)
    ranges = scan_fields(series, names, training.memory_bytes)
    limits = [pair for field in ranges for pair in field.value_range]
    residual = np.array([limits[component] for component in taught.base.components])
    return series, ranges, replace(taught.base, residual=residual)


def _stream(
    series: VolumeSeries, ranges: Sequence[Field], training: TrainingConfig, step_weights: np.ndarray
) -> SampleStream:
    return SampleStream(
        series,
        ranges,
        training.batch_steps,
        training.batch_points,
        training.memory_bytes,
        training.seed,
        step_weights,
    )


def _taught(found: Survey, velocity: Sequence[str], config: RunConfig, context: Context) -> Taught:
    """What teachers make of a series: the first process does the work, and the others read its volumes from the folder."""
    world = context.world
    if world.size == 1:
        return _teach(found, velocity, config, context)
    config = config.replace(distillation={"storage": "file"})
    taught = _teach(found, velocity, config, context) if world.leads else None
    told = world.told((taught.step_weights, taught.interpolation, taught.base) if taught else None)
    if taught:
        return taught
    step_weights, interpolation, base = told
    if len(step_weights) == len(found.series):
        return _untaught(found.series, interpolation, base, {})
    training = config.training
    teachers = dict.fromkeys(field.name for field in found.fields)
    distilled = DistillationSet(
        found.series, teachers, config.distillation, context.folder, training.memory_bytes, training.seed
    )
    distilled.attach()
    return Taught(distilled.series, distilled.is_truth, step_weights, interpolation, base, {})


def _untaught(series: VolumeSeries, interpolation: str | None, base: Base | None, choices: dict[str, Choice]) -> Taught:
    """The training steps alone."""
    n = len(series)
    return Taught(series, np.ones(n, bool), np.ones(n, np.float32), interpolation, base, choices)


def _teach(found: Survey, velocity: Sequence[str], config: RunConfig, context: Context) -> Taught:
    """Find a motion, or choose, fit and question the teachers that the settings ask for."""
    series, tell, training = found.series, context.tell, config.training
    carry = find_carry(found, velocity, config, tell)
    if carry:
        choices = carry.choices
    else:
        choices = {field.name: _choice(found, field, config.distillation.teacher, tell) for field in found.fields}
    for name, choice in choices.items():
        tell.chosen(name, choice)
    base = fit_base(found, training.base, choices, BASE_SHARE * config.budget.max_bytes or math.inf)
    if base is not None:
        owners = [field.name for field in found.fields for _ in range(field.n_components)]
        tell.based(base, list(dict.fromkeys(owners[component] for component in base.components)))
    if carry:
        return replace(_untaught(series, "linear", base, choices), motion=carry.motion)
    if all(choice.teacher == "none" for choice in choices.values()):
        interpolations = {choice.interpolation for choice in choices.values()}
        interpolation = interpolations.pop() if len(series.parameters) == 1 and len(interpolations) == 1 else None
        return _untaught(series, interpolation, base, choices)
    teachers = _fitted(found, choices, config, context)
    distilled = DistillationSet(
        series, teachers, config.distillation, context.folder, training.memory_bytes, training.seed
    )
    n_workers = workers(ASKING_BYTES * series.grid.n_points, training.memory_bytes)
    distilled.precompute(n_workers, lambda done, total: tell.progress("asking the teacher", done, total))
    step_weights = np.where(distilled.is_truth, 1, config.distillation.weight).astype(np.float32)

    def forget() -> None:
        for state in context.folder.glob("state_*.safetensors"):
            state.unlink()
        distilled.remove()

    # linear weights: a taught model bends in time as its teacher does; cubic ones learn 0.15 dB less, at twice the tables
    return Taught(distilled.series, distilled.is_truth, step_weights, None, base, choices, forget=forget)


def _choice(found: Survey, field: Field, teacher: str, tell: Tell) -> Choice:
    if teacher not in ("auto", "none"):
        return Choice(teacher, "asked for")
    choice = choose(
        found.block,
        field.name,
        CHEAP if teacher == "auto" else tuple(Line.kinds),
        field.whole_range,
        n_workers=os.cpu_count() or 1,
        progress=lambda done, total: tell.progress(f"choosing a teacher for {field.name}", done, total),
    )
    if found.block is not found.series:
        choice = replace(choice, made={})  # they know the block alone
    return choice if teacher == "auto" else replace(choice, teacher="none", reason="asked for", per_gap=(), made={})


def _fitted(found: Survey, choices: dict[str, Choice], config: RunConfig, context: Context) -> dict[str, Teacher]:
    """A teacher for each field; one that is not worth having is replaced by the plainest, since all fields share a set."""
    teachers: dict[str, Teacher] = {}
    for number, (field, choice) in enumerate(zip(found.fields, choices.values())):
        name = field.name
        kind = "linear" if choice.teacher == "none" else choice.teacher
        if choice.per_gap:
            teachers[name] = PerGap(found.series, name, choice.per_gap, choice.made)
        else:
            teachers[name] = choice.made.get(kind) or create(kind, found.series, name)
        teachers[name].fit(
            FitSettings(
                samples=config.distillation.teacher_samples,
                seed=config.training.seed,
                state=context.folder / f"state_{number}.safetensors",
                memory_bytes=config.training.memory_bytes,
                device=context.device,
                progress=context.tell.fraction(f"fitting the teacher of {name}"),
                field=field,
            )
        )
    return teachers
