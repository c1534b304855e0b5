"""Batches on their way to the device: drawn ahead in a thread and sent from page-locked memory while the device computes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from hyperinr_core.backends.device import to_device
from hyperinr_core.training.samples import Batch

if TYPE_CHECKING:
    from hyperinr_core.training.task import Stream

#: Batches that are drawn and sent before they are asked for.
AHEAD = 3


class Tensors(NamedTuple):
    """A batch on the device, its thetas on the host; see `Batch`."""

    thetas: np.ndarray
    points: torch.Tensor
    targets: torch.Tensor
    step_weights: torch.Tensor


class Feed:
    """A stream of batches as tensors on a device.

    The data stays on the host, and batches alone travel: a set larger than the device's memory trains like a small one. On
    the CPU nothing is drawn ahead, since the kernel uses every processor.

    Parameters
    ----------
    stream : on CUDA its `draw` is called from a thread of this feed's own.
    share : what of a batch is this process's; see `World.share`.
    """

    def __init__(
        self, stream: Stream, device: torch.device, share: Callable[[Batch], Batch] = lambda batch: batch
    ) -> None:
        self._stream, self._device, self._share = stream, device, share
        self._ahead: deque[tuple[int, Future[tuple[Tensors, torch.cuda.Event | None]]]] = deque()
        self._drawer = ThreadPoolExecutor(1, "hyperinr-draw") if device.type == "cuda" else None
        self._copier = torch.cuda.Stream(device) if device.type == "cuda" else None

    def draw(self, iteration: int) -> Tensors:
        """The batch of an iteration."""
        if self._drawer is None:
            return self._fetch(iteration)[0]
        if self._ahead and self._ahead[0][0] != iteration:  # another run of iterations begins
            self.drop()
        while len(self._ahead) < AHEAD:
            following = iteration + len(self._ahead)
            self._ahead.append((following, self._drawer.submit(self._fetch, following)))
        batch, sent = self._ahead.popleft()[1].result()
        if sent is not None:
            current = torch.cuda.current_stream(self._device)
            current.wait_event(sent)
            for tensor in batch[1:]:
                tensor.record_stream(current)  # its memory is not used again before this stream is done with it
        return batch

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

    def _fetch(self, iteration: int) -> tuple[Tensors, torch.cuda.Event | None]:
        """A batch, and what happens on the device when it is all there."""
        batch = self._share(self._stream.draw(iteration))
        parts = batch.points, batch.targets, batch.step_weights
        if self._copier is None:
            return Tensors(batch.thetas, *(to_device(part, self._device) for part in parts)), None
        with torch.cuda.stream(self._copier):
            tensors = [to_device(part, self._device) for part in parts]
            return Tensors(batch.thetas, *tensors), self._copier.record_event()
