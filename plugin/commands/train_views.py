"""`hyperinr train-views`."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from hyperinr.plugin.estimates import duration
from hyperinr.plugin.options import interpolation_option, interruptible, output_option
from hyperinr.plugin.progress import training_progress
from hyperinr.plugin.training import How, run, say_psnr, say_size, training_options
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.pictures.picture_set import Optics, PictureSet
from hyperinr_core.spaces.views import distinct_views, on_one_circle, view_angles
from hyperinr_core.training.teachers import teachers_of

if TYPE_CHECKING:  # imports torch, which the command line's start need not wait for
    from hyperinr_core.training.settings import RunConfig
    from hyperinr_core.training.views.task import Views, ViewsConfig

#: Which representation was taken, beside the checkpoint.
CHOICE = "choice.json"

logger = logging.getLogger("hyperinr")

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
    "--representation",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "radiance", "pictures"]),
    help="radiance: a field in space; pictures: a HyperINR over the angles; auto: what shows left-out views better.",
)
@click.option(
    "--teacher", default="auto", show_default=True, type=click.Choice(["auto", "none", *teachers_of("views")])
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
@training_options
def train_views(
    database: str,
    output: Path,
    roles: tuple[str, ...],
    holdout: float,
    every: int | None,
    representation: str,
    how: How,
    **views: Any,
) -> None:
    """Train a model of the pictures in DATABASE: a Cinema database, a folder with a CSV table or cameras, or transforms.json.

    Columns named phi and theta are the azimuth and elevation of the view in degrees, theta without negative values counts
    from the pole; time is time. Other numeric columns are parameters, too.
    """
    from hyperinr.filters.readers.cinema import open_pictures
    from hyperinr_core.training.checkpoint import begin
    from hyperinr_core.training.views.task import Views, ViewsConfig, views_preset

    pictures = open_pictures(database, parse_roles(roles))
    settings = how.settings(views_preset(how.preset, pictures.grid))
    task = Views(pictures, ViewsConfig(**views), held_out_steps(pictures, holdout, every, settings.training.seed))
    nx, ny, _ = pictures.grid.dims
    opening = (
        f"{pictures.source}: {len(pictures)} pictures of {nx} x {ny}, {pictures.name}, over {', '.join(pictures.parameters)}; "
        f"{len(task.held_out)} held out"
    )

    begin(output, how.resume)
    unused = for_pictures_only(how, task.settings)
    if representation == "radiance" and unused:
        raise ParameterError(f"{unused} is set; expected it with --representation pictures only")
    if representation == "auto" and unused:
        representation = "pictures"
    kept = Path(f"{output}.teacher") / CHOICE
    if representation != "pictures":
        chosen = train_radiance(task, output, kept, settings, how, representation, opening)
        if chosen["representation"] == "radiance":
            return
        task.choice = chosen["teacher"]

    def closing(model: HyperINR) -> None:
        say_psnr(model, "training_psnr_db", "on the training pictures")
        say_size(output, sum(file.stat().st_size for file in task.training.files), "the training pictures' files")
        click.echo(f"{len(model.encoder_positions)} encoders of {model.encoding.n_levels} levels")
        if len(task.held_out):
            click.echo(f"Compare it with: {sys.argv[0]} evaluate-views {output} {database}")

    run(task, output, settings, how, lambda: opening, closing)
    drop(kept)


def for_pictures_only(how: How, views: ViewsConfig) -> str:
    """What is set of that which only a HyperINR over the angles has; "" where nothing is."""
    names = [name for name in ("config", "minutes", "sparsity", "rate", "init_from") if getattr(how, name) is not None]
    names += [field.name for field in dataclasses.fields(views) if getattr(views, field.name) != field.default]
    from hyperinr_core.training.distributed import n_started

    if names:
        return f"--{names[0].replace('_', '-')}"
    return "torchrun's number of processes, which fit no radiance field together," if n_started() > 1 else ""


def train_radiance(
    task: Views, output: Path, kept: Path, settings: RunConfig, how: How, representation: str, opening: str
) -> dict[str, Any]:
    """Fit radiance fields where they are asked for or show left-out views better; what was chosen, and why.

    Parameters
    ----------
    kept : where the choice is kept for a run that is resumed.
    """
    from hyperinr_core.training.gpu import choose_device
    from hyperinr_core.training.task import Tell
    from hyperinr_core.training.teachers.radiance import find_optics
    from hyperinr_core.training.views.scenes import LOOKS, misfit_of, remembered, representation_of, train_scenes

    started, seed, device = time.monotonic(), settings.training.seed, choose_device(how.device)
    cameras = [dataclasses.asdict(camera) for camera in task.training.cameras]
    asked = [representation, task.source, task.training.thetas.tolist(), cameras, settings.to_dict()]
    beside = f"beside {output}; repeat the command with --resume."
    with interruptible(beside), training_progress(how.progress) as progress:
        tell = Tell(progress=progress.part)

        def choose() -> dict[str, Any]:
            if representation == "auto":
                return representation_of(task, settings, device, tell)
            optics = find_optics(task.training, task.settings.teacher_steps, seed)
            return {
                "representation": "radiance",
                "reason": "asked for",
                "teacher": {"optics": dataclasses.asdict(optics)},
            }

        choice = remembered(kept, asked, choose)
        if choice.get("left_out_psnr_db"):
            click.echo(f"{choice['representation']}: {choice['reason']}.")
            scores = sorted(choice["left_out_psnr_db"].items(), key=lambda item: -item[1])
            click.echo("  left-out views: " + ", ".join(f"{name} {score:.1f} dB" for name, score in scores))
        if choice["representation"] == "pictures":
            return choice
        click.echo(opening)
        if on_one_circle(view_angles(task.training.thetas, task.training.roles)):
            logger.warning(
                "all views stand on one circle; expected some from above and below, what they would show is a guess"
            )
        optics = Optics(**choice["teacher"]["optics"])
        said = {key: value for key, value in choice.items() if key != "teacher"}
        model = train_scenes(task, output, optics, LOOKS[how.preset], seed, tell, said)
    drop(kept)
    click.echo(f"Trained in {duration(time.monotonic() - started)}.")
    say_psnr(model, "training_psnr_db", "on the training pictures")
    click.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {len(model.scenes)} scenes")
    if misfit := misfit_of(model, task):
        logger.warning("%s", misfit)
    if len(task.held_out):
        click.echo(f"Compare it with: {sys.argv[0]} evaluate-views {output} {task.source}")
    return choice


def drop(kept: Path) -> None:
    """Remove a file, and its folder if that is empty then."""
    kept.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        kept.parent.rmdir()


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
    share : of the views, drawn at random. every : keep every Nth view instead. Without either, those that are kept for testing.

    Raises
    ------
    ParameterError when too few are left to train on, or both are given.
    """
    if pictures.tests and not share and not every:
        return np.array(pictures.tests)
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
