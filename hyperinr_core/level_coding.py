"""Encoder tables in still fewer bytes: a frame for each level, with what suits its numbers.

A frame of zstandard gives no byte less than a bit. Where numbers are small, several share a byte, so that a number may cost
less; and a level's numbers, which are as large as its step makes them, have codes of their own in a frame of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.packing import MOST_EFFORT, MOST_EXPANSION, QUICK, folded, packed, unfolded, unpacked

#: How many numbers share a byte, and how many values each then may have; 0 stands for two bytes a number.
VALUES = {0: 1 << 16, 1: 256, 2: 16, 4: 4}

_KEYS = {"steps", "differences", "per_byte", "sizes"}


@dataclass(frozen=True)
class LevelCoding:
    """How tables are coded level by level.

    Attributes
    ----------
    steps : (L,) positive, what numbers of each level are rounded to multiples of.
    differences : (L,) whether all encoders but the first hold what they differ from the one before.
    per_byte : (L,) of `VALUES`, how many numbers share a byte.
    sizes : (L,) bytes of each level's frame.
    """

    steps: tuple[float, ...]
    differences: tuple[bool, ...]
    per_byte: tuple[int, ...]
    sizes: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """What a file's document says of the coding."""
        return {name: list(getattr(self, name)) for name in sorted(_KEYS)}

    @classmethod
    def from_dict(cls, item: dict[str, Any], steps: tuple[float, ...]) -> LevelCoding:
        """The coding that an untrusted document says, whose steps are read; ValueError with what was found and expected."""
        if set(item) != _KEYS:
            raise ValueError(f"tables have {sorted(map(str, item))}; expected exactly {sorted(_KEYS)}")
        kinds = {
            "differences": (lambda each: type(each) is bool, "true or false"),
            "per_byte": (lambda each: type(each) is int and each in VALUES, f"one of {list(VALUES)}"),
            "sizes": (lambda each: type(each) is int and 0 < each < 1 << 62, "a number of bytes"),
        }
        for name, (is_one, expected) in kinds.items():
            found = item[name]
            if type(found) is not list or len(found) != len(steps) or not all(map(is_one, found)):
                raise ValueError(f"{name} of the tables is {str(found)[:60]}; expected {len(steps)} times {expected}")
        return cls(steps, *(tuple(item[name]) for name in kinds))


def encode_level(numbers: np.ndarray, in_order: bool, effort: int = MOST_EFFORT) -> tuple[bool, int, np.ndarray]:
    """Differences, numbers that share a byte, and the frame, whichever takes the fewest bytes, of numbers (N, m) int16."""
    best = None
    for differences in (False, True) if in_order else (False,):
        codes = folded(np.diff(numbers, axis=0, prepend=np.int16(0)) if differences else numbers).ravel()
        for per_byte in (each for each, values in VALUES.items() if codes.max(initial=0) < values):
            content = _bytes_of(codes, per_byte)
            for level in {QUICK, effort}:  # of numbers without a pattern the slow one at times makes a few bytes more
                frame = packed(content, "tables are", level)
                if best is None or len(frame) < len(best[2]):
                    best = differences, per_byte, frame
    assert best is not None  # two bytes hold every code
    return best


def decode_levels(codes: np.ndarray, n_encoders: int, parts: list[slice], coding: LevelCoding) -> np.ndarray:
    """(N, M) float16 tables, whose levels are `parts` of M.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such tables, before memory is taken for them.
    """
    if sum(coding.sizes) != codes.size:
        raise FormatError(
            f"the tables have {codes.size} bytes; expected the {sum(coding.sizes)} of its levels, get the file again"
        )
    length = parts[-1].stop
    if 2 * n_encoders * length > MOST_EXPANSION * codes.size:
        raise FormatError(
            f"{codes.size} coded bytes claim to be {2 * n_encoders * length}; expected at most {MOST_EXPANSION} times as many, "
            "get the file again"
        )
    tables, first = np.empty((n_encoders, length), np.float16), 0
    for part, step, differences, per_byte, size in zip(
        parts, coding.steps, coding.differences, coding.per_byte, coding.sizes
    ):
        count = n_encoders * (part.stop - part.start)
        n_bytes = -(-count // per_byte) if per_byte else 2 * count
        content = unpacked(codes[first : first + size], n_bytes, "tables are", "the settings")
        numbers = _numbers_of(content, per_byte, count).reshape(n_encoders, -1)
        if differences:
            numbers = np.cumsum(numbers, axis=0, dtype=np.int16)
        tables[:, part] = numbers * np.float32(step)
        first += size
    return tables


def _bytes_of(codes: np.ndarray, per_byte: int) -> np.ndarray:
    """uint8 that hold codes (n,) uint16, the first in the lowest bits."""
    if not per_byte:
        return np.concatenate([codes & 0xFF, codes >> 8]).astype(np.uint8)
    width = 8 // per_byte
    rows = np.pad(codes, (0, -len(codes) % per_byte)).reshape(-1, per_byte)
    return np.bitwise_or.reduce(rows << (width * np.arange(per_byte, dtype=np.uint16)), axis=1).astype(np.uint8)


def _numbers_of(content: np.ndarray, per_byte: int, count: int) -> np.ndarray:
    """(count,) int16."""
    if not per_byte:
        return unfolded(*content.reshape(2, -1))
    width = 8 // per_byte
    codes = content[:, None] >> (width * np.arange(per_byte, dtype=np.uint8)) & np.uint8((1 << width) - 1)
    return unfolded(codes.ravel()[:count], np.zeros(count, np.uint8))
