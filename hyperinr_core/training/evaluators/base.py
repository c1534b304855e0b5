"""What training asks of a way to evaluate a model: values, a loss with its gradients, and steps of Adam."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from hyperinr_core.architecture import Architecture

#: One, or many.
Number = TypeVar("Number", float, np.ndarray)


@dataclass(frozen=True)
class Adam:
    """One step of Adam.

    Attributes
    ----------
    step : counts from 1; the moments' bias follows from it.
    lr, beta1, beta2, eps : Adam's settings.
    """

    step: int
    lr: float
    beta1: float
    beta2: float
    eps: float

    @property
    def rate(self) -> float:
        """The learning rate with both moments' bias taken out."""
        return adam_rate(self.step, self.lr, self.beta1, self.beta2)


def adam_rate(step: Number, lr: Number, beta1: float, beta2: float) -> Number:
    """See `Adam.rate`; also of arrays of steps and of learning rates."""
    return lr * (1 - beta2**step) ** 0.5 / (1 - beta1**step)


class Evaluator(ABC):
    """Evaluates tables and a network that are handed in, as the hypernetwork trains end to end (HyperINR figure 2).

    Attributes
    ----------
    name : what a model's provenance calls it.
    uses_threads : whether it keeps all processors busy itself, so that torch's threads would be in its way.
    scales_loss : whether its gradients on a GPU are half precision, in which small ones vanish unless the loss is scaled.
    """

    name = ""
    uses_threads = False
    scales_loss = False

    def __init__(self, architecture: Architecture) -> None:
        self.architecture = architecture

    def check(self) -> None:  # noqa: B027 - most have nothing to find out
        """Raise BackendError where training with it does not work on this machine."""

    @abstractmethod
    def values(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Normalised values, differentiable in tables and mlp_params.

        Parameters
        ----------
        tables : (S, M) float32, one blended table per scene parameter.
        mlp_params : (W,) float32.
        points : (S, B, D) float32 in [0, 1].

        Returns
        -------
        (S, B, C) float32.
        """

    @abstractmethod
    def loss(
        self,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: str,
    ) -> torch.Tensor:
        """Mean over all values of `step_weights[s] * |values - targets|` ("l1") or of the square ("l2"), () float32.

        Parameters
        ----------
        targets : (S, B, C) float32. step_weights : (S,) float32.
        """

    def gradients(
        self,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: str,
        scale: float = 1.0,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The loss, and scale times its derivatives by tables and by mlp_params; a new tensor each."""
        tables, mlp_params = tables.detach().requires_grad_(), mlp_params.detach().requires_grad_()
        loss = self.loss(tables, mlp_params, points, targets, step_weights, kind)
        by_tables, by_mlp = torch.autograd.grad(loss * scale, (tables, mlp_params))
        return loss.detach(), by_tables, by_mlp

    def blend(
        self, tables: torch.Tensor, rows: Sequence[int], mixing: np.ndarray, levels: np.ndarray | None
    ) -> torch.Tensor:
        """Sums of some rows of tables (N, M) by mixing (S, R), each followed by its guide's level of (S, G), if there is one."""
        sums = [weighted_sum([tables[row] for row in rows], weights) for weights in mixing]
        if levels is not None:
            sums = [torch.cat(pair) for pair in zip(sums, torch.from_numpy(levels).to(tables.device))]
        return sums[0][None] if len(sums) == 1 else torch.stack(sums)

    @abstractmethod
    def adam_step(
        self,
        params: torch.Tensor,
        grad: torch.Tensor,
        m: torch.Tensor,
        v: torch.Tensor,
        adam: Adam,
        grad_scale: float = 1.0,
    ) -> None:
        """One step of Adam in place on (n,) float32 tensors and their moments, with grad_scale times the gradient."""

    def adam_rows(
        self,
        tables: torch.Tensor,
        rows: Sequence[int],
        mixing: np.ndarray,
        grad: torch.Tensor,
        m: torch.Tensor,
        v: torch.Tensor,
        adams: Sequence[Adam],
    ) -> None:
        """A step of Adam on each of some rows of tables (N, M) and their moments; they differ in their counts of steps alone.

        Blending is linear, so that a row's gradient is its column of mixing (S, R) times grad (S, M).
        """
        for row, weights, adam in zip(rows, mixing.T, adams):
            alone = len(weights) == 1  # then the step itself weighs the gradient, and no table is copied
            total = grad[0] if alone else weighted_sum(grad, weights)
            self.adam_step(tables[row], total, m[row], v[row], adam, float(weights[0]) if alone else 1.0)


def weighted_sum(parts: Sequence[torch.Tensor] | torch.Tensor, weights: np.ndarray) -> torch.Tensor:
    """Sum of weights times (M,) tensors; a tensor that is alone with weight 1 is returned as it is, not copied."""
    first, *others = np.flatnonzero(weights).tolist()
    if not others and weights[first] == 1:
        return parts[first]
    total = parts[first] * float(weights[first])
    for index in others:
        total.add_(parts[index], alpha=float(weights[index]))
    return total
