"""CoordNet's network: sine layers in residual blocks (Han and Wang 2022; HyperINR section 4), from the papers' words."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn import functional

#: Frequency of every sine (SIREN, section 3.2).
OMEGA = 30.0


class SineLayer(nn.Linear):
    """sin(OMEGA * (W x + b)) with SIREN's initialisation, which keeps activations of order one at any depth.

    Parameters
    ----------
    first : whether the inputs are coordinates rather than sines.

    Attributes
    ----------
    in_half : whether it is called within `half_precision`.
    """

    def __init__(self, n_inputs: int, n_outputs: int, first: bool = False) -> None:
        super().__init__(n_inputs, n_outputs)
        self._is_first, self.in_half = first, False
        limit = 1 / n_inputs if first else math.sqrt(6 / n_inputs) / OMEGA
        nn.init.uniform_(self.weight, -limit, limit)
        nn.init.uniform_(self.bias, -limit, limit)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs) to (B, outputs), within [-1, 1]."""
        if not self.in_half:
            return torch.sin(OMEGA * super().forward(x))
        with torch.autocast(x.device.type, enabled=not self._is_first):
            return torch.sin(functional.linear(x, OMEGA * self.weight, OMEGA * self.bias))


@contextlib.contextmanager
def half_precision(network: nn.Module, device: str) -> Iterator[None]:
    """A network's products in float16, with float32 sums and weights.

    A sine's whole argument is what a product's sum comes to, so that it is rounded once; that of coordinates, which is large,
    stays float32.
    """
    layers = [part for part in network.modules() if isinstance(part, SineLayer)]
    try:
        for layer in layers:
            layer.in_half = True
        with torch.autocast(device, torch.float16):
            yield
    finally:
        for layer in layers:
            layer.in_half = False


class ResidualBlock(nn.Module):
    """The mean of two sine layers and of their input, which one more brings to the same width where it differs."""

    def __init__(self, n_inputs: int, n_outputs: int, first: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(SineLayer(n_inputs, n_outputs, first), SineLayer(n_outputs, n_outputs))
        self.shortcut = nn.Identity() if n_inputs == n_outputs else SineLayer(n_inputs, n_outputs, first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, inputs) to (B, outputs)."""
        return 0.5 * (self.shortcut(x) + self.layers(x))


class CoordNetwork(nn.Module):
    """(x, y, z, theta) to values: 3 blocks that widen the input, 10 of full width, and one that decodes.

    Parameters
    ----------
    n_inputs : coordinates, in [-1, 1].
    n_outputs : values per point, in [-1, 1].
    n_blocks, width : hidden residual blocks and their neurons.
    """

    def __init__(self, n_inputs: int, n_outputs: int, n_blocks: int = 10, width: int = 256) -> None:
        super().__init__()
        widths = [n_inputs, width // 4, width // 2, *[width] * (n_blocks + 1)]
        blocks = [ResidualBlock(widths[i], widths[i + 1], first=i == 0) for i in range(len(widths) - 1)]
        self.blocks = nn.Sequential(*blocks, ResidualBlock(width, width // 2))
        self.output = nn.Linear(width // 2, n_outputs)
        limit = math.sqrt(6 / (width // 2)) / OMEGA
        nn.init.uniform_(self.output.weight, -limit, limit)

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        """(B, inputs) to (B, outputs)."""
        return self.output(self.blocks(points))
