"""A teacher over other coordinates of theta, such as a direction in place of angles, which have a seam and poles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.volume import VolumeSeries


class Turned(Teacher):
    """Another teacher, made for the same steps at other thetas.

    Parameters
    ----------
    kind : the other teacher's name.
    turn : thetas (n, P) to (n, Q).
    """

    def __init__(self, series: VolumeSeries, field: str, kind: str, turn: Callable[[np.ndarray], np.ndarray]) -> None:
        super().__init__(series, field)
        thetas = turn(series.thetas)
        names = tuple(f"theta{index}" for index in range(thetas.shape[1]))
        turned = VolumeSeries(
            series.grid, thetas, series.field_info, series.loader, series.source, names, ("free",) * len(names)
        )
        self._turn, self._teacher = turn, create(kind, turned, field)

    def fit(self, settings: FitSettings) -> None:
        self._teacher.fit(settings)

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        return self._teacher.evaluate(self._turn(theta[None])[0])
