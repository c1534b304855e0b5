"""An INR's numbers, carried from the training steps around a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from hyperinr_core.inr import Values
from hyperinr_core.motion.motion import Moment, Motion
from hyperinr_core.motion.steps import Box, Source

#: Points. A coordinate that is so near to a point of the training grid is one: unit coordinates are float32.
ON_POINT = 1e-4


class Carried(Values):
    """Decoded steps along a model's motion.

    Parameters
    ----------
    steps : by the number of their encoder.
    columns : of each field's components among all.
    """

    def __init__(self, motion: Motion, steps: Source, columns: Sequence[slice], time: float) -> None:
        self._motion, self._steps, self._columns, self._time = motion, steps, columns, time
        self._box: Box | None = None
        self.slab_points = steps.slab_points

    @cached_property
    def _moments(self) -> list[Moment]:
        """Of each field; what is asked of their motion alone does without."""
        return [self._motion.moment(field, self._time) for field in range(len(self._columns))]

    def at_points(self, points: np.ndarray) -> np.ndarray:
        """(B, C) float32 at points (B, D) float32 in [0, 1], x first."""
        axes = self._in_points(list(points.T), len(points))
        values = np.empty((len(points), self._columns[-1].stop), np.float32)
        if len(points):
            self._carry(self._box_of(axes), axes, values, True)
        return values

    def on_grid(self, axes: tuple[np.ndarray, ...], out: np.ndarray) -> None:
        """Write what is at every combination of unit coordinates along x, y (, z) into out (nz, ny, nx, C) or (ny, nx, C)."""
        places = self._in_points(axes)
        self._carry(self._box or self._box_of(places), places, out if len(axes) == 3 else out[None], False)

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._steps.empty(shape)

    def prepare(self, axes: tuple[np.ndarray, ...], progress: Callable[[float], object] | None) -> None:
        """Decode the steps that are missing, for all of the axes."""
        self._box = self.around(axes)
        self._steps.get(self.numbers, self._box, progress)

    def around(self, axes: tuple[np.ndarray, ...], n_points: int = 1) -> Box:
        """The box of the steps' grid that is needed for unit coordinates along x, y (, z), of that many scattered points."""
        return self._box_of(self._in_points(axes, n_points))

    def moving(self, field: int, axes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Velocity (3, nz, ny, nx) x, y, z in points per unit of time, trust and error (nz, ny, nx); see `Values.moving`."""
        places = self._in_points(axes)
        known = self._motion.known(field, self._time)
        shape = tuple(map(len, places))
        velocity, trust, error = (np.empty(s, np.float32) for s in ((3, *shape), shape, shape))
        for plane in range(shape[0]):  # whole volumes of all that a lattice holds would take much memory
            positions = np.stack(np.meshgrid(places[0][plane], *places[1:], indexing="ij"))[:, 0]
            velocity[:, plane], trust[plane], error[plane] = known.at(positions)
        return velocity[::-1], trust, error

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the steps around the time."""
        return self._moments[0].steps

    def _box_of(self, places: Sequence[np.ndarray]) -> Box:
        """The box that values at places are made of."""
        low, high = [float(axis.min()) for axis in places], [float(axis.max()) for axis in places]
        if self._steps.around(low, high, (0, 0, 0)) == self._steps.whole:
            return self._steps.whole  # however far paths lead
        reach = np.max([moment.reach for moment in self._moments], axis=0).tolist()
        return self._steps.around(low, high, reach)

    def _in_points(self, unit: Sequence[np.ndarray], n_points: int = 1) -> list[np.ndarray]:
        """z, y, x in points of unit coordinates along x, y (, z); of a plane z is 0, for as many points as are scattered."""
        found = []
        z = [] if len(unit) == 3 else [np.zeros(n_points)]
        for axis, n in zip(reversed([*unit, *z]), self._motion.shape):
            place = axis.astype(np.float64) * (n - 1)
            nearest = np.rint(place)
            found.append(np.where(abs(place - nearest) < ON_POINT, nearest, place).astype(np.float32))
        return found

    def _carry(self, box: Box, places: Sequence[np.ndarray], out: np.ndarray, scattered: bool) -> None:
        self._steps.carry(self._moments, self._columns, box, places, scattered, out)
