"""`hyperinr render-views`: pictures of a volume from all around it, drawn by ParaView into a Cinema database."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click
import numpy as np

from hyperinr.plugin import launch
from hyperinr.plugin.options import output_option
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.files import new_folder
from hyperinr_core.pictures.transfer import COLOR_MAPS
from hyperinr_core.volume import Grid

#: Seconds that one picture may take, and the start of ParaView besides.
SECONDS_PER_VIEW, SECONDS_TO_START = 30.0, 120.0

#: Degrees that the camera sees from the lowest to the highest row, ParaView's default.
VIEW_ANGLE = 30.0


@click.command(name="render-views")
@click.argument("volume", type=click.Path(dir_okay=False))
@output_option("The database to write, a new folder.", folder=True)
@click.option("--views", default=200, show_default=True, type=click.IntRange(4, 100000), help="Pictures.")
@click.option("--size", default=256, show_default=True, type=click.IntRange(16, 4096), help="Pixels along each side.")
@click.option("--field", help="Scalar to draw.  [default: the first]")
@click.option("--isovalue", type=float, help="Of the surface.  [default: halfway up the values, less the outliers]")
@click.option("--volume-rendering", is_flag=True, help="Draw the volume in place of an isosurface.")
@click.option("--colors", default="Bone", show_default=True, type=click.Choice(list(COLOR_MAPS)), help="Of the volume.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Which views.")
def render_views(
    volume: str,
    output: Path,
    views: int,
    size: int,
    field: str | None,
    isovalue: float | None,
    volume_rendering: bool,
    colors: str,
    seed: int,
) -> None:
    """Render VOLUME from views spread evenly around it, by Poisson disks, into the Cinema database OUTPUT.

    The camera looks at the centre with z up; phi is its azimuth around z, theta its elevation, in degrees. The file
    camera.json says how wide it sees, which lets `hyperinr train-views` learn the scene itself.
    """
    from hyperinr.plugin.commands.train_shadow import read_volume
    from hyperinr_core.light.lights import poisson_lights

    values, grid, source = read_volume(volume, field, None)
    low, high = (float(value) for value in np.percentile(values, [1, 99.8]))
    job = {
        "isovalue": None if volume_rendering else _isovalue(values, isovalue, (low + high) / 2, source),
        "range": [low, high],
        "colors": COLOR_MAPS[colors],
        "views": (poisson_lights(views, seed) * [1, -1] + [0, 90]).tolist(),
        "size": size,
        "view_angle": VIEW_ANGLE,
    }
    _draw(values, grid, job, output)
    drawn = "the volume" if volume_rendering else f"the isosurface at {job['isovalue']:g}"
    click.echo(f"{output}: {views} pictures of {drawn}, {size} x {size}")
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
    from hyperinr.filters.readers.cinema import CAMERA_FILE, write_table

    program = launch.find_program("pvpython")
    files = [f"image/{number:05d}.png" for number in range(len(job["views"]))]
    with new_folder(output) as folder, tempfile.TemporaryDirectory() as scratch:
        (folder / "image").mkdir()
        job = {**job, "volume": f"{scratch}/volume.vti", "folder": str(folder.absolute() / "image")}
        write_image(job["volume"], to_image(grid, {"value": values}))
        Path(scratch, "job.json").write_text(json.dumps(job))
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
        (folder / CAMERA_FILE).write_text(json.dumps({"view_angle": job["view_angle"], "turn": 1, "tilt": 1}) + "\n")
