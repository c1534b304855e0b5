"""SIREN (Sitzmann et al. 2020): the smallest of the coordinate networks."""

from __future__ import annotations

from torch import nn

from hyperinr_core.training.teachers.neural import Neural, sine_output
from hyperinr_core.training.teachers.sine_network import SineLayer

WIDTH, N_HIDDEN = 256, 3


class Siren(Neural[nn.Sequential]):
    """A sine layer of the coordinates, three of 256, and a linear one."""

    learning_rate = 3e-4

    def build(self) -> nn.Sequential:
        hidden = (SineLayer(WIDTH, WIDTH) for _ in range(N_HIDDEN))
        return nn.Sequential(SineLayer(self.n_inputs, WIDTH, first=True), *hidden, sine_output(WIDTH, self.n_outputs))
