"""What every teacher can do, and what those that blend training volumes share."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces.space import Coefficients
from hyperinr_core.volume import Field, VolumeSeries

#: Training volumes a teacher keeps in memory, at least.
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
    field : the field with its range over all steps, where that is known already.
    progress : called with the finished fraction about twice a second.
    """

    samples: int = 0
    seconds: float = 0.0
    seed: int = 0
    state: Path | None = None
    memory_bytes: int = 1 << 32
    device: str = "cpu"
    progress: Callable[[float], object] | None = None
    field: Field | None = None


class Latest:
    """The volumes of a field that were read last; teachers and threads may share it, and none is read twice at a time.

    Attributes
    ----------
    most : volumes that stay in memory.
    """

    def __init__(self, series: VolumeSeries, field: str) -> None:
        self._series, self._field, self.most = series, field, N_KEPT
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, step: int) -> np.ndarray:
        """(nz, ny, nx, c) float32 of a step, read-only."""
        with self._lock:
            if step not in self._kept:
                self._kept[step] = self._series.read(step, [self._field])
                self._kept[step].flags.writeable = False
            self._kept.move_to_end(step)
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
            return self._kept[step]


class Teacher(ABC):
    """Volumes of one field at any theta, known from the training steps.

    `evaluate` may be called from several threads.

    Attributes
    ----------
    series : the training steps.
    field : the field's name.
    latest : the training volumes that were read last.
    """

    #: most parameters of a series that this teacher works on; None for any number
    max_parameters: int | None = None

    def __init__(self, series: VolumeSeries, field: str) -> None:
        if self.max_parameters is not None and len(series.parameters) > self.max_parameters:
            raise ParameterError(
                f"{series.source} has the parameters {', '.join(series.parameters)}; this teacher follows one, use linear"
            )
        self.series, self.field = series, field
        self.latest = Latest(series, field)

    def fit(self, settings: FitSettings) -> None:
        """Learn what `evaluate` needs; teachers that work from the training volumes keep as many of them as memory holds."""
        volume_bytes = 4 * self.series.grid.n_points * self.series.field_info[self.field]
        self.latest.most = max(N_KEPT, settings.memory_bytes // (2 * volume_bytes))

    @abstractmethod
    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        """(nz, ny, nx, c) float32 at theta (P,), in the field's units."""

    def at(self, theta: np.ndarray, index: np.ndarray) -> np.ndarray:
        """(n, c) float32 at theta (P,) and points (n,) of the grid, counted along x first, then y, then z."""
        values = self.evaluate(theta)
        return values.reshape(-1, values.shape[-1])[index]

    def without(self, step: int) -> Teacher:
        """This teacher of the series that lacks a step."""
        return type(self)(self.series.select([i for i in range(len(self.series)) if i != step]), self.field)

    @property
    def n_bytes(self) -> int:
        """What has to be stored to evaluate: for teachers that learn nothing, the training volumes as float32."""
        return 4 * self.series.grid.n_points * self.series.field_info[self.field] * len(self.series)

    def volume(self, step: int) -> np.ndarray:
        """(nz, ny, nx, c) float32 of a training step, read-only; the latest few stay in memory."""
        return self.latest(step)


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
