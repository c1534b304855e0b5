"""Encoder tables in still fewer bytes: frames for each level, with what suits its numbers.

A frame of zstandard gives no byte less than a bit. Where numbers are small, several share a byte, so that a number may cost
less; and a level's numbers, which are as large as its step makes them, have codes of their own in frames of their own. A
frame holds a level of all encoders, or where tables are large that of one, which is decoded when a time asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.packing import MOST_EFFORT, MOST_EXPANSION, PLAIN, folded, packed, unfolded, unpacked

#: How many numbers share a byte, and how many values each then may have; 0 stands for two bytes a number.
VALUES = {0: 1 << 16, 1: 256, 2: 16, 4: 4}

#: Codes that are made numbers at a time, while a processor's cache has them.
PIECE = 1 << 16

_KEYS = {"steps", "differences", "per_byte", "sizes"}


@dataclass(frozen=True)
class LevelCoding:
    """How tables are coded level by level.

    Attributes
    ----------
    steps : (L,) positive, what numbers of each level are rounded to multiples of.
    differences : (L,) whether all encoders but the first hold what they differ from the one before.
    per_byte : (L,) of `VALUES`, how many numbers share a byte.
    sizes : (L,) bytes of each level's frame; (L * N,), level by level, where each encoder has frames of its own.
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
            fits = type(found) is list and all(map(is_one, found)) and len(found) >= len(steps)
            if not fits or len(found) % len(steps) or (len(found) > len(steps) and name != "sizes"):
                raise ValueError(f"{name} of the tables is {str(found)[:60]}; expected {len(steps)} times {expected}")
        coding = cls(steps, *(tuple(item[name]) for name in kinds))
        if len(coding.sizes) > len(steps) and any(coding.differences):
            raise ValueError("differences of the tables are true beside frames of one encoder each; expected false")
        return coding

    def frames(self, n_encoders: int) -> Iterator[tuple[int, slice, slice]]:
        """Of each frame its level, its encoders and its bytes."""
        each, first = len(self.sizes) // len(self.steps), 0
        for number, size in enumerate(self.sizes):
            level, encoder = divmod(number, each)
            yield level, slice(encoder, encoder + 1) if each > 1 else slice(0, n_encoders), slice(first, first + size)
            first += size


def encode_level(
    numbers: np.ndarray, in_order: bool, effort: int = MOST_EFFORT, alone: bool = False
) -> tuple[bool, int, list[np.ndarray]]:
    """Differences, numbers that share a byte, and the frames, whichever take the fewest bytes, of numbers (N, m) int16.

    Parameters
    ----------
    alone : whether each encoder's numbers get a frame of their own.
    """
    best: tuple[bool, int, list[np.ndarray]] | None = None
    for differences in (False, True) if in_order and not alone else (False,):
        codes = folded(np.diff(numbers, axis=0, prepend=np.int16(0)) if differences else numbers)
        for per_byte in (each for each, values in VALUES.items() if codes.max(initial=0) < values):
            contents = [_bytes_of(part, per_byte) for part in (codes if alone else [codes.ravel()])]
            for level in {PLAIN, effort}:  # numbers without a pattern take fewer bytes where none is looked for
                frames = [packed(content, "tables are", level) for content in contents]
                if best is None or sum(map(len, frames)) < sum(map(len, best[2])):
                    best = differences, per_byte, frames
    assert best is not None  # two bytes hold every code
    return best


def decode_levels(codes: np.ndarray, n_encoders: int, parts: list[slice], coding: LevelCoding) -> np.ndarray:
    """(N, M) float16 tables, whose levels are `parts` of M.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such tables, before memory is taken for them.
    """
    check_sizes(codes.size, n_encoders, parts[-1].stop, coding)
    tables = np.empty((n_encoders, parts[-1].stop), np.float16)
    for level, encoders, place in coding.frames(n_encoders):
        decode_frame(codes[place], coding, level, tables[encoders, parts[level]])
    return tables


