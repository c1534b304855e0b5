"""`hyperinr rate-distortion`: bytes and PSNR of a model beside those of compressors of volumes."""

from __future__ import annotations

import io
import itertools
import json
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr.plugin.commands.evaluate import steps_at
from hyperinr_core import hinr
from hyperinr_core.compression import Compression
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import PSNR_CAP, psnr

#: PSNR in dB against its own values at which a model is coded.
TARGETS = (25, 30, 35, 40, 45)

#: Errors that compressors may make, as shares of the values' range.
TOLERANCES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)

#: The same for ZFP, which makes errors many times smaller than it is allowed.
ZFP_TOLERANCES = (5.0, 2.0, 1.0, 0.5, 0.2, 0.1, 0.05)

#: One measured point: {"method", "setting", "bytes", "psnr_all", "psnr_held_out"}.
Point = dict[str, Any]


@click.command(name="rate-distortion")
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("series", nargs=-1, required=True)
@click.option(
    "-o", "--output", default="rate_distortion", show_default=True, help="Start of the names of what is written."
)
def rate_distortion(model: str, series: tuple[str, ...], output: str) -> None:
    """Compare MODEL, at several sizes, to compressors of the SERIES that it was trained on.

    ZFP (package zfpy), SZ3 (pysz) and SPERR (hdf5plugin, h5py) are measured where they are installed, and zlib as in a
    .vti. Each holds every step, or the training steps alone with linear interpolation between them. Writes a .json, .md and .png.
    """
    from hyperinr.filters.readers.series import open_series

    network = hinr.load(model)
    truth = truth_of(network, open_series(series[0] if len(series) == 1 else list(series)))
    points = []
    for point in itertools.chain(model_points(network, model, truth), codec_points(truth)):
        points.append(point)
        click.echo("  ".join(_cells(point)))
    click.echo(verdict(points))
    with replacing(f"{output}.json") as part:
        part.write_text(json.dumps({"model": Path(model).name, "points": points}, indent=1) + "\n")
    with replacing(f"{output}.md") as part:
        part.write_text(_page(points))
    draw(points, Path(f"{output}.png"))
    click.echo(f"{output}.json, .md, .png")


@dataclass(frozen=True)
class Truth:
    """What is to be reproduced.

    Attributes
    ----------
    values : (S, nz, ny, nx) float32, the steps between the first and the last training step, and these.
    thetas : (S,) their times.
    keys : (K,) which of them were trained on.
    limits : the values' range, of which PSNR is.
    """

    values: np.ndarray
    thetas: np.ndarray
    keys: np.ndarray
    limits: tuple[float, float]

    def point(self, method: str, setting: str, n_bytes: int, found: np.ndarray) -> Point:
        """The figures of values (S, nz, ny, nx) that take so many bytes."""
        each = np.array([min(psnr(one, other, self.limits), PSNR_CAP) for one, other in zip(found, self.values)])
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


def truth_of(model: HyperINR, series: Any) -> Truth:
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
    keys = np.array(steps_at(series, np.array(model.parameters[0].values)))
    steps = range(int(keys.min()), int(keys.max()) + 1)
    values = np.stack([series.read(step, [field.name]).reshape(series.grid.shape) for step in steps]).astype(np.float32)
    return Truth(values, series.thetas[list(steps), 0], keys - steps[0], field.value_range[0])


def model_points(model: HyperINR, path: str, truth: Truth) -> Iterator[Point]:
    """The file as it is, and coded with coarser and coarser steps."""
    compression = Compression(model)

    def decoded(network: HyperINR) -> np.ndarray:
        return np.stack([network.generate(theta).sample_grid()[..., 0] for theta in truth.thetas])

    yield truth.point("HyperINR, float16", "", Path(path).stat().st_size, decoded(model))
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.hinr"
        for target in TARGETS[::-1]:
            hinr.save(model, small, compression.coded(compression.coarsest_above(target)))
            yield truth.point("HyperINR, coded", f"{target} dB", small.stat().st_size, decoded(hinr.load(small)))


def codec_points(truth: Truth) -> Iterator[Point]:
    """Every compressor that is installed, over all steps and over the key frames."""
    for name, (code, tolerances) in codecs().items():
        for tolerance in tolerances:
            error = tolerance * (truth.limits[1] - truth.limits[0])
            yield truth.point(name, f"{tolerance:g}", *code(truth.values, error))
            n_bytes, frames = code(truth.values[truth.keys], error)
            yield truth.point(f"key frames, linear, {name}", f"{tolerance:g}", n_bytes, truth.between(frames))


