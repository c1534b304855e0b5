"""Catmull-Rom along the paths of an optical flow: features move where linear interpolation fades them out and in."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

import numpy as np

from hyperinr_core.spaces.line import catmull_rom_weights
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.training.teachers.lattice import Lattice, periodic_axes
from hyperinr_core.training.teachers.optical_flow import optical_flow
from hyperinr_core.volume import VolumeSeries

#: Gaps whose paths and spline coefficients stay in memory.
N_GAPS = 3

#: Iterations that find the path through a point.
N_FIXED_POINT = 2


class MotionCache:
    """Motion between pairs of steps, each pair's computed once whoever asks; float16, 6 bytes a point in 3-D."""

    def __init__(self) -> None:
        self._motions: dict[tuple[float, float], Future[np.ndarray]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[float, float], compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The motion stored under a key, or what `compute` returns; another thread's running computation is awaited."""
        with self._lock:
            future = self._motions.get(key)
            mine = future is None
            if future is None:
                future = self._motions[key] = Future()
        if mine:
            try:
                future.set_result(compute().astype(np.float16))
            except BaseException as error:
                future.set_exception(error)
        return future.result().astype(np.float32)


class Flow(Teacher):
    """Each point of a gap's middle travels along a smooth path through the steps around, and carries a value along.

    Where the path is at time t, and which value it carries, are both Catmull-Rom over up to four steps. The flow of a gap
    gives the path's places at both its ends, the flows of the two gaps beside it the places one step further.
    """

    max_parameters = 1

    def __init__(self, series: VolumeSeries, field: str, motions: MotionCache | None = None) -> None:
        super().__init__(series, field)
        self._times = series.thetas[:, 0]
        self._motions = MotionCache() if motions is None else motions
        self._gaps: OrderedDict[int, _Gap] = OrderedDict()
        self._gap_lock = threading.Lock()
        self._plane = series.grid.dims[2] == 1
        periodic = periodic_axes([self.volume(0), self.volume(len(series) - 1)])
        self.periodic = periodic[1:] if self._plane else periodic
        self._lattice = Lattice(series.grid.shape[1:] if self._plane else series.grid.shape, self.periodic)

    def without(self, step: int) -> Flow:
        """The flow of a series that lacks a step; gaps that both have are computed once."""
        return Flow(self.series.select([i for i in range(len(self.series)) if i != step]), self.field, self._motions)

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
        values = np.zeros(self._channels(0).shape, np.float32)
        for step, weight, offset in zip(steps, weights, gap.offsets):
            places = middle + self._lattice.at(offset, middle)
            for channel, padded in zip(values, gap.padded(int(step))):
                channel += np.float32(weight) * self._lattice.sample(padded, places, 3)
        return np.moveaxis(values, 0, -1).reshape(*self.series.grid.shape, -1)

    def _middles(self, gap: _Gap, weights: np.ndarray) -> np.ndarray:
        """(D, ...) where the path that passes through each point now is in the middle of the gap."""
        travelled = np.zeros_like(gap.offsets[0])
        for weight, offset in zip(weights, gap.offsets):
            travelled += np.float32(weight) * offset
        middle = self._lattice.points - travelled
        for _ in range(N_FIXED_POINT):
            middle = self._lattice.points - self._lattice.at(travelled, middle)
        return middle

    def _gap(self, left: int) -> _Gap:
        with self._gap_lock:
            if left not in self._gaps:
                self._gaps[left] = _Gap(self, left)
            self._gaps.move_to_end(left)
            while len(self._gaps) > N_GAPS:
                self._gaps.popitem(last=False)
            gap = self._gaps[left]
        gap.fill()
        return gap

    def _motion(self, gap: int) -> np.ndarray:
        """(D, ...) displacement over a gap, by its middle."""
        key = (self._times[gap], self._times[gap + 1])
        return self._motions.get(key, lambda: self._find_motion(gap))

    def _find_motion(self, gap: int) -> np.ndarray:
        before, after = self._channels(gap), self._channels(gap + 1)
        # to the pair's own range, so that a motion does not depend on what else is in the series
        extent = max(float(before.max()), float(after.max())) - min(float(before.min()), float(after.min()))
        if extent == 0:
            return np.zeros((len(self.periodic), *before.shape[1:]), np.float32)
        scale = np.float32(1 / extent)
        return optical_flow(before * scale, after * scale, self.periodic)

    def _channels(self, step: int) -> np.ndarray:
        """(c, nz, ny, nx) of a training step, or (c, ny, nx) of a plane."""
        channels = np.moveaxis(self.volume(step), -1, 0)
        return channels[:, 0] if self._plane else channels


class _Gap:
    """Paths through one gap.

    Attributes
    ----------
    offsets : for each of the two to four steps around, (D, ...) from a path's middle to its place at that step.
    """

    def __init__(self, teacher: Flow, left: int) -> None:
        self._teacher, self._left = teacher, left
        self._lock = threading.Lock()
        self._padded: dict[int, list[np.ndarray]] = {}
        self.offsets: list[np.ndarray] = []

    def fill(self) -> None:
        """Compute the offsets, once."""
        with self._lock:
            if not self.offsets:
                self.offsets = self._find_offsets()

    def padded(self, step: int) -> list[np.ndarray]:
        """Spline coefficients of a step's channels."""
        with self._lock:
            if step not in self._padded:
                lattice = self._teacher._lattice
                self._padded[step] = [lattice.padded(c, 3) for c in self._teacher._channels(step)]
            return self._padded[step]

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
        lattice, motion = self._teacher._lattice, self._teacher._motion(gap)
        start = lattice.points + offset
        way = lattice.at(motion, start)
        for _ in range(N_FIXED_POINT):
            way = lattice.at(motion, start + np.float32(0.5 * direction) * way)
        return np.float32(direction) * way
