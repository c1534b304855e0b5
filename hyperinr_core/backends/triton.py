"""The GPU kernel, in Triton: one launch blends, one decodes a slab of the grid, and nothing waits in between."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda
from hyperinr_core.errors import BackendError, ParameterError

#: Triton's interpreter runs kernels on the CPU, slowly: for tests.
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"

if not INTERPRETED:
    cuda.require("triton")
try:
    import torch
    import triton

    from hyperinr_core.backends import triton_kernels as kernels
    from hyperinr_core.backends.device import DeviceBackend, upload
    from hyperinr_core.backends.triton_layout import TritonLayout
except ImportError as error:
    raise BackendError(f"the triton backend needs torch and triton ({error}); pip install triton") from error

PRECISIONS = {"float16": torch.float16, "float32": torch.float32}

#: Points of a program, and its warps; a matrix instruction of the newest GPUs takes 64 rows from four warps.
BLOCK, WARPS = (32 if INTERPRETED else 64), 4

#: Numbers of the table that a program blends.
BLEND_BLOCK = 1024


def kernel_device() -> torch.device:
    """Where the kernels run."""
    return torch.device("cpu") if INTERPRETED else cuda.device()


class TritonBackend(DeviceBackend):
    """Evaluates one model with fused kernels.

    Parameters
    ----------
    precision : of the blended table and of the network's products, "float16" or "float32"; sums are float32 in both.
    """

    name = "triton"

    def __init__(
        self,
        architecture: Architecture,
        encoder_params: np.ndarray,
        mlp_params: np.ndarray,
        precision: str = "float16",
    ) -> None:
        if precision not in PRECISIONS:
            raise ParameterError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
        super().__init__(architecture, kernel_device())
        self.precision = precision
        self._layout = TritonLayout.of(architecture)
        self._rows = upload(self.name, encoder_params, self.device)
        self._matrices = pad_matrices(self._layout, torch.from_numpy(np.array(mlp_params, np.float32)), precision).to(
            self.device
        )
        self._scales, self._geometry = (self._to_device(part) for part in self._layout.geometry(architecture.hash_grid))
        if not INTERPRETED:
            self._try_once()

    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> torch.Tensor:
        """The (M,) table of one theta on the device, float16, or float32 in that precision."""
        # both in one transfer, from page-locked memory that stays in use until it is done
        numbers = np.concatenate([np.asarray(indices, np.int32), np.asarray(weights, np.float32).view(np.int32)])
        packed = self._to_device(numbers)
        n, n_table = len(indices), self.architecture.n_table
        kind = torch.float32 if self.precision == "float32" else torch.float16
        table = torch.empty(n_table, dtype=kind, device=self.device)
        kernels.blend_kernel[(triton.cdiv(n_table, BLEND_BLOCK),)](
            self._rows, packed[:n], packed[n:].view(torch.float32), table, n_table, n, BLOCK=BLEND_BLOCK
        )
        return table

    def _evaluate(self, table: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        out = torch.empty((len(points), self.architecture.n_outputs), device=self.device)
        self._launch(kernels.points_kernel, len(points), table, points.contiguous(), out, len(points))
        return out

    def _evaluate_rows(
        self,
        table: torch.Tensor,
        axes: list[torch.Tensor],
        start: int,
        stop: int,
        scale: torch.Tensor,
        offset: torch.Tensor,
    ) -> torch.Tensor:
        counts = [len(axis) for axis in axes]
        n_points = (stop - start) * counts[0]
        out = torch.empty((n_points, self.architecture.n_outputs), device=self.device)
        sizes = (*counts, 1)[:3]
        self._launch(kernels.grid_kernel, n_points, table, torch.cat(axes), scale, offset, out, *sizes, start, n_points)
        return out

    def _launch(self, kernel: Any, n_points: int, table: torch.Tensor, *arguments: Any) -> None:
        model = self._matrices, self._scales, self._geometry
        sizes = self._layout.sizes()
        kernel[(triton.cdiv(n_points, BLOCK),)](
            table, *model, *arguments, self.architecture.n_outputs, **sizes, BLOCK=BLOCK, num_warps=WARPS
        )

    def _try_once(self) -> None:
        """Compile and run now, so that what a card, driver or compiler cannot do is found before anybody relies on it."""
        axes = (np.zeros(2, np.float32),) * self.architecture.encoding.n_pos_dims
        out = self.empty((2,) * len(axes) + (self.architecture.n_outputs,))
        numbers = np.ones(self.architecture.n_outputs, np.float32)
        try:
            self.sample_grid(self.blend(np.zeros(1, int), np.ones(1)), axes, out, numbers, numbers)
        except BackendError:
            raise
        except Exception as error:  # compiler and driver raise whatever they like
            raise BackendError(f"the GPU kernel does not run on this machine ({error}); use 'torch'") from error


def pad_matrices(
    layout: TritonLayout, mlp_params: torch.Tensor, precision: str, places: torch.Tensor | None = None
) -> torch.Tensor:
    """The network's matrices as the kernels read them, zero where they were padded; `places` are the layout's."""
    padded = torch.zeros(layout.n_padded_params, dtype=PRECISIONS[precision], device=mlp_params.device)
    places = torch.from_numpy(layout.places()) if places is None else places
    padded[places] = mlp_params.to(padded.dtype)
    return padded
