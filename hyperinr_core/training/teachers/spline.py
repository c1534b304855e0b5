"""The natural cubic spline through each point's values: smoother than Catmull-Rom, and better where the data is too."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from hyperinr_core.spaces.line import linear_weights
from hyperinr_core.spaces.space import Coefficients
from hyperinr_core.training.teachers.base import Blend
from hyperinr_core.volume import VolumeSeries

#: Weights below this are dropped: a spline's fall by nearly four from step to step, and each costs reading a volume.
SMALLEST_WEIGHT = 1e-4


class SplineTeacher(Blend):
    """Twice differentiable in time, without curvature at the first and last step."""

    max_parameters = 1

    def __init__(self, series: VolumeSeries, field: str) -> None:
        super().__init__(series, field)
        times = series.thetas[:, 0]
        self._basis = CubicSpline(times, np.eye(len(times)), bc_type="natural") if len(times) > 2 else None

    def coefficients(self, theta: np.ndarray) -> Coefficients:
        if self._basis is None:
            return linear_weights(self.series.thetas[:, 0], float(theta[0]))
        weights = self._basis(float(theta[0]))
        steps = np.flatnonzero(abs(weights) >= SMALLEST_WEIGHT)
        return steps, weights[steps] / weights[steps].sum()
