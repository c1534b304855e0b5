"""Catmull-Rom along the paths of an optical flow: features move where linear interpolation fades them out and in."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from hyperinr_core.motion.kernel import sample
from hyperinr_core.motion.steps import Step
from hyperinr_core.once import Once
from hyperinr_core.spaces.line import catmull_rom_weights
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.training.teachers.lattice import Lattice, periodic_axes
from hyperinr_core.training.teachers.optical_flow import flow_between
from hyperinr_core.volume import VolumeSeries

#: Gaps whose paths stay in memory, with the splines of the steps around.
N_GAPS = 3

#: Iterations that find the path through a point.
N_FIXED_POINT = 2


class Flow(Teacher):
    """Each point of a gap's middle travels along a smooth path through the steps around, and carries a value along.

    Where the path is at time t, and which value it carries, are both Catmull-Rom over up to four steps. The flow of a gap
    gives the path's places at both its ends, the flows of the two gaps beside it the places one step further.
    """

    max_parameters = 1

    def __init__(self, series: VolumeSeries, field: str, motions: Once[np.ndarray] | None = None) -> None:
        super().__init__(series, field)
        self._times = series.thetas[:, 0]
        self._motions: Once[np.ndarray] = Once() if motions is None else motions
        self._gaps: Once[_Gap] = Once(N_GAPS)
        self._steps: Once[Step] = Once(N_GAPS + 3)
        self.periodic = periodic_axes([self.volume(0), self.volume(len(series) - 1)])

    def without(self, step: int) -> Flow:
        """The flow of a series that lacks a step; gaps that both have are computed once."""
        return Flow(self.series.select([i for i in range(len(self.series)) if i != step]), self.field, self._motions)

    @cached_property
    def points(self) -> np.ndarray:
        """(3, n) float32 z, y, x of the grid's points."""
        return Lattice(self.series.grid.shape, self.periodic).points.reshape(3, -1)

    def splines(self, vectors: np.ndarray) -> Step:
        """Of vectors (n, c) at the grid's points."""
        return Step.of(vectors.reshape(*self.series.grid.shape, -1), self.periodic)

    def prepare(self, gap: int) -> None:
        """Compute the motion in a gap, for use by later calls."""
        self._motion(gap)

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        t = float(theta[0])
        steps, weights = catmull_rom_weights(self._times, t)
        if len(steps) == 1:
            return self.volume(int(steps[0])).copy()
        gap = self._gap(int(np.searchsorted(self._times, t)) - 1)
        middle = self._middles(gap, weights)
        values = np.zeros((self.series.grid.n_points, self.volume(0).shape[-1]), np.float32)
        for step, weight, offset in zip(steps, weights, gap.offsets):
            values += np.float32(weight) * sample(self._step(int(step)), middle + sample(offset, middle).T)
        return values.reshape(*self.series.grid.shape, -1)

    def _middles(self, gap: _Gap, weights: np.ndarray) -> np.ndarray:
        """(3, n) where the path that passes through each point now is in the middle of the gap."""
        splines, values = (
            np.add.reduce([np.float32(weight) * part for weight, part in zip(weights, parts)])
            for parts in zip(*((offset.splines, offset.values) for offset in gap.offsets))
        )
        travelled = replace(gap.offsets[0], splines=splines, values=values)
        middle = self.points
        for _ in range(N_FIXED_POINT + 1):
            middle = self.points - sample(travelled, middle).T
        return middle

    def _step(self, step: int) -> Step:
        return self._steps.get(step, lambda: self.splines(self.volume(step)))

    def _gap(self, left: int) -> _Gap:
        return self._gaps.get(left, lambda: _Gap(self, left))

    def _motion(self, gap: int) -> np.ndarray:
        """(n, 3) displacement z, y, x over a gap, by its middle; 6 bytes a point stay in memory."""

        def found() -> np.ndarray:
            return (
                flow_between(self.volume(gap), self.volume(gap + 1), self.periodic).reshape(3, -1).T.astype(np.float16)
            )

        return self._motions.get((self._times[gap], self._times[gap + 1]), found).astype(np.float32)


class _Gap:
    """Paths through one gap.

    Attributes
    ----------
    offsets : for each of the two to four steps around, splines of the way z, y, x from a path's middle to its place at that step.
    """

    def __init__(self, teacher: Flow, left: int) -> None:
        self._teacher, self._left = teacher, left
        self.offsets = [teacher.splines(offset) for offset in self._find_offsets()]

    def _find_offsets(self) -> list[np.ndarray]:
        half = np.float32(0.5) * self._teacher._motion(self._left)
        offsets = [-half, half]
        if self._left > 0:
            offsets.insert(0, -half + self._onward(-half, self._left - 1, -1.0))
        if self._left + 2 < len(self._teacher.series):
            offsets.append(half + self._onward(half, self._left + 1, 1.0))
        return offsets

    def _onward(self, offset: np.ndarray, gap: int, direction: float) -> np.ndarray:
        """The way from the end of one gap through the whole of the next, whose motion is known by its middle."""
        start, motion = self._teacher.points + offset.T, self._teacher.splines(self._teacher._motion(gap))
        way = sample(motion, start)
        for _ in range(N_FIXED_POINT):
            way = sample(motion, start + np.float32(0.5 * direction) * way.T)
        return np.float32(direction) * way
