"""CoordNet (Han and Wang 2022), the paper's teacher: residual blocks of sines."""

from __future__ import annotations

import torch
from torch import nn

from hyperinr_core.training.teachers.neural import Neural
from hyperinr_core.training.teachers.sine import Sine

#: Width of the hidden blocks and their number.
WIDTH, N_BLOCKS = 256, 10


class Block(nn.Module):
    """Mean of the input and two sine layers of it; an input of another width passes a sine layer first."""

    def __init__(self, n_inputs: int, n_outputs: int, is_first: bool = False) -> None:
        super().__init__()
        self.layers = nn.Sequential(Sine(n_inputs, n_outputs, is_first), Sine(n_outputs, n_outputs))
        self.bypass = nn.Identity() if n_inputs == n_outputs else Sine(n_inputs, n_outputs, is_first)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 0.5 * (self.layers(x) + self.bypass(x))


class CoordNetwork(nn.Sequential):
    """Three blocks that widen, `n_blocks` hidden ones, and one that narrows to the values."""

    def __init__(self, n_inputs: int, n_outputs: int, width: int = WIDTH, n_blocks: int = N_BLOCKS) -> None:
        super().__init__(
            Block(n_inputs, width // 4, is_first=True),
            Block(width // 4, width // 2),
            Block(width // 2, width),
            *(Block(width, width) for _ in range(n_blocks)),
            Block(width, n_outputs),
        )


class CoordNet(Neural):
    """Adam at 1e-5 with a weight decay of 1e-6, as in the paper: made for hours on a GPU."""

    learning_rate = 1e-5
    weight_decay = 1e-6

    def build(self) -> nn.Module:
        return CoordNetwork(self.n_inputs, self.n_outputs)
