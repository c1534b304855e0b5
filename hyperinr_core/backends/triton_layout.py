"""A model's sizes and geometry as the Triton kernels take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.reference import locate
from hyperinr_core.errors import BackendError
from hyperinr_core.hash_grid import PRIMES, HashGrid

#: Least extent of a matrix that a GPU's matrix units multiply.
TILE = 16

#: Most values per point.
MAX_OUTPUTS = 16


@dataclass(frozen=True)
class TritonLayout:
    """Padded sizes of one model.

    Attributes
    ----------
    n_levels, n_features, n_dims, n_hidden : as configured; a guide's level counts.
    levels, inputs, neurons : powers of two that hold the levels, features and neurons.
    wide : whether places in a table need 64 bits.
    """

    n_levels: int
    n_features: int
    n_dims: int
    n_hidden: int
    n_outputs: int
    levels: int
    inputs: int
    neurons: int
    wide: bool
    shapes: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, architecture: Architecture) -> TritonLayout:
        """The layout of a model; BackendError when it has more outputs than the kernels know."""
        config, network, n_outputs = architecture.encoding, architecture.network, architecture.n_outputs
        hash_grid = architecture.hash_grid
        if not 1 <= n_outputs <= MAX_OUTPUTS:
            raise BackendError(
                f"the GPU kernels have 1 to {MAX_OUTPUTS} outputs, found {n_outputs}; use backend 'torch'"
            )
        n_features = config.n_features_per_level
        levels = max(_power_of_two(hash_grid.n_levels), TILE // n_features)
        neurons = _power_of_two(network.n_neurons)
        return cls(hash_grid.n_levels, n_features, config.n_pos_dims, network.n_hidden_layers, n_outputs, levels,
                   levels * n_features, neurons, hash_grid.table_length >= 2**31, tuple(architecture.layer_shapes))  # fmt: skip

    @property
    def padded_shapes(self) -> list[tuple[int, int]]:
        """(outputs, inputs) of every matrix as the kernels read them."""
        widths = [self.inputs] + [self.neurons] * self.n_hidden + [TILE]
        return [(widths[i + 1], widths[i]) for i in range(len(widths) - 1)]

    @property
    def n_padded_params(self) -> int:
        """Numbers of all padded matrices."""
        return sum(rows * columns for rows, columns in self.padded_shapes)

    def places(self) -> np.ndarray:
        """(W,) int64 where each number of mlp_params lies among those of the padded matrices."""
        places, start = [], 0
        for (rows, columns), (padded_rows, padded_columns) in zip(self.shapes, self.padded_shapes):
            place = np.arange(rows)[:, None] * padded_columns + np.arange(columns)
            places.append(start + place.ravel())
            start += padded_rows * padded_columns
        return np.concatenate(places)

    def geometry(self, hash_grid: HashGrid) -> tuple[np.ndarray, np.ndarray]:
        """(levels,) float32 scales, and (5, levels) int32 offsets, sizes, factors of y and z, and whether hashed.

        A factor is the stride of a dense index, or the prime of a hash, as uint32.
        """
        scales, numbers = np.zeros(self.levels, np.float32), np.ones((5, self.levels), np.int64)
        n = self.n_levels
        scales[:n] = hash_grid.scales
        numbers[0] = 0
        numbers[:, :n] = [hash_grid.offsets[:-1], np.diff(hash_grid.offsets), *_factors(hash_grid), hash_grid.hashed]
        return scales, numbers.astype(np.uint32).view(np.int32)

    def row_plan(self, hash_grid: HashGrid, axes: tuple[np.ndarray, ...]) -> RowPlan:
        """What decoding a grid of these axes (x, y (, z), float32 in [0, 1]) row by row needs to know."""
        slots, cells, fractions = [], np.zeros((self.levels, len(axes[0])), np.int32), []
        n_slots = 0
        for level, scale in enumerate(hash_grid.scales):
            vertex, fraction = (part[:, 0] for part in locate(axes[0][:, None], scale))
            touched = np.unique(np.concatenate([vertex, vertex + 1]))
            slots.append([touched, np.full(len(touched), level)])
            cells[level] = n_slots + np.searchsorted(touched, vertex)  # the vertex beyond is the next that is touched
            fractions.append(fraction)
            n_slots += len(touched)
        terms, parts = zip(*(self._across(hash_grid, axis, f) for axis, f in zip(axes[1:], _factors(hash_grid))))
        return RowPlan(
            np.concatenate(slots, axis=1).astype(np.int32),
            cells,
            _padded(np.array(fractions), self.levels),
            np.concatenate(terms),
            np.concatenate(parts),
        )

    def _across(self, hash_grid: HashGrid, axis: np.ndarray, factors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, levels) what the lower vertex of coordinates along y or z adds to an index, and how far they lie beyond."""
        vertices, fractions = zip(*((part[:, 0] for part in locate(axis[:, None], s)) for s in hash_grid.scales))
        terms = (np.array(vertices) * factors[:, None]).astype(np.uint32).view(np.int32)
        return _padded(terms, self.levels).T.copy(), _padded(np.array(fractions), self.levels).T.copy()

    def sizes(self) -> dict[str, Any]:
        """The compile-time arguments of the kernels."""
        return {
            "N_LEVELS": self.n_levels,
            "L": self.levels,
            "F": self.n_features,
            "D": self.n_dims,
            "IN": self.inputs,
            "N": self.neurons,
            "C": TILE,
            "N_HIDDEN": self.n_hidden,
            "WIDE": self.wide,
        }


class RowPlan(NamedTuple):
    """Where rows of a grid along x touch the levels: their vertices, each once, are the slots that a row is blended in.

    Attributes
    ----------
    slots : (2, S) int32 vertex along x, and level.
    cells, fractions : (levels, nx) int32 slot of a point's lower vertex, and float32 how far the point lies beyond it.
    terms, parts : (ny + nz, levels) int32 what the lower vertex along y, or z, adds to an index, as uint32, and float32 how far
        the row lies beyond it.
    """

    slots: np.ndarray
    cells: np.ndarray
    fractions: np.ndarray
    terms: np.ndarray
    parts: np.ndarray

    @property
    def n_slots(self) -> int:
        return self.slots.shape[1]


def _factors(hash_grid: HashGrid) -> np.ndarray:
    """(2, L) int64 what y and z are multiplied by in an index; both wrap at 2^32."""
    resolutions = hash_grid.resolutions
    return np.where(hash_grid.hashed, [[PRIMES[1]], [PRIMES[2]]], [resolutions, resolutions**2])


def _padded(array: np.ndarray, n: int) -> np.ndarray:
    return np.pad(array, ((0, n - len(array)), (0, 0)))


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
