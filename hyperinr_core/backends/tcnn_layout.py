"""tiny-cuda-nn's order of a model's numbers, and ours.

Its network comes first: matrices of (outputs, inputs) row by row as ours are, whose inputs and outputs are padded to a
multiple of 16. Then its hash grid: levels, entries and features as `HashGrid` has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig

#: Inputs and outputs of tiny-cuda-nn's networks are multiples of this.
ALIGNMENT = 16

#: Widths that its fully fused network has; others need its slower one, which has the same order of numbers.
FUSED_NEURONS = (16, 32, 64, 128)


def encoding_json(config: EncodingConfig) -> dict[str, Any]:
    """The encoding in tiny-cuda-nn's JSON."""
    return {
        "otype": "HashGrid",
        "n_levels": config.n_levels,
        "n_features_per_level": config.n_features_per_level,
        "log2_hashmap_size": config.log2_hashmap_size,
        "base_resolution": config.base_resolution,
        "per_level_scale": config.per_level_scale,
        "interpolation": "Linear",
    }


def network_json(config: NetworkConfig) -> dict[str, Any]:
    """The network in tiny-cuda-nn's JSON."""
    return {
        "otype": "FullyFusedMLP" if config.n_neurons in FUSED_NEURONS else "CutlassMLP",
        "activation": "ReLU",
        "output_activation": "None",
        "n_neurons": config.n_neurons,
        "n_hidden_layers": config.n_hidden_layers,
    }


def padded_shapes(architecture: Architecture) -> list[tuple[int, int]]:
    """(outputs, inputs) of tiny-cuda-nn's matrices."""
    n_features, n_outputs = architecture.encoding.n_output_dims, architecture.n_outputs
    return architecture.network.layer_shapes(_aligned(n_features), _aligned(n_outputs))


def n_network_params(architecture: Architecture) -> int:
    """Numbers of tiny-cuda-nn's network, padding included."""
    return sum(rows * columns for rows, columns in padded_shapes(architecture))


def places(architecture: Architecture) -> np.ndarray:
    """(W,) int64 where each number of mlp_params lies among tiny-cuda-nn's."""
    numbers, start = [], 0
    for (rows, columns), (padded_rows, padded_columns) in zip(architecture.layer_shapes, padded_shapes(architecture)):
        numbers.append(start + (np.arange(rows)[:, None] * padded_columns + np.arange(columns)).ravel())
        start += padded_rows * padded_columns
    return np.concatenate(numbers)


def padded(architecture: Architecture, mlp_params: np.ndarray) -> np.ndarray:
    """float32 network of tiny-cuda-nn for mlp_params (W,), zero where it has numbers that we have not."""
    params = np.zeros(n_network_params(architecture), np.float32)
    params[places(architecture)] = mlp_params
    return params


def _aligned(number: int) -> int:
    return -(-number // ALIGNMENT) * ALIGNMENT
