"""CoordX (Liang et al. 2022): branches per axis, shared layers, fused by product; on a grid each branch runs on its axis only."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from hyperinr_core.training.teachers.neural import SLAB_POINTS, Neural, sine_output
from hyperinr_core.training.teachers.sine_network import SineLayer

WIDTH, N_SHARED = 256, 3


class SplitNetwork(nn.Module):
    """Branches of columns of the input, each a sine layer of its own and layers that all share, multiplied; then two layers.

    Parameters
    ----------
    splits : the input's columns that each branch takes.
    """

    def __init__(self, splits: Sequence[Sequence[int]], n_outputs: int) -> None:
        super().__init__()
        self.splits = [list(columns) for columns in splits]
        self.first = nn.ModuleList(SineLayer(len(columns), WIDTH, first=True) for columns in self.splits)
        self.shared = nn.Sequential(*(SineLayer(WIDTH, WIDTH) for _ in range(N_SHARED)))
        self.fused = nn.Sequential(SineLayer(WIDTH, WIDTH), sine_output(WIDTH, n_outputs))

    def branch(self, number: int, columns: torch.Tensor) -> torch.Tensor:
        """(n, WIDTH) features of one branch."""
        return self.shared(self.first[number](columns))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # column by column: an index would be sent to a GPU each time, which no recorded step can do
        parts = [torch.stack([x[:, column] for column in columns], 1) for columns in self.splits]
        product = self.branch(0, parts[0])
        for number, part in enumerate(parts[1:], 1):
            product = product * self.branch(number, part)
        return self.fused(product)


class CoordX(Neural[SplitNetwork]):
    """Space and parameters apart (XY+T in the CoordX paper, XYZ+T here)."""

    learning_rate = 3e-4

    def splits(self) -> list[list[int]]:
        """Columns of each branch."""
        n_pos = self.series.grid.n_pos_dims
        return [list(range(n_pos)), list(range(n_pos, self.n_inputs))]

    def build(self) -> SplitNetwork:
        return SplitNetwork(self.splits(), self.n_outputs)

    def on_grid(self, network: SplitNetwork, axes: list[torch.Tensor], theta: torch.Tensor) -> torch.Tensor:
        n_pos = len(axes)
        moment = network.branch(len(network.splits) - 1, theta[None])
        if len(network.splits) == 2:
            points = torch.stack(torch.meshgrid(*reversed(axes), indexing="ij")[::-1], dim=-1).reshape(-1, n_pos)
            parts = points.split(SLAB_POINTS)
            return torch.cat([network.fused(network.branch(0, part) * moment) for part in parts])
        features = [network.branch(place, axis[:, None]) for place, axis in enumerate(axes)]
        rows = (features[1] * moment)[:, None] * features[0][None]
        if n_pos == 2:
            return network.fused(rows.reshape(-1, WIDTH))
        return torch.cat([network.fused((rows * plane).reshape(-1, WIDTH)) for plane in features[2]])


class CoordXAxes(CoordX):
    """A branch for every axis (X+Y+T in the CoordX paper, X+Y+Z+T here): the fastest on a grid."""

    def splits(self) -> list[list[int]]:
        n_pos = self.series.grid.n_pos_dims
        return [*([axis] for axis in range(n_pos)), list(range(n_pos, self.n_inputs))]
