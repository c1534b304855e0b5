"""`hyperinr train-shadow`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr.filters.readers.loader import Part
from hyperinr.plugin.options import dims_option, interpolation_option, open_steps, output_option, scalar_option
from hyperinr.plugin.training import How, run, say_psnr, say_size, training_options
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.pictures.transfer import TransferFunction, load, parse_opacity
from hyperinr_core.training.teachers import teachers_of
from hyperinr_core.volume import Grid


@click.command(name="train-shadow")
@click.argument("volume", type=click.Path(dir_okay=False))
@output_option("The .hinr to write.")
@click.option(
    "--transfer-function",
    "function",
    default="Bone",
    show_default=True,
    help="A colour map exported by ParaView (.json), or the name of a preset.",
)
@click.option("--opacity", help="value:opacity pairs with commas between, in place of the transfer function's.")
@scalar_option
@dims_option("Points of the shadow.  [default: the volume's]", least=2, metavar="NX NY NZ")
@click.option("--lights", default=35, show_default=True, type=click.IntRange(4), help="Training lights.")
@click.option("--encoders", default=60, show_default=True, type=click.IntRange(4), help="Encoders on the sphere.")
@click.option(
    "--gaussian",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the encoders around training lights, by Gaussian kernels; the others by Poisson disks.",
)
@click.option(
    "--guide",
    default=-1,
    type=click.IntRange(-1, 256),
    help="Points along an axis of the light's coarse sweep, an input of the network; 0 for none, as in the paper.  "
    "[default: three quarters of the longest axis, at most 64]",
)
@click.option("--kind", default="hard", show_default=True, type=click.Choice(["hard", "soft", "scatter"]))
@click.option("--diameter", default=10.0, show_default=True, help="Degrees that a soft light is wide.")
@interpolation_option
@click.option(
    "--teacher",
    default="exact",
    show_default=True,
    type=click.Choice(["exact", "none", *teachers_of("shadow")]),
    help="Who knows the other lights: truth, nobody, or CoordNet fitted to the training lights (the paper's; wants a GPU).",
)
@click.option(
    "--lights-only", is_flag=True, help="Learn from the training lights alone: --teacher none unless coordnet."
)
@click.option("--unit-distance", default=0.0, help="Length that opacities hold for.  [default: diagonal / 128]")
@training_options
def train_shadow(
    volume: str,
    output: Path,
    function: str,
    opacity: str | None,
    field: str | None,
    dims: tuple[int, int, int] | None,
    lights_only: bool,
    how: How,
    **shadows: Any,
) -> None:
    """Train a model of the shadows that VOLUME casts on itself, for any direction of the light.

    For one sharp light ParaView's HyperINR Shadow filter needs no model, its sweep is as quick; a model pays for soft
    lights, which take dozens of sweeps, and for light that scatters, which takes seconds.
    """
    from hyperinr_core.training.lights.task import Lights, ShadowConfig, shadow_preset

    values, grid, source = read_volume(volume, field, dims)
    if lights_only and shadows["teacher"] == "exact":
        shadows["teacher"] = "none"
    shadow = ShadowConfig(**shadows)
    task = Lights(values, grid, _function(function, opacity, values), shadow, source)
    opening = (
        f"{source}: {' x '.join(map(str, grid.dims))} points, {shadow.kind} shadows, {shadow.lights} training "
        f"lights, {shadow.lights if shadow.teacher == 'none' else shadow.encoders} encoders"
    )

    def closing(model: HyperINR) -> None:
        say_psnr(model, "training_psnr_db", "on the training lights")
        say_size(output, 4 * grid.n_points * shadow.lights, "the training lights' volumes as float32")
        click.echo(f"Compare it with: {sys.argv[0]} evaluate-shadow {output} {volume}")

    run(task, output, how.settings(shadow_preset(how.preset, grid)), how, lambda: opening, closing)


def read_volume(path: str, field: str | None, dims: tuple[int, int, int] | None) -> tuple[np.ndarray, Grid, str]:
    """(nz, ny, nx) scalars, at other dims if given, their grid, and where they came from.

    Raises DataError for a field that is not there or has several components.
    """
    from hyperinr_core.light.shadow import resample

    series = open_steps((path,), fields=[field] if field and Part.of(field).component else None)
    names = [name for name, n_components in series.field_info.items() if n_components == 1]
    name = field or next(iter(names), None)
    if name not in names:
        raise DataError(f"{path} has no scalar {name!r}; expected one of {', '.join(names) or 'at least one'}")
    values = series.read(0, [name])[..., 0]
    grid = series.grid if dims is None else series.grid.with_dims(dims)
    if grid.n_pos_dims == 2:
        raise ParameterError(f"{path} is a plane of dims {grid.dims}; expected a volume, which can cast a shadow")
    return (values if dims is None else resample(values, dims)), grid, series.source


def _function(source: str, opacity: str | None, values: np.ndarray) -> TransferFunction:
    function = load(source, (float(np.nanmin(values)), float(np.nanmax(values))))
    return function.with_opacity(parse_opacity(opacity)) if opacity else function
