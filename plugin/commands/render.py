"""`hyperinr render`: a picture through ParaView, or by paths of light."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperinr.plugin import launch
from hyperinr.plugin.commands.model import parse_theta
from hyperinr.plugin.options import at_option, dims_option, gathered, model_argument, output_option
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.tracing.staging import SOFTNESS, SURFACE

if TYPE_CHECKING:
    import numpy as np

    from hyperinr.plugin.cinematic import Shoot

#: Seconds that a picture may take; a large model on a slow machine needs a minute or two.
RENDER_TIMEOUT = 900.0

#: Paths of light per pixel, at most.
MOST_SPP = 65536

_ANGLES: dict[str, Any] = {"nargs": 2, "type": float, "metavar": "AZIMUTH ELEVATION"}

#: Options of the cinematic style alone.
CINEMATIC = (
    click.option(
        "--spp", type=click.IntRange(1, MOST_SPP), help="Paths of light per pixel.  [default: 64, or --seconds]"
    ),
    click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Time per picture, at most about."),
    click.option("--transfer-function", "function", metavar="NAME|FILE", help="Preset or JSON file of ParaView's."),
    click.option("--opacity", help="value:opacity pairs with commas between, of a 45th of the box's diagonal."),
    click.option("--view", **_ANGLES, help="Where the camera stands, in degrees."),
    click.option(
        "--zoom", type=click.FloatRange(0, min_open=True), help="1 for the box's sphere in view.  [default: 1]"
    ),
    click.option("--light", **_ANGLES, help="Where the light stands.  [default: left of the camera]"),
    click.option("--softness", type=click.FloatRange(0, 180), help="Degrees that the light is wide.  [default: 6]"),
    click.option(
        "--environment", metavar="NAME|FILE", help="sky, even, dark, or a picture of all around.  [default: sky]"
    ),
    click.option(
        "--surface", type=click.FloatRange(0, 1000), help="How much edges look like surfaces.  [default: 0.5]"
    ),
    click.option("--bounces", type=click.IntRange(1, 1024), help="Scatterings of a path, at most.  [default: 8]"),
    click.option("--albedo", type=click.FloatRange(0, 1), help="Factor of the colours: less is darker.  [default: 1]"),
    click.option("--aperture", type=click.FloatRange(0), help="Radius of the lens, in the grid's unit.  [default: 0]"),
    click.option(
        "--shutter", type=click.FloatRange(0), help="Time that the shutter is open: motion blurs.  [default: 0]"
    ),
    click.option("--frames", type=click.IntRange(1, 100000), help="Pictures of an animation.  [default: 1]"),
    click.option("--until", multiple=True, metavar="NAME=VALUE", help="Value of a parameter at the last frame."),
    click.option("--orbit", type=float, help="Degrees that the camera goes round in an animation.  [default: 0]"),
    click.option("--orbit-light", type=float, help="Degrees that the light goes round.  [default: 0]"),
    click.option(
        "--denoiser", type=click.Choice(["own", "oidn"]), help="oidn: Open Image Denoise, if installed.  [default: own]"
    ),
    click.option("--seed", type=click.IntRange(0), help="Which random paths.  [default: 0]"),
)

_DEFAULTS = {
    "spp": 64, "seconds": None, "function": None, "opacity": None, "view": None, "zoom": 1.0, "light": None,
    "softness": SOFTNESS, "environment": "sky", "surface": SURFACE, "bounces": 8, "albedo": 1.0, "aperture": 0.0, "shutter": 0.0,
    "frames": 1, "until": (), "orbit": 0.0, "orbit_light": 0.0, "denoiser": "own", "seed": 0,
}  # fmt: skip


@click.command()
@model_argument
@at_option("Value of a parameter; one for each.")
@output_option(".png or .jpg; with --frames also .gif, .mp4 or .webm.")
@click.option("--size", nargs=2, type=click.IntRange(16, 16384), default=(1024, 768), metavar="W H", show_default=True)
@click.option("--field", help="Field to show.  [default: the model's first]")
@dims_option("Points to sample.  [default: the training grid's]", metavar="NX NY NZ")
@click.option(
    "--style",
    default="paraview",
    show_default=True,
    type=click.Choice(["paraview", "cinematic"]),
    help="cinematic: by paths of light, without ParaView; the options below are its own.",
)
@gathered("cinematic", CINEMATIC, tuple(_DEFAULTS), dict)
def render(
    model: str,
    places: tuple[str, ...],
    output: Path,
    size: tuple[int, int],
    field: str | None,
    dims: tuple[int, int, int] | None,
    style: str,
    cinematic: dict[str, Any],
) -> None:
    """Render MODEL at one theta through ParaView, without a window, or by paths of light.

    With --style cinematic MODEL may also be a volume's file, and several --frames make an animation.
    """
    given = {name: value for name, value in cinematic.items() if value not in (None, ())}
    if style == "cinematic":
        if "seconds" in given:  # then they say when to end
            given.setdefault("spp", MOST_SPP)
        _render_cinematic(model, places, output, size, field, dims, {**_DEFAULTS, **given})
        return
    if given:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise ParameterError(f"{names} is for --style cinematic; expected that style, or none of its options")
    if output.suffix.lower() not in (".png", ".jpg"):
        raise ParameterError(f"output is {output}; expected a name that ends in .png or .jpg")
    job = {"model": os.path.abspath(model), "size": size, "dims": dims, **_checked(model, places, field)}
    _draw(job, output)
    click.echo(f"{output}: {size[0]} x {size[1]}, {job['field']}")


def _render_cinematic(
    model: str,
    places: tuple[str, ...],
    output: Path,
    size: tuple[int, int],
    field: str | None,
    dims: tuple[int, int, int] | None,
    options: dict[str, Any],
) -> None:
    from hyperinr.plugin import cinematic, video

    wishes = cinematic.Wishes(**{**options, "until": parse_theta(options["until"])})
    video.check_name(output, wishes.frames)
    shoot, shown = cinematic.shoot_of(model, parse_theta(places), field, dims, size, wishes)
    written = video.write(output, _frames(shoot, wishes.frames), wishes.frames)
    count = f"{wishes.frames} pictures of " if wishes.frames > 1 else ""
    click.echo(f"{written}: {count}{size[0]} x {size[1]}, {shown}")


def _frames(shoot: Shoot, n_frames: int) -> Iterator[np.ndarray]:
    from hyperinr.plugin.progress import training_progress

    with training_progress() as progress:
        for number in range(n_frames):

            def show(share: float, number: int = number) -> None:
                progress.part("tracing", number + share, n_frames)

            yield shoot.frame(number, show)


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
