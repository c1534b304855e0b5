"""Training a model by bricks: which there are, one of them alone, or all, here or on a cluster."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hyperinr.plugin.estimates import Estimate, free_memory, size
from hyperinr.plugin.options import gathered, open_with_velocity
from hyperinr_core import __version__, hinr
from hyperinr_core.cuts import Cuts, counts_for
from hyperinr_core.errors import DataError, FormatError, HyperINRError, ParameterError
from hyperinr_core.files import folder_for
from hyperinr_core.joining import brick_path, folder_of, listed
from hyperinr_core.training.settings import RunConfig

if TYPE_CHECKING:
    from hyperinr.plugin.progress import TrainingProgress
    from hyperinr_core.training.task import Report, Tell
    from hyperinr_core.training.volumes.brick import Brick
    from hyperinr_core.volume import Grid, VolumeSeries

OPTIONS = (
    click.option(
        "--bricks", metavar="NXxNYxNZ", help="Cut the grid into so many bricks, or 8 for along the longest axes."
    ),
    click.option(
        "--brick", metavar="I/N", help="Train the I-th of N bricks alone; `hyperinr join` makes them a model."
    ),
    click.option(
        "--workers", type=click.IntRange(1), help="Processes of this machine that train bricks.  [default: 1]"
    ),
    click.option(
        "--scheduler", metavar="ADDRESS", help="Dask cluster whose workers train bricks, such as tcp://node:8786."
    ),
)


@dataclass(frozen=True)
class Parts:
    """How to cut a model, and who trains what: the options that `brick_options` adds, under their names."""

    bricks: str | None
    brick: str | None
    workers: int | None
    scheduler: str | None

    @property
    def number(self) -> int | None:
        """Of the one brick to train, from 0."""
        return None if self.brick is None else self._one(self.brick)[0] - 1

    def device(self, name: str) -> str:
        """Where bricks are trained, "cpu" or "cuda": as named on a cluster, whose machines are others than this."""
        from hyperinr_core.training.gpu import choose_device

        return name if self.scheduler and name != "auto" else choose_device(name)

    def check_room(self, costs: Estimate) -> None:
        """ParameterError for more processes than this machine has memory for, by what one of them takes."""
        most = free_memory() // costs.memory_bytes
        if (self.workers or 1) > most >= 1:
            raise ParameterError(
                f"--workers is {self.workers}, each of which takes about {size(costs.memory_bytes)} of memory, and "
                f"{size(free_memory())} are free; expected at most {most:.0f}"
            )

    def cuts(self, grid: Grid) -> Cuts | None:
        """How the grid is cut; None for a model of one file. ParameterError for what cannot be."""
        from hyperinr_core.training.distributed import n_started
        from hyperinr_core.training.volumes.brick import OVERLAP

        if self.bricks is None and self.brick is None:
            if self.workers or self.scheduler:
                raise ParameterError("--workers and --scheduler train bricks; expected --bricks too, such as 2x2x2")
            return None
        if self.brick and (self.workers or self.scheduler):
            raise ParameterError("--brick trains one here; expected it without --workers and --scheduler")
        if self.brick is None and n_started() > 1:
            raise ParameterError("torchrun trains one brick in several processes; expected --brick I/N with it")
        if self.workers and self.scheduler:
            raise ParameterError("--workers and --scheduler are both given; expected one of them")
        n_bricks = None if self.brick is None else self._one(self.brick)[1]
        counts = counts_for(grid.dims, n_bricks or 1) if self.bricks is None else _counts(self.bricks, grid)
        cuts = Cuts(grid.dims, counts, OVERLAP)
        if n_bricks not in (None, len(cuts)):
            raise ParameterError(f"--brick is {self.brick} and --bricks {self.bricks}; expected .../{len(cuts)}")
        return cuts

    @staticmethod
    def _one(text: str) -> tuple[int, int]:
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text)
        number, n_bricks = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= n_bricks:
            raise ParameterError(f"--brick is {text!r}; expected I/N from 1/N to N/N, such as 3/8")
        return number, n_bricks


#: The options of a command that trains by bricks, which gets them as `parts`.
brick_options = gathered("parts", OPTIONS, tuple(Parts.__dataclass_fields__), Parts)


def _counts(text: str, grid: Grid) -> tuple[int, int, int]:
    found = re.fullmatch(r"(\d{1,9})(?:x(\d{1,9})x(\d{1,9}))?", text)
    numbers = [int(number) for number in found.groups() if number] if found else [0]
    if min(numbers) < 1:
        raise ParameterError(f"--bricks is {text!r}; expected NXxNYxNZ such as 2x2x2, or their number such as 8")
    if len(numbers) == 1:
        return counts_for(grid.dims, numbers[0])
    x, y, z = numbers
    return x, y, z


@dataclass(frozen=True)
class Job:
    """All that a process needs to train any of the bricks, wherever it runs.

    Attributes
    ----------
    series : paths that are the same there. fields, velocity, reading, keep : as for `open_with_velocity`.
    steps : to train on. initial : the model to start from, "" for none. version : of the program that asks.
    """

    series: tuple[str, ...]
    fields: tuple[str, ...]
    velocity: str
    reading: dict[str, Any]
    keep: Path
    steps: tuple[int, ...]
    settings: RunConfig
    cuts: Cuts
    output: Path
    device: str
    initial: str | None = None
    version: str = __version__

    def task(self, number: int) -> Brick:
        """A brick's."""
        from hyperinr_core.training.volumes.brick import Brick

        data = open_with_velocity(self.series, self.fields, self.velocity, keep=self.keep, **self.reading)
        return Brick(data.select(self.steps), self.cuts, number, self.fields)

    def path(self, number: int) -> Path:
        """A brick's file."""
        return brick_path(self.output, number)

    def train(self, number: int, tell: Tell) -> None:
        """Train a brick, from where another that was interrupted has left it; errors as for `run.train`."""
        from hyperinr_core.training.run import train

        initial = None if self.initial is None else hinr.load_one(self.initial)
        train(
            self.task(number),
            self.path(number),
            self.settings,
            device=self.device,
            resume=True,
            tell=tell,
            initial=initial,
        )


