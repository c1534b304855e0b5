"""The guide of a shadow model: one level of its table that is computed for the light instead of learned.

Blended encoders know where shadows lie only as well as the lights around them. A sweep over a coarse copy of the volume
takes a fraction of a millisecond and knows it for every light, but coarsely; the network learns what it lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hyperinr_core.light import shadow
from hyperinr_core.spaces.sphere import light_directions
from hyperinr_core.volume import Grid

#: What a file calls the extinction.
GUIDE_TENSOR = "guide_extinction"

#: Largest optical thickness of the box's diagonal; float16 holds it, and no light comes through a part of it.
MAX_THICKNESS = 6e4

#: Sweeps that stand for a soft light, degrees that a softer one is wider, and sweeps that stand for that.
N_SWEEPS, SOFTER, N_SOFTER_SWEEPS = 8, 10.0, 4

#: Samples of the fine volume for each vertex of the coarse one, along an axis.
OVERSAMPLING = 16


@dataclass(frozen=True)
class Guide:
    """What the guide's level is computed from.

    Attributes
    ----------
    extinction : (R, R, R) float16, z first: mean optical thickness around each vertex, of a way as long as the box's diagonal.
        Vertex i lies at (i - 0.5) / (R - 1.5) of the box along its axis, the last one on its end.
    grid : of the shadows.
    diameter : of the light in degrees, 0 for a sharp one.
    """

    extinction: np.ndarray
    grid: Grid
    diameter: float = 0.0

    @property
    def resolution(self) -> int:
        return len(self.extinction)

    def __call__(self, theta: np.ndarray, n_features: int) -> np.ndarray:
        """(R^3 * F) float32 numbers of the level for a light (2,) in degrees.

        Features, as many as there are: the coarse shadow; the opacity of one cell; the shadow of the light opposite; that of
        a softer light; zeros.
        """
        coarse, towards, tau = self._coarse_grid, light_directions(theta), self._tau
        features = [
            lambda: self._shadow(tau, coarse, towards),
            lambda: self._opacity,
            lambda: shadow.transmittance(tau, coarse, -towards),
            lambda: shadow.soft_transmittance(tau, coarse, towards, self.diameter + SOFTER, N_SOFTER_SWEEPS),
        ]
        level = np.zeros((tau.size, n_features), np.float32)
        for place, feature in enumerate(features[:n_features]):
            level[:, place] = feature().ravel()
        return level.ravel()

    def _shadow(self, tau: np.ndarray, coarse: Grid, towards: np.ndarray) -> np.ndarray:
        if self.diameter:
            return shadow.soft_transmittance(tau, coarse, towards, self.diameter, N_SWEEPS)
        return shadow.transmittance(tau, coarse, towards)

    # What no light changes is computed once.

    @cached_property
    def _tau(self) -> np.ndarray:
        return self.extinction.astype(np.float32)

    @cached_property
    def _opacity(self) -> np.ndarray:
        return 1 - np.exp(-self._tau * np.float32(max(map(abs, self._coarse_grid.spacing))))

    @cached_property
    def _coarse_grid(self) -> Grid:
        """The guide's vertices, in diagonals of the box."""
        sides = np.array([step * (n - 1) for step, n in zip(self.grid.spacing, self.grid.dims)])
        spacing = sides / (self.resolution - 1.5) / np.linalg.norm(sides)
        return Grid((self.resolution,) * 3, spacing=tuple(spacing), direction=self.grid.direction)


def make_guide(tau: np.ndarray, grid: Grid, resolution: int, diameter: float = 0.0) -> Guide:
    """The guide for an extinction (nz, ny, nx) per length unit."""
    diagonal = float(np.linalg.norm([step * (n - 1) for step, n in zip(grid.spacing, grid.dims)]))
    values = np.asarray(tau, np.float32) * np.float32(diagonal)
    for axis in range(3):
        coarsened = np.tensordot(_coarsening(values.shape[axis], resolution), values, (1, axis))
        values = np.moveaxis(coarsened, 0, axis)
    return Guide(np.ascontiguousarray(np.minimum(values, MAX_THICKNESS), np.float16), grid, diameter)


def _coarsening(n: int, resolution: int) -> np.ndarray:
    """(R, n) float32 weights that take n values along an axis to means around each vertex, no thickness lost."""
    count = OVERSAMPLING * resolution
    x = (np.arange(count) + 0.5) / count
    fine, coarse = x * (n - 1), x * (resolution - 1.5) + 0.5
    spread, gather = np.zeros((resolution, count)), np.zeros((count, n))
    for matrix, places, rows in ((spread.T, coarse, resolution), (gather, fine, n)):
        lower = np.minimum(places.astype(int), rows - 2)
        matrix[np.arange(count), lower] = 1 - (places - lower)
        matrix[np.arange(count), lower + 1] = places - lower
    return (spread @ gather * (resolution - 1.5) / count).astype(np.float32)
