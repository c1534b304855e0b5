"""What all backends on torch tensors share: slabs that fit into the device's memory, and the way back to NumPy."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.base import Backend
from hyperinr_core.errors import BackendError

logger = logging.getLogger("hyperinr")

#: The fewest points at a time that are worth a try when memory runs out.
LEAST_POINTS = 1 << 12


class Slabs:
    """Work on a device in slabs that fit into its memory.

    Values go to the host while the next slab is computed. When the device's memory is full, slabs are halved and stay so.
    """

    #: Of the backend whose work it is.
    name = ""

    #: Points at a time while there is room.
    most_points = 1 << 22

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._slab = self.most_points
        self._copier = torch.cuda.Stream(device) if device.type == "cuda" else None

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array for values: page-locked on a machine with CUDA, where the device writes to it without a detour.

        VTK shares its memory, so that nothing is copied between the device and the image.
        """
        if self.device.type == "cuda":
            try:
                return torch.empty(shape, dtype=torch.float32, pin_memory=True).numpy()
            except RuntimeError:  # no more memory may be locked: ordinary memory works too, slower
                pass
        return np.empty(shape, np.float32)

    def in_slabs(self, n: int, size: int, run: Callable[[int, int], torch.Tensor], target: torch.Tensor) -> None:
        """`target[start:stop] = run(start, stop)` for n items of `size` points each, as many at a time as fit."""
        start = 0
        try:
            while start < n:
                stop = min(start + max(1, self._slab // size), n)
                try:
                    self._copy(run(start, stop), target[start:stop])
                except torch.cuda.OutOfMemoryError as error:
                    self._shrink(error)
                    continue
                start = stop
        finally:
            if self._copier is not None:  # whoever goes on after a failure writes to the same memory
                self._copier.synchronize()

    def _copy(self, values: torch.Tensor, target: torch.Tensor) -> None:
        values = values.view(target.shape)
        if self._copier is None or target.device == values.device:
            target.copy_(values)
            return
        self._copier.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._copier):
            target.copy_(values, non_blocking=True)
        values.record_stream(self._copier)  # its memory is not given to others before the copy is done

    def _shrink(self, error: Exception) -> None:
        if self._slab <= LEAST_POINTS:
            raise memory_full(self.name, "even a small slab of points does not fit") from error
        if self._slab == self.most_points:
            logger.warning("the GPU's memory is full; sampling fewer points at a time with the %s backend", self.name)
        self._slab //= 2
        torch.cuda.empty_cache()


class DeviceBackend(Slabs, Backend):
    """A backend whose tables and values are torch tensors; subclasses say what a slab's values are."""

    #: Slabs are this class' own business.
    slab_points = 1 << 25

    def __init__(self, architecture: Architecture, device: torch.device) -> None:
        super().__init__(device)
        self.architecture = architecture
        self.resident = device if device.type == "cuda" else None

    def empty_there(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A tensor on the device."""
        return torch.empty(shape, dtype=torch.float32, device=self.device)

    @torch.no_grad()
    def sample(self, table: torch.Tensor, points: np.ndarray) -> np.ndarray:
        """Normalised values (B, C) at points (B, D)."""
        values = self.empty((len(points), self.architecture.n_outputs))
        source, target = torch.from_numpy(points), torch.from_numpy(values)
        self.in_slabs(
            len(points),
            1,
            lambda start, stop: self._evaluate(table, source[start:stop].to(self.device)),
            target,
        )
        return values

    @torch.no_grad()
    def sample_grid(
        self,
        table: torch.Tensor,
        axes: tuple[np.ndarray, ...],
        out: np.ndarray | torch.Tensor,
        scale: np.ndarray,
        offset: np.ndarray,
    ) -> None:
        """Values at every combination of coordinates into `out`, which may be on the device; see Backend.sample_grid."""
        n = len(axes[0])
        rows = (out if isinstance(out, torch.Tensor) else torch.from_numpy(out)).view(
            -1, n * self.architecture.n_outputs
        )
        factor, summand = (self._to_device(np.asarray(array, np.float32)) for array in (scale, offset))
        prepared = self._prepare(axes)
        self.in_slabs(
            len(rows), n, lambda start, stop: self._evaluate_rows(table, prepared, start, stop, factor, summand), rows
        )

    @abstractmethod
    def _evaluate(self, table: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        """(B, C) float32 normalised values at points (B, D) on the device."""

    def _prepare(self, axes: tuple[np.ndarray, ...]) -> Any:
        """What `_evaluate_rows` wants to know of a grid's axes."""
        return [self._to_device(np.asarray(axis, np.float32)) for axis in axes]

    def _evaluate_rows(
        self,
        table: torch.Tensor,
        axes: Any,
        start: int,
        stop: int,
        scale: torch.Tensor,
        offset: torch.Tensor,
    ) -> torch.Tensor:
        """Values times scale plus offset of the rows along x from start to stop, counted over y, then z."""
        row = torch.arange(start, stop, device=self.device)
        others = [axes[1][row % len(axes[1])], *([axes[2][row // len(axes[1])]] if len(axes) == 3 else [])]
        shape = (stop - start, len(axes[0]))
        columns = [axes[0].expand(shape), *(column[:, None].expand(shape) for column in others)]
        return self._evaluate(table, torch.stack(columns, -1).view(-1, len(axes))) * scale + offset

    def _to_device(self, array: np.ndarray) -> torch.Tensor:
        return to_device(array, self.device)


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """A copy on a GPU, which nothing waits for; on the CPU the array itself, if it is contiguous."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def upload(name: str, encoder_params: np.ndarray, device: torch.device) -> torch.Tensor:
    """All encoders' tables on the device; BackendError when it has no room for them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a file's memory cannot be written to, and is not
            return torch.from_numpy(np.ascontiguousarray(encoder_params)).to(device)
    except torch.cuda.OutOfMemoryError as error:
        free, total = (number / 1e9 for number in torch.cuda.mem_get_info(device))
        size = encoder_params.nbytes / 1e9
        found = f"the model's encoders take {size:.2f} GB, of the GPU's {total:.2f} GB {free:.2f} are free"
        raise memory_full(name, found) from error


def memory_full(name: str, found: str) -> BackendError:
    """What to raise when there is no room on the device."""
    return BackendError(
        f"the GPU's memory is full for the {name} backend: {found}; close other programs, or use 'native'"
    )
