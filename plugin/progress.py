"""Progress on the terminal: a bar where there is one, a line now and then where there is not."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

#: Seconds between two lines when standard error is no terminal.
LINE_SECONDS = 10.0


@contextlib.contextmanager
def training_progress() -> Iterator[Callable[[Any], None]]:
    """A callback for training reports that shows samples, loss, PSNR and the time left."""
    if sys.stderr.isatty():
        with _bar() as callback:
            yield callback
    else:
        yield _lines()


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Any], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f}%  {task.fields[text]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=1.0, text="reading the data")
        yield lambda report: bar.update(task, completed=report.samples / report.total, text=_text(report))


def _lines() -> Callable[[Any], None]:
    last = -LINE_SECONDS

    def callback(report: Any) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS or report.samples == report.total:
            last = time.monotonic()
            print(f"training {100 * report.samples / report.total:3.0f}%  {_text(report)}", file=sys.stderr, flush=True)

    return callback


def _text(report: Any) -> str:
    minutes, seconds = divmod(round(report.seconds_left), 60)
    return (
        f"{report.samples / 1e6:.1f} of {report.total / 1e6:.0f} M samples  loss {report.loss:.5f}  "
        f"PSNR {report.psnr:.1f} dB  {minutes}:{seconds:02d} left"
    )
