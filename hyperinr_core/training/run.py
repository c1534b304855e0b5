"""From a series on disk to a finished model: the steps of a training run in their order."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import __version__, hinr
from hyperinr_core.architecture import Architecture
from hyperinr_core.compression import Compression
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.table_coding import TableCoding, rounded
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.distributed import World
from hyperinr_core.training.samples import SampleStream, check_precision, scan_fields
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.trainer import Report, Trainer
from hyperinr_core.training.volumes.placement import place
from hyperinr_core.training.volumes.smooth import residual_series
from hyperinr_core.training.volumes.task import Lesson, Taught
from hyperinr_core.volume import Field, Parameter, VolumeSeries

#: Teacher volumes that the finished model is compared to, at most.
N_COMPARED = 16

#: dB of its PSNR on the training steps that a sparse model may lose where its tables are coded.
SPARSE_LOST = 0.05

#: Points of each training step that the stored quality is measured on, at most (whole planes of z).
QUALITY_POINTS = 1 << 20


def train(
    series: VolumeSeries,
    output: str | os.PathLike,
    names: Sequence[str],
    config: RunConfig,
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[Report], Any] | None = None,
    lesson: Lesson | None = None,
    world: World | None = None,
    initial: HyperINR | None = None,
) -> HyperINR:
    """Train on every step of a series, and on a teacher's volumes between them, and write the model.

    Parameters
    ----------
    names : fields to learn, all of them in one model.
    resume : go on from the checkpoint beside `output` if there is one.
    lesson : hears of the teachers; see `Lesson`.
    world : the processes that train together, of which the first writes and measures; this one alone when None.
    initial : a model of a series of the same kind to start from.

    Raises
    ------
    DataError for data that cannot be trained on; ParameterError when an unfinished run would be overwritten; Interrupted
    when the run was stopped, with its checkpoint kept.
    """
    world, path = world or World(), checkpoint_path(output)
    if path.exists() and not resume:
        raise ParameterError(
            f"{path} holds an unfinished run; add --resume to continue it, or delete the file to start over"
        )
    _check_folder(path)
    sizes = {name: series.field_info[name] for name in names if name in series.field_info}
    expected = [Field(name, size, ((0.0, 1.0),) * size) for name, size in sizes.items()]
    hinr.check_limits(parameters_of(series), series.grid, expected)
    fields = scan_fields(series, names, config.training.memory_mb << 20)
    check_precision(series, fields)
    if initial is not None:
        _check_initial(initial, config, fields)
    taught = world.teach(series, names, config, Path(f"{os.fspath(output)}.teacher"), device, lesson or Lesson())
    trainer = trainer_for(series, fields, taught, config, device, world, initial)
    if path.exists() and world.leads:
        trainer.load_state(path)
    trainer.share_state()
    model = trainer.run(path, progress)
    if not world.leads:
        return model
    provenance = {
        **_provenance(series, config, device, trainer.evaluator.name),
        "teachers": {name: choice.to_dict() for name, choice in taught.choices.items()},
    }
    if initial is not None:
        provenance["initial"] = {"sha256": _digest(initial), "source": initial.provenance.get("source")}
    model = dataclasses.replace(model, provenance=provenance, quality=measure_quality(model, series))
    coded = _coded(model) if config.training.sparsity else None
    if coded:
        tables = rounded(model.encoder_params, model.architecture.hash_grid, coded[0].steps)
        model = dataclasses.replace(model, encoder_params=tables)
        model = dataclasses.replace(model, quality=measure_quality(model, series))
    quality = {**model.quality, "teacher_psnr_db": compare_to_teacher(model, taught)}
    model = dataclasses.replace(model, quality=quality)
    hinr.save(model, output, coded)
    path.unlink(missing_ok=True)
    taught.remove()
    return model


def trainer_for(
    series: VolumeSeries,
    fields: tuple[Field, ...],
    taught: Taught,
    config: RunConfig,
    device: str,
    world: World | None = None,
    initial: HyperINR | None = None,
) -> Trainer:
    """A trainer on what was taught about a series of training steps."""
    training, series_drawn, ranges, base = config.training, taught.series, fields, taught.base
    if base is not None:
        names = [field.name for field in fields]
        series_drawn = residual_series(taught.series, names, base)
        ranges = scan_fields(series_drawn, names, training.memory_mb << 20)
        limits = [pair for field in ranges for pair in field.value_range]
        base = dataclasses.replace(base, residual=np.array([limits[component] for component in base.components]))
    stream = SampleStream(
        series_drawn,
        ranges,
        training.batch_steps,
        training.batch_points,
        training.memory_mb << 20,
        training.seed,
        taught.weights,
    )
    positions = encoder_positions(series, config)
    identity = {} if initial is None else {"initial": _digest(initial)}
    return Trainer(
        stream, positions, parameters_of(series), fields, config, device, taught.interpolation, base,
        identity=identity, world=world, initial=initial,
    )  # fmt: skip


def encoder_positions(series: VolumeSeries, config: RunConfig) -> np.ndarray:
    """(N, P) positions: the training thetas, or as many as the settings ask for, placed as they say."""
    if config.encoders.count in (0, len(series)) and not (config.encoders.poisson or config.encoders.gaussian):
        return series.thetas.copy()
    count = config.encoders.count or len(series)
    return place(series, config.encoders.replace(count=count), config.training.seed)


def parameters_of(series: VolumeSeries) -> tuple[Parameter, ...]:
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
        inr = model.generate(theta)
        regions = [(0, nz - 1)] if len(planes) == nz else [(z, z) for z in planes]
        values = [inr.sample_grid(region=(0, nx - 1, 0, ny - 1, *pair)) for pair in regions]
        truth = [series.read(step, list(per_field), (low, high + 1)) for low, high in regions]
        found, expected = inr.split(np.concatenate(values)), inr.split(np.concatenate(truth))
        for field in model.fields:
            per_field[field.name].append(_psnr(found[field.name], expected[field.name], field))
    return {"training_psnr_db": per_field, "planes_per_step": len(planes)}


def compare_to_teacher(model: HyperINR, taught: Taught) -> dict[str, list[float]]:
    """PSNR in dB of the model against its teacher, at up to N_COMPARED of the teacher's thetas; nothing without one."""
    between = np.flatnonzero(~taught.is_truth)
    if len(between) > N_COMPARED:
        between = between[np.linspace(0, len(between) - 1, N_COMPARED).round().astype(int)]
    per_field: dict[str, list[float]] = {field.name: [] for field in model.fields if len(between)}
    for step in between:
        inr = model.generate(taught.series.thetas[step])
        expected = inr.split(taught.series.read(int(step), [field.name for field in model.fields]))
        found = inr.split(inr.sample_grid())
        for field in model.fields if per_field else ():
            per_field[field.name].append(_psnr(found[field.name], expected[field.name], field))
    return per_field