def check_sizes(n_bytes: int, n_encoders: int, length: int, coding: LevelCoding) -> None:
    """Raise FormatError where so many bytes are no tables (n_encoders, length)."""
    n_levels, n_frames = len(coding.steps), len(coding.sizes)
    if n_frames not in (n_levels, n_levels * n_encoders):
        raise FormatError(
            f"the tables have {n_frames} frames; expected {n_levels} or {n_levels * n_encoders}, get the file again"
        )
    if sum(coding.sizes) != n_bytes:
        raise FormatError(
            f"the tables have {n_bytes} bytes; expected the {sum(coding.sizes)} of its levels, get the file again"
        )
    if 2 * n_encoders * length > MOST_EXPANSION * n_bytes:
        raise FormatError(
            f"{n_bytes} coded bytes claim to be {2 * n_encoders * length}; expected at most {MOST_EXPANSION} times as many, "
            "get the file again"
        )


def decode_frame(frame: np.ndarray, coding: LevelCoding, level: int, out: np.ndarray) -> None:
    """Write a level of some encoders into out (n, m) float16; FormatError, without a file's name, for other bytes."""
    step, per_byte = np.float32(coding.steps[level]), coding.per_byte[level]
    n_bytes = -(-out.size // per_byte) if per_byte else 2 * out.size
    content = unpacked(frame, n_bytes, "tables are", "the settings")
    if coding.differences[level]:
        numbers = _numbers_of(content, per_byte, out.size).reshape(out.shape)
        with _as_they_come():
            out[...] = np.cumsum(numbers, axis=0, dtype=np.int16) * step
        return
    meant, codes = _meant(per_byte, step), content if per_byte else _joined(content)
    found = np.empty(len(codes), meant.dtype)
    for first in range(0, len(codes), PIECE):
        here = slice(first, first + PIECE)
        np.take(meant, codes[here], out=found[here], mode="clip")
    out[...] = found.view(np.float16)[: out.size].reshape(out.shape)


def _as_they_come() -> np.errstate:
    """Infinity is no warning: whoever reads a file looks for it."""
    return np.errstate(over="ignore", invalid="ignore")


def _meant(per_byte: int, step: np.float32) -> np.ndarray:
    """What each byte, or each pair of bytes, stands for: float16 numbers side by side, as one number of as many bits."""
    codes = np.arange(VALUES[per_byte] if per_byte < 2 else 256)
    content = _bytes_of(codes.astype(np.uint16), 0) if per_byte == 0 else codes.astype(np.uint8)
    with _as_they_come():
        numbers = (_numbers_of(content, per_byte, len(codes) * max(per_byte, 1)) * step).astype(np.float16)
    return numbers.view(f"u{2 * max(per_byte, 1)}")


def _bytes_of(codes: np.ndarray, per_byte: int) -> np.ndarray:
    """uint8 that hold codes (n,) uint16, the first in the lowest bits."""
    if not per_byte:
        return np.concatenate([codes & 0xFF, codes >> 8]).astype(np.uint8)
    width = 8 // per_byte
    rows = np.pad(codes, (0, -len(codes) % per_byte)).reshape(-1, per_byte)
    return np.bitwise_or.reduce(rows << (width * np.arange(per_byte, dtype=np.uint16)), axis=1).astype(np.uint8)


def _joined(content: np.ndarray) -> np.ndarray:
    """uint16 of low bytes followed by high bytes."""
    low, high = content.reshape(2, -1)
    return low.astype(np.uint16) | high.astype(np.uint16) << np.uint16(8)


def _numbers_of(content: np.ndarray, per_byte: int, count: int) -> np.ndarray:
    """(count,) int16."""
    if not per_byte:
        return unfolded(*content.reshape(2, -1))
    width = 8 // per_byte
    codes = content[:, None] >> (width * np.arange(per_byte, dtype=np.uint8)) & np.uint8((1 << width) - 1)
    return unfolded(codes.ravel()[:count], np.zeros(count, np.uint8))
