"""Encoder tables in few bytes: rounded to steps, as differences between neighbouring encoders, entropy-coded.

Rounding is where the loss is, and one step for each level chooses how much. What follows is exact. Numbers near zero, of which
a table has many, become short codes, and zeros cost next to nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.hash_grid import HashGrid
from hyperinr_core.level_coding import LevelCoding, decode_levels, encode_level
from hyperinr_core.packing import MOST_EFFORT, MOST_EXPANSION, folded, unfolded, unpacked, zstandard
from hyperinr_core.stored_tables import WORTH_IT

#: Largest magnitude of a rounded number; differences of two then fit 16 bits.
MOST_STEPS = 16383


@dataclass(frozen=True)
class TableCoding:
    """How tables are coded.

    Attributes
    ----------
    steps : (L,) positive, what numbers of each level are rounded to multiples of.
    differences : whether all encoders but the first hold what they differ from the one before.
    """

    steps: tuple[float, ...]
    differences: bool

    def to_dict(self) -> dict[str, Any]:
        """What a file's document says of the coding."""
        return {"steps": list(self.steps), "differences": self.differences}


#: What a file's document says of its tables: either of these.
Coding = Union[TableCoding, LevelCoding]


def coding_in(item: Any, n_levels: int, by_level: bool) -> Coding | None:
    """The coding that an untrusted document says; None for tables that are stored as they are.

    Parameters
    ----------
    by_level : whether the file is of a version whose tables may be coded level by level.

    Raises ValueError with what was found and expected.
    """
    if item is None:
        return None
    if not isinstance(item, dict) or not {"steps", "differences"} <= set(item):
        raise ValueError(f"tables is {str(item)[:60]!r}; expected null, or steps and differences")
    steps, differences = item["steps"], item["differences"]
    if type(steps) is not list or len(steps) != n_levels or not all(_is_step(step) for step in steps):
        raise ValueError(f"steps of the tables are {str(steps)[:60]}; expected {n_levels} numbers above 0")
    read = tuple(map(float, steps))
    if by_level and type(differences) is list:
        return LevelCoding.from_dict(item, read)
    if set(item) != {"steps", "differences"}:
        raise ValueError(f"tables is {str(item)[:60]!r}; expected null, or steps and differences")
    if type(differences) is not bool:
        raise ValueError(f"differences is {str(differences)[:60]!r}; expected true or false")
    return TableCoding(read, differences)


def _is_step(step: Any) -> bool:
    return type(step) in (int, float) and 0 < step <= sys.float_info.max  # an int may be larger than any float


def encode(tables: np.ndarray, hash_grid: HashGrid, coding: TableCoding, effort: int = MOST_EFFORT) -> np.ndarray:
    """(B,) uint8 of tables (N, M), as files of versions 1 to 3 have them.

    Parameters
    ----------
    effort : zstandard's level; the lower ones write several times as fast.

    Raises
    ------
    ParameterError when a step is too small for its level, or so large that nearly nothing is left; BackendError without
    zstandard.
    """
    codes = np.empty(tables.shape, np.uint16)
    for part, numbers in zip(levels(hash_grid), _multiples(tables, hash_grid, coding.steps)):
        if coding.differences:
            numbers[1:] = np.diff(numbers, axis=0)
        codes[:, part] = folded(numbers)
    planes = np.concatenate([_by_level(codes & 0xFF, hash_grid), _by_level(codes >> 8, hash_grid)]).astype(np.uint8)
    coded = np.frombuffer(zstandard().ZstdCompressor(level=effort).compress(planes.tobytes()), np.uint8)
    _check_left(planes.size, coded.size, coding.steps)
    return coded


def encode_best(
    tables: np.ndarray,
    hash_grid: HashGrid,
    steps: Sequence[float],
    in_order: bool,
    effort: int = MOST_EFFORT,
    alone: bool | None = None,
) -> tuple[LevelCoding, np.ndarray]:
    """The coding of given steps that takes the fewest bytes, of each level by itself, and these: (B,) uint8 of tables (N, M).

    Parameters
    ----------
    in_order : whether encoders stand in a row, so that neighbours may be alike.
    alone : whether encoders get frames of their own, so that a time decodes those around it alone; when None where tables are
        large.

    Raises
    ------
    ParameterError and BackendError as `encode` does.
    """
    alone = 2 * tables.size >= WORTH_IT if alone is None else alone
    found = [encode_level(numbers, in_order, effort, alone) for numbers in _multiples(tables, hash_grid, steps)]
    differences, per_byte, by_level = zip(*found)
    frames = [frame for level in by_level for frame in level]
    coded = np.concatenate(frames)
    _check_left(2 * tables.size, coded.size, steps)
    return LevelCoding(tuple(map(float, steps)), differences, per_byte, tuple(map(len, frames))), coded


def _multiples(tables: np.ndarray, hash_grid: HashGrid, steps: Sequence[float]) -> Iterator[np.ndarray]:
    """(N, m) int16 of each level, in its steps."""
    for level, (part, step) in enumerate(zip(levels(hash_grid), steps)):
        multiples = np.rint(tables[:, part].astype(np.float32) / np.float32(step))
        if abs(multiples).max(initial=0) > MOST_STEPS:
            raise ParameterError(
                f"level {level} has numbers of {abs(multiples).max():.0f} steps of {step:g}; expected at most {MOST_STEPS}, "
                "take larger steps"
            )
        yield multiples.astype(np.int16)


def _check_left(n_bytes: int, n_coded: int, steps: Sequence[float]) -> None:
    if n_bytes > MOST_EXPANSION * n_coded:
        raise ParameterError(f"steps of {max(steps):g} leave next to nothing of the tables; take smaller ones")


def decode(codes: np.ndarray, n_encoders: int, hash_grid: HashGrid, coding: Coding) -> np.ndarray:
    """(N, M) float16 tables.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such tables, before memory is taken for them.
    """
    if isinstance(coding, LevelCoding):
        return decode_levels(codes, n_encoders, levels(hash_grid), coding)
    size = 2 * n_encoders * hash_grid.n_params
    planes = unpacked(codes, size, "tables are", "the settings")
    low, high = planes.reshape(2, -1)
    tables, place = np.empty((n_encoders, hash_grid.n_params), np.float16), 0
    for part, step in zip(levels(hash_grid), coding.steps):
        count = n_encoders * (part.stop - part.start)
        here = slice(place, place + count)
        numbers = unfolded(low[here], high[here]).reshape(n_encoders, -1)
        if coding.differences:
            numbers = np.cumsum(numbers, axis=0, dtype=np.int16)
        tables[:, part] = numbers * np.float32(step)
        place += count
    return tables


def rounded(tables: np.ndarray, hash_grid: HashGrid, steps: Sequence[float]) -> np.ndarray:
    """(N, M) float16 tables as they are once coded."""
    values = np.empty(tables.shape, np.float16)
    for part, step in zip(levels(hash_grid), steps):
        values[:, part] = np.rint(tables[:, part].astype(np.float32) / np.float32(step)) * np.float32(step)
    return values


def levels(hash_grid: HashGrid) -> list[slice]:
    """Which numbers of a table belong to each level."""
    n_features = hash_grid.config.n_features_per_level
    ends = [int(offset) * n_features for offset in hash_grid.offsets[: hash_grid.config.n_levels + 1]]
    return [slice(begin, end) for begin, end in zip(ends, ends[1:])]


def _by_level(codes: np.ndarray, hash_grid: HashGrid) -> np.ndarray:
    """(N * M,) level after level, and in it encoder after encoder: like stands by like."""
    return np.concatenate([codes[:, part].ravel() for part in levels(hash_grid)])
