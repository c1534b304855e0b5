"""Volumes of whole numbers in few bytes: what each number differs by from an interpolation of those around it, coarse ones first.

All of it is arithmetic of whole numbers, so that what is decoded is the same everywhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import reduce

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.packing import content_size, packed_parts, unpacked

#: Largest magnitude of a number, which leaves room for the sums that interpolation makes.
MOST_NUMBER = 1 << 22

#: Bytes that a number's difference may take.
MOST_PLANES = 4

#: Numbers that are known first, and which axes of the next are odd: each follows from those that have fewer odd ones.
_ORDER = sorted(itertools.product((0, 1), repeat=3), key=lambda odd: (sum(odd), odd))[1:]

Target = tuple[int, tuple[int, ...]]


def encode_volume(numbers: np.ndarray) -> np.ndarray:
    """(B,) uint8 of numbers (nz, ny, nx), magnitudes up to `MOST_NUMBER`; BackendError without zstandard."""
    numbers = np.ascontiguousarray(numbers, np.int32)
    parts = [numbers[:1, :1, :1].ravel()]
    parts += [(numbers[_place(target)] - _predicted(numbers, target)).ravel() for target in _targets(numbers.shape)]
    codes = [((part << 1) ^ (part >> 31)).view(np.uint32) for part in parts]
    n_planes = max(1, -(-int(max(code.max() for code in codes)).bit_length() // 8))
    planes = [(code >> (8 * plane) & 0xFF).astype(np.uint8) for plane in range(n_planes) for code in codes]
    return packed_parts(planes, "bound is")


def decode_volume(frame: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """(nz, ny, nx) int32.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such numbers, before memory is taken for them.
    """
    n_points = shape[0] * shape[1] * shape[2]
    size = content_size(frame, "bound is")
    if size % n_points or not 1 <= size // n_points <= MOST_PLANES:
        raise FormatError(
            f"a step of the bound is coded as {size} bytes; expected 1 to {MOST_PLANES} times its {n_points} points, "
            "get the file again"
        )
    planes = unpacked(frame, size, "bound is", "its steps").reshape(-1, n_points)
    codes = planes[0].astype(np.uint32)
    for number, plane in enumerate(planes[1:], start=1):
        codes |= plane.astype(np.uint32) << np.uint32(8 * number)
    differences = (codes >> np.uint32(1)).view(np.int32) ^ -(codes & np.uint32(1)).view(np.int32)
    numbers, begin = np.empty(shape, np.int32), 1
    numbers[0, 0, 0] = differences[0]
    for target in _targets(shape):
        part = numbers[_place(target)]
        part[...] = _predicted(numbers, target) + differences[begin : begin + part.size].reshape(part.shape)
        begin += part.size
    return numbers


def _targets(shape: tuple[int, ...]) -> Iterator[Target]:
    """Strides, the largest first, and which axes' places are odd multiples of them, of all points but the first."""
    stride = 1 << (max(shape) - 1).bit_length()
    while stride > 1:
        stride //= 2
        for odd in _ORDER:
            if all(stride < n for n, is_odd in zip(shape, odd) if is_odd):
                yield stride, odd


def _place(target: Target, along: int = -1) -> tuple[slice, ...]:
    """Where a target's points are; along an axis those that are known instead."""
    stride, odd = target
    return tuple(slice(stride * (is_odd and axis != along), None, 2 * stride) for axis, is_odd in enumerate(odd))


def _predicted(numbers: np.ndarray, target: Target) -> np.ndarray:
    """The mean of cubic interpolations along the odd axes, rounded."""
    shape, odd = numbers[_place(target)].shape, target[1]
    axes = [axis for axis, is_odd in enumerate(odd) if is_odd]
    each = (_sixteen_times_between(numbers[_place(target, axis)], axis, shape[axis]) for axis in axes)
    total = reduce(np.add, each)
    return (2 * total + 16 * len(axes)) // (32 * len(axes))


def _sixteen_times_between(known: np.ndarray, axis: int, count: int) -> np.ndarray:
    """Cubic interpolation half way after each of the first known numbers along an axis, which go on in a line at both ends."""
    known = np.moveaxis(known, axis, 0)
    slope = known[-1:] - known[-2:-1] if len(known) > 1 else 0 * known
    first = known[:1] - (known[1:2] - known[:1] if len(known) > 1 else 0)
    extended = np.concatenate([first, known, known[-1:] + slope, known[-1:] + 2 * slope])
    before, left, right, after = (extended[place : place + count] for place in range(4))
    return np.moveaxis(9 * (left + right) - before - after, 0, axis)
