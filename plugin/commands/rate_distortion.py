"""`hyperinr rate-distortion`: bytes and PSNR of a model beside those of compressors of volumes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import click

from hyperinr.plugin.options import model_argument, open_steps, series_argument
from hyperinr_core import hinr
from hyperinr_core.files import replacing
from hyperinr_core.measure.codecs import CODECS
from hyperinr_core.measure.sizes import (
    Point,
    check_same_series,
    codec_points,
    coded_points,
    file_point,
    is_model,
    least,
    saw_every_step,
    truth_of,
)


@click.command(name="rate-distortion")
@model_argument
@series_argument
@click.option(
    "--also", multiple=True, help="Another .hinr of the same steps, such as one of --max-bytes; repeat for several."
)
@click.option(
    "-o", "--output", default="rate_distortion", show_default=True, help="Start of the names of what is written."
)
def rate_distortion(model: str, series: tuple[str, ...], also: tuple[str, ...], output: str) -> None:
    """Compare MODEL, at several sizes, to compressors of the SERIES that it was trained on.

    ZFP (package zfpy), SZ3 (pysz) and SPERR (hdf5plugin, h5py) are measured where they are installed, and zlib as in a
    .vti. Each holds every step, or the training steps alone; between these it is interpolated linearly, and carried along
    MODEL's motion, whose bytes count. Writes a .json, .md and .png.
    """
    from hyperinr.plugin.figures import draw_sizes

    network = hinr.load_one(model)
    truth = truth_of(network, open_steps(series, fields=[field.name for field in network.fields]))
    for path in also:  # before anything is measured
        check_same_series(path, hinr.load_one(path), truth)
    for name, codec in CODECS.items():
        if not codec.is_installed:
            click.echo(f"{name} is not measured: the package {codec.package} is not installed", err=True)
    points = []
    files = (file_point(path, truth) for path in (model, *also))
    for point in itertools.chain(files, coded_points(network, truth), codec_points(truth, network.motion)):
        points.append(point)
        click.echo("  ".join(_cells(point)))
    with replacing(f"{output}.json") as part:
        part.write_text(json.dumps({"model": Path(model).name, "points": points}, indent=1) + "\n", encoding="utf-8")
    with replacing(f"{output}.md") as part:
        part.write_text(_page(points), encoding="utf-8")
    draw_sizes(points, Path(f"{output}.png"))
    click.echo(f"{output}.json, .md, .png")


def _cells(point: Point) -> list[str]:
    decibel = [_number(point[f"psnr_{steps}"], 2) for steps in ("held_out", "trained", "all")]
    seconds = [_number(point[f"{what}_s"], 2) for what in ("encode", "decode")]
    return [point["method"], point["setting"], f"{point['bytes'] / 1e6:.3f}", *decibel, *seconds]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _page(points: list[Point]) -> str:
    """All points, and before them what rivals take for the dB of each of the model's."""
    lines = ["| | MB | PSNR held out, dB | key frames | every step |", "|---|---|---|---|---|"]
    ours, others = (list(group) for group in (filter(is_model, points), itertools.filterfalse(is_model, points)))
    for point in ours if ours[0]["psnr_held_out"] is not None else ():
        rivals = [
            least([p for p in others if saw_every_step(p) == every], point["psnr_held_out"]) for every in (False, True)
        ]
        name = ", ".join(filter(None, (point["method"], point["setting"])))
        cells = ["none" if found is None else f"{found[0] / 1e6:.3f} MB, {found[1]}" for found in rivals]
        lines.append(f"| {name} | {point['bytes'] / 1e6:.3f} | {point['psnr_held_out']:.2f} | {' | '.join(cells)} |")
    rows = [f"| {' | '.join(_cells(point))} |" for point in points]
    heads = [
        "method",
        "setting",
        "MB",
        "PSNR held out, dB",
        "training steps",
        "all steps",
        "encode, CPU s",
        "decode, CPU s",
    ]
    return "\n".join(
        [
            "What rivals take for as many dB on the steps held out, between measured points by the logarithm of bytes:",
            "", *lines, "", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|", *rows, "",
        ]
    )  # fmt: skip
