"""Bytes and PSNR of a model at several sizes, beside those of compressors of the volumes that it was trained on."""

from __future__ import annotations

import tempfile
import time
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
from hyperinr_core.measure.codecs import CODECS, Codec
from hyperinr_core.measure.key_frames import StoredMotion, carried, interpolated, stored_motions, suited
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.measure.series import steps_at
from hyperinr_core.motion.motion import Motion
from hyperinr_core.shift import shifted_model, shifted_series, shifts_of
from hyperinr_core.volume import VolumeSeries

#: PSNR in dB against its own values at which a model is coded.
TARGETS = (30, 40, 50)

#: The methods that are the model: files as they were trained, and the first of them as `hyperinr compress` writes it.
FILE, CODED = "HyperINR, file", "HyperINR, compress"

#: What the methods begin with that keep the training steps alone.
LINEAR, CARRIED = "key frames, linear, ", "key frames, carried, "

#: One measured point: {"method", "setting", "bytes", "psnr_held_out", "psnr_trained", "psnr_all", "encode_s", "decode_s"}, None
#: for seconds that another command has spent; they are a processor's, which other work beside it does not change much.
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
    field : their name.
    """

    values: np.ndarray
    numbers: np.ndarray
    thetas: np.ndarray
    keys: np.ndarray
    limits: tuple[float, float]
    field: str

    def point(
        self, method: str, setting: str, n_bytes: int, values: np.ndarray, encode_s: float | None, decode_s: float
    ) -> Point:
        """The figures of values (S, nz, ny, nx) that take so many bytes and seconds to encode, where known, and to decode."""
        each = np.array([min(psnr(one, other, self.limits), PSNR_CAP) for one, other in zip(values, self.values)])
        out = np.setdiff1d(np.arange(len(each)), self.keys)
        return {
            "method": method,
            "setting": setting,
            "bytes": int(n_bytes),
            "psnr_held_out": round(float(each[out].mean()), 3) if len(out) else None,
            "psnr_trained": round(float(each[self.keys].mean()), 3),
            "psnr_all": round(float(each.mean()), 3),
            "encode_s": None if encode_s is None else round(encode_s, 3),
            "decode_s": round(decode_s, 3),
        }


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
    limits = field.value_range[0]
    return Truth(values, numbers, series.thetas[list(steps), 0], keys - steps[0], limits, field.name)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Values (nz, ny, nx) with numbers where they are NaN."""
    return filled(values[..., None], ~np.isnan(values))[..., 0]


def check_same_series(path: str, model: HyperINR, truth: Truth) -> None:
    """DataError for the model of a file that was trained on another field or other steps."""
    if [(field.name, field.n_components) for field in model.fields] != [(truth.field, 1)] or len(model.parameters) != 1:
        raise DataError(
            f"{path} has {', '.join(field.name for field in model.fields)}; expected {truth.field} alone, over time"
        )
    trained, known = np.array(model.parameters[0].values), truth.thetas[truth.keys]
    alike = trained.shape == known.shape and np.allclose(trained, known, rtol=0, atol=1e-6 * np.ptp(known))
    if model.grid.shape != truth.values.shape[1:] or not alike:
        raise DataError(
            f"{path} was trained on {len(trained)} steps of {model.grid.dims} points; expected the first model's, "
            f"{len(known)} of {truth.values.shape[:0:-1]} from {known[0]:g} to {known[-1]:g}"
        )


def file_point(path: str, truth: Truth) -> Point:
    """A model's file as it is."""
    begin = time.process_time()
    values = _decoded(hinr.load_one(path), truth)
    decode_s = time.process_time() - begin
    return truth.point(FILE, Path(path).stem, Path(path).stat().st_size, values, None, decode_s)


def coded_points(model: HyperINR, truth: Truth) -> Iterator[Point]:
    """A model as `hyperinr compress` writes it at several PSNR against its own values, the highest first."""
    begin = time.process_time()
    compression = Compression(model)
    looked_s = time.process_time() - begin
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.hinr"
        for target in TARGETS[::-1]:
            begin = time.process_time()
            hinr.save(lean(model, target), small, compression.coded(compression.coarsest_above(target)))
            written = time.process_time()
            values = _decoded(hinr.load_one(small), truth)
            decode_s = time.process_time() - written
            yield truth.point(CODED, f"{target} dB", small.stat().st_size, values, written - begin + looked_s, decode_s)


