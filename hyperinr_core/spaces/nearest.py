"""Several parameters of any meaning: the nearest positions, weighted by inverse distance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hyperinr_core.spaces.space import N_NEIGHBORS, Coefficients, Space, alone


class Nearest(Space):
    """Positions (N, P) of any parameters, whose distances are taken after mapping the bounds to [0, 1]."""

    @classmethod
    def fits(cls, roles: Sequence[str]) -> bool:
        return True

    def _weights(self, theta: np.ndarray, kind: str) -> Coefficients:
        return self.kinds[kind](self, theta)

    def inverse_distance(self, theta: np.ndarray) -> Coefficients:
        """Shepard's weights over the nearest positions, p = 1 (HyperINR equation 4); one hit exactly is returned alone."""
        n_neighbors = min(N_NEIGHBORS, len(self.positions))
        distances, indices = self._tree.query(self._mapped(theta), k=np.arange(1, n_neighbors + 1))
        if distances[0] == 0:
            return alone(int(indices[0]))
        inverse = 1 / distances
        return indices.astype(np.int64), inverse / inverse.sum()

    kinds = {"idw": inverse_distance}  # noqa: RUF012 - typed by Space

    def _mapped(self, thetas: np.ndarray) -> np.ndarray:
        extent = self.bounds[:, 1] - self.bounds[:, 0]
        return (thetas - self.bounds[:, 0]) / np.where(extent > 0, extent, 1)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree  # here, because one parameter never needs it and viewing should open fast

        return cKDTree(self._mapped(self.positions))
