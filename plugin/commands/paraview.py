"""`hyperinr paraview` and `hyperinr env`: ParaView with the plugin in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
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
    if not (sys.platform in launch.OWN_DISPLAY or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise BackendError(
            "there is no display (DISPLAY is not set); start ParaView from a desktop, or use `hyperinr render`"
        )
    environment = {**os.environ, **launch.environment()}
    if files and not files[0].startswith("-"):
        environment["HYPERINR_OPEN"] = files[0]
        files = [f"--state={Path(__file__).parents[1] / 'scenes' / 'opened.py'}"]
    command = [program, *files, *arguments]
    if sys.platform == "win32":  # where exec quotes nothing, and gives the prompt back at once
        sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(program, command, environment)


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

    Use them with: eval "$(hyperinr env)", or in PowerShell: hyperinr env | Out-String | Invoke-Expression
    """
    for name, value in launch.environment().items():
        click.echo(in_powershell(name, value) if sys.platform == "win32" else f"export {name}={shlex.quote(value)}")


def in_powershell(name: str, value: str) -> str:
    """The line that sets a variable."""
    quoted = value.replace("'", "''")
    return f"$env:{name} = '{quoted}'"
