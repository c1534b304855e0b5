"""`hyperinr train-shadow`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr.plugin.options import (
    dims_option,
    interpolation_option,
    output_option,
    resumable,
    scalar_option,
    training_options,
)
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.transfer import TransferFunction, load, parse_opacity
from hyperinr_core.training.settings import with_file
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
    type=click.Choice(["exact", "none", "coordnet"]),
    help="Who knows the other lights: truth, nobody, or CoordNet fitted to the training lights (the paper's; wants a GPU).",
)
@click.option(
    "--lights-only", is_flag=True, help="Learn from the training lights alone: --teacher none unless coordnet."
)
@click.option("--unit-distance", default=0.0, help="Length that opacities hold for.  [default: diagonal / 128]")
@training_options()
def train_shadow(
    volume: str,
    output: Path,
    function: str,
    opacity: str | None,
    field: str | None,
    dims: tuple[int, int, int] | None,
    preset_name: str,
    config: str | None,
    device: str,
    seed: int | None,
    resume: bool,
    lights_only: bool,
    **shadows: Any,
) -> None:
    """Train a model of the shadows that VOLUME casts on itself, for any direction of the light.

    For one sharp light ParaView's HyperINR Shadow filter needs no model, its sweep is as quick; a model pays for soft
    lights, which take dozens of sweeps, and for light that scatters, which takes seconds.
    """
    from hyperinr_core.training.distributed import refuse_others
    from hyperinr_core.training.lights.task import ShadowConfig, shadow_preset

    refuse_others("train-shadow")
    values, grid, source = read_volume(volume, field, dims)
    transfer = _function(function, opacity, values)
    settings = shadow_preset(preset_name, grid)
    if config:
        settings = with_file(settings, config)
    if seed is not None:
        settings = settings.replace(training={"seed": seed})
    if lights_only and shadows["teacher"] == "exact":
        shadows["teacher"] = "none"
    shadow_config = ShadowConfig(**shadows)
    click.echo(
        f"{source}: {' x '.join(map(str, grid.dims))} points, {shadow_config.kind} shadows, {shadow_config.lights} training "
        f"lights, {shadow_config.lights if shadow_config.teacher == 'none' else shadow_config.encoders} encoders"
    )
    model = _train(values, grid, transfer, output, shadow_config, settings, source, device, resume)
    numbers = model.quality["training_psnr_db"]["shadow"]
    click.echo(
        f"shadow: {sum(numbers) / len(numbers):.2f} dB PSNR on the training lights (worst {min(numbers):.2f} dB)"
    )
    size, raw = output.stat().st_size, 4 * grid.n_points * shadow_config.lights
    click.echo(f"{output}: {size / 1e6:.1f} MB, {size / raw:.2f} of the training lights' volumes as float32.")
    click.echo(f"Compare it with: {sys.argv[0]} evaluate-shadow {output} {volume}")


def read_volume(path: str, field: str | None, dims: tuple[int, int, int] | None) -> tuple[np.ndarray, Grid, str]:
    """(nz, ny, nx) scalars, at other dims if given, their grid, and where they came from.

    Raises DataError for a field that is not there or has several components.
    """
    from hyperinr.filters.readers.series import open_series
    from hyperinr_core.light.shadow import resample

    series = open_series(path)
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
    function = load(source, (float(values.min()), float(values.max())))
    return function.with_opacity(parse_opacity(opacity)) if opacity else function


def _train(
    values: np.ndarray,
    grid: Grid,
    function: TransferFunction,
    output: Path,
    shadows: Any,
    settings: Any,
    source: str,
    device: str,
    resume: bool,
) -> Any:
    from hyperinr.plugin.progress import training_progress
    from hyperinr_core.training.lights.task import train_shadow as run
    from hyperinr_core.training.trainer import choose_device

    with resumable(output), training_progress() as progress:
        chosen = choose_device(device)
        return run(values, grid, function, output, shadows, settings, source, chosen, resume, progress)
