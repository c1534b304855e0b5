"""Parts of a long measurement: each guarded and limited in time, and what is known is written after each. Part of measure.py."""

from __future__ import annotations

import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: Seconds that a part may go on after it was told to end: whoever waits for a device hears nothing.
GRACE = 15.0

#: Seconds after which it is told again, where that was lost on a destructor.
AGAIN = 3.0

#: What became of a part that was not begun.
NO_TIME = "no time was left"


class TooLong(Exception):
    """A part takes longer than it may."""


class Run:
    """Measures one part after the other; what fails is noted, and what comes after is measured all the same.

    Parameters
    ----------
    report : gets "parts", by name what became of them and their seconds; parts that are there already are not begun again.
    seconds : for all parts together; one that would begin after that is not begun.
    only : how the names of the parts begin that are wanted; all when empty.
    write : called when the report has changed.
    usable : whether the device still works after a part failed.
    restart : goes on in a process of its own, and does not return: for a part that hangs, and a device that is not usable.
    """

    def __init__(
        self,
        report: dict[str, Any],
        seconds: float,
        only: Sequence[str],
        write: Callable[[], object],
        usable: Callable[[], bool] = lambda: True,
        restart: Callable[[], object] = lambda: None,
    ) -> None:
        self.report, self._only, self._write, self._usable, self._restart = report, tuple(only), write, usable, restart
        self._end = time.monotonic() + seconds
        self._parts: dict[str, dict[str, Any]] = report.setdefault("parts", {})
        for name, part in list(self._parts.items()):
            if part["state"] == "begun":
                part["state"] = "it hung, or took the process with it"
            if part["state"] == NO_TIME:
                del self._parts[name]

    @property
    def seconds_left(self) -> float:
        """Of the budget."""
        return self._end - time.monotonic()

    def part(self, name: str, measure: Callable[[], object], limit: float = 40.0) -> None:
        """Measure one part within so many seconds, and within the budget."""
        if name in self._parts or not name.startswith(self._only or ""):
            return
        if self.seconds_left <= 0:
            self._parts[name] = {"state": NO_TIME, "seconds": 0.0}
            self._write()
            return
        part = self._parts[name] = {"state": "begun", "seconds": 0.0}
        self._write()
        start = time.monotonic()
        try:
            with self._limited(min(limit, self.seconds_left)):
                measure()
            part["state"] = "measured"
        except TooLong as error:
            part["state"] = str(error) if self.seconds_left > 0 else NO_TIME
        except Exception as error:  # whatever a driver, a compiler or full memory may raise
            traceback.print_exc()
            part["state"] = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        part["seconds"] = round(time.monotonic() - start, 2)
        print(f"{name}: {part['state']}, {part['seconds']} s", flush=True)
        self._write()
        if part["state"] != "measured" and not self._usable():
            self._start_anew()

    def _start_anew(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)  # a new process would inherit the alarm, and nobody there hears it
        self._restart()

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        """TooLong after so many seconds; a restart where that is not heard."""

        def stop(*_: object) -> None:
            raise TooLong(f"it took longer than {seconds:g} s")

        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds, AGAIN)
        watch = threading.Timer(seconds + GRACE, self._start_anew)
        watch.daemon = True
        watch.start()
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
            watch.cancel()
