"""`hyperinr train`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hyperinr.plugin.options import (
    open_steps,
    output_option,
    raw_options,
    resumable,
    series_argument,
    training_options,
)
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.settings import preset, with_file
from hyperinr_core.training.teachers import TEACHERS


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
    type=click.Choice(["auto", "none", *TEACHERS]),
    help="Whose volumes to learn between the steps; auto leaves steps out and takes what predicts them best.",
)
@click.option(
    "--sparsity", type=click.FloatRange(0, 0.99), help="Share of the tables that is made zero on the way.  [default: 0]"
)
@click.option(
    "--init-from", type=click.Path(dir_okay=False), help="Start from this .hinr of a series of the same kind."
)
@training_options()
@raw_options
@click.option(
    "--progress",
    "progress_kind",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "json", "none"]),
    help="json: one object a line on standard error, for programs.",
)
def train(
    series: tuple[str, ...],
    output: Path,
    fields: tuple[str, ...],
    every: int,
    holdout: str | None,
    preset_name: str,
    config: str | None,
    teacher: str,
    sparsity: float | None,
    init_from: str | None,
    device: str,
    seed: int | None,
    resume: bool,
    dims: tuple[int, int, int] | None,
    dtype: str | None,
    progress_kind: str,
) -> None:
    """Train a model from SERIES: a .pvd, .series, NetCDF, .npy or .raw file, a folder, a pattern or the files of the steps.

    The last line says where the model is and how to look at it. Ctrl-C keeps a checkpoint, and --resume goes on from it.
    """
    data = open_steps(series, dims=dims, dtype=dtype, fields=list(fields) or None)
    chosen = training_steps(len(data), every, holdout, seed or 0)
    names = list(fields) or list(data.field_info)
    settings = preset(preset_name, data.grid)
    settings = settings.replace(distillation={"teacher": teacher})
    if config:
        settings = with_file(settings, config)
    if seed is not None:
        settings = settings.replace(training={"seed": seed})
    if sparsity is not None:
        settings = settings.replace(training={"sparsity": sparsity})
    initial = None if init_from is None else hinr.load(init_from)
    _in_world(data, chosen, output, names, settings, device, resume, progress_kind, initial)


def _in_world(
    data: Any,
    chosen: list[int],
    output: Path,
    names: list[str],
    settings: Any,
    device: str,
    resume: bool,
    progress: str,
    initial: Any,
) -> None:
    """Train with all processes that torchrun started, of which the first speaks."""
    from hyperinr_core.training.distributed import join, leave
    from hyperinr_core.training.trainer import choose_device

    device = choose_device(device)
    world = join(device)
    say = click.echo if world.leads else lambda text: None
    say(
        f"{data.source}: {len(data)} steps of {' x '.join(map(str, data.grid.dims))}, training on {len(chosen)}; "
        f"fields: {', '.join(names)}"
    )
    model = _train(
        data.select(chosen),
        output,
        names,
        settings,
        device,
        resume,
        progress if world.leads else "none",
        world,
        initial,
    )
    if world.leads:
        _say_result(model, data, chosen, output)
    leave()


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


def _train(
    data: Any,
    output: Path,
    names: list[str],
    settings: Any,
    device: str,
    resume: bool,
    progress_kind: str,
    world: Any,
    initial: Any,
) -> Any:
    from hyperinr.plugin.progress import training_progress
    from hyperinr_core.training.run import train as run
    from hyperinr_core.training.volumes.task import Lesson

    with resumable(output, world.leads), training_progress(progress_kind) as progress:
        lesson = Lesson(say_choice, say_base, progress.part)
        return run(data, output, names, settings, device, resume, progress, lesson, world, initial)


def say_choice(name: str, choice: Any) -> None:
    """Print which teacher a field gets, and the evidence."""
    click.echo(f"{name}: teacher {choice.teacher}, {choice.reason}.")
    if choice.psnr:
        ranking = sorted(choice.psnr.items(), key=lambda item: -item[1])
        click.echo("  left-out training steps: " + ", ".join(f"{kind} {psnr:.1f} dB" for kind, psnr in ranking))
    if choice.per_gap:
        click.echo("  by gap: " + ", ".join(choice.per_gap))


def say_base(base: Any, names: list[str]) -> None:
    """Print that the network adds to splines, and how many coefficients they have."""
    counts = " x ".join(map(str, base.coefficients.shape[3:0:-1]))
    click.echo(
        f"{', '.join(names)}: smooth in time, so the network adds to cubic splines of {counts} coefficients for each "
        f"training step, {base.coefficients.nbytes / 1e6:.1f} MB."
    )


def _say_result(model: Any, data: Any, chosen: list[int], output: Path) -> None:
    for name, values in model.quality["training_psnr_db"].items():
        numbers = [value for value in values if value is not None]
        if numbers:
            click.echo(
                f"{name}: {sum(numbers) / len(numbers):.2f} dB PSNR on the training steps (worst {min(numbers):.2f} dB)"
            )
    for name, values in model.quality["teacher_psnr_db"].items():
        numbers = [value for value in values if value is not None]
        if numbers:
            click.echo(f"{name}: {sum(numbers) / len(numbers):.2f} dB PSNR against its teacher between the steps")
    beyond = [step for step in range(len(data)) if not chosen[0] <= step <= chosen[-1]]
    if beyond:
        click.echo(
            f"{len(beyond)} steps lie before the first or after the last training step; the model does not cover them."
        )
    size, raw = output.stat().st_size, 4 * data.grid.n_points * model.n_output_dims * len(chosen)
    click.echo(f"{output}: {size / 1e6:.1f} MB, {size / raw:.2f} of the training data as float32.")
    if size > raw:
        click.echo(
            f"It is larger than its training data; make it smaller with: {sys.argv[0]} compress {output} -o small.hinr"
        )
    click.echo(f"Look at it with: {sys.argv[0]} paraview {output}")
