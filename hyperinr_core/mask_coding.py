"""Masks in few bytes: of each sheet only what differs from the one before, entropy-coded."""

from __future__ import annotations

from typing import Any

import numpy as np

from hyperinr_core.mask import Mask, n_bytes
from hyperinr_core.packing import packed, unpacked

#: What a file calls the sheets, which of them is whose, and where in parameter space.
CODES_TENSOR, OWNERS_TENSOR, POSITIONS_TENSOR = "mask_codes", "mask_owners", "mask_positions"


def document_of(mask: Mask) -> dict[str, Any]:
    """What a file's document says of a mask."""
    return {"sheets": len(mask.sheets), "shares": mask.shares().tolist()}


def n_sheets_of(item: Any, n_fields: int) -> int:
    """The number of sheets that an untrusted document says; ValueError with what was found and expected."""
    if not isinstance(item, dict) or set(item) != {"sheets", "shares"}:
        raise ValueError(f"the mask is {str(item)[:60]!r}; expected sheets and shares")
    shares, n_sheets = item["shares"], item["sheets"]
    # compared before it becomes a float, since an int may be too large for one
    if type(shares) is not list or not all(type(share) in (int, float) and 0 <= share <= 1 for share in shares):
        raise ValueError(f"masked shares are {str(shares)[:60]}; expected numbers from 0 to 1")
    if len(shares) != n_fields:
        raise ValueError(f"{len(shares)} masked shares are given; expected {n_fields}, one for each field")
    if type(n_sheets) is not int or not 1 <= n_sheets < 1 << 32:
        raise ValueError(f"the mask has {str(n_sheets)[:60]} sheets; expected a whole number from 1 on")
    return n_sheets


def tensors_of(mask: Mask) -> dict[str, np.ndarray]:
    """What a file holds of a mask beside its document."""
    return {
        CODES_TENSOR: encode_mask(mask),
        OWNERS_TENSOR: np.ascontiguousarray(mask.owners, np.uint32),
        POSITIONS_TENSOR: np.ascontiguousarray(mask.positions, np.float64),
    }


def encode_mask(mask: Mask) -> np.ndarray:
    """(B,) uint8 of the sheets; zeros follow where they are so few that a reader would not believe them."""
    differences = mask.sheets.copy()
    differences[1:] ^= mask.sheets[:-1]
    return packed(differences, "mask is")


def decode_mask(codes: np.ndarray, shape: tuple[int, int, int], n_sheets: int) -> np.ndarray:
    """The sheets (U, B) uint8 of a grid of a shape.

    Raises
    ------
    FormatError, without a file's name, for bytes that are no such sheets, before memory is taken for them.
    """
    content = unpacked(codes, n_sheets * n_bytes(shape), "mask is", f"its {n_sheets} sheets")
    return np.bitwise_xor.accumulate(content.reshape(n_sheets, -1), axis=0)