def codecs() -> dict[str, tuple[Callable[[np.ndarray, float], tuple[int, np.ndarray]], tuple[float, ...]]]:
    """Name to what codes (S, nz, ny, nx) with an absolute error, and the errors to try."""
    found: dict[str, Any] = {"zlib": (_zlib, (0.0,))}
    for name, module, code in (("ZFP", "zfpy", _zfp), ("SZ3", "pysz", _sz3), ("SPERR", "hdf5plugin", _sperr)):
        try:
            __import__(module)
        except ImportError:
            click.echo(f"{name} is not measured: the package {module} is not installed", err=True)
            continue
        found[name] = code, ZFP_TOLERANCES if name == "ZFP" else TOLERANCES
    return found


def _zlib(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    return sum(len(zlib.compress(step.tobytes(), 6)) for step in values), values


def _zfp(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    import zfpy

    data = zfpy.compress_numpy(values, tolerance=error)
    return len(data), zfpy.decompress_numpy(data)


def _sz3(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    import pysz

    config = pysz.szConfig(values.shape)
    config.errorBoundMode, config.absErrorBound = pysz.szErrorBoundMode.ABS, error
    data, _ = pysz.sz.compress(np.ascontiguousarray(values), config)
    return data.size, pysz.sz.decompress(data, np.float32, values.shape)[0]


def _sperr(values: np.ndarray, error: float) -> tuple[int, np.ndarray]:
    """Step by step: it has no more than three dimensions."""
    import h5py
    import hdf5plugin

    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        for number, step in enumerate(values):
            file.create_dataset(str(number), data=step, chunks=step.shape, **hdf5plugin.Sperr(absolute=error))
    with h5py.File(kept, "r") as file:  # another one, whose cache does not hold what was written
        stored = [file[str(number)] for number in range(len(values))]
        return sum(step.id.get_storage_size() for step in stored), np.stack([step[...] for step in stored])


def verdict(points: list[Point]) -> str:
    """What the rivals take for the PSNR of the model's coded points, in a sentence."""
    ours = max((p for p in points if p["method"] == "HyperINR, coded"), key=lambda p: p["psnr_held_out"] or 0)
    rivals = {}
    for point in points:
        if not point["method"].startswith("HyperINR") and (point["psnr_held_out"] or 0) >= (ours["psnr_held_out"] or 0):
            rivals[point["method"]] = min(rivals.get(point["method"], 1 << 62), point["bytes"])
    others = ", ".join(
        f"{name} {n_bytes / 1e6:.2f} MB" for name, n_bytes in sorted(rivals.items(), key=lambda item: item[1])
    )
    return (
        f"For {ours['psnr_held_out']:.1f} dB on steps that were held out the model takes {ours['bytes'] / 1e6:.2f} MB; "
        f"{others or 'no other method'} for as much or more."
    )


def _cells(point: Point) -> list[str]:
    held_out = "" if point["psnr_held_out"] is None else f"{point['psnr_held_out']:.2f}"
    return [point["method"], point["setting"], f"{point['bytes'] / 1e6:.3f}", f"{point['psnr_all']:.2f}", held_out]


def _page(points: list[Point]) -> str:
    rows = "\n".join(f"| {' | '.join(_cells(point))} |" for point in points)
    head = "| method | setting | MB | PSNR of all steps, dB | PSNR of held-out steps, dB |\n|---|---|---|---|---|"
    return f"{head}\n{rows}\n\n{verdict(points)}\n"


def draw(points: list[Point], path: Path) -> None:
    """PSNR of held-out steps against bytes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for method in dict.fromkeys(point["method"] for point in points):
        chosen = sorted((p["bytes"] / 1e6, p["psnr_held_out"]) for p in points if p["method"] == method)
        style = {"linewidth": 2.5} if method.startswith("HyperINR") else {"linestyle": "--" if "key" in method else "-"}
        axes.plot(*zip(*chosen), marker="o", markersize=4, label=method, **style)
    axes.set(xscale="log", xlabel="MB", ylabel="PSNR of held-out steps, dB", ylim=(None, 70))
    axes.legend(fontsize=7)
    with replacing(path) as part:
        figure.savefig(part, format="png", dpi=150)
