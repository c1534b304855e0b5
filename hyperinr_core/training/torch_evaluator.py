"""The stateless evaluator through which the hypernetwork trains end to end, in torch (HyperINR figure 2)."""

from __future__ import annotations

import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.torch import apply_layers, encode


class TorchEvaluator:
    """Values, losses and optimiser steps for tables and network handed in from outside."""

    name = "torch"

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def values(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Normalised values, differentiable in tables and mlp_params.

        Parameters
        ----------
        tables : (S, M) float32, one blended table per scene parameter.
        mlp_params : (W,) float32.
        points : (S, B, D) float32 in [0, 1].

        Returns
        -------
        (S, B, C).
        """
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
        weights: torch.Tensor,
        kind: str,
    ) -> torch.Tensor:
        """Mean of weights[s] times the absolute ("l1") or squared ("l2") error; targets (S, B, C), weights (S,)."""
        error = self.values(tables, mlp_params, points) - targets
        error = error.abs() if kind == "l1" else error.square()
        return (error * weights[:, None, None]).mean()

    @torch.no_grad()
    def adam_step(
        self,
        params: torch.Tensor,
        grad: torch.Tensor,
        m: torch.Tensor,
        v: torch.Tensor,
        step: int,
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        skip_zero: bool = False,
        grad_scale: float = 1.0,
    ) -> None:
        """One Adam step in place on 1-D float32 tensors with grad_scale times the gradient; `step` counts from 1.

        With `skip_zero`, entries without gradient keep value and moments, tiny-cuda-nn's rule for hash tables.
        """
        grad = grad * grad_scale
        new_m = torch.lerp(grad, m, beta1)
        new_v = torch.lerp(grad.square(), v, beta2)
        rate = lr * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        change = rate * new_m / (new_v.sqrt() + eps)
        if skip_zero:
            touched = grad != 0
            new_m, new_v = torch.where(touched, new_m, m), torch.where(touched, new_v, v)
            change = torch.where(touched, change, 0)
        m.copy_(new_m)
        v.copy_(new_v)
        params.sub_(change)
