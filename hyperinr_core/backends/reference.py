"""The definition of correct, in NumPy: one obvious statement for each step of the method."""

from __future__ import annotations

import itertools

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.base import Backend
from hyperinr_core.hash_grid import HashGrid

#: Points evaluated at a time, so that memory stays bounded whatever the request.
CHUNK = 1 << 16


class ReferenceBackend(Backend):
    """Evaluates one model, as slowly as it is plain."""

    name = "reference"

    def __init__(self, architecture: Architecture, encoder_params: np.ndarray, mlp_params: np.ndarray) -> None:
        self.architecture = architecture
        self.encoder_params = encoder_params
        self.layers = split_layers(architecture, mlp_params)

    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> np.ndarray:
        """See Backend.blend; float32."""
        table = np.zeros(self.architecture.n_table, np.float32)
        for index, weight in zip(indices, weights):
            table += np.float32(weight) * self.encoder_params[index].astype(np.float32)
        return table if guide is None else np.concatenate([table, guide])

    def sample(self, table: np.ndarray, points: np.ndarray) -> np.ndarray:
        """See Backend.sample."""
        values = np.empty((len(points), self.architecture.n_outputs), np.float32)
        for start in range(0, len(points), CHUNK):
            part = slice(start, start + CHUNK)
            values[part] = apply_layers(self.layers, encode(self.architecture.hash_grid, table, points[part]))
        return values

    def sample_grid(
        self,
        table: np.ndarray,
        axes: tuple[np.ndarray, ...],
        out: np.ndarray,
        scale: np.ndarray,
        offset: np.ndarray,
    ) -> None:
        """See Backend.sample_grid."""
        nx, ny = len(axes[0]), len(axes[1])
        rows = out.reshape(-1, nx, self.architecture.n_outputs)
        points = np.empty((nx, len(axes)), np.float32)
        points[:, 0] = axes[0]
        for index in range(len(rows)):
            points[:, 1] = axes[1][index % ny]
            if len(axes) == 3:
                points[:, 2] = axes[2][index // ny]
            rows[index] = self.sample(table, points) * scale + offset


def split_layers(architecture: Architecture, mlp_params: np.ndarray) -> list[np.ndarray]:
    """Views of the weight matrices, each (outputs, inputs), in `mlp_params`."""
    layers, start = [], 0
    for rows, columns in architecture.layer_shapes:
        layers.append(mlp_params[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    return layers


def encode(hash_grid: HashGrid, table: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Features of points: (B, D) float32 in [0, 1] to (B, L * F) float32."""
    n_features = hash_grid.config.n_features_per_level
    entries = table.reshape(-1, n_features)
    features = np.zeros((len(points), hash_grid.config.n_output_dims), np.float32)
    for level in range(hash_grid.n_levels):
        corner, fraction = locate(points, hash_grid.scales[level])
        columns = features[:, level * n_features : (level + 1) * n_features]
        for steps in itertools.product((0, 1), repeat=hash_grid.config.n_pos_dims):
            weight = np.prod(np.where(steps, fraction, 1 - fraction), axis=1, dtype=np.float32)
            index = hash_grid.entry_indices(level, corner + np.array(steps))
            columns += weight[:, None] * entries[index]
    return features


def locate(points: np.ndarray, scale: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """Lower corner (B, D) int64 and fraction (B, D) float32 of points on a level's grid.

    The product and the sum are rounded once, to float32, as the fused multiply-add of tiny-cuda-nn does.
    """
    position = (points.astype(np.float64) * np.float64(scale) + 0.5).astype(np.float32)
    corner = np.floor(position)
    return corner.astype(np.int64), position - corner


def apply_layers(layers: list[np.ndarray], features: np.ndarray) -> np.ndarray:
    """The shared network: matrices without bias, ReLU between them, nothing after the last."""
    for layer in layers[:-1]:
        features = np.maximum(features @ layer.T, 0)
    return features @ layers[-1].T
