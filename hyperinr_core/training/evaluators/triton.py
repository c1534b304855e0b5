"""The fused GPU kernels as the trainer sees them: values, loss and gradients of torch tensors, and Adam."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import triton

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import triton as decoding
from hyperinr_core.backends.device import to_device
from hyperinr_core.backends.triton import INTERPRETED, PRECISIONS, kernel_device
from hyperinr_core.backends.triton_kernels import points_kernel
from hyperinr_core.backends.triton_layout import TritonLayout
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.training.evaluators import triton_kernels as kernels
from hyperinr_core.training.evaluators.base import Adam, Evaluator

_LOSSES = {"l1": 0, "l2": 1}
_GIVEN = 2

#: Points and warps of the programs that encode and scatter: two threads share a point then, and few registers suffice.
POINTS, POINTS_WARPS = 128, 8

#: Most points of a tile that the network takes at a time, by the precision of its products, and its warps.
TILE = {"float16": 128, "float32": 16}
WARPS = 8

#: Bytes that a tile may keep of what the hidden layers gave; with the matrices beside them they must fit into shared memory.
KEPT_BYTES = 1 << 17

#: A program of the network holds the matrices' derivatives in registers over its tiles where they are no more numbers than these;
#: else it adds each tile's to memory, where for the default network there would be half as many additions as the tables have.
HELD = 1 << 14

#: Copies of coarse levels: most of them, the points of a batch that one more is worth, and the most entries of such a level.
COPIES, COPY_POINTS, COARSE = 16, 1 << 14, 1 << 12

#: Slopes are this much larger in half precision than they are: their smallest would vanish there otherwise.
GAIN = 16.0

#: Numbers that a program of Adam takes, and one that blends.
ADAM_BLOCK = 1024

#: Kernels that are compiled for a layout's sizes.
SIZED = ("encode_kernel", "network_kernel", "scatter_kernel")


class TritonEvaluator(Evaluator):
    """Differentiable evaluation on the GPU: tables and sums in float32, the network's products in half precision.

    Gradients are sums in an order that changes, so that two runs agree to rounding and not to the bit.

    Parameters
    ----------
    precision : of the products, and of what travels between kernels: "float16" or "float32".
    """

    name = "triton"

    def __init__(self, architecture: Architecture, precision: str = "float16") -> None:
        super().__init__(architecture)
        self._layout = layout = TritonLayout.of(architecture)
        self._device = kernel_device()
        grid = architecture.hash_grid
        self._n_params, self._n_learnt = grid.table_length, architecture.encoding.n_levels
        self._n_entries = self._n_params // layout.n_features
        self._scales, self._geometry = (torch.from_numpy(part).to(self._device) for part in layout.geometry(grid))
        self._matrices = torch.zeros(layout.n_padded_params, dtype=PRECISIONS[precision], device=self._device)
        self._places = _places(layout, self._device)
        self._tile, self._held = _tile(layout, precision), layout.n_padded_params <= HELD
        self._sizes = {name: _sizes(layout, getattr(kernels, name)) for name in SIZED}
        self._n_programs = 2  # until it is known how many run at a time
        # levels grow, so that the coarse ones are the first, and their entries the first of a table
        self._n_coarse_levels = int((np.diff(grid.offsets) <= COARSE)[: self._n_learnt].sum())
        self._n_coarse = int(grid.offsets[self._n_coarse_levels]) * layout.n_features

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
        return _Loss.apply(self, tables, mlp_params, points, targets, step_weights, kind)

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
        """See Evaluator.gradients."""
        if kind not in _LOSSES:
            raise ParameterError(f"the loss is {kind!r}; expected one of {', '.join(_LOSSES)}")
        expected = (*points.shape[:2], self.architecture.n_outputs)
        if targets.shape != expected:
            raise ParameterError(f"targets is {tuple(targets.shape)}; expected {expected}")
        return self._backward(tables, mlp_params, points, targets, step_weights, _LOSSES[kind], scale / targets.numel())

    def blend(
        self, tables: torch.Tensor, rows: Sequence[int], mixing: np.ndarray, levels: np.ndarray | None
    ) -> torch.Tensor:
        """See Evaluator.blend; one launch does all sums."""
        (n_scenes, _), n = mixing.shape, tables.shape[1]
        n_blended = int((mixing != 0).sum(axis=1).max())
        columns = np.argsort(mixing == 0, axis=1, kind="stable")[:, :n_blended]  # those that count come first
        weights = np.take_along_axis(mixing, columns, axis=1).astype(np.float32)
        numbers = to_device(np.concatenate([np.array(rows, np.int32)[columns], weights.view(np.int32)]), self._device)
        blended = self.blend_numbered(tables, numbers, n_scenes, n_blended)
        if levels is not None:
            blended[:, n:] = to_device(levels, self._device)
        return blended

    def blend_numbered(
        self, tables: torch.Tensor, numbers: torch.Tensor, n_scenes: int, n_blended: int
    ) -> torch.Tensor:
        """(n_scenes, M and the guide's level, which is not set) sums of tables (N, M); numbers: see `blend_rows_kernel`."""
        n, blended = tables.shape[1], torch.empty((n_scenes, self._n_params), device=self._device)
        kernels.blend_rows_kernel[(triton.cdiv(n, ADAM_BLOCK), n_scenes)](
            tables, numbers, blended, n, self._n_params, n_scenes, n_blended, BLOCK=ADAM_BLOCK,
        )  # fmt: skip
        return blended

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
            params, grad.contiguous(), m, v, n, grad_scale, adam.rate, adam.beta1, adam.beta2, adam.eps, BLOCK=ADAM_BLOCK,
        )  # fmt: skip

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
        """See Evaluator.adam_rows; one launch does all rows."""
        floats = np.concatenate([[adam.rate for adam in adams], mixing.T.ravel()]).astype(np.float32)
        numbers = to_device(np.concatenate([np.array(rows, np.int32), floats.view(np.int32)]), self._device)
        first = adams[0]
        self.adam_numbered(tables, numbers, grad, m, v, (first.beta1, first.beta2, first.eps))

    def adam_numbered(
        self,
        tables: torch.Tensor,
        numbers: torch.Tensor,
        grad: torch.Tensor,
        m: torch.Tensor,
        v: torch.Tensor,
        settings: tuple[float, float, float],
        keep_zeros: bool = False,
    ) -> None:
        """A step of Adam on rows of tables (N, M), with sums of grad (S, M or more); numbers: see `adam_rows_kernel`.

        Parameters
        ----------
        settings : beta1, beta2, eps.
        keep_zeros : whether what is zero in the tables stays so.
        """
        n, n_scenes = tables.shape[1], len(grad)
        kernels.adam_rows_kernel[(triton.cdiv(n, ADAM_BLOCK), len(numbers) // (2 + n_scenes))](
            tables, grad, m, v, numbers, n, grad.stride(0), n_scenes, int(keep_zeros), *settings, BLOCK=ADAM_BLOCK,
        )  # fmt: skip

    def check(self) -> None:
        """Compile and run now; BackendError where that does not work, and where it would be interpreted."""
        if INTERPRETED:
            raise BackendError("TRITON_INTERPRET is set, which keeps Triton's kernels on the CPU")
        self.try_once()

    def try_once(self) -> None:
        """Run all kernels that training runs on one point; BackendError where that does not work."""
        mlp = torch.zeros(self.architecture.n_mlp, device=self._device)
        learnt = torch.zeros((1, self.architecture.n_table), device=self._device)
        n_guide = self._n_params - self.architecture.n_table
        guide = np.zeros((1, n_guide), np.float32) if n_guide else None
        points = torch.zeros((1, 1, self.architecture.encoding.n_pos_dims), device=self._device)
        targets = torch.zeros((1, 1, self.architecture.n_outputs), device=self._device)
        try:
            tables = self.blend(learnt, [0], np.ones((1, 1)), guide)
            self._forward(tables, mlp, points)
            _, *grads = self.gradients(tables, mlp, points, targets, torch.ones(1, device=self._device), "l2")
            adam, m, v = Adam(1, 1e-3, 0.9, 0.99, 1e-10), torch.zeros_like(learnt), torch.zeros_like(learnt)
            self.adam_rows(learnt, [0], np.ones((1, 1)), grads[0], m, v, [adam])
            self.adam_step(mlp, grads[1], torch.zeros_like(mlp), torch.zeros_like(mlp), adam)
            if not INTERPRETED:
                torch.cuda.synchronize()
        except Exception as error:  # compiler and driver raise whatever they like
            raise BackendError(f"the GPU's training kernel does not run on this machine ({error})") from error

    def _forward(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        self._check(tables, mlp_params, points)
        self._load_matrices(mlp_params)
        values = torch.empty((*points.shape[:2], self.architecture.n_outputs), device=points.device)
        n = points.shape[1]
        for table, part, out in zip(tables, points, values):
            points_kernel[(triton.cdiv(n, decoding.BLOCK),)](
                table, self._matrices, self._scales, self._geometry, part, out, n, self.architecture.n_outputs,
                **self._layout.sizes(), BLOCK=decoding.BLOCK,
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
        factor: float,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Mean of the loss, and factor times the derivatives of its sum by tables and mlp_params."""
        self._check(tables, mlp_params, points)
        self._load_matrices(mlp_params)
        tables, points = tables.contiguous(), points.contiguous()
        n_scenes, n_points = points.shape[:2]
        n_copies = min(max(1, n_points // COPY_POINTS), COPIES)
        shapes = (n_scenes, self._n_params), self._matrices.shape, (1,), (n_scenes, n_copies, self._n_coarse)
        grad_tables, sums, loss, copies = _zeros(shapes, self._device)
        features = self._encode(tables, points)
        self._learn(features, targets, step_weights, sums, loss, kind, factor / GAIN)
        self._scatter(points, features, grad_tables, copies, factor / GAIN)
        return loss[0], grad_tables, sums[self._places]

    def _encode(self, tables: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """Features (levels, S, B, F), in the products' precision."""
        n_scenes, n_points = points.shape[:2]
        shape = self._layout.n_levels, n_scenes, n_points, self._layout.n_features
        features = torch.empty(shape, dtype=self._matrices.dtype, device=self._device)
        kernels.encode_kernel[(triton.cdiv(n_points, POINTS), self._layout.n_levels, n_scenes)](
            tables, self._scales, self._geometry, points, features, n_points, self._n_entries,
            **self._sizes["encode_kernel"], BLOCK=POINTS, num_warps=POINTS_WARPS,
        )  # fmt: skip
        return features

    def _learn(
        self,
        features: torch.Tensor,
        targets: torch.Tensor,
        step_weights: torch.Tensor,
        sums: torch.Tensor,
        loss: torch.Tensor,
        kind: int,
        factor: float,
    ) -> None:
        """Add to sums and loss what the network makes of features, in whose place their slopes come, GAIN times as large."""
        n_scenes, n_points = features.shape[1:3]
        n_tiles = triton.cdiv(n_scenes * n_points, self._tile)
        n_programs = min(n_tiles, self._n_programs)
        compiled = kernels.network_kernel[(n_programs,)](
            features, self._matrices, targets.contiguous(), step_weights.contiguous(), sums, loss, n_scenes * n_points,
            n_points, self.architecture.n_outputs, triton.cdiv(n_tiles, n_programs), kind, GAIN, factor,
            1 / targets.numel(), **self._sizes["network_kernel"], HELD=self._held, BLOCK=self._tile, num_warps=WARPS,
            num_stages=1,
        )  # fmt: skip
        if not INTERPRETED:
            self._n_programs = decoding.resident_programs(compiled)

    def _scatter(
        self, points: torch.Tensor, slopes: torch.Tensor, grad_tables: torch.Tensor, copies: torch.Tensor, factor: float
    ) -> None:
        """Add factor times what slopes (levels, S, B, F) of the features mean for the tables that are learnt."""
        n_scenes, n_points = points.shape[:2]
        n_copies = copies.shape[1]
        kernels.scatter_kernel[(self._n_learnt * triton.cdiv(n_points, POINTS), n_scenes)](
            self._scales, self._geometry, points, slopes, grad_tables, copies, n_points, self._n_entries, self._n_learnt,
            self._n_coarse_levels if n_copies > 1 else 0, self._n_coarse // self._layout.n_features, n_copies, factor,
            **self._sizes["scatter_kernel"], BLOCK=POINTS, num_warps=POINTS_WARPS,
        )  # fmt: skip
        if n_copies > 1:
            torch.sum(copies, 1, out=grad_tables[:, : self._n_coarse])

    def _load_matrices(self, mlp_params: torch.Tensor) -> None:
        """What was padded stays zero. A slice is copied and converted in one launch."""
        given = mlp_params.detach()
        self._matrices[self._places] = given if isinstance(self._places, slice) else given.to(self._matrices.dtype)

    def _check(self, tables: torch.Tensor, mlp_params: torch.Tensor, points: torch.Tensor) -> None:
        wanted = {
            "tables": (tables, (len(points), self._n_params)),
            "mlp_params": (mlp_params, (self.architecture.n_mlp,)),
            "points": (points, (*points.shape[:2], self.architecture.encoding.n_pos_dims)),
        }
        for name, (tensor, shape) in wanted.items():
            if tensor.dtype != torch.float32 or tensor.shape != shape or tensor.device.type != self._device.type:
                raise ParameterError(
                    f"{name} is {tensor.dtype} {tuple(tensor.shape)} on {tensor.device}; "
                    f"expected float32 {shape} on {self._device}"
                )


def _places(layout: TritonLayout, device: torch.device) -> torch.Tensor | slice:
    """Where a network's numbers lie among the padded ones: a slice, which copies in one go, where they are the first."""
    places = layout.places()
    return slice(len(places)) if places[-1] == len(places) - 1 else torch.from_numpy(places).to(device)


def _sizes(layout: TritonLayout, kernel: Any) -> dict[str, Any]:
    """Those compile-time arguments that a kernel has."""
    return {name: value for name, value in layout.sizes().items() if name in kernel.arg_names}


def _tile(layout: TritonLayout, precision: str) -> int:
    """Points that the network takes at a time."""
    tile, kept = TILE[precision], layout.n_hidden * layout.neurons * PRECISIONS[precision].itemsize
    while tile > 16 and tile * kept > KEPT_BYTES:
        tile //= 2
    return tile


def _zeros(shapes: Sequence[Sequence[int]], device: torch.device) -> list[torch.Tensor]:
    """Float32 zeros of several shapes, made by one launch; each begins where vectors of numbers may."""
    counts = [math.prod(shape) for shape in shapes]
    starts = np.cumsum([0, *(-(-count // 16) * 16 for count in counts)]).tolist()
    zeros = torch.zeros(starts[-1], device=device)
    return [zeros[start : start + n].view(shape) for start, n, shape in zip(starts, counts, shapes)]


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
        _, *grads = ctx.evaluator._backward(tables, mlp_params, points, grad_values / size, step_weights, _GIVEN, 1.0)
        return None, *(grad * size for grad in grads), None


class _Loss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, evaluator: TritonEvaluator, *arguments: Any) -> torch.Tensor:
        loss, *grads = evaluator.gradients(*arguments)
        ctx.save_for_backward(*grads)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: torch.Tensor) -> tuple:
        return None, *(grad * grad_loss for grad in ctx.saved_tensors), None, None, None, None
