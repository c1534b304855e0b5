"""`hyperinr render-views`: pictures of a volume or a radiance field from all around it, as a Cinema database."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr.plugin import launch
from hyperinr.plugin.commands.model import parse_theta
from hyperinr.plugin.options import at_option, output_option
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.files import new_folder
from hyperinr_core.loading import load_any
from hyperinr_core.pictures.picture_set import Optics, write_optics
from hyperinr_core.pictures.transfer import COLOR_MAPS
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.volume import Grid

#: Seconds that one picture may take, and the start of ParaView besides.
SECONDS_PER_VIEW, SECONDS_TO_START = 30.0, 120.0

#: Degrees that the camera sees from the lowest to the highest row, ParaView's default.
VIEW_ANGLE = 30.0

#: Pixels along a side of a volume's pictures, and the least and the most that may be asked for.
SIZE, SIZES = 256, (16, 4096)


def parse_size(_: Any, __: Any, text: str | None) -> tuple[int, int] | None:
    """(800, 600) from "800x600", (256, 256) from "256"; ParameterError for anything else."""
    if text is None:
        return None
    try:
        width, height = (int(part) for part in (text if "x" in text else f"{text}x{text}").split("x"))
    except ValueError:
        width = height = 0
    if not (SIZES[0] <= width <= SIZES[1] and SIZES[0] <= height <= SIZES[1]):
        raise ParameterError(
            f"--size is {text!r}; expected a number of {SIZES[0]} to {SIZES[1]} pixels, or two as in 800x600"
        )
    return width, height


@click.command(name="render-views")
@click.argument("source", type=click.Path(dir_okay=False))
@output_option("The database to write, a new folder.", folder=True)
@click.option("--views", default=200, show_default=True, type=click.IntRange(4, 100000), help="Pictures.")
@click.option("--size", callback=parse_size, metavar="N or WxH", help="Pixels.  [default: 256, or as the model's]")
@click.option("--transparent", is_flag=True, help="Write the scene's opacity in place of a background.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which views.")
@click.option("--field", help="Scalar of a volume to draw.  [default: the first]")
@click.option("--isovalue", type=float, help="Of the surface.  [default: halfway up the values, less the outliers]")
@click.option("--volume-rendering", is_flag=True, help="Draw the volume in place of an isosurface.")
@click.option("--colors", type=click.Choice(list(COLOR_MAPS)), help="Of the volume.  [default: Bone]")
@at_option("Value of every parameter of a model but the view.")
@click.option(
    "--camera",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Cameras to see a model by, in place of --views: a .pvcc file, a table, or transforms.json.",
)
@click.option("--zoom", type=click.FloatRange(0.01, 100), help="How many times larger to show a model.  [default: 1]")
@click.option("--depth", is_flag=True, help="Write how far what a model shows is, too: TIFF of 32 bit floats.")
def render_views(
    source: str,
    output: Path,
    views: int,
    size: tuple[int, int] | None,
    transparent: bool,
    seed: int,
    places: tuple[str, ...],
    camera: Path | None,
    zoom: float | None,
    depth: bool,
    **drawn: Any,
) -> None:
    """Render SOURCE from views spread evenly around it, by Poisson disks, into the Cinema database OUTPUT.

    SOURCE is a volume, which ParaView draws, or a model of radiance fields. The camera looks at the centre with z up; phi is
    its azimuth around z, theta its elevation, in degrees. The file camera.json says how wide it sees, which lets `hyperinr
    train-views` learn the scene itself.
    """
    from hyperinr_core.light.lights import poisson_lights

    around = poisson_lights(views, seed) * [1, -1] + [0, 90]
    if Path(source).suffix.lower() != ".hinr":
        for_models = {"at": places, "camera": camera, "zoom": zoom, "depth": depth}
        _refuse(source, "a volume", "a model of radiance fields", for_models)
        _render_volume(source, output, around, size or (SIZE, SIZE), transparent, **drawn)
        return
    from hyperinr.plugin.field_pictures import render_views_of

    _refuse(source, "a model", "a volume", drawn)
    model = load_any(source)
    if not isinstance(model, RadianceModel):
        raise ParameterError(
            f"{source} has no radiance fields; expected a volume, or a model of `hyperinr train-views "
            "--representation radiance`; use export-cinema for pictures, or sample for a volume"
        )
    at = parse_theta(places)
    count, (width, height) = render_views_of(model, at, around, camera, size, zoom or 1.0, transparent, depth, output)
    click.echo(f"{output}: {count} pictures of {width} x {height}{', with depths' if depth else ''}")


def _refuse(source: str, what: str, other: str, options: dict[str, Any]) -> None:
    """ParameterError where options are set that only the other kind of source has."""
    given = [name for name, value in options.items() if value not in (None, False, ())]
    if given:
        raise ParameterError(
            f"--{given[0].replace('_', '-')} is set, and {source} is {what}; expected it with {other} only, leave it out"
        )


def _render_volume(
    volume: str,
    output: Path,
    views: np.ndarray,
    size: tuple[int, int],
    transparent: bool,
    field: str | None,
    isovalue: float | None,
    volume_rendering: bool,
    colors: str | None,
) -> None:
    from hyperinr.plugin.commands.train_shadow import read_volume

    values, grid, source = read_volume(volume, field, None)
    low, high = (float(value) for value in np.percentile(values, [1, 99.8]))
    job = {
        "isovalue": None if volume_rendering else _isovalue(values, isovalue, (low + high) / 2, source),
        "range": [low, high],
        "colors": COLOR_MAPS[colors or "Bone"],
        "views": views.tolist(),
        "size": size,
        "transparent": transparent,
        "view_angle": VIEW_ANGLE,
    }
    _draw(values, grid, job, output)
    drawn = "the volume" if volume_rendering else f"the isosurface at {job['isovalue']:g}"
    click.echo(f"{output}: {len(views)} pictures of {drawn}, {size[0]} x {size[1]}")
    click.echo(f"Train on it with: hyperinr train-views {output} -o views.hinr --holdout 0.5")


def _isovalue(values: np.ndarray, asked: float | None, middle: float, source: str) -> float:
    value = middle if asked is None else asked
    low, high = float(values.min()), float(values.max())
    if not low < value < high:
        raise ParameterError(
            f"isovalue is {value:g}; expected one between {low:g} and {high:g}, the values of {source}"
        )
    return value


def _draw(values: np.ndarray, grid: Grid, job: dict, output: Path) -> None:
    """Draw into a new folder, which takes its name when all pictures are there."""
    from hyperinr.filters.image import to_image, write_image
    from hyperinr.filters.readers.tables import write_table

    program = launch.find_program("pvpython")
    files = [f"image/{number:05d}.png" for number in range(len(job["views"]))]
    with new_folder(output) as folder, tempfile.TemporaryDirectory() as scratch:
        (folder / "image").mkdir()
        job = {**job, "volume": f"{scratch}/volume.vti", "folder": str(folder.absolute() / "image")}
        write_image(job["volume"], to_image(grid, {"value": values}))
        Path(scratch, "job.json").write_text(json.dumps(job), encoding="utf-8")
        command = [program, "-m", "hyperinr.plugin.scenes.views_scene", f"{scratch}/job.json"]
        result = launch.run_program(launch.on_display(command), SECONDS_TO_START + SECONDS_PER_VIEW * len(files))
        missing = [name for name in files if not (folder / name).is_file()]
        if result.returncode or missing:
            said = [line.strip() for line in result.stderr.splitlines() if line.strip()]
            raise BackendError(
                f"ParaView ended with status {result.returncode} and {len(missing)} pictures missing "
                f"({said[-1] if said else 'it said nothing'}); run `hyperinr doctor`"
            )
        write_table(folder, ("phi", "theta"), np.array(job["views"]), files)
        write_optics(folder, Optics(job["view_angle"]))
