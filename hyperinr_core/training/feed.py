"""Batches on their way to the device: drawn ahead in a thread and sent from page-locked memory while the device computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from hyperinr_core.training.samples import Batch

#: Batches that are drawn and sent before they are asked for.
AHEAD = 3


class Feed:
    """A stream of batches as tensors on a device.

    The data stays on the host, and batches alone travel: a set larger than the device's memory trains like a small one. On
    the CPU nothing is drawn ahead, since the kernel uses every processor.

    Parameters
    ----------
    stream : has `draw(iteration)` and `close()`; on CUDA they are called from a thread of this feed's own.
    share : what of a batch is this process's; see `World.share`.
    """

    def __init__(
        self, stream: Any, device: torch.device, share: Callable[[Batch], Batch] = lambda batch: batch
    ) -> None:
        self._stream, self._device, self._share = stream, device, share
        self._ahead: deque[tuple[int, Future]] = deque()
        self._drawer = ThreadPoolExecutor(1, "hyperinr-draw") if device.type == "cuda" else None
        self._copier = torch.cuda.Stream(device) if device.type == "cuda" else None

    def draw(self, iteration: int) -> tuple[Batch, list[torch.Tensor]]:
        """A batch, and its points, targets and weights on the device."""
        if self._drawer is None:
            return self._fetch(iteration)[:2]
        if self._ahead and self._ahead[0][0] != iteration:  # another run of iterations begins
            self.drop()
        while len(self._ahead) < AHEAD:
            following = iteration + len(self._ahead)
            self._ahead.append((following, self._drawer.submit(self._fetch, following)))
        batch, tensors, sent = self._ahead.popleft()[1].result()
        if sent is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(sent)
            for tensor in tensors:
                tensor.record_stream(current)  # its memory is not used again before this stream is done with it
        return batch, tensors

    def close(self) -> None:
        """Draw nothing more, and close the stream."""
        self.drop()
        if self._drawer is not None:
            self._drawer.shutdown()
        self._stream.close()

    def drop(self) -> None:
        """Forget what was drawn ahead, once the thread is done with it."""
        while self._ahead:
            future = self._ahead.popleft()[1]
            if not future.cancel():
                future.exception()

    def _fetch(self, iteration: int) -> tuple[Batch, list[torch.Tensor], Any]:
        batch = self._share(self._stream.draw(iteration))
        tensors = [torch.from_numpy(part) for part in (batch.points, batch.targets, batch.step_weights)]
        if self._copier is None:
            return batch, [tensor.to(self._device) for tensor in tensors], None
        with torch.cuda.stream(self._copier):
            tensors = [tensor.pin_memory().to(self._device, non_blocking=True) for tensor in tensors]
            return batch, tensors, self._copier.record_event()
