"""`hyperinr paraview` and `hyperinr env`: ParaView with the plugin in it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from hyperinr.plugin import launch
from hyperinr_core.errors import BackendError, DataError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("model", required=False, type=click.Path(dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def paraview(model: str | None, arguments: tuple[str, ...]) -> None:
    """Start ParaView with the plugin loaded, and MODEL open in it.

    ARGUMENTS after -- are passed to ParaView.
    """
    files = _first_arguments(model)
    program = launch.find_program("paraview")
    if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise BackendError(
            "there is no display (DISPLAY is not set); start ParaView from a desktop, or use `hyperinr render`"
        )
    environment = {**os.environ, **launch.environment()}
    if files and not files[0].startswith("-"):
        environment["HYPERINR_OPEN"] = files[0]
        files = [f"--state={Path(__file__).parents[1] / 'scenes' / 'opened.py'}"]
    os.execve(program, [program, *files, *arguments], environment)


def _first_arguments(model: str | None) -> list[str]:
    """MODEL checked and made absolute; an option of ParaView's that stands in its place is passed on."""
    if model is None or model.startswith("-"):
        return [] if model is None else [model]
    if not Path(model).is_file():
        raise DataError(f"{model} is not there; expected a .hinr file, check the path")
    return [os.path.abspath(model)]


@click.command()
def env() -> None:
    """Print the shell lines that let pvpython, pvbatch, pvserver and paraview find the plugin.

    Use them with: eval "$(hyperinr env)"
    """
    for name, value in launch.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")
