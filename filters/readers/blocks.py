"""Arrays that lie in a file after a header, as they are or packed: a few planes of one step at a time."""

from __future__ import annotations

import bz2
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.libraries import in_one_line
from hyperinr.filters.readers.steps import ZRange
from hyperinr_core.errors import DataError

#: Bytes that are read at once of packed data.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Block:
    """Numbers in a file.

    Attributes
    ----------
    start : bytes before them.
    shape : NumPy's, last axis fastest.
    axes : what the axes are, letters of t, z, y, x and c in the order of the shape.
    packing : raw, gzip (which zlib is, too) or bzip2.
    """

    path: Path
    start: int
    kind: np.dtype
    shape: tuple[int, ...]
    axes: str
    packing: str = "raw"

    def size(self, axis: str) -> int:
        """Length of an axis, 1 where there is none."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    @property
    def dims(self) -> tuple[int, int, int]:
        """(nx, ny, nz)."""
        return (self.size("x"), self.size("y"), self.size("z"))

    def check(self) -> None:
        """Raise DataError when the file is shorter than the numbers."""
        if self.packing == "raw" and self.path.stat().st_size - self.start < self._n_bytes(self.shape):
            raise self._short(self.path.stat().st_size - self.start, self._n_bytes(self.shape))

    def read(self, frame: int, z_range: ZRange | None) -> np.ndarray:
        """(nz, ny, nx, c) of one step; maps or unpacks the file anew, and no more of it than up to what is asked for."""
        whole: np.ndarray
        z0, z1 = z_range or (0, self.size("z"))
        if self.packing == "raw":
            self.check()
            whole = np.memmap(self.path, self.kind, "r", offset=self.start, shape=self.shape)
        elif self.axes.startswith("tz") or (self.axes.startswith("z") and "t" not in self.axes):
            rest = self.shape[self.axes.index("z") + 1 :]
            first, plane = frame * self.size("z") + z0, self._n_bytes(rest)
            content = self._unpacked(first * plane, (z1 - z0) * plane)
            whole = np.frombuffer(content, self.kind).reshape(*(1,) * ("t" in self.axes), z1 - z0, *rest)
            frame, z0, z1 = 0, 0, z1 - z0
        else:
            content = self._unpacked(0, self._n_bytes(self.shape))
            whole = np.frombuffer(content, self.kind).reshape(self.shape)
        return in_order(of_step(whole, self.axes, frame, slice(z0, z1)), self.axes.replace("t", ""))

    def _n_bytes(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape) * self.kind.itemsize

    def _unpacked(self, start: int, length: int) -> bytes:
        """So many bytes of the unpacked data."""
        parts, position, stop = [], 0, start + length
        try:
            with open(self.path, "rb") as file:
                file.seek(self.start)
                unpacker = self._unpacker()
                content = file.read(_CHUNK)
                while content and position < stop:
                    if unpacker.eof:  # members of one gzip file follow each other
                        unpacker = self._unpacker()
                    piece = unpacker.decompress(content)
                    parts.append(piece[max(start - position, 0) : max(stop - position, 0)])
                    position += len(piece)
                    content = (unpacker.unused_data if unpacker.eof else b"") or file.read(_CHUNK)
        except (zlib.error, OSError, ValueError, EOFError) as error:
            raise DataError(
                f"{self.path} cannot be unpacked ({in_one_line(error)}); expected whole {self.packing} data, write it again"
            ) from error
        if position < stop:
            raise self._short(position, stop)
        return b"".join(parts)

    def _unpacker(self) -> Any:
        return bz2.BZ2Decompressor() if self.packing == "bzip2" else zlib.decompressobj(47)  # gzip's header or zlib's

    def _short(self, found: int, expected: int) -> DataError:
        return DataError(
            f"{self.path} has {max(found, 0)} bytes of data; expected {expected}, write or download it again"
        )


def check_letters(letters: str, shape: Sequence[int], what: object) -> None:
    """DataError unless there is one letter of t, z, y, x and c for each axis of a shape, x and y among them."""
    is_known = len(set(letters)) == len(letters) and {"x", "y"} <= set(letters) <= set("tzyxc")
    if not is_known or len(letters) != len(shape):
        raise DataError(
            f"{what} has {len(shape)} axes; expected as many letters of t, z, y, x, c, x and y among them, found {letters!r}"
        )


def of_step(values: np.ndarray, axes: str, frame: int, planes: slice) -> np.ndarray:
    """These planes of one step of an array whose axes have these letters; the array without its axis t."""
    return values[tuple(frame if axis == "t" else planes if axis == "z" else slice(None) for axis in axes)]


def in_order(values: np.ndarray, axes: str) -> np.ndarray:
    """An array with axes of these letters as (nz, ny, nx, c)."""
    values = values.transpose([axes.index(axis) for axis in "zyxc" if axis in axes])
    for place, axis in enumerate("zyxc"):
        if axis not in axes:
            values = np.expand_dims(values, place)
    return values
