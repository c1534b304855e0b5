"""Motion between two steps of a series: several ways to find it, how well each matches, and one field made of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from hyperinr_core.motion.kernel import sample
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.motion.steps import Step
from hyperinr_core.once import Once
from hyperinr_core.training.crop import cut_out
from hyperinr_core.training.motion.refine import refined
from hyperinr_core.training.motion.velocity import Velocity
from hyperinr_core.training.teachers.base import Latest
from hyperinr_core.training.teachers.flow_reference import growth
from hyperinr_core.training.teachers.lattice import Lattice
from hyperinr_core.training.teachers.optical_flow import flow_between, searched
from hyperinr_core.training.threads import workers
from hyperinr_core.volume import VolumeSeries

#: Windows of the optical flow: narrow ones follow small structures, wide ones survive noise.
WINDOWS = (2.0, 4.0)

#: Points over which the match of two ends is judged, a standard deviation.
SIGMA = 3.0

#: Points of a grid whose motion is found at once; of a larger one it takes too much memory.
MOST_AT_ONCE = 1 << 22

#: Bytes for each value that finding the motion of one pair takes, about.
WORKING_BYTES = 300

#: Steps that stay in memory for each thread.
N_KEPT = 6

#: What a way is believed at least where its match is judged: a velocity was not found by matching.
LEAST_MATCH = 0.5


class Pairs:
    """The motion of one field between any two steps of its series; whatever was asked for last is kept, for any thread.

    Parameters
    ----------
    series : with numbers at masked points.
    periodic : (3,) z, y, x.
    velocity : of the same series, if one is known.
    inner : box z, y, x of the points that a motion is judged by; those around it are there to be moved in. All when None.
    memory_bytes : what threads that find motions beside each other may take.
    every : 2 to search motion at every second point along each axis that has many; it is stored, and judged, as ever.

    Attributes
    ----------
    every : 1 where no axis has many.
    n_workers : how many may do so.
    searched : the lattice (mz, my, mx) of the points that motion is searched at.
    places : (3, mz, my, mx) z, y, x of those, in points of the grid.
    """

    def __init__(
        self,
        series: VolumeSeries,
        field: str,
        periodic: tuple[bool, bool, bool],
        velocity: Velocity | None = None,
        inner: Sequence[slice] | None = None,
        memory_bytes: int = 0,
        every: int = 1,
    ) -> None:
        self.series, self.field, self.velocity, self.inner = series, field, velocity, inner
        self.times = series.thetas[:, 0]
        n_values = min(series.grid.n_points, MOST_AT_ONCE) * series.field_info[field]
        self.n_workers = workers(WORKING_BYTES * n_values, memory_bytes)
        self.latest = Latest(series, field)
        self.latest.most = N_KEPT * self.n_workers
        self.periodic = periodic
        self.lattice = Lattice(series.grid.shape, periodic)
        self.nodes = self.searched_nodes = Nodes(series.grid.shape, periodic)
        self.searched = searched(self.lattice, every)
        self.every = every if self.searched.shape != self.lattice.shape else 1
        self._growth = growth(self.searched, self.lattice)
        if self.every > 1:
            known = [(np.arange(n) + 0.5) * ratio - 0.5 for n, ratio in zip(self.searched.shape, self._growth.ravel())]
            self.searched_nodes = Nodes(series.grid.shape, periodic, known=known)
        self._flows: Once[np.ndarray] = Once()
        self._steps: Once[Step] = Once(N_KEPT * self.n_workers)
        self._blended: Once[tuple[np.ndarray, np.ndarray]] = Once()

    @cached_property
    def places(self) -> np.ndarray:
        half = np.float32(0.5)
        return self.lattice.points if self.every == 1 else (self.searched.points + half) * self._growth - half

    @property
    def n_ways(self) -> int:
        """Ways to find a motion."""
        return len(WINDOWS) + (self.velocity is not None)

    def step(self, step: int) -> Step:
        """A step as `carry` reads it."""
        return self._steps.get(step, lambda: Step.of(self.latest(step), self.periodic))

    def ways(self, a: int, b: int) -> Iterator[np.ndarray]:
        """(2, 3, mz, my, mx) points from a path's middle to its places at steps a and b, by each way."""
        for _, ends in self._chosen_ways(a, b, [True] * self.n_ways):
            yield ends

    def _chosen_ways(self, a: int, b: int, chosen: Sequence[bool]) -> Iterator[tuple[int, np.ndarray]]:
        for number, window in enumerate(WINDOWS):
            if chosen[number]:
                half = np.float32(0.5) * self._flow(a, b, window)
                yield number, np.stack([-half, half])
        if self.velocity is not None and chosen[-1]:
            yield len(WINDOWS), self.velocity.ends(a, b, self.nodes, self.places)

    def match(self, a: int, b: int, ends: np.ndarray) -> np.ndarray:
        """(mz, my, mx) from 0 to 1, how much better two steps match along ends (2, 3, mz, my, mx) than in place."""
        first, last = (self.sampled(step, self.places + offset) for step, offset in zip((a, b), ends))
        valid = self.seen(self.valid(a, b))[..., None]
        there = self._mean(((first - last) ** 2 * valid).sum(axis=-1))
        here = self._mean((self._change(a, b) ** 2 * valid).sum(axis=-1))
        floor = np.float32(1e-9) * np.float32(np.ptp(self.latest(a))) ** 2 + np.finfo(np.float32).tiny
        return np.clip(1 - there / (here + floor), 0, 1)

    def _change(self, a: int, b: int) -> np.ndarray:
        """(mz, my, mx, c) what differs between two steps in place."""
        if self.every == 1:
            return self.latest(a) - self.latest(b)
        return self.sampled(a, self.places) - self.sampled(b, self.places)

    def seen(self, values: np.ndarray) -> np.ndarray:
        """(mz, my, mx) values (nz, ny, nx) at points beside those that motion is searched at."""
        if self.every == 1:
            return values
        z, y, x = (np.arange(n) * full // n for n, full in zip(self.searched.shape, self.lattice.shape))
        return values[np.ix_(z, y, x)]

    def everywhere(self, values: np.ndarray) -> np.ndarray:
        """(..., nz, ny, nx) at the points of the grid, of values (..., mz, my, mx) at those that motion is searched at."""
        return values if self.every == 1 else self.nodes.at_points(self.searched_nodes.fit(values))

    def sampled(self, step: int, places: np.ndarray) -> np.ndarray:
        """(..., c) values of a step at as many places (3, ...) in points."""
        return sample(self.step(step), places.reshape(3, -1)).reshape(*places.shape[1:], -1)

    def valid(self, *steps: int) -> np.ndarray:
        """(nz, ny, nx) bool, where all of some steps hold values."""
        found = np.ones(self.series.grid.shape, bool)
        if self.series.mask is not None:
            for step in steps:
                found &= self.series.valid(step, self.field)
        return found

    def judged(self, *steps: int) -> np.ndarray:
        """(nz, ny, nx) bool, where a motion is judged: points of the inner box where all of some steps hold values."""
        found = self.valid(*steps)
        if self.inner is not None:
            outer = np.ones(found.shape, bool)
            outer[tuple(self.inner)] = False
            found &= ~outer
        return found

    def blended(self, a: int, b: int, weights: Sequence[float], finish: bool) -> tuple[np.ndarray, np.ndarray]:
        """One motion of all ways, each by what it is worth (K,) and how well it matches there.

        Parameters
        ----------
        finish : refine it.

        Returns
        -------
        Coefficients of the ends (2, 3, cz, cy, cx), and of their match (cz, cy, cx).
        """

        def found() -> tuple[np.ndarray, np.ndarray]:
            coefficients = self.searched_nodes.fit(self.mixed(a, b, weights))
            if finish:
                coefficients = refined(self, a, b, coefficients)
            return coefficients, self.matched(a, b, coefficients)

        return self._blended.get((a, b, tuple(weights), finish), found)

    def mixed(self, a: int, b: int, weights: Sequence[float]) -> np.ndarray:
        """(2, 3, mz, my, mx) points from a path's middle to its places at steps a and b, the mean over all ways."""
        total = np.zeros((2, 3, *self.searched.shape), np.float32)
        sums = np.zeros(self.searched.shape, np.float32)
        chosen = [weight > 0 or not any(weights) for weight in weights]
        for number, ends in self._chosen_ways(a, b, chosen):
            match = self.match(a, b, ends)
            if number >= len(WINDOWS):
                match = np.maximum(match, LEAST_MATCH)
            share = np.float32(weights[number] + 1e-3) * match**2 + np.float32(1e-4)
            total += share * ends
            sums += share
        total /= sums
        return total

    def matched(self, a: int, b: int, coefficients: np.ndarray) -> np.ndarray:
        """Coefficients (cz, cy, cx) of the match of coarse ends (2, 3, cz, cy, cx)."""
        padded = self.nodes.padded(coefficients.reshape(6, *coefficients.shape[2:]))
        ends = self.nodes.at(padded, self.places).reshape(2, 3, *self.searched.shape)
        return np.clip(self.searched_nodes.fit(self.match(a, b, ends)), 0, 1)

    def within(self, box: Sequence[slice]) -> Pairs:
        """The same of a box z, y, x of the grid's points, which may go on beyond the end of a periodic axis."""
        z, y, x = (
            wraps and part.stop - part.start == n for wraps, part, n in zip(self.periodic, box, self.series.grid.shape)
        )
        series, velocity, periodic = cut_out(self.series, box), self.velocity, (z, y, x)
        velocity = velocity and Velocity(series, velocity.fields, velocity.scale, periodic)
        return Pairs(series, self.field, periodic, velocity, every=self.every)

    def fine(self, coefficients: np.ndarray) -> np.ndarray:
        """(k, nz, ny, nx) at the points of coefficients (k, cz, cy, cx)."""
        return self.nodes.at(self.nodes.padded(coefficients), self.lattice.points)

    def forget(self) -> None:
        """Drop the fields between steps, keep what was blended."""
        self._flows.clear()

    def _flow(self, a: int, b: int, window: float) -> np.ndarray:
        """(3, mz, my, mx) points from a step to another, by the optical flow."""

        def found() -> np.ndarray:
            return flow_between(self.latest(a), self.latest(b), self.periodic, window, self.every).astype(np.float16)

        return self._flows.get((a, b, window), found).astype(np.float32)

    def _mean(self, values: np.ndarray) -> np.ndarray:
        return self.searched.smooth(values, [SIGMA / float(ratio) for ratio in self._growth.ravel()])
