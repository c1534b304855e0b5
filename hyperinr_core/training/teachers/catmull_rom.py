"""Cubic interpolation of each point's values over four training steps."""

from __future__ import annotations

import numpy as np

from hyperinr_core.spaces.line import catmull_rom_weights
from hyperinr_core.spaces.space import Coefficients
from hyperinr_core.training.teachers.base import Blend


class CatmullRom(Blend):
    """For fields that change smoothly where they are, such as pressure."""

    max_parameters = 1

    def coefficients(self, theta: np.ndarray) -> Coefficients:
        return catmull_rom_weights(self.series.thetas[:, 0], float(theta[0]))
