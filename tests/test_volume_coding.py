"""Whole numbers come back, from few bytes; other bytes are refused before they take memory."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
import zstandard

from hyperinr_core.errors import FormatError
from hyperinr_core.packing import MOST_EXPANSION
from hyperinr_core.volume_coding import MOST_NUMBER, decode_volume, encode_volume

SHAPES = [(1, 1, 1), (1, 1, 9), (1, 5, 7), (2, 2, 2), (3, 1, 8), (16, 16, 16), (17, 9, 5)]


@pytest.mark.parametrize("most", [0, 1, 200, 40_000, MOST_NUMBER])
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_come_back(shape, most):
    numbers = np.random.default_rng(0).integers(-most, most + 1, shape).astype(np.int32)
    np.testing.assert_array_equal(decode_volume(encode_volume(numbers), shape), numbers)


def test_a_smooth_volume_takes_few_bytes():
    z, y, x = np.meshgrid(*[np.linspace(0, 3, n) for n in (24, 20, 30)], indexing="ij")
    numbers = np.rint(3000 * np.sin(x) * np.cos(y + z)).astype(np.int32)
    plain = zstandard.ZstdCompressor(level=19).compress(numbers.astype(np.int16).tobytes())
    assert encode_volume(numbers).size < len(plain) / 2
    assert encode_volume(np.full((64, 64, 64), 5)).size <= 64**3 // MOST_EXPANSION


@pytest.mark.parametrize("shape", SHAPES)
def test_another_reader_finds_the_same(shape):
    """One that was written from the documented format, point by point."""
    numbers = np.random.default_rng(1).integers(-500, 500, shape).astype(np.int32)
    frame = encode_volume(numbers).tobytes()
    content = zstandard.ZstdDecompressor().decompress(frame)
    n, known = numbers.size, {}
    stored = [sum(content[k * n + i] << 8 * k for k in range(len(content) // n)) for i in range(n)]
    stored = iter([u // 2 if u % 2 == 0 else -(u + 1) // 2 for u in stored])
    known[0, 0, 0] = next(stored)
    s = 1
    while s < max(shape):
        s *= 2
    while s > 1:
        s //= 2
        for odd in ("001", "010", "100", "011", "101", "110", "111"):
            ranges = [range(s * int(o), size, 2 * s) for o, size in zip(odd, shape)]
            for point in itertools.product(*ranges):
                axes = [a for a in range(3) if odd[a] == "1"]
                total = sum(_sixteen_times(known, point, a, s, shape[a]) for a in axes)
                m = len(axes)
                known[point] = next(stored) + (2 * total + 16 * m) // (32 * m)
    assert len(known) == n and all(known[tuple(p)] == numbers[tuple(p)] for p in np.ndindex(*shape))


def _sixteen_times(known, point, axis, s, size):
    def at(place):
        last = (size - 1) // (2 * s) * 2 * s
        if 0 <= place <= last:
            return known[(*point[:axis], place, *point[axis + 1 :])]
        if last == 0:
            return at(0)
        end, inner = (0, 2 * s) if place < 0 else (last, last - 2 * s)
        return at(end) + (at(end) - at(inner)) * abs(place - end) // (2 * s)

    a, b, c, d = (at(point[axis] + k * s) for k in (-3, -1, 1, 3))
    return 9 * (b + c) - a - d


def test_other_bytes_are_refused_and_take_no_memory():
    numbers = np.random.default_rng(0).integers(-9, 9, (8, 8, 8))
    frame = encode_volume(numbers)
    large = np.frombuffer(zstandard.ZstdCompressor().compress(bytes(1 << 28)), np.uint8)
    flipped = frame.copy()
    flipped[40] ^= 16
    cases = [
        (frame[:-5], (8, 8, 8), "the bound is damaged"),
        (flipped, (8, 8, 8), "the bound is damaged"),
        (frame[:3], (8, 8, 8), "the bound is damaged"),
        (np.zeros(9, np.uint8), (8, 8, 8), "the bound is damaged"),
        (frame, (8, 8, 9), "expected 1 to 4 times its 576 points"),
        (frame, (2, 2, 2), "expected 1 to 4 times its 8 points"),
        (large, (1 << 8, 1 << 10, 1 << 10), "expected at most 256 times as many"),
    ]
    tracemalloc.start()
    for codes, shape, message in cases:
        with pytest.raises(FormatError, match=message):
            decode_volume(codes, shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20
