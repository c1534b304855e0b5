"""Training steps that stay on a GPU, where they were decoded, and are carried there: only values travel to the host."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch

from hyperinr_core.backends import cuda
from hyperinr_core.backends.base import Backend
from hyperinr_core.backends.device import Slabs, to_device
from hyperinr_core.errors import Aborted, BackendError
from hyperinr_core.motion import torch as twin
from hyperinr_core.motion.motion import Gap, Moment
from hyperinr_core.motion.reference import REACH
from hyperinr_core.motion.steps import MOST_BYTES, Box, Step, Steps, extension

logger = logging.getLogger("hyperinr")

#: Share of the GPU's free memory that splines may keep.
SHARE = 0.25

Found = TypeVar("Found")


class DeviceStep(Step):
    """A `Step` whose arrays are tensors."""

    @staticmethod
    def _solid(array: Any) -> Any:
        return array.contiguous()

    @classmethod
    def on(
        cls, device: torch.device, values: Any, periodic: Sequence[bool], shape: Sequence[int], start: Sequence[int]
    ) -> DeviceStep:
        """As `of`, on a device; values may be there already."""
        values = torch.as_tensor(values, device=device).movedim(-1, 0)
        begins, margins = [], []
        for axis, (n, size, first, wraps) in enumerate(zip(shape, values.shape[1:], start, periodic)):
            if n == 1 and axis == 0:  # a plane
                begins.append(0)
                margins.append(slice(None))
                continue
            width, how = extension(n, size, first, wraps)
            index = torch.from_numpy(np.pad(np.arange(size), width, mode=how)).to(device)
            values = values.index_select(axis + 1, index)
            begins.append(first - width[0] + REACH)
            margins.append(slice(REACH, values.shape[axis + 1] - REACH))
        splines: Any = torch.stack([twin.spline(part) for part in values])
        inner: Any = values[(slice(None), *margins)].contiguous()
        (nz, ny, nx), (wz, wy, wx) = shape, (bool(wraps) for wraps in periodic)
        return cls((nz, ny, nx), (wz, wy, wx), (begins[0], begins[1], begins[2]), splines, inner)


class DeviceSteps(Slabs, Steps):
    """Steps on the device of a backend; when that fails, its memory full or else, those on the host go on, which is said.

    Attributes
    ----------
    failed : whether it did.

    Parameters
    ----------
    host : the same steps in the host's memory. Others are as of `Steps`; `decode` may give tensors.
    """

    #: As of `DeviceBackend`.
    slab_points = 1 << 25

    #: Torch's operations one after the other keep all that lies between them: this many points take about a gigabyte.
    most_points = 1 << 21

    #: Points at a time of the fused kernels, which keep little: few slabs, since each takes the host a millisecond.
    most_fused = 1 << 23

    def __init__(
        self,
        decode: Callable[..., Any],
        shape: tuple[int, int, int],
        periodic: Sequence[bool],
        whole: bool,
        backend: Backend,
        host: Steps,
    ) -> None:
        Slabs.__init__(self, backend.resident)
        Steps.__init__(self, decode, shape, periodic, whole)
        self.name, self._host, self.failed = backend.name, host, False
        self._coefficients: WeakKeyDictionary[Moment, torch.Tensor] = WeakKeyDictionary()
        self._lattices: WeakKeyDictionary[Moment, torch.Tensor] = WeakKeyDictionary()
        self._gaps: WeakKeyDictionary[Gap, torch.Tensor] = WeakKeyDictionary()
        self._fused: Any = _fused() if self.device.type == "cuda" else None
        if self._fused is not None:
            self.most_points = self._slab = self.most_fused
        free = torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else 0
        self._most = max(MOST_BYTES, int(SHARE * free))

    def get(self, numbers: Sequence[int], box: Box, progress: Callable[[float], object] | None = None) -> list[Step]:
        return self._tried(
            lambda: Steps.get(self, numbers, box, progress), lambda: self._host.get(numbers, box, progress)
        )

    def carry(
        self,
        moments: Sequence[Moment],
        columns: Sequence[slice],
        box: Box,
        places: Sequence[np.ndarray],
        scattered: bool,
        out: np.ndarray,
    ) -> None:
        self._tried(
            lambda: self._carry(moments, columns, Steps.get(self, moments[0].steps, box), places, scattered, out),
            lambda: self._host.carry(moments, columns, box, places, scattered, out),
        )

    @torch.no_grad()
    def _carry(
        self,
        moments: Sequence[Moment],
        columns: Sequence[slice],
        steps: Sequence[Step],
        places: Sequence[np.ndarray],
        scattered: bool,
        out: np.ndarray,
    ) -> None:
        """In slabs of points, of planes, or of rows where a plane is too large."""
        fields = [([step.of_components(own) for step in steps], moment) for moment, own in zip(moments, columns)]

        def values(*axes: np.ndarray) -> torch.Tensor:
            found = [self.values(moment, parts, axes, scattered) for parts, moment in fields]
            return found[0].contiguous() if len(found) == 1 else torch.cat(found, dim=-1)

        z, y, x = places
        target = torch.from_numpy(out)
        if scattered:
            # torch's operations carry them, which keep more than the fused kernels
            size = max(1, self.most_points // type(self).most_points)
            self.in_slabs(len(x), size, lambda a, b: values(z[a:b], y[a:b], x[a:b]), target)
        elif len(y) * len(x) <= self._slab:
            self.in_slabs(len(z), len(y) * len(x), lambda a, b: values(z[a:b], y, x), target)
        else:
            for place, plane in zip(z, target):
                self.in_slabs(len(y), len(x), lambda a, b, at=place: values(np.array([at]), y[a:b], x), plane)  # type: ignore[misc]

    def values(
        self, moment: Moment, steps: Sequence[Step], axes: Sequence[np.ndarray], scattered: bool = False
    ) -> torch.Tensor:
        """As of `kernel.carry`, on the device."""
        if moment.is_at_step:
            return twin.carry(moment, steps, axes, scattered)
        if self._fused is not None and not scattered and self._fused.fits(moment.gap.lattice, axes):
            try:
                return self._fused.carry(moment, steps, axes, self.lattice(moment))
            except torch.cuda.OutOfMemoryError:
                raise
            except Exception as error:  # compiler and driver raise whatever they like
                self._fused = None
                self.most_points = self._slab = min(self._slab, type(self).most_points)
                reason = " ".join(str(error).split())
                logger.warning("the GPU kernels that carry steps do not run here (%s); going on in torch", reason)
        if moment not in self._coefficients:
            self._coefficients[moment] = to_device(moment.coefficients, self.device)
        return twin.carry(moment, steps, axes, scattered, self._coefficients[moment])

    def lattice(self, moment: Moment) -> torch.Tensor:
        """The coefficients of a time as the fused kernels take them."""
        fused, gap = self._fused, moment.gap
        if moment not in self._lattices:
            if gap not in self._gaps:
                self._gaps[gap] = fused.channels_first(gap, self.device)
            self._lattices[moment] = fused.now(moment, self._gaps[gap])
        return self._lattices[moment]

    @torch.no_grad()
    def _made(self, values: Any, start: Sequence[int]) -> Step:
        return DeviceStep.on(self.device, values, self._periodic, self._shape, start)

    def _most_bytes(self) -> int:
        return self._most

    def _tried(self, there: Callable[[], Found], here: Callable[[], Found]) -> Found:
        """What is found on the device, or on the host once that failed."""
        if not self.failed:
            try:
                return there()
            except Aborted:
                raise
            except Exception as error:  # what full memory, a driver or another backend on the way raises
                self._hand_over(error)
        return here()

    def _hand_over(self, error: Exception) -> None:
        self.failed = True
        self._kept.clear()
        for kept in (self._coefficients, self._lattices, self._gaps):
            kept.clear()
        self.slab_points = self._host.slab_points
        full = isinstance(error, torch.cuda.OutOfMemoryError)
        reason = "its memory is full" if full else " ".join(str(error).split())
        logger.warning("training steps are not carried on the GPU (%s); going on with the CPU", reason)
        if full:
            torch.cuda.empty_cache()


def _fused() -> Any:
    """The module of fused kernels, where they run."""
    try:
        cuda.require("triton")
        from hyperinr_core.motion import triton
    except (BackendError, ImportError):  # torch does the same, slower
        return None
    return triton
