"""Masks in few bytes, and bytes that are none."""

from __future__ import annotations

import numpy as np
import pytest
import zstandard

from hyperinr_core.errors import FormatError
from hyperinr_core.mask import Mask, n_bytes
from hyperinr_core.mask_coding import decode_mask, encode_mask
from hyperinr_core.packing import MOST_EXPANSION

SHAPE = (20, 33, 41)


def moving(n_steps):
    """A plane that moves by a point in each step."""
    x = np.arange(SHAPE[2])
    sheets = [np.packbits(np.broadcast_to(x > 5 + t, SHAPE)) for t in range(n_steps)]
    owners = np.arange(n_steps, dtype=np.uint32)[:, None]
    return Mask(SHAPE, np.arange(float(n_steps))[:, None], np.stack(sheets), owners)


@pytest.mark.parametrize("n_steps", [1, 2, 9])
def test_what_is_coded_is_the_same_again_and_small(n_steps):
    mask = moving(n_steps)
    codes = encode_mask(mask)
    np.testing.assert_array_equal(decode_mask(codes, SHAPE, n_steps), mask.sheets)
    assert mask.sheets.size / MOST_EXPANSION <= len(codes) < mask.sheets.size / 10


def test_what_codes_to_next_to_nothing_is_believed():
    """A reader takes no more memory than 256 times the bytes."""
    shape = (64, 64, 64)
    mask = Mask(shape, np.zeros((1, 1)), np.zeros((1, n_bytes(shape)), np.uint8), np.zeros((1, 1), np.uint32))
    codes = encode_mask(mask)
    assert len(codes) == n_bytes(shape) // MOST_EXPANSION
    np.testing.assert_array_equal(decode_mask(codes, shape, 1), mask.sheets)


@pytest.mark.parametrize(
    ("spoil", "shape", "n_sheets", "message"),
    [
        (lambda codes: codes, (1 << 20,) * 3, 3, "claim to be"),
        (lambda codes: codes, SHAPE, 1 << 31, "claim to be"),
        (lambda codes: codes, SHAPE, 2, "is not the .* bytes of its 2 sheets"),
        (lambda codes: codes[:0], SHAPE, 3, "claim to be"),
        (lambda codes: codes[:-30], SHAPE, 3, "is damaged"),
        (lambda codes: np.zeros_like(codes), SHAPE, 3, "is damaged"),
        (lambda codes: np.frombuffer(zstandard.compress(b"x" * 3000), np.uint8), SHAPE, 3, "claim to be|is not"),
    ],
)
def test_what_is_no_mask_is_refused(spoil, shape, n_sheets, message):
    random = np.random.default_rng(0).integers(0, 256, (3, n_bytes(SHAPE)), np.uint8)
    codes = encode_mask(Mask(SHAPE, np.arange(3.0)[:, None], random, np.arange(3, dtype=np.uint32)[:, None]))
    with pytest.raises(FormatError, match=message):
        decode_mask(spoil(codes), shape, n_sheets)
