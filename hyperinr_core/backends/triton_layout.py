"""A model's sizes and geometry as the Triton kernels take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.cuda import refuse_guide
from hyperinr_core.errors import BackendError
from hyperinr_core.hash_grid import HashGrid

#: Least extent of a matrix that a GPU's matrix units multiply.
TILE = 16

#: Most values per point.
MAX_OUTPUTS = 16


@dataclass(frozen=True)
class TritonLayout:
    """Padded sizes of one model.

    Attributes
    ----------
    n_levels, n_features, n_dims, n_hidden : as configured.
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
        if not 1 <= n_outputs <= MAX_OUTPUTS:
            raise BackendError(
                f"the GPU kernels have 1 to {MAX_OUTPUTS} outputs, found {n_outputs}; use backend 'torch'"
            )
        refuse_guide(config, "triton")
        n_features = config.n_features_per_level
        levels = max(_power_of_two(config.n_levels), TILE // n_features)
        neurons = _power_of_two(network.n_neurons)
        return cls(config.n_levels, n_features, config.n_pos_dims, network.n_hidden_layers, n_outputs, levels,
                   levels * n_features, neurons, architecture.n_table >= 2**31, tuple(architecture.layer_shapes))  # fmt: skip

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
        """(levels,) float32 scales, and (5, levels) int32 offsets, sizes, strides in y and z, and whether hashed."""
        scales, numbers = np.zeros(self.levels, np.float32), np.ones((5, self.levels), np.int64)
        n = self.n_levels
        scales[:n] = hash_grid.scales
        numbers[0] = 0
        numbers[:, :n] = [
            hash_grid.offsets[:-1],
            np.diff(hash_grid.offsets),
            # a hashed level has no dense index: its strides are unused and may not fit
            np.where(hash_grid.hashed, 0, hash_grid.resolutions),
            np.where(hash_grid.hashed, 0, hash_grid.resolutions**2),
            hash_grid.hashed,
        ]
        return scales, numbers.astype(np.int32)

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


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
