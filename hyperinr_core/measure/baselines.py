"""What a model must beat: interpolation of the training volumes themselves, at their true times."""

from __future__ import annotations

from collections import OrderedDict
from typing import Optional

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces.line import Line
from hyperinr_core.volume import VolumeSeries

#: Volumes kept in memory: Catmull-Rom needs four, and the next gap needs three of them again.
N_KEPT = 4

#: First and one-past-last plane, all planes when None.
Planes = Optional[tuple[int, int]]


class Baseline:
    """Interpolation in one parameter between training volumes that are read as they are needed.

    Linear interpolation is what ParaView's TemporalInterpolator shows. Volumes are blended with the coefficients that
    blend the encoders of a model, so the two differ in what is blended and in nothing else.

    Parameters
    ----------
    series : the training volumes.
    names : fields to interpolate.
    """

    def __init__(self, series: VolumeSeries, names: tuple[str, ...]) -> None:
        if len(series.parameters) != 1:
            raise ParameterError(
                f"{series.source} has the parameters {', '.join(series.parameters)}; "
                "expected one, since the baselines interpolate in one parameter"
            )
        self.series, self.names = series, names
        self._kept: OrderedDict[tuple[int, Planes], np.ndarray] = OrderedDict()

    def __call__(self, theta: float, kind: str, z_range: Planes = None) -> np.ndarray:
        """(nz, ny, nx, C) float32 at theta, by `kind` linear or catmull_rom; of some planes as in `VolumeSeries.read`.

        Raises ParameterError for a theta before the first or after the last training volume.
        """
        positions = self.series.thetas[:, 0]
        if not positions[0] <= theta <= positions[-1]:
            raise ParameterError(
                f"{self.series.parameters[0]} is {theta:g}; expected {positions[0]:g} to {positions[-1]:g}, "
                "between the first and the last training volume"
            )
        indices, weights = Line.kinds[kind](positions, theta)
        volumes = [self._read(int(index), z_range) for index in indices]
        if len(volumes) == 1:
            return volumes[0]
        values = np.zeros_like(volumes[0])
        for volume, weight in zip(volumes, weights):
            values += np.float32(weight) * volume
        return values

    def _read(self, step: int, z_range: Planes) -> np.ndarray:
        key = step, z_range
        if key not in self._kept:
            volume = self.series.read(step, self.names, z_range)
            volume.flags.writeable = False
            self._kept[key] = volume
            if len(self._kept) > N_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
