"""Batches drawn on the GPU that trains, from a series that lies there: a host draws some 20 million points a second."""

from __future__ import annotations

import numpy as np
import torch

from hyperinr_core.backends.device import to_device
from hyperinr_core.training.feed import Tensors
from hyperinr_core.training.samples import SampleStream

#: Share of the GPU's free memory that a series may take.
SHARE = 0.25


class ResidentSeries:
    """What a stream draws from, on a device. Other points are drawn than on the host, by seed and iteration alone as there.

    Parameters
    ----------
    stream : one that holds its whole series, of which all points have values.
    """

    def __init__(self, stream: SampleStream, device: torch.device) -> None:
        self._stream, self._device = stream, device
        self._values = torch.cat([to_device(values, device) for values in stream.all_values()])
        self._points = to_device(stream.all_points(), device)
        self._generator = torch.Generator(device)

    def draw(self, iteration: int) -> Tensors:
        """The batch of an iteration."""
        n_steps, n_points = self._stream.shape
        rng, steps = self._stream.choose(iteration, range(len(self._stream.step_weights)))
        self._generator.manual_seed(int(rng.integers(2**62)))
        index = torch.randint(len(self._points), (n_steps, n_points), generator=self._generator, device=self._device)
        starts, step_weights = self._sent_of(steps)
        place = index + starts[:, None]
        return Tensors(
            self._stream.series.thetas[steps],
            self._points[index.view(-1)].view(n_steps, n_points, -1),
            self._values[place.view(-1)].view(n_steps, n_points, -1),
            step_weights,
        )

    def _sent_of(self, steps: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Where steps begin, and their weights: all that the host knows, in one transfer."""
        n_steps = len(steps)
        first = n_steps + n_steps % 2  # numbers of eight bytes begin at even places
        numbers = np.zeros(first + 2 * n_steps, np.int32)
        numbers[:n_steps].view(np.float32)[:] = self._stream.step_weights[steps]
        numbers[first:].view(np.int64)[:] = np.array(steps) * len(self._points)
        sent = to_device(numbers, self._device)
        return sent[first:].view(torch.int64), sent[:n_steps].view(torch.float32)


def fits(stream: SampleStream, device: torch.device) -> bool:
    """Whether a stream holds its whole series without gaps, and the GPU has room for it."""
    return stream.n_resident_bytes is not None and stream.n_resident_bytes <= SHARE * torch.cuda.mem_get_info(device)[0]
