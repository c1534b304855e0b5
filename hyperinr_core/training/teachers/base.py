"""What every teacher can do, and what those that blend training volumes share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces.space import Coefficients
from hyperinr_core.volume import VolumeSeries

#: Training volumes a teacher keeps in memory.
N_KEPT = 8


@dataclass(frozen=True)
class FitSettings:
    """How a teacher that learns is fitted.

    Attributes
    ----------
    samples : points drawn in all; 0 for the teacher's default.
    seconds : stop after so much time instead; 0 to go by samples.
    state : where an interrupted fit is kept and found again; deleted by the caller.
    memory_bytes : training data in memory at a time.
    progress : called with the finished fraction about twice a second.
    """

    samples: int = 0
    seconds: float = 0.0
    seed: int = 0
    state: Path | None = None
    memory_bytes: int = 1 << 32
    device: str = "cpu"
    progress: Callable[[float], Any] | None = None


class Teacher(ABC):
    """Volumes of one field at any theta, known from the training steps.

    `evaluate` may be called from several threads.

    Attributes
    ----------
    series : the training steps.
    field : the field's name.
    """

    #: most parameters of a series that this teacher works on; None for any number
    max_parameters: int | None = None

    def __init__(self, series: VolumeSeries, field: str) -> None:
        if self.max_parameters is not None and len(series.parameters) > self.max_parameters:
            raise ParameterError(
                f"{series.source} has the parameters {', '.join(series.parameters)}; this teacher follows one, use linear"
            )
        self.series, self.field = series, field
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def fit(self, settings: FitSettings) -> None:
        """Learn what `evaluate` needs; teachers that work from the training volumes themselves have nothing to learn."""
        return

    @abstractmethod
    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        """(nz, ny, nx, c) float32 at theta (P,), in the field's units."""

    def without(self, step: int) -> Teacher:
        """This teacher of the series that lacks a step."""
        return type(self)(self.series.select([i for i in range(len(self.series)) if i != step]), self.field)

    @property
    def n_bytes(self) -> int:
        """What has to be stored to evaluate: for teachers that learn nothing, the training volumes as float32."""
        return 4 * self.series.grid.n_points * self.series.field_info[self.field] * len(self.series)

    def volume(self, step: int) -> np.ndarray:
        """(nz, ny, nx, c) float32 of a training step, read-only; the latest few stay in memory."""
        with self._lock:
            if step in self._kept:
                self._kept.move_to_end(step)
                return self._kept[step]
        values = self.series.read(step, [self.field])
        values.flags.writeable = False
        with self._lock:
            self._kept[step] = values
            while len(self._kept) > N_KEPT:
                self._kept.popitem(last=False)
        return values


class Blend(Teacher):
    """Training volumes, each weighted, summed."""

    @abstractmethod
    def coefficients(self, theta: np.ndarray) -> Coefficients:
        """Steps (K,) and weights (K,) that sum to 1."""

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        steps, weights = self.coefficients(theta)
        values = np.float32(weights[0]) * self.volume(int(steps[0]))
        for step, weight in zip(steps[1:], weights[1:]):
            values += np.float32(weight) * self.volume(int(step))
        return values