def _psnr(values: np.ndarray, truth: np.ndarray, field: Field) -> float | None:
    """PSNR rounded to 0.001 dB; None for a perfect match, which JSON has no number for."""
    limits = np.array(field.value_range)
    decibel = psnr(values, truth, (limits[:, 0].min(), limits[:, 1].max()))
    return round(float(decibel), 3) if np.isfinite(decibel) else None


def _provenance(series: VolumeSeries, config: RunConfig, device: str, evaluator: str) -> dict[str, Any]:
    return {
        "software": f"hyperinr {__version__}",
        "source": series.source,
        "training_steps": len(series),
        "training": config.training.to_dict(),
        "device": device,
        "evaluator": evaluator,
    }


def _coded(model: HyperINR) -> tuple[TableCoding, np.ndarray] | None:
    """A sparse model's tables in few bytes; None where rounding would lose more than it may, or nothing is left of them."""
    compression = Compression(model)
    try:
        return compression.coded(compression.coarsest_above(compression.tolerable(SPARSE_LOST)))
    except ParameterError:
        return None


def _check_initial(initial: HyperINR, config: RunConfig, fields: Sequence[Field]) -> None:
    """Find out before the teachers are asked that a run cannot start from a model."""
    theirs, ours = initial.architecture, config.architecture(fields)
    if ours != theirs:
        raise ParameterError(
            f"the model to start from has {_settings(theirs)}; expected {_settings(ours)}, as this run: train it with the "
            "same --config on data of the same dims and as many values, or leave --init-from out"
        )


def _settings(architecture: Architecture) -> str:
    parts = {**architecture.encoding.to_dict(), **architecture.network.to_dict()}
    return f"{architecture.n_outputs} values, " + ", ".join(f"{name} {value:g}" for name, value in parts.items())


def _digest(model: HyperINR) -> str:
    """Of all that a run which starts from a model takes from it."""
    return hashlib.sha256(model.mlp_params.tobytes() + model.encoder_params.tobytes()).hexdigest()


def _check_folder(path: os.PathLike) -> None:
    """Find out before hours of training, not after, that the result has no place to go."""
    folder = os.path.dirname(os.fspath(path)) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise DataError(f"{folder} is no folder that can be written to; expected one for the model, create it first")
