"""tiny-cuda-nn as the trainer sees it: its forward and backward pass, our loss and optimiser."""

from __future__ import annotations

import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda, tcnn, tcnn_layout
from hyperinr_core.training.evaluators.torch import TorchEvaluator


class TcnnEvaluator(TorchEvaluator):
    """Values and gradients of tables and network that are handed to tiny-cuda-nn; its gradients are float16."""

    name = "tcnn"

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        self._module = tcnn.make_module(architecture)
        self._places = torch.from_numpy(tcnn_layout.places(architecture)).to(cuda.device())
        self._n_network = tcnn_layout.n_network_params(architecture)

    def values(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Normalised values (S, B, C), differentiable in tables and mlp_params; see Evaluator.values."""
        # what tiny-cuda-nn pads stays zero: no gradient flows back from there into our numbers
        network = mlp_params.new_zeros(self._n_network).index_copy(0, self._places, mlp_params).half()
        parts = [
            tcnn.evaluate(self._module, torch.cat([network, table.half()]), part) for table, part in zip(tables, points)
        ]
        return torch.stack(parts)
