"""`hyperinr compare`: every way to fill the gaps between training steps, measured on steps that none of them saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from hyperinr.plugin.options import device_option, interruptible, open_steps, reading_options, series_argument
from hyperinr_core.measure.methods import DEFAULT_METHODS, MOST_STEPS, Comparison, chosen_methods


@click.command()
@series_argument
@click.option(
    "-o", "--output", default="comparison", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--field", help="Field to compare.  [default: the first]")
@click.option("--every", default=5, show_default=True, type=click.IntRange(2), help="Train on every N-th step.")
@click.option(
    "--methods", default=",".join(DEFAULT_METHODS), show_default=True, help="Names with commas between, or all."
)
@click.option(
    "--budget", default=60.0, show_default=True, type=click.FloatRange(0.1), help="Seconds to train each method."
)
@click.option(
    "--steps", default=MOST_STEPS, show_default=True, type=click.IntRange(1), help="Held-out steps to measure."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@device_option
@reading_options
def compare(
    series: tuple[str, ...],
    output: Path,
    field: str | None,
    every: int,
    methods: str,
    budget: float,
    steps: int,
    seed: int,
    device: str,
    reading: dict[str, Any],
) -> None:
    """Train every method on every N-th step of SERIES and measure it on the steps between.

    Writes table.png, psnr.png, differences.png and comparison.json into a folder. Methods that the folder holds already,
    measured with the same options, are not trained again; an interrupted one goes on where it was.
    """
    from hyperinr.plugin.comparison_figures import draw_comparison, print_comparison
    from hyperinr.plugin.progress import training_progress
    from hyperinr_core.training.gpu import choose_device

    data = open_steps(series, fields=[field] if field else None, **reading)
    name = field or next(iter(data.field_info))
    comparison = Comparison(data, name, output, every, steps, budget, seed, choose_device(device))
    with interruptible(f"in {output}; repeat the command to go on."), training_progress() as progress:
        for method in chosen_methods(methods):
            comparison.run(method, progress.part)
    print_comparison(comparison)
    draw_comparison(comparison)
    click.echo(f"{output}: table.png, psnr.png, differences.png, comparison.json")
