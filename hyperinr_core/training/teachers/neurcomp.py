"""NeurComp (Lu et al. 2021): ten residual sine blocks whose width spends a budget of parameters."""

from __future__ import annotations

import math

import torch
from torch import nn

from hyperinr_core.training.teachers.neural import Neural, sine_output
from hyperinr_core.training.teachers.sine_network import SineLayer

N_BLOCKS = 10

#: Numbers to train; the paper's comparison at equal sizes has about 2.1 million (section 5.3), which a width of 327 takes.
N_PARAMS = 2_150_000


class Residual(nn.Module):
    """Input plus two sine layers; the mean of both at the end, which keeps values within [-1, 1]."""

    def __init__(self, width: int, is_inner: bool, is_last: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(SineLayer(width, width), SineLayer(width, width))
        self.scale_in, self.scale_out = 0.5 if is_inner else 1.0, 0.5 if is_last else 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale_out * (x + self.layers(self.scale_in * x))


class NeurComp(Neural[nn.Sequential]):
    """One sine layer, ten residual blocks, one linear layer."""

    learning_rate = 5e-5

    def build(self) -> nn.Sequential:
        width = width_for(N_PARAMS)
        blocks = (Residual(width, place > 0, place == N_BLOCKS - 1) for place in range(N_BLOCKS))
        return nn.Sequential(SineLayer(self.n_inputs, width, first=True), *blocks, sine_output(width, self.n_outputs))


def width_for(n_params: int) -> int:
    """The width whose blocks hold about so many numbers: 2 N w (w + 1)."""
    return max(1, round(math.sqrt(n_params / (2 * N_BLOCKS) + 0.25) - 0.5))
