"""The CPU kernel as the trainer sees it: values, loss and gradients of torch tensors, and Adam."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import native
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.evaluators.base import Adam, Evaluator

#: The numbers of hyperinr_native.h.
LOSSES = {"l1": 0, "l2": 1}
_DOT = 2


class NativeEvaluator(Evaluator):
    """Differentiable evaluation of float32 tables and of the shared network on the CPU.

    Gradients do not depend on the number of threads.

    Parameters
    ----------
    precision : of the hidden layers' products: "float32", or "mixed", which rounds what is multiplied to bfloat16; BackendError
        where there are no tiles for the latter.
    """

    name = "native"
    uses_threads = True

    def __init__(self, architecture: Architecture, precision: str = "float32") -> None:
        super().__init__(architecture)
        self._isa = native.choose_isa()
        if precision != "float32":
            native.needs_tiles(self._isa)
            self.name = f"native, {precision}"
        native.set_threads_from_environment()
        zeros = np.zeros(architecture.n_mlp, np.float32)
        self._model = native.Model(architecture, zeros, self._isa, precision)
        self._library = native.library()

    @property
    def handle(self) -> ctypes.c_void_p:
        """The kernel's model; whatever runs with it sets the network."""
        return self._model.handle

    def values(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """See Evaluator.values."""
        return _Values.apply(self, tables, mlp_params, points)

    def loss(
        self,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: str,
    ) -> torch.Tensor:
        """See Evaluator.loss; gradients are computed along with it."""
        if kind not in LOSSES:
            raise ParameterError(f"the loss is {kind!r}; expected one of {', '.join(LOSSES)}")
        return _Loss.apply(self, tables, mlp_params, points, targets, step_weights, LOSSES[kind])

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
        tensors = [
            _checked(name, t, params.shape) for name, t in zip(["params", "grad", "m", "v"], (params, grad, m, v))
        ]
        params_at, grad_at, m_at, v_at = (tensor.data_ptr() for tensor in tensors)
        numbers = params.numel(), adam.step, adam.lr, adam.beta1, adam.beta2, adam.eps
        native.check(self._library.hinr_adam(self._isa, params_at, grad_at, grad_scale, m_at, v_at, *numbers))

    def _checked_inputs(
        self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor
    ) -> list[torch.Tensor]:
        n_tables, n_points = points.shape[:2]
        architecture = self.architecture
        return [
            _checked("tables", tables.contiguous(), (n_tables, architecture.hash_grid.table_length)),
            _checked("mlp_params", mlp_params.contiguous(), (architecture.n_mlp,)),
            _checked("points", points.contiguous(), (n_tables, n_points, architecture.encoding.n_pos_dims)),
        ]

    def _forward(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        tables, mlp_params, points = self._checked_inputs(tables, mlp_params, points)
        values = torch.empty((*points.shape[:2], self.architecture.n_outputs))
        native.check(self._library.hinr_model_set_mlp(self._model.handle, mlp_params.data_ptr(), mlp_params.numel()))
        for table, part, out in zip(tables, points, values):
            args = table.data_ptr(), table.numel(), part.data_ptr(), len(part), out.data_ptr()
            native.check(self._library.hinr_sample(self._model.handle, *args))
        return values

    def _backward(
        self,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: int,
    ) -> tuple[float, torch.Tensor, torch.Tensor]:
        tables, mlp_params, points = self._checked_inputs(tables, mlp_params, points)
        targets = _checked("targets", targets.contiguous(), (*points.shape[:2], self.architecture.n_outputs))
        step_weights = _checked("step_weights", step_weights.contiguous(), (len(tables),))
        native.check(self._library.hinr_model_set_mlp(self._model.handle, mlp_params.data_ptr(), mlp_params.numel()))
        grad_tables, grad_mlp = torch.empty_like(tables), torch.empty_like(mlp_params)
        loss = ctypes.c_double()
        code = self._library.hinr_backward(
            self._model.handle,
            *(tables.data_ptr(), *tables.shape, points.data_ptr(), points.shape[1]),
            *(targets.data_ptr(), step_weights.data_ptr(), kind, ctypes.byref(loss)),
            *(grad_tables.data_ptr(), grad_mlp.data_ptr(), grad_mlp.numel()),
        )
        native.check(code)
        return loss.value, grad_tables, grad_mlp


def _checked(name: str, tensor: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    if (
        tensor.device.type != "cpu"
        or tensor.dtype != torch.float32
        or tensor.shape != shape
        or not tensor.is_contiguous()
    ):
        raise ParameterError(
            f"{name} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}; "
            f"expected contiguous float32 {tuple(shape)} on the CPU"
        )
    return tensor


class _Values(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, evaluator: NativeEvaluator, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        ctx.evaluator = evaluator
        ctx.save_for_backward(tables, mlp_params, points)
        return evaluator._forward(tables, mlp_params, points)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_values: torch.Tensor) -> tuple:
        tables, mlp_params, points = ctx.saved_tensors
        step_weights = torch.ones(len(tables))
        _, *grads = ctx.evaluator._backward(tables, mlp_params, points, grad_values, step_weights, _DOT)
        return None, *grads, None


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        evaluator: NativeEvaluator,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: int,
    ) -> torch.Tensor:
        loss, *grads = evaluator._backward(tables, mlp_params, points, targets, step_weights, kind)
        ctx.save_for_backward(*grads)
        return tables.new_tensor(loss)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: torch.Tensor) -> tuple:
        grads = ctx.saved_tensors
        if grad_loss != 1:  # the usual case costs no pass over the tables
            grads = [grad * grad_loss for grad in grads]
        return None, *grads, None, None, None, None
