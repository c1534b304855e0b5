"""A grid that is sampled beside ParaView's window, which goes on meanwhile."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from typing import Any

from hyperinr_core.errors import Aborted

#: Seconds between two looks at whether a grid that somebody waits for is there, or no longer wanted.
PATIENCE = 0.05


class Refinement:
    """Work in a thread of its own.

    ParaView's window keeps the interpreter's lock while it waits for its user, so that a thread comes to run Python only while
    the window asks (`lend`). Nearly all of the work is the kernel's, which needs no lock.

    Parameters
    ----------
    frame : what is worked on.
    work : called with a progress callback that stops it.
    """

    def __init__(self, frame: Any, work: Callable[[Callable[[float], bool]], Any]) -> None:
        self.frame = frame
        self._work = work
        self._fraction = 0.0
        self._stopped = False
        self._done, self._told = threading.Event(), False
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        atexit.register(self.stop)  # a kernel must not run on in a process that ends
        self._thread.start()

    def lend(self, seconds: float) -> bool:
        """Let the thread run Python for some seconds. Returns, once, whether the work is done."""
        told, self._told = self._told, self._done.wait(seconds)
        return self._told and not told

    def result(self, progress: Callable[[float], Any]) -> Any:
        """What comes of it, waited for; what went wrong is raised here."""
        while not self._done.wait(PATIENCE):
            if progress(self._fraction):
                self.stop()
                raise Aborted("sampling was stopped by the caller")
        self.stop()
        if self._error is not None:
            raise self._error
        return self._result

    def stop(self) -> None:
        """End it, and wait until it has ended: a slab of points at most."""
        self._stopped = True
        self._thread.join()
        atexit.unregister(self.stop)

    def _run(self) -> None:
        try:
            self._result = self._work(self._heard)
        except BaseException as error:
            self._error = error
        finally:
            self._done.set()

    def _heard(self, fraction: float) -> bool:
        self._fraction = fraction
        return self._stopped