class Shares:
    """Shows how far all bricks are: called with a brick's number and its finished share."""

    def __init__(self, progress: TrainingProgress, n_bricks: int, done: int) -> None:
        self._progress, self._n_bricks, self._done = progress, n_bricks, done
        self._running: dict[int, float] = {}

    def __call__(self, number: int, share: float) -> None:
        self._running[number] = share
        self._show()

    def finished(self, number: int) -> None:
        """That a brick is."""
        self._running.pop(number, None)
        self._done += 1
        self._show()

    def _show(self) -> None:
        share = (self._done + sum(self._running.values())) / self._n_bricks
        parts = ", ".join(f"{number + 1}: {part:.0%}" for number, part in sorted(self._running.items()))
        self._progress.bricks(share, f"{self._done} of {self._n_bricks} done{'; ' * bool(parts)}{parts}")


def begin(job: Job, series: VolumeSeries, resume: bool) -> list[int]:
    """Make the folder of the bricks, and say which are still to be trained.

    Parameters
    ----------
    series : whole, of the training steps alone.

    Raises
    ------
    ParameterError where bricks of an earlier run would be overwritten; DataError where these are of another kind.
    """
    folder = folder_of(job.output)
    folder_for(folder)
    earlier = sorted(folder.glob("[0-9]*.hinr*"))
    if earlier and not resume:
        raise ParameterError(
            f"{folder} holds bricks already; add --resume to go on with them, or delete it to start over"
        )
    return [number for number in range(len(job.cuts)) if not _is_done(job, series, number)]


def _is_done(job: Job, series: VolumeSeries, number: int) -> bool:
    """Whether a brick is whole; DataError for one that was made otherwise than this run would."""
    from hyperinr_core.training.volumes.brick import told

    path = job.path(number)
    try:
        made = hinr.read_header(path)["provenance"] if path.is_file() else None
    except FormatError:  # it is trained again
        made = None
    if made is None:
        return False
    wanted = told(job.cuts, number, series, job.settings)
    brick = made.get("brick")
    alike = isinstance(brick, dict) and all(brick.get(key) == value for key, value in wanted.items())
    if not alike or made.get("software") != f"hyperinr {job.version}":
        raise DataError(
            f"{path} was trained with other settings, steps, cuts or version; expected the same, repeat the first command with "
            f"--resume, or delete {path.parent} to start over"
        )
    return True


def train_here(job: Job, numbers: list[int], shares: Shares) -> dict[int, str]:
    """Train bricks one after the other in this process: why those failed that did, by their numbers."""
    failed = {}
    for number in numbers:
        reason = _tried(job, number, shares)
        shares.finished(number)
        if reason:
            failed[number] = reason
    return failed


def _tried(job: Job, number: int, shares: Shares) -> str:
    from hyperinr_core.training.task import Tell

    shares(number, 0.0)
    try:
        job.train(number, Tell(report=partial(_reported, shares, number)))
    except HyperINRError as error:
        return str(error)
    return ""


def _reported(shares: Callable[[int, float], object], number: int, report: Report) -> None:
    shares(number, report.samples / report.total)


def train_all(job: Job, numbers: list[int], parts: Parts, shares: Shares) -> None:
    """Train bricks where the options say; DataError for those that failed, when all others are done."""
    if parts.scheduler is None and (parts.workers or 1) == 1:
        failed = train_here(job, numbers, shares)
    else:
        from hyperinr.plugin.cluster import connected, train_on

        with connected(parts.scheduler, parts.workers) as client:
            failed = train_on(client, job, numbers, shares)
    if failed:
        number, reason = next(iter(failed.items()))
        raise DataError(
            f"{listed(sorted(failed))} of {len(job.cuts)} could not be trained ({number + 1}: {reason}), the others are kept; "
            f"repeat the command with --resume, or use the others with: hyperinr join {job.output} --partial"
        )


def absolute(series: tuple[str, ...]) -> tuple[str, ...]:
    """Paths and patterns that mean the same in every process."""
    return tuple(os.path.abspath(path) for path in series)
