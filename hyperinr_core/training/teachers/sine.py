"""Layers with sine activations and their initialisation (Sitzmann et al., SIREN; section 4 of the paper)."""

from __future__ import annotations

import math

import torch
from torch import nn

#: Frequency by which every layer multiplies its sums.
OMEGA = 30.0


class Sine(nn.Module):
    """sin(30 (W x + b)).

    Parameters
    ----------
    is_first : whether the inputs are coordinates; they span [-1, 1], and so W starts in U(-1/n, 1/n).
    """

    def __init__(self, n_inputs: int, n_outputs: int, is_first: bool = False) -> None:
        super().__init__()
        self.linear = sine_linear(n_inputs, n_outputs, is_first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sin(OMEGA * self.linear(x))


def sine_linear(n_inputs: int, n_outputs: int, is_first: bool = False) -> nn.Linear:
    """A linear layer that starts in U(-sqrt(6/n)/30, sqrt(6/n)/30)."""
    linear = nn.Linear(n_inputs, n_outputs)
    limit = 1 / n_inputs if is_first else math.sqrt(6 / n_inputs) / OMEGA
    nn.init.uniform_(linear.weight, -limit, limit)
    return linear
