"""How long a device takes: as called, launches and all, and the device alone. Part of measure.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

#: Cycles that the device waits while the host launches what is timed: some 6 ms.
HEAD_START = 10_000_000

#: Runs of something short are timed in a row that takes about so many seconds, at most so many of them.
ROW_SECONDS, LONGEST_ROW = 2e-3, 20


class Clock:
    """Medians of repeated runs.

    Parameters
    ----------
    repeats : how often something is timed.
    seconds : after which it is not timed again; what takes longer once is timed once.
    """

    def __init__(self, device: torch.device, repeats: int, seconds: float) -> None:
        self._device, self._repeats, self._seconds = device, repeats, seconds

    def times(self, run: Callable[[], Any]) -> dict[str, float]:
        """Milliseconds of the median run: as it is called, one after the other, and of the device alone."""
        row, least = self._warm_up(run)
        called = self._median(lambda: self._called(run, row), least)
        alone = self._median(lambda: self._alone(run, row), least) if self._is_gpu else called
        return {"ms": called, "device_ms": alone}

    def device_ms(self, run: Callable[[], Any]) -> float:
        """Milliseconds of the device alone."""
        return self.times(run)["device_ms"]

    def called(self, run: Callable[[], Any]) -> list[float]:
        """Milliseconds of each run as it is called, until its work is done."""
        return self._measured(lambda: self._called(run, 1), self._warm_up(run)[1])

    @property
    def _is_gpu(self) -> bool:
        return self._device.type == "cuda"

    def _wait(self) -> None:
        if self._is_gpu:
            torch.cuda.synchronize(self._device)

    def _warm_up(self, run: Callable[[], Any]) -> tuple[int, int]:
        """How many runs to time in a row, and how many rows at least."""
        run()  # the first may compile
        once = self._called(run, 1) / 1000
        if once > self._seconds:
            return 1, 1
        for _ in range(min(2, self._repeats)):
            once = self._called(run, 1) / 1000
        row = max(1, min(LONGEST_ROW, int(ROW_SECONDS / once))) if self._is_gpu else 1
        return row, min(3, self._repeats)

    def _median(self, measure: Callable[[], float], least: int) -> float:
        return statistics.median(self._measured(measure, least))

    def _measured(self, measure: Callable[[], float], least: int) -> list[float]:
        found, start = [], time.perf_counter()
        while len(found) < least or (len(found) < self._repeats and time.perf_counter() - start < self._seconds):
            found.append(measure())
        return found

    def _called(self, run: Callable[[], Any], row: int) -> float:
        self._wait()
        start = time.perf_counter()
        for _ in range(row):
            run()
        self._wait()
        return 1000 * (time.perf_counter() - start) / row

    def _alone(self, run: Callable[[], Any], row: int) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        self._wait()
        torch.cuda._sleep(HEAD_START)
        begin.record()
        for _ in range(row):
            run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end) / row
