"""CoordNet (Han and Wang 2022), the paper's teacher: residual blocks of sines."""

from __future__ import annotations

from hyperinr_core.training.teachers.neural import Neural
from hyperinr_core.training.teachers.sine_network import CoordNetwork


class CoordNet(Neural[CoordNetwork]):
    """Adam at 1e-5 with a weight decay of 1e-6, as in the paper: made for hours on a GPU."""

    learning_rate = 1e-5
    weight_decay = 1e-6

    def build(self) -> CoordNetwork:
        return CoordNetwork(self.n_inputs, self.n_outputs)
