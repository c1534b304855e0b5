"""Steps of training that a GPU does one after the other, without the host: recorded once as a CUDA graph, and replayed.

What differs from step to step, such as what is drawn and how fast is learned, is a row of numbers. The rows of many steps are
computed and sent at a time, while the device is busy with the last ones, and each step takes the next row.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from hyperinr_core.backends import say_once
from hyperinr_core.backends.device import to_device

#: Does one step, with its row of numbers (width,) int32 on the device. It launches the same work each time, on tensors that stay
#: where they are, and never waits for the device.
Step = Callable[[torch.Tensor], object]

#: Steps that are launched one by one before a step is recorded: kernels are compiled, and libraries set up what they need.
N_WARM = 3

#: What a lot of steps should take; two lots are under way at most, for which a wish to stop waits.
LOT_SECONDS = 0.1

#: Most steps of a lot, and how fast lots grow: the first ones take longer than the next.
MOST, GROWTH = 256, 4


class Lot(NamedTuple):
    """Steps that were launched, and what tells when they begin and end on a GPU; elsewhere the seconds they took."""

    n_steps: int
    begun: torch.cuda.Event | None
    ended: torch.cuda.Event | None
    seconds: float


class Replay:
    """A step that is done again and again.

    Parameters
    ----------
    width : numbers of a row.
    device : on the CPU, steps are called one by one.

    Attributes
    ----------
    count : steps that `run` should be given at a time.
    records : whether steps are recorded; else they are launched one by one.
    """

    def __init__(self, width: int, device: torch.device) -> None:
        self._device = device
        self._rows = torch.zeros((MOST, width), dtype=torch.int32, device=device)
        self._row = torch.zeros((1, width), dtype=torch.int32, device=device)
        self._next = torch.zeros(1, dtype=torch.int64, device=device)
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._graph: torch.cuda.CUDAGraph | None = None
        self._n_warm, self.records = N_WARM, device.type == "cuda"
        self._lot: Lot | None = None
        self.count = 1

    @property
    def is_recorded(self) -> bool:
        """Whether steps are replayed now, and not launched one by one."""
        return self._graph is not None

    def run(self, step: Step, rows: np.ndarray) -> None:
        """The same step for each of rows (n, width) int32, n at most MOST; on a GPU this returns while they are under way."""
        with self._beside():
            self._rows[: len(rows)].copy_(to_device(rows, self._device), non_blocking=True)
            self._next.zero_()
            begun, started = self._mark(), time.perf_counter()
            for _ in range(len(rows)):
                self._once(step)
            lot = Lot(len(rows), begun, self._mark(), time.perf_counter() - started)
        before, self._lot = self._lot, lot
        if before is not None:
            self._grow(before)

    def wait(self) -> None:
        """Until all steps are done."""
        if self._lot is not None and self._lot.ended is not None:
            self._lot.ended.synchronize()

    def forget(self) -> None:
        """Record anew: something changed that is the same in each step."""
        self.wait()
        self._graph = None

    def _once(self, step: Step) -> None:
        if self._graph is None and self.records and self._n_warm == 0:
            self._record(step)
        if self._graph is not None:
            self._graph.replay()
        else:
            self._n_warm = max(0, self._n_warm - 1)
            self._launch(step)

    def _launch(self, step: Step) -> None:
        torch.index_select(self._rows, 0, self._next, out=self._row)
        self._next.add_(1)
        step(self._row[0])

    def _record(self, step: Step) -> None:
        try:
            graph = torch.cuda.CUDAGraph()
            # after a recording that fails torch leaves another stream the current one, hence the first; other threads, which
            # draw batches and allocate memory for them, may go on meanwhile
            recording = torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local")
            with torch.cuda.stream(self._stream), recording:
                self._launch(step)
        except Exception as error:  # compiler and driver raise whatever they like
            self.records = False
            reason = " ".join(str(error).split("\n")[0].split())
            say_once(
                f"steps on the GPU are launched one by one, which is slower: they cannot be recorded here ({reason})"
            )
        else:
            self._graph = graph

    def _grow(self, lot: Lot) -> None:
        """Wait for a lot, and see from it how many steps the next may have."""
        seconds = lot.seconds
        if lot.begun is not None and lot.ended is not None:
            lot.ended.synchronize()
            seconds = lot.begun.elapsed_time(lot.ended) / 1000
        fitting = int(LOT_SECONDS * lot.n_steps / max(seconds, 1e-6))
        self.count = max(1, min(GROWTH * self.count, MOST, fitting))

    def _mark(self) -> torch.cuda.Event | None:
        return None if self._stream is None else self._stream.record_event(torch.cuda.Event(enable_timing=True))

    @contextlib.contextmanager
    def _beside(self) -> Iterator[None]:
        """On a stream of its own, as recording wants it, in order with what the caller launches before and after."""
        if self._stream is None:
            yield
            return
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            yield
        current.wait_stream(self._stream)
