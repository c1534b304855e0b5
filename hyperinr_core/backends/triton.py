"""The GPU kernels, in Triton: one launch blends, one decodes a slab of the grid, and nothing waits in between."""

from __future__ import annotations

import functools
import os
from typing import Any, NamedTuple

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
    from triton.runtime.driver import driver

    from hyperinr_core.backends import triton_kernels as kernels
    from hyperinr_core.backends.device import DeviceBackend, upload
    from hyperinr_core.backends.triton_layout import TritonLayout
    from hyperinr_core.backends.triton_rows import rows_kernel
except ImportError as error:
    raise BackendError(f"the triton backend needs torch and triton ({error}); pip install triton") from error

PRECISIONS = {"float16": torch.float16, "float32": torch.float32}

#: Points of a program, and its warps; a matrix instruction of the newest GPUs takes 64 rows from four warps.
BLOCK, WARPS = (32 if INTERPRETED else 64), 4

#: Numbers of the table that a program blends.
BLEND_BLOCK = 1024

#: Slots of rows that are blended at a time.
SLOTS = 128

#: A program takes so many rows at a time that their points fill so many tiles and the last hardly wastes any, or this many rows.
LEAST_TILES, MOST_WASTE, MOST_ROWS = 16, 1.03, 16

#: Grids whose axes are kept: the parts of a large one that are asked for one after the other.
MOST_PREPARED = 32

#: A multiprocessor keeps the network's matrices in shared memory while they take no more bytes than this.
MOST_KEPT_BYTES = 112 << 10


