"""The method in torch: differentiable for training, on any device torch knows."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda
from hyperinr_core.errors import BackendError
from hyperinr_core.hash_grid import PRIMES, HashGrid

try:
    import torch

    from hyperinr_core.backends.device import DeviceBackend
except ImportError as error:
    raise BackendError("the torch backend needs torch, which is not installed here; pip install torch") from error


class TorchBackend(DeviceBackend):
    """Evaluates one model with torch.

    Encoders stay on the host, and those that take part are brought to the device: a model may be larger than a GPU.
    """

    name = "torch"

    #: Operations one after the other keep all that lies between them: this many points take some hundred megabytes.
    most_points = 1 << 18

    def __init__(self, architecture: Architecture, encoder_params: np.ndarray, mlp_params: np.ndarray) -> None:
        device = torch.device("cpu") if cuda.obstacle() else cuda.device()
        super().__init__(architecture, device)
        self.encoder_params = encoder_params
        self.mlp_params = torch.from_numpy(np.array(mlp_params, np.float32)).to(self.device)

    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> torch.Tensor:
        """The float32 table of one theta, one row; see Backend.blend."""
        rows = torch.from_numpy(self.encoder_params[np.asarray(indices)]).to(self.device).float()
        table = torch.as_tensor(weights, dtype=torch.float32, device=self.device)[None] @ rows
        return table if guide is None else torch.cat([table, torch.from_numpy(guide).to(self.device)[None]], 1)

    def _evaluate(self, table: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        features = encode(self.architecture.hash_grid, table, points[None])
        return apply_layers(self.architecture.layer_shapes, self.mlp_params, features)[0]


def encode(hash_grid: HashGrid, tables: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Features of points, differentiable in the tables.

    Parameters
    ----------
    tables : (S, M) float, one table per scene parameter.
    points : (S, B, D) float32 in [0, 1].

    Returns
    -------
    (S, B, L * F) in the tables' dtype.
    """
    n_scenes, n_points, n_dims = points.shape
    n_features = hash_grid.config.n_features_per_level
    entries = tables.reshape(-1, n_features)
    first_entry = (torch.arange(n_scenes, device=points.device) * hash_grid.n_entries)[:, None, None]
    features = []
    for level in range(hash_grid.n_levels):
        # One rounding of scale * x + 0.5 to float32, as the fused multiply-add of tiny-cuda-nn does.
        position = (points.double() * float(hash_grid.scales[level]) + 0.5).float()
        corner = position.floor()
        indices, weights = _corners(hash_grid, level, corner.long(), position - corner)
        features.append(
            torch.nn.functional.embedding_bag(
                (indices + first_entry).reshape(-1, 2**n_dims),
                entries,
                per_sample_weights=weights.reshape(-1, 2**n_dims).to(tables.dtype),
                mode="sum",
            )
        )
    return torch.cat(features, dim=1).reshape(n_scenes, n_points, -1)


def apply_layers(shapes: Sequence[tuple[int, int]], mlp_params: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """A network of matrices of these shapes on features (..., inputs), giving (..., outputs); differentiable in both."""
    matrices = torch.split(mlp_params, [rows * columns for rows, columns in shapes])
    for matrix, shape in zip(matrices[:-1], shapes[:-1]):
        features = torch.relu(torch.nn.functional.linear(features, matrix.view(shape)))
    return torch.nn.functional.linear(features, matrices[-1].view(shapes[-1]))


def _corners(
    hash_grid: HashGrid, level: int, corner: torch.Tensor, fraction: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Entries and interpolation weights of the 2^D vertices around points, both (S, B, 2^D)."""
    indices, weights = [], []
    for steps in itertools.product((0, 1), repeat=corner.shape[-1]):
        vertex = corner + torch.tensor(steps, device=corner.device)
        indices.append(_entry_indices(hash_grid, level, vertex))
        weights.append(torch.where(torch.tensor(steps, device=corner.device) > 0, fraction, 1 - fraction).prod(-1))
    return torch.stack(indices, -1), torch.stack(weights, -1)


def _entry_indices(hash_grid: HashGrid, level: int, vertices: torch.Tensor) -> torch.Tensor:
    """`HashGrid.entry_indices` for int64 tensors."""
    stride, index = 1, torch.zeros_like(vertices[..., 0])
    for axis in range(vertices.shape[-1]):
        if hash_grid.hashed[level]:
            index ^= vertices[..., axis] * PRIMES[axis]
        else:
            index += vertices[..., axis] * stride
            stride *= int(hash_grid.resolutions[level])
    size = int(hash_grid.offsets[level + 1] - hash_grid.offsets[level])
    return (index & 0xFFFFFFFF) % size + int(hash_grid.offsets[level])
