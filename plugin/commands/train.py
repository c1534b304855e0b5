"""`hyperinr train`."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click

from hyperinr.filters.about import mean_psnr
from hyperinr.plugin.brick_jobs import Job, Parts, Shares, absolute, begin, brick_options, train_all
from hyperinr.plugin.estimates import check_room, duration, size
from hyperinr.plugin.options import (
    interruptible,
    open_with_velocity,
    output_option,
    promise_options,
    reading_options,
    series_argument,
)
from hyperinr.plugin.progress import training_progress
from hyperinr.plugin.training import How, run, say_bound, say_psnr, say_size, training_options
from hyperinr.plugin.understanding import understood
from hyperinr_core.bounding import Promise
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.files import folder_for
from hyperinr_core.hinr import load
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.joining import folder_of, join
from hyperinr_core.training.settings import MotionConfig, preset
from hyperinr_core.training.teachers import teachers_of
from hyperinr_core.volume import VolumeSeries

#: Called with what hears how far it is.
Prepare = Callable[[Callable[[str, float, float], object]], object]


@click.command()
@series_argument
@output_option("The .hinr to write.")
@click.option(
    "--field", "fields", multiple=True, help="Field to learn; repeat for several. Default: all of the data's."
)
@click.option("--every", default=1, show_default=True, type=click.IntRange(1), help="Train on every N-th step only.")
@click.option("--holdout", help="Steps to leave out: numbers and ranges (3,7,10-19), or a share below 1 (0.5).")
@click.option(
    "--teacher",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "none", *teachers_of("volumes")]),
    help="Whose volumes to learn between the steps; auto leaves steps out and takes what predicts them best.",
)
@click.option(
    "--carry",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "always", "never"]),
    help="Learn the training steps alone and carry them along their motion to times between; auto: unless a teacher is named or "
    "promises more.",
)
@click.option(
    "--velocity",
    default="auto",
    show_default=True,
    help="The data's velocity, for motion: a vector U, or u,v,w; none; auto: what is called so.",
)
@click.option(
    "--motion-points",
    "points",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "all", "half"]),
    help="Points that motion is searched at; half: every second along each axis, in a quarter of the time; auto: half on "
    "grids of more than four million points, where steps left out lose nothing by it.",
)
@click.option("--max-bytes", default=0, type=click.IntRange(0), help="Largest size of the file.  [default: any]")
@click.option(
    "--target-psnr", default=0.0, type=click.FloatRange(0, 120), help="dB on the training steps that are enough."
)
@promise_options
@brick_options
@reading_options
@training_options
def train(
    series: tuple[str, ...],
    output: Path,
    fields: tuple[str, ...],
    every: int,
    holdout: str | None,
    teacher: str,
    carry: str,
    velocity: str,
    points: str,
    max_bytes: int,
    target_psnr: float,
    promise: Callable[[VolumeSeries], Promise] | None,
    parts: Parts,
    reading: dict[str, Any],
    how: How,
) -> None:
    """Train a model from SERIES: a .pvd, .series, NetCDF, .npy or .raw file, a folder, a pattern or the files of the steps.

    The last line says where the model is and how to look at it. Ctrl-C keeps a checkpoint, and --resume goes on from it.
    """
    from hyperinr_core.training.volumes.brick import largest
    from hyperinr_core.training.volumes.task import Volumes

    motion = MotionConfig(carry, velocity, points)
    looked_for = velocity if motion.is_tried(teacher) else "none"
    kept = (
        Path(f"{output}.resampled")
        if parts.brick is None
        else Path(f"{output}.{parts.brick.replace('/', '_of_')}.resampled")
    )
    data = open_with_velocity(series, fields, looked_for, keep=kept, **reading)
    chosen = training_steps(len(data), every, holdout, how.seed or 0)
    budget = {"max_bytes": max_bytes, "target_psnr": target_psnr}
    given = {"distillation": {"teacher": teacher}, "motion": motion.to_dict(), "budget": budget}
    device, cuts = parts.device(how.device), parts.cuts(data.grid)
    if promise is not None and (cuts is not None or len(data.parameters) > 1):
        raise ParameterError("--max-error is given; expected one model along one parameter: leave it out, or --bricks")
    grid = data.grid if cuts is None else largest(data.grid, cuts)
    settings = how.settings(preset(how.preset, grid, device, len(chosen)).replace(**given))
    job = None
    if cuts is not None:
        job = Job(
            absolute(series), fields, looked_for, reading, kept.absolute(), tuple(chosen), settings, cuts, output.absolute(),
            device, how.init_from and os.path.abspath(how.init_from),
        )  # fmt: skip
    task = job.task(parts.number or 0) if job else Volumes(data.select(chosen), fields)
    costs = check_room(task, settings, output)
    parts.check_room(costs)

    def opening() -> str:
        first, *rest = understood(data, task.names).lines()
        cut = [] if cuts is None else [f"{len(cuts)} bricks, {' x '.join(map(str, cuts.counts))}; of each:"]
        return "\n".join([f"{first}, training on {len(chosen)}", *rest, *cut, costs.line()])

    with _resampled(data, chosen, kept) as prepare:
        if job is None:
            kept_to = promise and promise(data.select(chosen))
            say = partial(_say_result, data=data, chosen=chosen, output=output)
            run(task, output, settings, how, opening, say, prepare, kept_to)
        elif parts.number is not None:
            folder_for(folder_of(output))
            path = job.path(parts.number)
            run(task, path, settings, how, opening, lambda model: _say_brick(model, path, output), prepare)
        else:
            click.echo(opening())
            _train_bricks(job, data.select(chosen), parts, how, prepare)


@contextlib.contextmanager
def _resampled(data: VolumeSeries, chosen: list[int], kept: Path) -> Iterator[Prepare]:
    """What resamples meshes once, into a folder that goes when all is done, or when there is nothing to go on with."""
    from hyperinr.filters.readers.meshes import prepare as resample

    try:
        yield lambda tell: resample(data, chosen, partial(tell, "resampling"))
    except DataError:  # unlike a run that is interrupted
        shutil.rmtree(kept, ignore_errors=True)
        raise
    shutil.rmtree(kept, ignore_errors=True)


def _train_bricks(job: Job, series: VolumeSeries, parts: Parts, how: How, prepare: Prepare) -> None:
    """Train all bricks that are not there yet, and join them."""
    started = time.monotonic()
    numbers = begin(job, series, how.resume)
    kept = f"in {folder_of(job.output)}; repeat the command with --resume."
    with interruptible(kept), training_progress(how.progress) as progress:
        prepare(progress.part)
        train_all(job, numbers, parts, Shares(progress, len(job.cuts), len(job.cuts) - len(numbers)))
    document = join(job.output)
    click.echo(f"Trained in {duration(time.monotonic() - started)}.")
    model = load(job.output)
    for name, mean in mean_psnr(document["quality"]).items():
        click.echo(f"{name}: {mean:.2f} dB PSNR on the training steps")
    click.echo(f"{job.output}: {len(job.cuts)} bricks in {folder_of(job.output).name}, {size(model.n_bytes)}.")
    click.echo(f"Look at it with: {sys.argv[0]} paraview {job.output}")


def _say_brick(model: HyperINR, path: Path, output: Path) -> None:
    say_psnr(model, "training_psnr_db", "on the training steps")
    click.echo(f"{path}: when all bricks are there, make them a model with: {sys.argv[0]} join {output}")


def training_steps(n_steps: int, every: int, holdout: str | None, seed: int) -> list[int]:
    """Numbers of the steps to train on; ParameterError when none is left or a number is not there."""
    left_out = _held_out(n_steps, holdout, seed) if holdout else set()
    chosen = [step for step in range(0, n_steps, every) if step not in left_out]
    if not chosen:
        raise ParameterError(
            f"--every {every} and --holdout {holdout} leave no step of {n_steps}; expected at least one"
        )
    return chosen


def _held_out(n_steps: int, text: str, seed: int) -> set[int]:
    """Steps named by "3,7,10-19"; or for a share of all a random choice that spares the first and last."""
    try:
        if "." in text:
            return _random_share(n_steps, float(text), seed)
        steps: set[int] = set()
        for part in text.split(","):
            first, _, last = part.partition("-")
            named = range(int(first), int(last or first) + 1)
            if not named:
                raise ParameterError(f"--holdout names the range {part.strip()}; expected the smaller number first")
            steps.update(named)
    except ValueError:
        raise ParameterError(
            f"--holdout is {text!r}; expected step numbers such as 3,7,10-19 or a share such as 0.5"
        ) from None
    if steps and max(steps) >= n_steps:
        raise ParameterError(f"--holdout names step {max(steps)}; expected 0 to {n_steps - 1}")
    return steps


def _random_share(n_steps: int, share: float, seed: int) -> set[int]:
    import numpy as np

    if not 0 <= share < 1:
        raise ParameterError(f"--holdout is the share {share:g}; expected at least 0 and less than 1")
    inner = np.arange(1, n_steps - 1)
    count = min(len(inner), round(share * n_steps))
    return set(np.random.default_rng(seed).choice(inner, count, replace=False).tolist())


def _say_result(model: HyperINR, data: VolumeSeries, chosen: list[int], output: Path) -> None:
    say_psnr(model, "training_psnr_db", "on the training steps")
    say_psnr(model, "teacher_psnr_db", "against its teacher between the steps")
    say_bound(model)
    beyond = [step for step in range(len(data)) if not chosen[0] <= step <= chosen[-1]]
    if beyond:
        click.echo(
            f"{len(beyond)} steps lie before the first or after the last training step; the model does not cover them."
        )
    say_size(output, 4 * data.grid.n_points * model.n_output_dims * len(chosen), "the training data as float32")
    click.echo(f"Look at it with: {sys.argv[0]} paraview {output}")
