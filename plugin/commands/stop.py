"""`hyperinr stop`: end a training that ParaView waits for."""

from __future__ import annotations

import click

from hyperinr.filters.training_process import STOP, working_folders
from hyperinr.plugin.options import model_argument
from hyperinr_core.errors import DataError


@click.command()
@model_argument
def stop(model: str) -> None:
    """Stop the training of MODEL that ParaView's File > Save Data started. A file of that name stays as it was."""
    folders = working_folders(model)
    if not folders:
        raise DataError(f"nothing trains {model}; expected the file name that was given to Save Data")
    for folder in folders:
        (folder / STOP).touch()
    click.echo(f"{model}: asked to stop.")
