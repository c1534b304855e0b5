"""From a series on disk to a finished model: the steps of a training run in their order."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hyperinr_core import __version__, hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.metrics import psnr
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.samples import SampleStream, scan_fields
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.trainer import Report, Trainer
from hyperinr_core.volume import Field, Parameter, VolumeSeries

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
) -> HyperINR:
    """Train on every step of a series and write the model.

    Parameters
    ----------
    names : fields to learn, all of them in one model.
    resume : go on from the checkpoint beside `output` if there is one.

    Raises
    ------
    DataError for data that cannot be trained on; ParameterError when an unfinished run would be overwritten; Interrupted
    when the run was stopped, with its checkpoint kept.
    """
    path = checkpoint_path(output)
    if path.exists() and not resume:
        raise ParameterError(
            f"{path} holds an unfinished run; add --resume to continue it, or delete the file to start over"
        )
    _check_folder(path)
    memory = config.training.memory_mb << 20
    fields = scan_fields(series, names, memory)
    stream = SampleStream(
        series, fields, config.training.batch_steps, config.training.batch_points, memory, config.training.seed
    )
    positions = encoder_positions(series, config.training.n_encoders)
    trainer = Trainer(stream, positions, parameters_of(series), fields, config, device)
    if path.exists():
        trainer.load_state(path)
    model = trainer.run(path, progress)
    model.provenance = _provenance(series, config, device, trainer.evaluator.name)
    model.encoder_params = model.encoder_params.astype(
        np.float16
    )  # as it will be stored, so that quality is what users get
    model.quality = measure_quality(model, series)
    hinr.save(model, output)
    path.unlink(missing_ok=True)
    return model


def encoder_positions(series: VolumeSeries, n_encoders: int) -> np.ndarray:
    """(N, P) positions: the training thetas, or so many spread evenly over a single parameter's range."""
    if n_encoders in (0, len(series)):
        return series.thetas.copy()
    if series.thetas.shape[1] > 1:
        raise ParameterError(f"n_encoders is {n_encoders}; expected 0 for a series with several parameters")
    low, high = series.thetas[0, 0], series.thetas[-1, 0]
    return np.linspace(low, high, n_encoders if high > low else 1)[:, None]


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


def _check_folder(path: os.PathLike) -> None:
    """Find out before hours of training, not after, that the result has no place to go."""
    folder = os.path.dirname(os.fspath(path)) or "."
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise DataError(f"{folder} is no folder that can be written to; expected one for the model, create it first")
