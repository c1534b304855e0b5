"""Encoder tables that stay in their file until an encoder is asked for: of a large model a time needs only a few.

A coarse grid needs of these only the first levels.
"""

from __future__ import annotations

import io
import json
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.files import sharing
from hyperinr_core.level_coding import LevelCoding, decode_frame

#: The tensor they are stored as, and the one where they are coded.
TABLES_TENSOR, CODES_TENSOR = "encoder_params", "encoder_codes"

#: Bytes of tables from which on they are worth being read one by one.
WORTH_IT = 1 << 25

#: Numbers that are read at a time.
PIECE = 1 << 19

#: Bytes that are read ahead of what is asked for, at most.
AHEAD = 1 << 12


class StoredTables:
    """(N, M) tables of a file, read as they are needed; for all else the array that they make.

    Read, and not mapped into memory: a mapped file that somebody cuts off ends the process.

    Parameters
    ----------
    parts : the levels of M.
    dtype : float16 or float32.
    check : called with each part of a table that was read; raises what is wrong with it.
    tensor : what holds them in the file.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        n_encoders: int,
        parts: list[slice],
        dtype: Any,
        check: Callable[[np.ndarray], None],
        tensor: str = TABLES_TENSOR,
    ) -> None:
        self._path, self._check = path, check
        # kept: the name may hold another model before all is read; little is read ahead, where Python 3.14 by itself takes 128 kB
        self._file = io.BufferedReader(io.FileIO(path, opener=sharing), AHEAD)
        weakref.finalize(self, self._file.close)
        length = int.from_bytes(self._file.read(8), "little")
        self._start = 8 + length + json.loads(self._file.read(length))[tensor]["data_offsets"][0]
        self._hold(n_encoders, parts, dtype)

    def _hold(self, n_encoders: int, parts: list[slice], dtype: Any) -> None:
        """Be so many tables, of which nothing is there."""
        self.shape, self.dtype, self.ndim = (n_encoders, parts[-1].stop), np.dtype(dtype), 2
        self.size = self.shape[0] * self.shape[1]
        self.nbytes = self.size * self.dtype.itemsize
        self._parts, self._lock = parts, threading.Lock()
        self._tables = np.empty(self.shape, self.dtype)  # takes no memory before it is written to
        self._n_there = np.zeros(n_encoders, int)  # levels of each

    def first(self, n_levels: int) -> StoredTables:
        """(N, m) the coarsest levels of each encoder: no other is read for them, and none is read again for these tables."""
        return FirstLevels(self, n_levels)

    def having(self, indices: np.ndarray, n_levels: int | None = None) -> np.ndarray:
        """(N, M) of which the tables of some encoders are there, and others may not be.

        Parameters
        ----------
        n_levels : how many of the coarsest are enough; all when None.
        """
        n_levels = len(self._parts) if n_levels is None else n_levels
        with self._lock:
            for index in np.unique(indices[(indices >= 0) & (indices < len(self._n_there))]):
                for level in range(self._n_there[index], n_levels):
                    self._read(int(index), level)
                    self._n_there[index] = level + 1
        return self._tables

    def _read(self, index: int, level: int) -> None:
        table, part = self._tables[index], self._parts[level]
        for first in range(part.start, part.stop, PIECE):  # which is checked while the processor's cache has it
            piece = table[first : min(first + PIECE, part.stop)]
            self._copy(index * table.nbytes + first * table.itemsize, piece)
            self._check(piece)

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
        super().__init__(path, n_encoders, parts, np.float16, check, CODES_TENSOR)
        self._coding = coding
        self._frames = {(encoders.start, level): place for level, encoders, place in coding.frames(n_encoders)}

    def _read(self, index: int, level: int) -> None:
        place = self._frames[index, level]
        frame = np.empty(place.stop - place.start, np.uint8)
        self._copy(place.start, frame)
        out = self._tables[index : index + 1, self._parts[level]]
        try:
            decode_frame(frame, self._coding, level, out)
        except FormatError as error:
            raise FormatError(f"{self._path} cannot be used: {error}") from None
        self._check(out)


class FirstLevels(StoredTables):
    """The coarsest levels of other tables, which read them: side by side in memory of their own, as backends want them."""

    def __init__(self, whole: StoredTables, n_levels: int) -> None:
        self._whole = whole
        self._hold(len(whole), whole._parts[:n_levels], whole.dtype)

    def _read(self, index: int, level: int) -> None:
        part = self._parts[level]
        self._tables[index, part] = self._whole.having(np.array([index]), level + 1)[index, part]
