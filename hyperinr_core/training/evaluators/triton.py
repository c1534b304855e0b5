"""The fused GPU kernels as the trainer sees them: values, loss and gradients of torch tensors, and Adam."""

from __future__ import annotations

from typing import Any

import torch
import triton

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.triton import BLOCK as POINTS_BLOCK
from hyperinr_core.backends.triton import INTERPRETED, kernel_device, pad_matrices
from hyperinr_core.backends.triton_kernels import points_kernel
from hyperinr_core.backends.triton_layout import TritonLayout
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.training.evaluators import triton_kernels as kernels
from hyperinr_core.training.evaluators.base import Adam, Evaluator

_LOSSES = {"l1": 0, "l2": 1}
_GIVEN = 2

#: Points of a training program, and its warps: with four, the compiler spills many more registers.
BLOCK, WARPS = (32 if INTERPRETED else 64), 8

#: Gradients are this much larger in half precision than they are: their smallest would vanish there otherwise.
GAIN = 16.0

#: Numbers that a program of Adam takes.
ADAM_BLOCK = 1024


class TritonEvaluator(Evaluator):
    """Differentiable evaluation on the GPU: tables and sums in float32, the network's products in half precision.

    Gradients are sums in an order that changes, so that two runs agree to rounding and not to the bit.

    Parameters
    ----------
    precision : of the products: "float16" or "float32".
    """

    name = "triton"

    def __init__(self, architecture: Architecture, precision: str = "float16") -> None:
        super().__init__(architecture)
        self._precision = precision
        self._layout = TritonLayout.of(architecture)
        self._device = kernel_device()
        self._geometry = [
            torch.from_numpy(part).to(self._device) for part in self._layout.geometry(architecture.hash_grid)
        ]
        self._places = torch.from_numpy(self._layout.places()).to(self._device)

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
        if kind not in _LOSSES:
            raise ParameterError(f"the loss is {kind!r}; expected one of {', '.join(_LOSSES)}")
        return _Loss.apply(self, tables, mlp_params, points, targets, step_weights, _LOSSES[kind])

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
        n = params.numel()
        kernels.adam_kernel[(triton.cdiv(n, ADAM_BLOCK),)](
            params,
            grad.contiguous(),
            m,
            v,
            n,
            grad_scale,
            adam.rate,
            adam.beta1,
            adam.beta2,
            adam.eps,
            BLOCK=ADAM_BLOCK,
        )

    def check(self) -> None:
        """Compile and run now; BackendError where that does not work, and where it would be interpreted."""
        if INTERPRETED:
            raise BackendError("TRITON_INTERPRET is set, which keeps Triton's kernels on the CPU")
        self.try_once()

    def try_once(self) -> None:
        """Run on one point; BackendError where that does not work."""
        mlp = torch.zeros(self.architecture.n_mlp, device=self._device, requires_grad=True)
        tables = torch.zeros((1, self.architecture.n_table), device=self._device, requires_grad=True)
        points = torch.zeros((1, 1, self.architecture.encoding.n_pos_dims), device=self._device)
        targets = torch.zeros((1, 1, self.architecture.n_outputs), device=self._device)
        try:
            self.loss(tables, mlp, points, targets, torch.ones(1, device=self._device), "l1").backward()
        except Exception as error:  # compiler and driver raise whatever they like
            raise BackendError(f"the GPU's training kernel does not run on this machine ({error})") from error

    def _forward(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        self._check(tables, mlp_params, points)
        matrices = pad_matrices(self._layout, mlp_params, self._precision, self._places)
        values = torch.empty((*points.shape[:2], self.architecture.n_outputs), device=points.device)
        n = points.shape[1]
        for table, part, out in zip(tables, points, values):
            points_kernel[(triton.cdiv(n, POINTS_BLOCK),)](
                table, matrices, *self._geometry, part, out, n, self.architecture.n_outputs,
                **self._layout.sizes(), BLOCK=POINTS_BLOCK,
            )  # fmt: skip
        return values

    def _backward(
        self,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: int,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Sum of the loss, and the sums' gradients by tables and mlp_params."""
        self._check(tables, mlp_params, points)
        n_scenes, n_points = points.shape[:2]
        n_tiles = triton.cdiv(n_scenes * n_points, BLOCK)
        matrices = pad_matrices(self._layout, mlp_params, self._precision, self._places)
        grad_tables = torch.zeros_like(tables)
        sums = torch.zeros(matrices.shape, device=matrices.device)
        losses = torch.empty(n_tiles, device=matrices.device)
        kernels.loss_kernel[(n_tiles,)](
            tables, matrices, *self._geometry, points.contiguous(), targets.contiguous(), step_weights.contiguous(),
            grad_tables, sums, losses, n_scenes, n_points, self.architecture.n_table, self.architecture.n_outputs, GAIN,
            KIND=kind, **self._layout.sizes(), BLOCK=BLOCK, num_warps=WARPS, num_stages=1,
        )  # fmt: skip
        return losses.sum(), grad_tables, sums[self._places]

    def _check(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> None:
        wanted = {
            "tables": (tables, (len(points), self.architecture.n_table)),
            "mlp_params": (mlp_params, (self.architecture.n_mlp,)),
            "points": (points, (*points.shape[:2], self.architecture.encoding.n_pos_dims)),
        }
        for name, (tensor, shape) in wanted.items():
            if tensor.dtype != torch.float32 or tensor.shape != shape or tensor.device.type != self._device.type:
                raise ParameterError(
                    f"{name} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}; "
                    f"expected float32 {shape} on {self._device}"
                )


class _Values(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, evaluator: TritonEvaluator, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor
    ) -> torch.Tensor:
        ctx.evaluator = evaluator
        tables, points = tables.contiguous(), points.contiguous()
        ctx.save_for_backward(tables, mlp_params, points)
        return evaluator._forward(tables, mlp_params, points)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_values: torch.Tensor) -> tuple:
        tables, mlp_params, points = ctx.saved_tensors
        # half precision has little range: the largest derivative becomes 1 on the way, and itself again at the end
        size = grad_values.abs().amax().clamp_min(torch.finfo(torch.float32).tiny)
        step_weights = torch.ones(len(tables), device=tables.device)
        _, *grads = ctx.evaluator._backward(tables, mlp_params, points, grad_values / size, step_weights, _GIVEN)
        return None, *(grad * (size / GAIN) for grad in grads), None


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        evaluator: TritonEvaluator,
        tables: torch.Tensor,
        mlp_params: torch.Tensor,
        points: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        kind: int,
    ) -> torch.Tensor:
        expected = (*points.shape[:2], evaluator.architecture.n_outputs)
        if targets.shape != expected:
            raise ParameterError(f"targets is {tuple(targets.shape)}; expected {expected}")
        loss, *grads = evaluator._backward(tables.contiguous(), mlp_params, points, targets, step_weights, kind)
        ctx.save_for_backward(*grads)
        ctx.n_values = targets.numel()
        return loss / targets.numel()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: torch.Tensor) -> tuple:
        factor = grad_loss / (GAIN * ctx.n_values)
        grads = [grad * factor for grad in ctx.saved_tensors]
        return None, *grads, None, None, None, None