def _decoded(model: HyperINR, truth: Truth) -> np.ndarray:
    """(S, nz, ny, nx), shifted as the truth is."""
    model = shifted_model(model, shifts_of(model.fields))
    return np.stack([model.generate(theta).sample_grid()[..., 0] for theta in truth.thetas])


def codec_points(truth: Truth, motion: Motion | None) -> Iterator[Point]:
    """Every compressor that is installed: over all steps, and over the key frames with what lies between them interpolated and,
    where a motion of the key frames is known, carried along it.
    """
    frames = truth.numbers[truth.keys]
    motions = [] if motion is None else stored_motions(motion, frames, truth.limits)
    for name, codec in CODECS.items():
        for tolerance in codec.tolerances if codec.is_installed else ():
            error = tolerance * (truth.limits[1] - truth.limits[0])
            every = _coded(codec, [truth.numbers], error)
            yield truth.point(name, f"{tolerance:g}", *every)
            parts = [frame[None] for frame in frames] if codec.apart else [frames]
            yield from _between(truth, name, f"{tolerance:g}", _coded(codec, parts, error), motions)


#: Bytes, what they decode to, and seconds to encode and to decode.
Coded = tuple[int, np.ndarray, float, float]


def _coded(codec: Codec, parts: Sequence[np.ndarray], error: float) -> Coded:
    """Parts (n, nz, ny, nx) each by itself."""
    begin = time.process_time()
    kept = [codec.encode(part, error) for part in parts]
    encoded = time.process_time()
    values = [codec.decode(payload, part.shape) for (_, payload), part in zip(kept, parts)]
    n_bytes = sum(size for size, _ in kept)
    return n_bytes, np.concatenate(values), encoded - begin, time.process_time() - encoded


def _between(truth: Truth, name: str, setting: str, coded: Coded, motions: Sequence[StoredMotion]) -> Iterator[Point]:
    """What key frames give at all steps, interpolated and carried."""
    n_bytes, frames, encode_s, decode_s = coded
    at = truth.thetas[truth.keys]
    begin = time.process_time()
    values = interpolated(frames, at, truth.thetas)
    passed = time.process_time() - begin
    point = truth.point(LINEAR + name, setting, n_bytes, values, encode_s, decode_s + passed)
    yield point
    if not motions:
        return
    chosen = suited(motions, point["psnr_trained"])
    begin = time.process_time()
    values = carried(frames, chosen.motion, truth.thetas)
    passed = time.process_time() - begin
    setting = f"{setting}, motion {chosen.n_bytes / 1e6:.3f} MB"
    yield truth.point(CARRIED + name, setting, n_bytes + chosen.n_bytes, values, None, decode_s + passed)


def is_model(point: Point) -> bool:
    """Whether a point is the model's, and no compressor's."""
    return point["method"] in (FILE, CODED)


def saw_every_step(point: Point) -> bool:
    """Whether a point is of a compressor that was given the steps that the model was not."""
    return not is_model(point) and not point["method"].startswith((LINEAR, CARRIED))


def least(points: Sequence[Point], psnr_db: float) -> tuple[float, str] | None:
    """Of points' methods the one that takes the fewest bytes for so many dB on the steps held out, and these; None where none
    has as much. Between two points of a method dB go with the logarithm of bytes.
    """
    found = []
    for method in dict.fromkeys(point["method"] for point in points):
        curve: list[tuple[int, float]] = []
        for n_bytes, decibel in sorted((p["bytes"], p["psnr_held_out"]) for p in points if p["method"] == method):
            if not curve or decibel > curve[-1][1]:  # more bytes for no more dB are nothing that one would take
                curve.append((n_bytes, decibel))
        best = [decibel for _, decibel in curve]
        if best[-1] < psnr_db:
            continue
        right = int(np.searchsorted(best, psnr_db))
        share = 1.0 if right == 0 else (psnr_db - best[right - 1]) / (best[right] - best[right - 1])
        low, high = (np.log(curve[n][0]) for n in (max(right - 1, 0), right))
        found.append((float(np.exp(low + share * (high - low))), method))
    return min(found, default=None)
