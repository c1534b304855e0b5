"""Masks in few bytes: of each sheet only what differs from the one before, entropy-coded."""

from __future__ import annotations

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.mask import Mask, n_bytes
from hyperinr_core.table_coding import MOST_EFFORT, MOST_EXPANSION, zstandard

#: What a file calls the sheets, which of them is whose, and where in parameter space.
CODES_TENSOR, OWNERS_TENSOR, POSITIONS_TENSOR = "mask_codes", "mask_owners", "mask_positions"


def encode_mask(mask: Mask) -> np.ndarray:
    """(B,) uint8 of the sheets; zeros follow where they are so few that a reader would not believe them."""
    differences = mask.sheets.copy()
    differences[1:] ^= mask.sheets[:-1]
    frame = zstandard("mask is").ZstdCompressor(level=MOST_EFFORT).compress(differences.tobytes())
    return np.frombuffer(frame.ljust(-(-differences.size // MOST_EXPANSION), b"\0"), np.uint8)


def decode_mask(codes: np.ndarray, shape: tuple[int, int, int], n_sheets: int) -> np.ndarray:
    """The sheets (U, B) uint8 of a grid of a shape.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such sheets, before memory is taken for them.
    """
    size = n_sheets * n_bytes(shape)
    if size > MOST_EXPANSION * codes.size:
        raise FormatError(
            f"{codes.size} bytes of a mask claim to be {size}; expected at most {MOST_EXPANSION} times as many"
        )
    library = zstandard("mask is")
    try:
        if library.frame_content_size(codes) != size:
            raise FormatError(f"the mask is not the {size} bytes of its {n_sheets} sheets; get the file again")
        content = library.ZstdDecompressor().decompress(codes, max_output_size=size)
    except library.ZstdError as error:
        raise FormatError(f"the mask is damaged ({error}); get the file again") from None
    differences = np.frombuffer(content, np.uint8).reshape(n_sheets, -1)
    return np.bitwise_xor.accumulate(differences, axis=0)
