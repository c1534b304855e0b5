"""Bytes and PSNR of a model at several sizes, beside those of compressors of the volumes that it was trained on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import hinr
from hyperinr_core.compression import Compression
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.lean import lean
from hyperinr_core.mask import filled
from hyperinr_core.measure.codecs import CODECS
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.measure.series import steps_at
from hyperinr_core.shift import shifted_model, shifted_series, shifts_of
from hyperinr_core.volume import VolumeSeries

#: PSNR in dB against its own values at which a model is coded.
TARGETS = (25, 30, 35, 40, 45)

#: The methods that are the model.
STORED, CODED = "HyperINR, as stored", "HyperINR, coded"

#: One measured point: {"method", "setting", "bytes", "psnr_all", "psnr_held_out"}.
Point = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """What is to be reproduced.

    Attributes
    ----------
    values : (S, nz, ny, nx) float32, the steps between the first and the last training step, and these; NaN where masked;
        shifted where float32 does not tell them apart.
    numbers : the same without NaN, for compressors, which do not know of it.
    thetas : (S,) their times.
    keys : (K,) which of them were trained on.
    limits : the values' range, of which PSNR is.
    """

    values: np.ndarray
    numbers: np.ndarray
    thetas: np.ndarray
    keys: np.ndarray
    limits: tuple[float, float]

    def point(self, method: str, setting: str, n_bytes: int, values: np.ndarray) -> Point:
        """The figures of values (S, nz, ny, nx) that take so many bytes."""
        each = np.array([min(psnr(one, other, self.limits), PSNR_CAP) for one, other in zip(values, self.values)])
        out = np.setdiff1d(np.arange(len(each)), self.keys)
        return {
            "method": method,
            "setting": setting,
            "bytes": int(n_bytes),
            "psnr_all": round(float(each.mean()), 3),
            "psnr_held_out": round(float(each[out].mean()), 3) if len(out) else None,
        }

    def between(self, frames: np.ndarray) -> np.ndarray:
        """(S, nz, ny, nx) of the key frames (K, nz, ny, nx), linear in time."""
        at = self.thetas[self.keys]
        upper = np.clip(np.searchsorted(at, self.thetas), 1, len(at) - 1)
        share = ((self.thetas - at[upper - 1]) / (at[upper] - at[upper - 1])).astype(np.float32).reshape(-1, 1, 1, 1)
        return (1 - share) * frames[upper - 1] + share * frames[upper]


def truth_of(model: HyperINR, series: VolumeSeries) -> Truth:
    """The steps of a series that a model covers.

    Raises
    ------
    ParameterError for a model of more than one value over time; DataError for another series than the model's.
    """
    field = model.fields[0]
    if len(model.parameters) != 1 or len(model.fields) != 1 or field.n_components != 1:
        raise ParameterError(
            "the model has several parameters or values; expected one scalar over time, train with --field"
        )
    if field.name not in series.field_info or series.grid.dims != model.grid.dims:
        raise DataError(
            f"{series.source} has {', '.join(series.field_info)} on {series.grid.dims}; expected {field.name} on "
            f"{model.grid.dims}, as the model was trained on"
        )
    shifts = shifts_of(model.fields)
    model, series = shifted_model(model, shifts), shifted_series(series, shifts)
    field = model.fields[0]
    keys = np.array(steps_at(series, np.array(model.parameters[0].values)))
    steps = range(int(keys.min()), int(keys.max()) + 1)
    values = np.stack([series.read(step, [field.name]).reshape(series.grid.shape) for step in steps]).astype(np.float32)
    numbers = np.stack([_numbers(step) for step in values]) if np.isnan(values).any() else values
    return Truth(values, numbers, series.thetas[list(steps), 0], keys - steps[0], field.value_range[0])


def _numbers(values: np.ndarray) -> np.ndarray:
    """Values (nz, ny, nx) with numbers where they are NaN."""
    return filled(values[..., None], ~np.isnan(values))[..., 0]


def model_points(model: HyperINR, path: str, truth: Truth) -> Iterator[Point]:
    """The file as it is, and coded with coarser and coarser steps."""
    compression = Compression(model)

    def decoded(network: HyperINR) -> np.ndarray:
        network = shifted_model(network, shifts_of(network.fields))
        return np.stack([network.generate(theta).sample_grid()[..., 0] for theta in truth.thetas])

    yield truth.point(STORED, "", Path(path).stat().st_size, decoded(model))
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.hinr"
        for target in TARGETS[::-1]:
            hinr.save(lean(model, target), small, compression.coded(compression.coarsest_above(target)))
            yield truth.point(CODED, f"{target} dB", small.stat().st_size, decoded(hinr.load_one(small)))


def codec_points(truth: Truth) -> Iterator[Point]:
    """Every compressor that is installed, over all steps and over the key frames."""
    for name, codec in CODECS.items():
        for tolerance in codec.tolerances if codec.is_installed else ():
            error = tolerance * (truth.limits[1] - truth.limits[0])
            yield truth.point(name, f"{tolerance:g}", *codec.code(truth.numbers, error))
            n_bytes, frames = codec.code(truth.numbers[truth.keys], error)
            yield truth.point(f"key frames, linear, {name}", f"{tolerance:g}", n_bytes, truth.between(frames))


def is_model(point: Point) -> bool:
    """Whether a point is the model's, and no compressor's."""
    return point["method"] in (STORED, CODED)


def verdict(points: Sequence[Point]) -> str:
    """What the rivals take for the PSNR of the model's coded points, in a sentence."""
    ours = max((p for p in points if p["method"] == CODED), key=lambda p: p["psnr_held_out"] or 0)
    rivals: dict[str, int] = {}
    for point in points:
        if not is_model(point) and (point["psnr_held_out"] or 0) >= (ours["psnr_held_out"] or 0):
            rivals[point["method"]] = min(rivals.get(point["method"], 1 << 62), point["bytes"])
    others = ", ".join(
        f"{name} {n_bytes / 1e6:.2f} MB" for name, n_bytes in sorted(rivals.items(), key=lambda item: item[1])
    )
    return (
        f"For {ours['psnr_held_out']:.1f} dB on steps that were held out the model takes {ours['bytes'] / 1e6:.2f} MB; "
        f"{others or 'no other method'} for as much or more."
    )
