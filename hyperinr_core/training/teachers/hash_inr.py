"""HashINR: one hash encoding of space beside OneBlob encodings of the parameters (section 5.3)."""

from __future__ import annotations

import torch
from torch import nn

from hyperinr_core.backends.torch import apply_layers, encode
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.training.teachers.neural import Neural

#: Gaussian kernels of the OneBlob encoding (Mueller et al. 2019) of each parameter.
N_BINS = 32

#: The table's size at which the paper compares it to networks of equal numbers of parameters.
LOG2_HASHMAP_SIZE = 17

INITIAL = 1e-4


class HashNetwork(nn.Module):
    """Hash encoding and OneBlob side by side into the bias-free network that HyperINR shares among its encoders."""

    centers: torch.Tensor

    def __init__(self, encoding: EncodingConfig, n_parameters: int, n_outputs: int) -> None:
        super().__init__()
        self.hash_grid = hash_grid(encoding)
        n_inputs = encoding.n_output_dims + N_BINS * n_parameters
        self.shapes = NetworkConfig().layer_shapes(n_inputs, n_outputs)
        self.table = nn.Parameter(torch.empty(self.hash_grid.n_params).uniform_(-INITIAL, INITIAL))
        layers = []
        for rows, columns in self.shapes:
            limit = (6 / (rows + columns)) ** 0.5
            layers.append(torch.empty(rows * columns).uniform_(-limit, limit))
        self.mlp = nn.Parameter(torch.cat(layers))
        self.register_buffer("centers", (torch.arange(N_BINS) + 0.5) / N_BINS)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        unit = (0.5 * (x + 1)).clamp(0, 1)
        n_pos = self.hash_grid.config.n_pos_dims
        features = encode(self.hash_grid, self.table[None], unit[None, :, :n_pos])[0]
        blob = torch.exp(-0.5 * ((unit[:, n_pos:, None] - self.centers) * N_BINS) ** 2).flatten(1)
        both = torch.cat([features, blob], dim=1)
        return 2 * apply_layers(self.shapes, self.mlp, both) - 1


class HashINR(Neural[HashNetwork]):
    """Fast to decode, and weak between the training steps."""

    learning_rate = 5e-3
    epsilon = 1e-10
    log2_hashmap_size = LOG2_HASHMAP_SIZE
    in_half = False

    def build(self) -> HashNetwork:
        n_pos = self.series.grid.n_pos_dims
        encoding = EncodingConfig(
            n_pos_dims=n_pos, log2_hashmap_size=self.log2_hashmap_size, base_resolution=4 if n_pos == 3 else 8
        )
        return HashNetwork(encoding, len(self.series.parameters), self.n_outputs)
