"""How much memory there is: refusing a grid that cannot fit, and keeping the images of recent steps within a bound."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Extent

GIB = 1 << 30

#: Where Linux says what is available to everybody, and what a container or a batch job may use.
MEMINFO, CGROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")


def check_fits(extent: Extent, n_components: int) -> None:
    """Refuse a grid of float32 values that is larger than the memory.

    Linux promises memory that it does not have and ends the process that uses it, so nobody else would say so.

    Raises
    ------
    ParameterError with the memory that the grid takes and the memory there is.
    """
    dims = [extent[2 * axis + 1] - extent[2 * axis] + 1 for axis in range(3)]
    needed = 4 * n_components * dims[0] * dims[1] * dims[2]
    available = available_bytes()
    if available is not None and needed > available:
        raise ParameterError(
            f"there is not enough memory for {' x '.join(map(str, dims))} points with {n_components} number(s) each: they take "
            f"{needed / GIB:.1f} GiB and {available / GIB:.1f} GiB are free; lower Dims or choose a region of interest"
        )


def available_bytes() -> int | None:
    """Bytes that this process can still take, about; None where the system does not say."""
    limits = [value for value in (_from_meminfo(), _from_cgroup(), from_windows()) if value is not None]
    if limits:
        return min(limits)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None


def _from_meminfo() -> int | None:
    try:
        lines = MEMINFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")), None)


def _from_cgroup() -> int | None:
    try:
        return int(CGROUP.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # no such file, or "max"
        return None


def from_windows() -> int | None:
    """Bytes of memory that Windows has left; None on other systems."""
    if sys.platform != "win32":
        return None
    status = (ctypes.c_uint64 * 8)(64)  # MEMORYSTATUSEX: its own length in bytes, ..., and third what is available
    return status[2] if ctypes.windll.kernel32.GlobalMemoryStatusEx(status) else None


class ImageCache:
    """The images shown last, the oldest dropped first, never more bytes than the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._images: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._images)

    def set_limit(self, limit: int) -> None:
        """Most bytes to keep; 0 keeps nothing."""
        self._limit = limit
        self._shrink()

    def get(self, key: Any) -> Any:
        """The image that was put under the key, or None."""
        if key not in self._images:
            return None
        self._images.move_to_end(key)
        return self._images[key][0]

    def put(self, key: Any, image: Any) -> None:
        """Keep an image. Its arrays are shared with whoever has it already, so that it takes memory once."""
        size = 1024 * image.GetActualMemorySize()
        if key not in self._images and size <= self._limit:
            self._images[key] = image, size
            self.n_bytes += size
            self._shrink()

    def _shrink(self) -> None:
        while self.n_bytes > self._limit:
            _, (_, size) = self._images.popitem(last=False)
            self.n_bytes -= size
