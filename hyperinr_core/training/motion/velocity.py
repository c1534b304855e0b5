"""The simulation's own velocity as motion: paths through the vectors that were saved with the steps."""

from __future__ import annotations

import numpy as np

from hyperinr_core.motion.lattice import Lattice
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.training.teachers.base import Latest
from hyperinr_core.volume import VolumeSeries


class Velocity:
    """A vector field of a series, in points per unit of time.

    Parameters
    ----------
    fields : the vector, or its components along x, y, z.
    scales : (3,) points per unit of time for 1 of the vector along x, y, z.
    periodic : (3,) z, y, x.
    """

    def __init__(self, series: VolumeSeries, fields: tuple[str, ...], scales: np.ndarray, periodic: tuple[bool, bool, bool]) -> None:
        self.series, self.fields, self.scales = series, fields, np.asarray(scales, np.float32)
        self._latest = [Latest(series, name) for name in fields]
        self._lattice = Lattice(series.grid.shape, periodic)
        self._padded: dict[int, list[np.ndarray]] = {}

    def ends(self, a: int, b: int, nodes: Nodes) -> np.ndarray:
        """(2, 3, nz, ny, nx) points from where a path is in the middle between steps a and b to its places at both."""
        times = self.series.thetas[:, 0]
        middle = 0.5 * (times[a] + times[b])
        found = np.stack([self._path(a, b, middle, end, nodes.places) - nodes.places for end in (a, b)])
        coefficients = nodes.interpolate(found).reshape(6, *nodes.coefficient_shape)
        return nodes.at(nodes.padded(coefficients), self._lattice.points).reshape(2, 3, *self._lattice.shape)

    def _path(self, a: int, b: int, time: float, end: int, places: np.ndarray) -> np.ndarray:
        """Where what passes places (3, *) at a time is at step a or b: midpoint rule, velocity linear in time."""
        times = self.series.thetas[:, 0]
        span, goal = times[b] - times[a], times[end]
        n = self._n_parts(a, b)
        now, dt = time, (goal - time) / n
        for _ in range(n):
            half = places + np.float32(dt / 2) * self._speed(a, b, (now - times[a]) / span, places)
            places = places + np.float32(dt) * self._speed(a, b, (now + dt / 2 - times[a]) / span, half)
            now += dt
        return places

    def _n_parts(self, a: int, b: int) -> int:
        """Of a path, so that each is about two points long where it is fastest, and 4 to 32."""
        times = self.series.thetas[:, 0]
        fastest = max(max(float(abs(part).max()) for part in self._at(step)) for step in (a, b))
        return int(np.clip(np.ceil(fastest * (times[b] - times[a]) / 4), 4, 32))

    def _speed(self, a: int, b: int, share: float, places: np.ndarray) -> np.ndarray:
        first, last = (
            np.stack([self._lattice.sample(part, places, 1) for part in self._at(step)]) for step in (a, b)
        )
        return np.float32(1 - share) * first + np.float32(share) * last

    def _at(self, step: int) -> list[np.ndarray]:
        """Components along z, y, x, padded for linear samples."""
        if step not in self._padded:
            while len(self._padded) >= 4:
                self._padded.pop(next(iter(self._padded)))
            vectors = np.concatenate([latest(step) for latest in self._latest], axis=-1) * self.scales
            self._padded[step] = [self._lattice.padded(vectors[..., axis], 1) for axis in (2, 1, 0)]
        return self._padded[step]
