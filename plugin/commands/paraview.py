"""`hyperinr paraview`, `hyperinr env` and `hyperinr render`: ParaView with the plugin in it."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import tempfile
from pathlib import Path

import click

from hyperinr.plugin import launch
from hyperinr.plugin.commands.model import parse_theta
from hyperinr.plugin.options import at_option, dims_option, model_argument, output_option
from hyperinr_core.errors import BackendError, DataError, ParameterError

#: Seconds that a picture may take; a large model on a slow machine needs a minute or two.
RENDER_TIMEOUT = 900.0


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


@click.command()
@model_argument
@at_option("Value of a parameter; one for each.")
@output_option(".png or .jpg.")
@click.option("--size", nargs=2, type=click.IntRange(16, 16384), default=(1024, 768), metavar="W H", show_default=True)
@click.option("--field", help="Field to show.  [default: the model's first]")
@dims_option("Points to sample.  [default: the training grid's]", metavar="NX NY NZ")
def render(
    model: str,
    places: tuple[str, ...],
    output: Path,
    size: tuple[int, int],
    field: str | None,
    dims: tuple[int, int, int] | None,
) -> None:
    """Render MODEL at one theta through ParaView, without a window."""
    if output.suffix.lower() not in (".png", ".jpg"):
        raise ParameterError(f"output is {output}; expected a name that ends in .png or .jpg")
    job = {"model": os.path.abspath(model), "size": size, "dims": dims, **_checked(model, places, field)}
    _draw(job, output)
    click.echo(f"{output}: {size[0]} x {size[1]}, {job['field']}")


def _checked(model: str, places: tuple[str, ...], field: str | None) -> dict:
    """What to show, checked here, where an error is one sentence and not a picture of nothing."""
    from hyperinr_core.loading import load_any

    network = load_any(model)
    theta = network.theta(parse_theta(places))
    names = [item.name for item in network.fields]
    shown = field or names[0]
    if shown not in names:
        raise ParameterError(f"the model has no field {field!r}; expected one of {', '.join(names)}")
    timed = [(p.role == "time", float(value)) for p, value in zip(network.parameters, theta)]
    return {
        "field": shown,
        "time": next((value for is_time, value in timed if is_time), None),
        "sliders": [value for is_time, value in timed if not is_time],
    }


def _draw(job: dict, output: Path) -> None:
    from hyperinr_core.files import replacing

    program = launch.find_program("pvpython")
    with replacing(output) as part, tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / f"picture{output.suffix.lower()}"
        command = [program, "-m", "hyperinr.plugin.scene", json.dumps({**job, "output": str(picture)})]
        result = launch.run_program(launch.on_display(command), RENDER_TIMEOUT)
        if result.returncode or not picture.is_file():
            said = [line.strip() for line in result.stderr.splitlines() if line.strip()]
            raise BackendError(
                f"ParaView ended with status {result.returncode} and no picture "
                f"({said[-1] if said else 'it said nothing'}); run `hyperinr doctor`"
            )
        shutil.copyfile(picture, part)
