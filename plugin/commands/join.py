"""`hyperinr join`."""

from __future__ import annotations

from pathlib import Path

import click

from hyperinr.plugin.estimates import size
from hyperinr_core import hinr, joining


@click.command()
@click.argument("output", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--partial", is_flag=True, help="Join those that are there; points that no other brick has are masked.")
def join(output: Path, partial: bool) -> None:
    """Make bricks that were trained apart one model: OUTPUT, the name that they were trained for.

    They lie beside it, in NAME.bricks for NAME.hinr, and must be of one version, series and kind of training.
    """
    joining.join(output, partial)
    model = hinr.load(output)
    click.echo(
        f"{output}: {model.parts[0]} bricks of {' x '.join(map(str, model.grid.dims))} points, {size(model.n_bytes)}"
    )
