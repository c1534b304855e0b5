"""tiny-cuda-nn's order of a model's numbers, and ours.

Its network comes first: matrices of (outputs, inputs) row by row as ours are, whose inputs and outputs are padded to a
multiple of 16. Then its hash grid: levels, entries and features as `encoding.HashGrid` has them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.encoding import hash_grid
from hyperinr_core.errors import ParameterError

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


def padded_shapes(encoding: EncodingConfig, network: NetworkConfig, n_output_dims: int) -> list[tuple[int, int]]:
    """(outputs, inputs) of tiny-cuda-nn's matrices."""
    return network.layer_shapes(_aligned(encoding.n_output_dims), _aligned(n_output_dims))


def places(encoding: EncodingConfig, network: NetworkConfig, n_output_dims: int) -> np.ndarray:
    """(W,) int64 where each number of mlp_params lies among tiny-cuda-nn's."""
    found, start = [], 0
    ours = network.layer_shapes(encoding.n_output_dims, n_output_dims)
    for (rows, columns), (padded_rows, padded_columns) in zip(ours, padded_shapes(encoding, network, n_output_dims)):
        found.append(start + (np.arange(rows)[:, None] * padded_columns + np.arange(columns)).ravel())
        start += padded_rows * padded_columns
    return np.concatenate(found)


def n_network_params(encoding: EncodingConfig, network: NetworkConfig, n_output_dims: int) -> int:
    """Numbers of tiny-cuda-nn's network, padding included."""
    return sum(rows * columns for rows, columns in padded_shapes(encoding, network, n_output_dims))


def to_tcnn(
    encoding: EncodingConfig, network: NetworkConfig, n_output_dims: int, table: np.ndarray, mlp_params: np.ndarray
) -> np.ndarray:
    """tiny-cuda-nn's params of a network with input encoding.

    Parameters
    ----------
    table : (M,) one encoder, or a blend of several.
    mlp_params : (W,).

    Returns
    -------
    float32, zero where tiny-cuda-nn has numbers that we have not.
    """
    padded = np.zeros(n_network_params(encoding, network, n_output_dims), np.float32)
    padded[places(encoding, network, n_output_dims)] = mlp_params
    return np.concatenate([padded, np.asarray(table, np.float32)])


def from_tcnn(
    encoding: EncodingConfig, network: NetworkConfig, n_output_dims: int, params: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(M,) table and (W,) mlp_params from tiny-cuda-nn's params; what it padded is left behind."""
    n_network = n_network_params(encoding, network, n_output_dims)
    network_part, table = params[:n_network], params[n_network:]
    expected = hash_grid(encoding).n_params
    if len(table) != expected:
        raise ParameterError(
            f"params has {len(params)} numbers; expected {n_network + expected} for this configuration"
        )
    return table, network_part[places(encoding, network, n_output_dims)]


def _aligned(number: int) -> int:
    return -(-number // ALIGNMENT) * ALIGNMENT
