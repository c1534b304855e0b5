"""`hyperinr train-views`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr.plugin.options import interpolation_option, output_option, resumable, training_options
from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.picture_set import PictureSet, view_angles
from hyperinr_core.spaces.views import distinct_views
from hyperinr_core.training.settings import with_file

ROLES = ("view_azimuth", "view_elevation", "view_polar", "time", "free")


@click.command(name="train-views")
@click.argument("database", type=click.Path())
@output_option("The .hinr to write.")
@click.option(
    "--role", "roles", multiple=True, metavar="NAME=ROLE", help=f"What a column is: {', '.join(ROLES)}; repeat for several."
)  # fmt: skip
@click.option(
    "--holdout", default=0.0, show_default=True, type=click.FloatRange(0, 0.9), help="Share of the views not trained on."
)  # fmt: skip
@click.option("--every", type=click.IntRange(2), help="Train on every Nth view, in the order of their angles.")
@click.option(
    "--teacher", default="auto", show_default=True, type=click.Choice(["auto", "none", "coordnet", "radiance"])
)
@click.option(
    "--teacher-views", default=1000, show_default=True, type=click.IntRange(1), help="Pictures it is asked for."
)
@click.option(
    "--teacher-steps", default=500, show_default=True, type=click.IntRange(1), help="Of a radiance field's fit."
)
@click.option("--encoders", default=0, type=click.IntRange(0), help="Encoders in all.  [default: 300, or fewer]")
@click.option("--max-bytes", default=0, type=click.IntRange(0), help="Largest size of the model.  [default: any]")
@interpolation_option
@training_options(seed="Equal seeds hold the same views out.")
def train_views(
    database: str,
    output: Path,
    roles: tuple[str, ...],
    holdout: float,
    every: int | None,
    preset_name: str,
    config: str | None,
    device: str,
    seed: int | None,
    resume: bool,
    **views: Any,
) -> None:
    """Train a model of the pictures in DATABASE, a Cinema database (specification D) or a folder with a CSV table.

    Columns named phi and theta are the azimuth and elevation of the view in degrees, theta without negative values counts
    from the pole; time is time. Other numeric columns are parameters, too.
    """
    from hyperinr.filters.readers.cinema import open_pictures
    from hyperinr_core.training.distributed import refuse_others
    from hyperinr_core.training.views.task import ViewsConfig, views_preset

    refuse_others("train-views")
    pictures = open_pictures(database, parse_roles(roles))
    settings = views_preset(preset_name, pictures.grid)
    if config:
        settings = with_file(settings, config)
    if seed is not None:
        settings = settings.replace(training={"seed": seed})
    held_out = held_out_steps(pictures, holdout, every, settings.training.seed)
    nx, ny, _ = pictures.grid.dims
    click.echo(
        f"{pictures.source}: {len(pictures)} pictures of {nx} x {ny}, {pictures.name}, over {', '.join(pictures.parameters)}; "
        f"{len(held_out)} held out"
    )
    model = _train(pictures, output, ViewsConfig(**views), settings, held_out, device, resume)
    numbers = model.quality["training_psnr_db"][pictures.name]
    mean = sum(numbers) / len(numbers)
    click.echo(f"{pictures.name}: {mean:.2f} dB PSNR on the training pictures, worst {min(numbers):.2f} dB")
    kept = np.setdiff1d(np.arange(len(pictures)), held_out)
    size, files = output.stat().st_size, sum(pictures.files[step].stat().st_size for step in kept)
    click.echo(
        f"{output}: {size / 1e6:.1f} MB, {size / files:.2f} of the training pictures' files; {len(model.encoder_positions)} "
        f"encoders of {model.encoding.n_levels} levels"
    )
    if len(held_out):
        click.echo(f"Compare it with: {sys.argv[0]} evaluate-views {output} {database}")


def parse_roles(texts: tuple[str, ...]) -> dict[str, str]:
    """{"angle": "view_azimuth"} from ("angle=view_azimuth",); ParameterError for anything else."""
    roles = {}
    for text in texts:
        name, _, role = text.partition("=")
        if role not in ROLES:
            raise ParameterError(f"--role is {text!r}; expected NAME=ROLE with a role of {', '.join(ROLES)}")
        roles[name] = role
    return roles


def held_out_steps(pictures: PictureSet, share: float, every: int | None, seed: int) -> np.ndarray:
    """Numbers of the pictures that are held out: whole views, at all values of the other parameters.

    Parameters
    ----------
    share : of the views, drawn at random. every : keep every Nth view instead.

    Raises
    ------
    ParameterError when too few are left to train on, or both are given.
    """
    if pictures.columns():
        belongs = distinct_views(view_angles(pictures.thetas, pictures.roles))
    else:
        belongs = np.unique(pictures.thetas, axis=0, return_inverse=True)[1].ravel()
    n_views = int(belongs.max()) + 1
    if share and every:
        raise ParameterError(f"both holdout {share:g} and every {every} are given; expected one of them")
    order = np.random.Generator(np.random.Philox(key=[seed, 16])).permutation(n_views)
    out = np.flatnonzero(np.arange(n_views) % every) if every else order[: round(share * n_views)]
    if n_views - len(out) < 2:
        raise ParameterError(
            f"{pictures.source} has {n_views} views, of which {n_views - len(out)} are left to train on; expected "
            "at least 2, hold fewer out"
        )
    return np.flatnonzero(np.isin(belongs, out))


def _train(
    pictures: PictureSet, output: Path, views: Any, settings: Any, held_out: np.ndarray, device: str, resume: bool
) -> Any:
    from hyperinr.plugin.progress import training_progress
    from hyperinr_core.training.trainer import choose_device
    from hyperinr_core.training.views.task import train_views as run

    with resumable(output), training_progress() as progress:
        return run(
            pictures, output, views, settings, held_out, choose_device(device), resume, progress, progress.part,
            _say_choice,
        )  # fmt: skip


def _say_choice(choice: dict[str, Any]) -> None:
    scores = ", ".join(f"{name} {score:.2f} dB" for name, score in choice["left_out_psnr_db"].items())
    click.echo(f"teacher: {choice['teacher']}, {choice['reason']}{f' ({scores})' if scores else ''}")
