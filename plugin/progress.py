"""Progress on the terminal: a bar where there is one, a line now and then where there is not."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # only the commands that train need what it imports
    from hyperinr_core.training.task import Report

#: Seconds between two lines when standard error is no terminal.
LINE_SECONDS = 10.0


class TrainingProgress:
    """Shows what a training run is at: called with a trainer's reports, `part` with the work before them."""

    def __init__(self, show: Callable[[float, str, str], None]) -> None:
        self._show = show

    def __call__(self, report: Report) -> None:
        """Samples, loss, PSNR and the time left."""
        self._show(report.samples / report.total, "training", _text(report))

    def part(self, what: str, done: float, total: float) -> None:
        """Something of which so much is done."""
        self._show(done / total, what, "")

    def bricks(self, share: float, text: str) -> None:
        """So much of all bricks, and how far each is."""
        self._show(share, "training bricks", text)


@contextlib.contextmanager
def training_progress(kind: str = "auto") -> Iterator[TrainingProgress]:
    """Progress as a bar on a terminal, as a line now and then elsewhere; "json": objects for a program, "none": nothing."""
    if kind == "none":
        yield TrainingProgress(lambda share, what, text: None)
    elif kind == "json":
        yield TrainingProgress(_json_line)
    elif sys.stderr.isatty():
        with _bar() as show:
            yield TrainingProgress(show)
    else:
        yield TrainingProgress(_lines())


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[float, str, str], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%  {task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading the data", total=1.0, text="")
        yield lambda share, what, text: bar.update(task, completed=share, description=what, text=text)


def _json_line(share: float, what: str, text: str) -> None:
    print(json.dumps({"share": share, "what": what, "text": text}), file=sys.stderr, flush=True)


def _lines() -> Callable[[float, str, str], None]:
    last, shown = -LINE_SECONDS, ""

    def show(share: float, what: str, text: str) -> None:
        nonlocal last, shown
        if time.monotonic() - last >= LINE_SECONDS or share == 1 or what != shown:
            last, shown = time.monotonic(), what
            print(f"{what} {100 * share:3.0f}%  {text}".rstrip(), file=sys.stderr, flush=True)

    return show


def _text(report: Report) -> str:
    minutes, seconds = divmod(round(report.seconds_left), 60)
    return (
        f"{report.samples / 1e6:.1f} of {report.total / 1e6:.0f} M samples  loss {report.loss:.5f}  "
        f"PSNR {report.psnr:.1f} dB  {minutes}:{seconds:02d} left"
    )


@contextlib.contextmanager
def evaluation_progress() -> Iterator[Callable[[int, int], object]]:
    """Called with what is measured and the total: a bar on a terminal and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("evaluating", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
