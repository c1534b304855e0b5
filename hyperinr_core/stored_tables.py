"""Encoder tables that stay in their file until an encoder is asked for: of a large model a time needs only a few."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.level_coding import LevelCoding, decode_frame

#: The tensor they are stored as, and the one where they are coded.
TABLES_TENSOR, CODES_TENSOR = "encoder_params", "encoder_codes"

#: Bytes of tables from which on they are worth being read one by one.
WORTH_IT = 1 << 25

#: Numbers that are read at a time.
PIECE = 1 << 19


class StoredTables:
    """(N, M) tables of a file, read as they are needed; for all else the array that they make.

    Read, and not mapped into memory: a mapped file that somebody cuts off ends the process.

    Parameters
    ----------
    dtype : float16 or float32.
    check : called with each part of a table that was read; raises what is wrong with it.
    tensor : what holds them in the file.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        shape: tuple[int, int],
        dtype: Any,
        check: Callable[[np.ndarray], None],
        tensor: str = TABLES_TENSOR,
    ) -> None:
        self.shape, self.dtype, self.ndim, self.size = shape, np.dtype(dtype), 2, shape[0] * shape[1]
        self.nbytes = self.size * self.dtype.itemsize
        self._path, self._check, self._lock = path, check, threading.Lock()
        self._file = open(path, "rb")  # noqa: SIM115 - kept: the name may hold another model before all is read
        length = int.from_bytes(self._file.read(8), "little")
        self._start = 8 + length + json.loads(self._file.read(length))[tensor]["data_offsets"][0]
        self._tables = np.empty(shape, self.dtype)  # takes no memory before it is written to
        self._there = np.zeros(shape[0], bool)

    def __del__(self) -> None:
        self._file.close()

    def having(self, indices: np.ndarray) -> np.ndarray:
        """(N, M) of which the tables of some encoders are there, and others may not be."""
        with self._lock:
            for index in np.unique(indices[(indices >= 0) & (indices < len(self._there))]):
                if not self._there[index]:
                    self._read(int(index))
        return self._tables

    def _read(self, index: int) -> None:
        table = self._tables[index]
        for first in range(0, table.size, PIECE):  # which is checked while the processor's cache has it
            piece = table[first : first + PIECE]
            self._copy(index * table.nbytes + first * table.itemsize, piece)
            self._check(piece)
        self._there[index] = True

    def _copy(self, first: int, into: Any) -> None:
        """Fill an array with the tensor's bytes from one on."""
        self._file.seek(self._start + first)
        if self._file.readinto(memoryview(into).cast("B")) != into.nbytes:
            raise FormatError(f"{self._path} was cut off while it was in use; get the file again and open it anew")

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        rows = np.asarray(key)
        return self.having(np.atleast_1d(rows))[key] if rows.dtype.kind in "iu" else np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self.having(np.arange(len(self))).astype(dtype or self.dtype, copy=bool(copy))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


class CodedTables(StoredTables):
    """The same, (N, M) float16, of a file that has frames for each encoder.

    Parameters
    ----------
    parts : the levels of M.
    coding : whose sizes are those of such tables.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        n_encoders: int,
        parts: list[slice],
        coding: LevelCoding,
        check: Callable[[np.ndarray], None],
    ) -> None:
        super().__init__(path, (n_encoders, parts[-1].stop), np.float16, check, CODES_TENSOR)
        self._parts, self._coding = parts, coding
        self._frames: dict[int, list[tuple[int, slice]]] = {}
        for level, encoders, place in coding.frames(n_encoders):
            self._frames.setdefault(encoders.start, []).append((level, place))

    def _read(self, index: int) -> None:
        for level, place in self._frames[index]:
            frame = np.empty(place.stop - place.start, np.uint8)
            self._copy(place.start, frame)
            out = self._tables[index : index + 1, self._parts[level]]
            try:
                decode_frame(frame, self._coding, level, out)
            except FormatError as error:
                raise FormatError(f"{self._path} cannot be used: {error}") from None
            self._check(out)
        self._there[index] = True
