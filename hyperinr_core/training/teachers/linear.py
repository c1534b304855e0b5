"""Linear interpolation in one parameter, inverse distance weights in several: what every other method must beat."""

from __future__ import annotations

import numpy as np

from hyperinr_core.spaces.line import linear_weights
from hyperinr_core.spaces.nearest import Nearest
from hyperinr_core.spaces.space import Coefficients
from hyperinr_core.training.teachers.base import Blend
from hyperinr_core.volume import VolumeSeries


class Linear(Blend):
    """LERP, the baseline of the paper (section 6)."""

    def __init__(self, series: VolumeSeries, field: str) -> None:
        super().__init__(series, field)
        thetas = series.thetas
        bounds = np.stack([thetas.min(axis=0), thetas.max(axis=0)], axis=1)
        self._nearest = Nearest(series.roles, thetas, bounds) if thetas.shape[1] > 1 else None

    def coefficients(self, theta: np.ndarray) -> Coefficients:
        if self._nearest is not None:
            return self._nearest.inverse_distance(theta)
        return linear_weights(self.series.thetas[:, 0], float(theta[0]))
