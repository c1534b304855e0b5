"""What the commands that train share: options, processes, progress, and what is said at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from hyperinr.filters.about import errors_in_words
from hyperinr.plugin.estimates import duration, size
from hyperinr.plugin.options import device_option, gathered, interruptible
from hyperinr.plugin.progress import training_progress
from hyperinr_core import hinr
from hyperinr_core.bounding import Promise
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.spline_base import Base
from hyperinr_core.training.settings import PRESETS, RunConfig, with_file
from hyperinr_core.training.task import Plan, Task, Tell
from hyperinr_core.training.teachers.choice import Choice

OPTIONS = (
    click.option("--preset", default="default", show_default=True, type=click.Choice(list(PRESETS))),
    click.option(
        "--config", type=click.Path(exists=True, dir_okay=False), help="JSON file with settings over the preset's."
    ),
    click.option(
        "--minutes",
        type=click.FloatRange(0, min_open=True),
        help="How long it may take, in place of the preset's points.",
    ),
    click.option(
        "--sparsity",
        type=click.FloatRange(0, 0.99),
        help="Share of the tables that is made zero on the way.  [default: 0]",
    ),
    click.option(
        "--rate",
        type=click.FloatRange(0, 100),
        metavar="DB",
        help="Learn tables that are small once coded, for rounding that leaves so many dB: 40 loses little.  "
        "[default: not]",
    ),
    click.option(
        "--init-from", type=click.Path(dir_okay=False), help="Start from this .hinr of data of the same kind."
    ),
    device_option,
    click.option("--seed", type=click.IntRange(0), help="Equal seeds give equal models.  [default: 0]"),
    click.option("--resume", is_flag=True, help="Go on from the checkpoint of an interrupted run."),
    click.option(
        "--progress",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "json", "none"]),
        help="json: one object a line on standard error, for programs.",
    ),
)


@dataclass(frozen=True)
class How:
    """How to train, whatever it is: the options that `training_options` adds, under their names."""

    preset: str
    config: str | None
    minutes: float | None
    sparsity: float | None
    rate: float | None
    init_from: str | None
    device: str
    seed: int | None
    resume: bool
    progress: str

    def settings(self, config: RunConfig) -> RunConfig:
        """A preset's settings with the user's in their place."""
        if self.config:
            config = with_file(config, self.config)
        if self.seed is not None:
            config = config.replace(training={"seed": self.seed})
        if self.sparsity is not None:
            config = config.replace(training={"sparsity": self.sparsity})
        if self.rate is not None:
            config = config.replace(training={"rate": self.rate})
        if self.minutes is not None:
            config = config.replace(budget={"minutes": self.minutes})
        return config


#: The options of every command that trains, which gets them as `how`.
training_options = gathered("how", OPTIONS, tuple(How.__dataclass_fields__), How)


def run(
    task: Task,
    output: Path,
    config: RunConfig,
    how: How,
    opening: Callable[[], str],
    closing: Callable[[HyperINR], object],
    prepare: Callable[[Callable[[str, float, float], object]], object] = lambda tell: None,
    promise: Promise | None = None,
) -> None:
    """Train with all processes that torchrun started, of which the first speaks.

    Parameters
    ----------
    opening : what is said before. closing : says what became of the model.
    prepare : what is to be done once before the processes read the data; called with what hears how far it is.
    promise : what the training steps of the model shall keep to.
    """
    from hyperinr_core.training.distributed import join, leave
    from hyperinr_core.training.gpu import choose_device
    from hyperinr_core.training.run import train

    started = time.monotonic()
    device = choose_device(how.device)
    world = join(device)
    if world.leads:
        click.echo(opening())
    initial = None if how.init_from is None else hinr.load_one(how.init_from)
    kept, kind = f"beside {output}; repeat the command with --resume.", how.progress if world.leads else "none"
    with interruptible(kept, world.leads), training_progress(kind) as progress:
        tell = Tell(say_choice, say_base, say_velocity, say_plan, progress.part, progress)
        if world.leads:
            prepare(progress.part)
        world.told(None)
        model = train(
            task,
            output,
            config,
            device=device,
            resume=how.resume,
            tell=tell,
            world=world,
            initial=initial,
            promise=promise,
        )
    if world.leads:
        click.echo(f"Trained in {duration(time.monotonic() - started)}.")
        closing(model)
    leave()


def say_choice(name: str, choice: Choice) -> None:
    """Print which teacher a field gets, or that it is carried, and the evidence."""
    what = "" if choice.teacher == "carry" else f"teacher {choice.teacher}, "
    click.echo(f"{name}: {what}{choice.reason}.")
    if choice.psnr:
        ranking = sorted(choice.psnr.items(), key=lambda item: -item[1])
        click.echo("  left-out training data: " + ", ".join(f"{kind} {psnr:.1f} dB" for kind, psnr in ranking))
    if choice.per_gap:
        click.echo("  by gap: " + ", ".join(choice.per_gap))


def say_velocity(names: Sequence[str], meaning: str, share: float) -> None:
    """Print in what the data's velocity is measured, or that nothing moves along it."""
    what = ", ".join(names)
    if meaning:
        click.echo(f"velocity {what}: {meaning}; it accounts for {share:.0%} of the change between steps.")
    else:
        click.echo(
            f"velocity {what}: not used, it cannot be read or steps match along it in no unit; --velocity names another."
        )


def say_base(base: Base, names: Sequence[str]) -> None:
    """Print that the network adds to splines, and how many coefficients they have."""
    counts = " x ".join(map(str, base.coefficients.shape[3:0:-1]))
    click.echo(
        f"{', '.join(names)}: smooth in time, so the network adds to cubic splines of {counts} coefficients for each "
        f"training step, {base.coefficients.nbytes / 1e6:.1f} MB."
    )


def say_plan(plan: Plan) -> None:
    """Print what is expected of the training that begins."""
    reached = "" if plan.psnr is None else f", about {plan.psnr:.0f} dB PSNR on the training steps"
    n_points = f"{plan.samples / 1e6:.3g} million" if plan.samples >= 1e6 else str(plan.samples)
    click.echo(
        f"plan: {n_points} points in about {duration(plan.seconds)}, tables of "
        f"2^{plan.log2_hashmap_size}, a file of {size(plan.n_bytes)}{reached}."
    )


def say_bound(model: HyperINR) -> None:
    """Print what no point of a training step exceeds, where that is known."""
    if model.bound is not None:
        errors = errors_in_words([f.name for f in model.fields], [f.units for f in model.fields], model.largest_errors)
        click.echo(f"At every training step {errors}: {size(model.bound.n_bytes)} of the file.")


def say_psnr(model: HyperINR | RadianceModel, kind: str, of: str) -> None:
    """Print the mean and the worst of what a model's quality has under a kind."""
    for name, values in model.quality[kind].items():
        numbers = [value for value in values if value is not None]
        if numbers:
            click.echo(f"{name}: {sum(numbers) / len(numbers):.2f} dB PSNR {of}, worst {min(numbers):.2f} dB")


def say_size(output: Path, n_bytes: int, of: str) -> None:
    """Print a model's size, and beside that of what it learned from."""
    size = output.stat().st_size
    click.echo(f"{output}: {size / 1e6:.1f} MB, {size / n_bytes:.2f} of {of}.")
    if size > n_bytes:
        click.echo(
            f"It is larger than its training data; make it smaller with: {sys.argv[0]} compress {output} -o small.hinr"
        )
