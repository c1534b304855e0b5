"""CoordNet (Han and Wang 2022), the paper's teacher: residual blocks of sines."""

from __future__ import annotations

from torch import nn

from hyperinr_core.training.teachers import sine_network
from hyperinr_core.training.teachers.neural import Neural


class CoordNet(Neural):
    """Adam at 1e-5 with a weight decay of 1e-6, as in the paper: made for hours on a GPU."""

    learning_rate = 1e-5
    weight_decay = 1e-6

    def build(self) -> nn.Module:
        return sine_network.CoordNet(self.n_inputs, self.n_outputs)