#: Bytes of shared memory that CUDA takes of each program, and warps that a multiprocessor holds, of all cards since capability 8.
RESERVED_SHARED, MOST_WARPS = 1024, 48


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

    #: Whether a grid is decoded row by row where that reads less; it is not where a test or a benchmark compares.
    by_rows = True

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
        self._kept = self._matrices.nbytes <= MOST_KEPT_BYTES
        self._packed = precision == "float16" and not INTERPRETED and driver.active.get_current_target().arch >= 80
        self._prepared: dict[tuple[bytes, ...], Prepared] = {}
        self._n_programs = 4
        if not INTERPRETED:
            self._try_once()

    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> torch.Tensor:
        """The table of one theta on the device, float16, or float32 in that precision."""
        # both in one transfer, from page-locked memory that stays in use until it is done
        numbers = np.concatenate([np.asarray(indices, np.int32), np.asarray(weights, np.float32).view(np.int32)])
        n_table = self.architecture.n_table
        n_all, kind = self.architecture.hash_grid.table_length, PRECISIONS[self.precision]
        table = torch.empty(n_all, dtype=kind, device=self.device)
        kernels.blend_kernel[(triton.cdiv(n_table, BLEND_BLOCK),)](
            self._rows, self._to_device(numbers), table, n_table, len(indices), BLOCK=BLEND_BLOCK
        )
        if guide is not None:
            table[n_table:] = self._to_device(guide)
        return table

    def _evaluate(self, table: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        out = torch.empty((len(points), self.architecture.n_outputs), device=self.device)
        self._launch(kernels.points_kernel, len(points), table, points.contiguous(), out, len(points))
        return out

    def _prepare(self, axes: tuple[np.ndarray, ...]) -> Prepared:
        """Axes on the device, and how their rows are decoded; kept for the next time, which alone moves most often."""
        key = tuple(axis.tobytes() for axis in axes)
        if key not in self._prepared:
            if len(self._prepared) == MOST_PREPARED:
                self._prepared.clear()
            self._prepared[key] = self._newly_prepared(axes)
        return self._prepared[key]

    def _newly_prepared(self, axes: tuple[np.ndarray, ...]) -> Prepared:
        joined = self._to_device(np.concatenate(axes).astype(np.float32))
        plan, n = self._layout.row_plan(self.architecture.hash_grid, axes), len(axes[0])
        corners, levels = 1 << len(axes), self._layout.n_levels
        # reads of a row: half of the corners for each slot, then two for each point and level
        if not self.by_rows or corners // 2 * plan.n_slots + 2 * levels * n > corners * levels * n:
            return Prepared(axes, joined, (), 0, 0)
        return Prepared(axes, joined, tuple(map(self._to_device, plan)), plan.n_slots, _group(n))

    def _evaluate_rows(
        self,
        table: torch.Tensor,
        axes: Prepared,
        start: int,
        stop: int,
        scale: torch.Tensor,
        offset: torch.Tensor,
    ) -> torch.Tensor:
        n, *others = (len(axis) for axis in axes.axes)
        out = torch.empty(((stop - start) * n, self.architecture.n_outputs), device=self.device)
        if not axes.group:
            sizes = n, *others, *(() if len(others) == 2 else (1,)), start, len(out)
            self._launch(kernels.grid_kernel, len(out), table, axes.joined, scale, offset, out, *sizes)
            return out
        n_programs = min(triton.cdiv(stop - start, axes.group), self._n_programs)
        scratch = torch.empty(
            n_programs * axes.group * axes.n_slots * self._layout.n_features, dtype=table.dtype, device=self.device
        )
        compiled = rows_kernel[(n_programs,)](
            table, self._matrices, self._geometry, *axes.plan, scratch, scale, offset, out,
            n, others[0], axes.n_slots, start, stop - start, axes.group, self.architecture.n_outputs,
            **self._layout.sizes(), KEPT=self._kept, PACKED=self._packed, WHOLE=n % BLOCK == 0, BLOCK=BLOCK, SLOTS=SLOTS,
            num_warps=WARPS, num_stages=1,
        )  # fmt: skip
        if not INTERPRETED:
            self._n_programs = resident_programs(compiled)
        return out

    def _launch(self, kernel: Any, n_points: int, table: torch.Tensor, *arguments: Any) -> None:
        model = self._matrices, self._scales, self._geometry
        sizes = self._layout.sizes()
        kernel[(triton.cdiv(n_points, BLOCK),)](
            table, *model, *arguments, self.architecture.n_outputs,
            **sizes, BLOCK=BLOCK, PACKED=self._packed, num_warps=WARPS,
        )  # fmt: skip

    def _try_once(self) -> None:
        """Compile and run now, so that what a card, driver or compiler cannot do is found before anybody relies on it."""
        n_dims = self.architecture.encoding.n_pos_dims
        axes = (np.linspace(0, 1, BLOCK, dtype=np.float32), *(np.zeros(1, np.float32),) * (n_dims - 1))
        out = self.empty((1,) * (n_dims - 1) + (BLOCK, self.architecture.n_outputs))
        numbers = np.ones(self.architecture.n_outputs, np.float32)
        try:
            self.sample_grid(self.blend(np.zeros(1, int), np.ones(1)), axes, out, numbers, numbers)
        except BackendError:
            raise
        except Exception as error:  # compiler and driver raise whatever they like
            raise BackendError(f"the GPU kernel does not run on this machine ({error}); use 'torch'") from error


class Prepared(NamedTuple):
    """A grid's axes, joined on the device; its `RowPlan` there, and how many rows a program takes, 0 where points are decoded."""

    axes: tuple[np.ndarray, ...]
    joined: torch.Tensor
    plan: tuple[torch.Tensor, ...]
    n_slots: int
    group: int


def _group(n: int) -> int:
    """Rows of n points that a program takes at a time."""
    least = triton.cdiv(LEAST_TILES * BLOCK, n)
    counts = range(min(least, MOST_ROWS), MOST_ROWS + 1)
    waste = [triton.cdiv(count * n, BLOCK) * BLOCK / (count * n) for count in counts]
    return next((count for count, w in zip(counts, waste) if w < MOST_WASTE), counts[int(np.argmin(waste))])


@functools.cache
def resident_programs(compiled: Any) -> int:
    """Programs of a compiled kernel that the device runs at a time, by the registers and the shared memory that each takes."""
    device = driver.active.utils.get_device_properties(torch.cuda.current_device())
    warps, shared = compiled.metadata.num_warps, compiled.metadata.shared
    registers = warps * triton.cdiv(32 * compiled.n_regs, 256) * 256
    resident = min(
        device["max_num_regs"] // registers, device["max_shared_mem"] // (shared + RESERVED_SHARED), MOST_WARPS // warps
    )
    return max(1, resident) * device["multiprocessor_count"]


def pad_matrices(
    layout: TritonLayout, mlp_params: torch.Tensor, precision: str, places: torch.Tensor | None = None
) -> torch.Tensor:
    """The network's matrices as the kernels read them, zero where they were padded; `places` are the layout's."""
    padded = torch.zeros(layout.n_padded_params, dtype=PRECISIONS[precision], device=mlp_params.device)
    places = torch.from_numpy(layout.places()) if places is None else places
    padded[places] = mlp_params.to(padded.dtype)
    return padded
