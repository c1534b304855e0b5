"""The stateless evaluator through which the hypernetwork trains end to end, in torch (HyperINR figure 2)."""

from __future__ import annotations

import torch

from hyperinr_core.backends.torch import apply_layers, encode
from hyperinr_core.training.evaluators.base import Adam, Evaluator


class TorchEvaluator(Evaluator):
    """Values, losses and optimiser steps for tables and network handed in from outside."""

    name = "torch"
    scales_loss = True

    def values(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """See Evaluator.values."""
        features = encode(self.architecture.hash_grid, tables, points)
        # On a GPU the matrices run in half precision; the encoding's gradients are sums that need float32.
        with torch.autocast(points.device.type, torch.float16, enabled=points.is_cuda):
            return apply_layers(self.architecture.layer_shapes, mlp_params, features).float()

    def loss(
        self,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: str,
    ) -> torch.Tensor:
        """See Evaluator.loss."""
        error = self.values(tables, mlp_params, points) - targets
        error = error.abs() if kind == "l1" else error.square()
        return (error * step_weights[:, None, None]).mean()

    @torch.no_grad()
    def adam_step(
        self,
        params: torch.Tensor,
        grad: torch.Tensor,
        m: torch.Tensor,
        v: torch.Tensor,
        adam: Adam,
        grad_scale: float = 1.0,
    ) -> None:
        """See Evaluator.adam_step."""
        grad = grad * grad_scale
        m.copy_(torch.lerp(grad, m, adam.beta1))
        v.copy_(torch.lerp(grad.square(), v, adam.beta2))
        params.sub_(adam.rate * m / (v.sqrt() + adam.eps))
