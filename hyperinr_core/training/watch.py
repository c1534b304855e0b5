"""When a run reports, keeps a checkpoint, and stops because it was asked to."""

from __future__ import annotations

import signal
import threading
import time

#: Seconds between two reports, and between two checkpoints.
REPORT_SECONDS = 0.5
CHECKPOINT_SECONDS = 30.0


class Interrupted(Exception):
    """The run was asked to stop and kept its checkpoint."""


class StopRequest:
    """Turns SIGINT and SIGTERM into a flag that is read between iterations, so that no step is left half done."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> StopRequest:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: object) -> None:
        self.asked = True


class Clock:
    """When to report and to write checkpoints, and how long is left."""

    def __init__(self, first: int, total: int) -> None:
        self._first, self._total = first, total
        self._start = self._reported = self._written = time.monotonic()

    def checkpoint_is_due(self) -> bool:
        """Whether one is; then the next is due later."""
        due = time.monotonic() - self._written > CHECKPOINT_SECONDS
        if due:
            self._written = time.monotonic()
        return due

    def report_is_due(self, last: bool) -> bool:
        """Whether one is, as after the last iteration."""
        due = last or time.monotonic() - self._reported > REPORT_SECONDS
        if due:
            self._reported = time.monotonic()
        return due

    def seconds_left(self, iteration: int) -> float:
        """At the pace so far."""
        passed = time.monotonic() - self._start
        return passed * (self._total - iteration) / max(iteration - self._first, 1)
