"""Batches drawn on the GPU that trains, from a series that lies there: a host draws some 20 million points a second."""

from __future__ import annotations

import numpy as np
import torch

from hyperinr_core.backends.device import to_device
from hyperinr_core.training.feed import Tensors
from hyperinr_core.training.samples import SampleStream

#: Share of the GPU's free memory that a series may take.
SHARE = 0.25

#: Points of a grid that are told apart by the draws.
MOST_POINTS = 1 << 31


class ResidentSeries:
    """What a stream draws from, on a device. Other points are drawn than on the host, by seed and iteration alone as there.

    Parameters
    ----------
    stream : one that holds its whole series, of which all points have values.

    Attributes
    ----------
    stream : what was given.
    points : (n, D) float32 of the grid. values : (T, n, C) float32 at them, in each step.
    """

    def __init__(self, stream: SampleStream, device: torch.device) -> None:
        self.stream, self._device = stream, device
        self.values = torch.stack([to_device(values, device) for values in stream.all_values()])
        self.points = to_device(stream.all_points(), device)

    def choose(self, iteration: int) -> tuple[int, list[int]]:
        """What all draws of an iteration follow from: a seed of 62 bits, and the steps that are chosen."""
        rng, steps = self.stream.choose(iteration, range(len(self.stream.step_weights)))
        return int(rng.integers(2**62)), steps

    def draw(self, iteration: int) -> Tensors:
        """The batch of an iteration."""
        seed, steps = self.choose(iteration)
        n_steps, first = len(steps), 2 + len(steps)
        numbers = np.zeros(first + n_steps, np.int32)  # all that the host knows, in one transfer
        numbers[:2].view(np.int64)[:] = seed
        numbers[2:first] = steps
        numbers[first:].view(np.float32)[:] = self.stream.step_weights[steps]
        sent = to_device(numbers, self._device)
        points, targets = self.drawn(sent[:2].view(torch.int64), sent[2:first])
        return Tensors(self.stream.series.thetas[steps], points, targets, sent[first:].view(torch.float32))

    def drawn(self, seed: torch.Tensor, steps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Points (S, B, D) and targets (S, B, C) of a seed (1,) int64 and steps (S,) int32, which lie on the device."""
        n_steps, n_points = self.stream.shape
        index = scattered(seed, n_steps * n_points, len(self.points)).view(n_steps, n_points)
        place = index + steps.long()[:, None] * len(self.points)
        points, values = self.points[index.view(-1)], self.values.flatten(0, 1)[place.view(-1)]
        return points.view(n_steps, n_points, -1), values.view(n_steps, n_points, -1)


def scattered(seed: torch.Tensor, n: int, n_values: int) -> torch.Tensor:
    """(n,) int64 numbers below n_values, all equally likely to one part in 2^32 / n_values; SplitMix64 (Steele et al. 2014).

    They depend on the seed (1,) int64 alone, on the host as on a device and in `draw_kernel`. Products wrap around.
    """
    mixed = seed + torch.arange(1, n + 1, device=seed.device) * _signed(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ _shifted(mixed, shift)) * _signed(factor)
    return _shifted(mixed ^ _shifted(mixed, 31), 32) * n_values >> 32


def _signed(number: int) -> int:
    """As int64 has the bits of an uint64."""
    return number - (number >> 63 << 64)


def _shifted(numbers: torch.Tensor, shift: int) -> torch.Tensor:
    """To the right, zeros coming in."""
    return numbers >> shift & (1 << 64 - shift) - 1


def fits(stream: SampleStream, device: torch.device) -> bool:
    """Whether a stream holds its whole series without gaps, and the GPU has room for it."""
    n_bytes, most = stream.n_resident_bytes, SHARE * torch.cuda.mem_get_info(device)[0]
    return n_bytes is not None and n_bytes <= most and stream.series.grid.n_points < MOST_POINTS
