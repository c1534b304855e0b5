"""`hyperinr evaluate`: a model beside interpolation of its training volumes, measured on every true step."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import click

from hyperinr.plugin.options import (
    backend_option,
    json_option,
    model_argument,
    open_steps,
    picture_option,
    reading_options,
    series_argument,
)
from hyperinr_core.errors import DataError
from hyperinr_core.volume import VolumeSeries


@click.command()
@model_argument
@series_argument
@click.option("--field", help="Compare this field only.  [default: every field; with --json and --plot the first]")
@json_option("Print one JSON object with every step.")
@picture_option("--plot", "Draw PSNR over the parameter: .png, .svg, .pdf.")
@backend_option
@reading_options
def evaluate(
    model: str,
    series: tuple[str, ...],
    field: str | None,
    as_json: bool,
    plot: Path | None,
    backend: str,
    reading: dict[str, Any],
) -> None:
    """Compare MODEL to the true steps of SERIES, and to interpolating the volumes that it was trained on.

    PSNR in dB and SSIM are taken over the field's range in all of SERIES. Steps before the first and after the last training
    step are left out. In JSON a perfect match, which linear interpolation is on training steps, has a PSNR of 150.
    """
    from hyperinr.plugin.figures import draw_series, print_series
    from hyperinr.plugin.progress import evaluation_progress
    from hyperinr_core import hinr
    from hyperinr_core.measure.series import measure_series

    network = hinr.load(model)
    names = [field] if field else [each.name for each in network.fields]
    if as_json:
        names = names[:1]
    truth = true_steps(series, names, network.grid.dims, reading)
    with evaluation_progress() as progress:
        reports = measure_series(network, truth, names, backend, progress)
    if plot:
        draw_series(reports[names[0]], names[0], network.parameters[0].name, plot)
    if as_json:
        click.echo(json.dumps(reports[names[0]]))
    else:
        print_series(reports, n_outside=len(truth) - len(reports[names[0]]["steps"]))


def true_steps(
    series: tuple[str, ...], names: list[str], dims: tuple[int, int, int], reading: dict[str, Any]
) -> VolumeSeries:
    """Fields of SERIES, on a grid of a model's dims where they are resampled anyway and no others are asked for."""
    if reading["dims"] is None:
        with contextlib.suppress(DataError):  # of what has a grid of its own, or is broken, which is then said
            return open_steps(series, fields=names, **{**reading, "dims": dims})
    return open_steps(series, fields=names, **reading)
