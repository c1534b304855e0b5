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
from hyperinr_core.measure.sizes import Point, codec_points, model_points, truth_of, verdict


@click.command(name="rate-distortion")
@model_argument
@series_argument
@click.option(
    "-o", "--output", default="rate_distortion", show_default=True, help="Start of the names of what is written."
)
def rate_distortion(model: str, series: tuple[str, ...], output: str) -> None:
    """Compare MODEL, at several sizes, to compressors of the SERIES that it was trained on.

    ZFP (package zfpy), SZ3 (pysz) and SPERR (hdf5plugin, h5py) are measured where they are installed, and zlib as in a
    .vti. Each holds every step, or the training steps alone with linear interpolation between them. Writes a .json, .md and .png.
    """
    from hyperinr.plugin.figures import draw_sizes

    network = hinr.load_one(model)
    truth = truth_of(network, open_steps(series, fields=[field.name for field in network.fields]))
    for name, codec in CODECS.items():
        if not codec.is_installed:
            click.echo(f"{name} is not measured: the package {codec.package} is not installed", err=True)
    points = []
    for point in itertools.chain(model_points(network, model, truth), codec_points(truth)):
        points.append(point)
        click.echo("  ".join(_cells(point)))
    click.echo(verdict(points))
    with replacing(f"{output}.json") as part:
        part.write_text(json.dumps({"model": Path(model).name, "points": points}, indent=1) + "\n")
    with replacing(f"{output}.md") as part:
        part.write_text(_page(points))
    draw_sizes(points, Path(f"{output}.png"))
    click.echo(f"{output}.json, .md, .png")


def _cells(point: Point) -> list[str]:
    held_out = "" if point["psnr_held_out"] is None else f"{point['psnr_held_out']:.2f}"
    return [point["method"], point["setting"], f"{point['bytes'] / 1e6:.3f}", f"{point['psnr_all']:.2f}", held_out]


def _page(points: list[Point]) -> str:
    rows = "\n".join(f"| {' | '.join(_cells(point))} |" for point in points)
    head = "| method | setting | MB | PSNR of all steps, dB | PSNR of held-out steps, dB |\n|---|---|---|---|---|"
    return f"{head}\n{rows}\n\n{verdict(points)}\n"
