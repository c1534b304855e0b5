"""Radiance fields in few bytes: numbers of a few bits each, entropy-coded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.packing import packed, unpacked
from hyperinr_core.radiance.field import DENSITY, LEAST_LOG, MOST_LOG, RadianceField
from hyperinr_core.radiance.grids import near_full
from hyperinr_core.radiance.voxels import EDGE, LINE, VOXELS

#: The numbers of a voxel that are used: all but every fourth one, of which the first is the density.
USED = tuple(number for number in range(LINE) if number % 4 < 3 or number == DENSITY)

#: Largest code of a number.
MOST_CODE = 63


def n_blocks_of(dims: Sequence[int]) -> int:
    """How many blocks a grid has."""
    return math.prod(-(-n // EDGE) for n in dims)


def limits_of(fields: Sequence[RadianceField]) -> np.ndarray:
    """(13, 2) what the lowest and the highest code of each number stand for."""
    limits = np.zeros((len(USED), 2))
    for column, number in enumerate(USED):
        ends = [(values.min(initial=0), values.max(initial=0)) for values in (f.values[..., number] for f in fields)]
        limits[column] = min(low for low, _ in ends), max(high for _, high in ends)
    limits[DENSITY] = LEAST_LOG, MOST_LOG
    return limits


def tidied(field: RadianceField) -> RadianceField:
    """The field with the same number in all voxels that no ray can tell apart: those away from what is not empty."""
    values = np.where(near_full(field)[..., None], field.values, np.float32(0))
    values[..., DENSITY] = np.where(near_full(field), field.values[..., DENSITY], LEAST_LOG)
    return dataclasses.replace(field, values=values)


def encode(field: RadianceField, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B,) uint8 which blocks are stored, and (B,) uint8 their numbers."""
    low, high = limits.T.astype(np.float32)
    numbers = np.clip(field.values[..., USED].reshape(-1, len(USED)), low, high)
    codes = np.rint((numbers - low) * (MOST_CODE / np.maximum(high - low, 1e-30))).astype(np.uint8)
    changes = np.diff(codes, axis=0, prepend=np.uint8(0)).T
    return packed(np.packbits(field.index >= 0), "field is"), packed(changes, "field is")


def decode_index(codes: np.ndarray, dims: tuple[int, int, int], n_blocks: int) -> np.ndarray:
    """(bz, by, bx) int32 numbers of the stored blocks.

    Raises FormatError, without a file's name, for other bytes, before memory is taken for them.
    """
    shape, size = [-(-n // EDGE) for n in dims[::-1]], n_blocks_of(dims)
    bits = np.unpackbits(unpacked(codes, -(-size // 8), "field is", "its blocks"))
    stored = bits[:size].reshape(shape).astype(bool)
    if bits[size:].any() or stored.sum() != n_blocks:
        raise FormatError(f"a field has {bits.sum()} stored blocks; expected {n_blocks}, get the file again")
    index = np.full(shape, -1, np.int32)
    index[stored] = np.arange(n_blocks)
    return index


def decode_values(codes: np.ndarray, n_blocks: int, limits: np.ndarray) -> np.ndarray:
    """(n_blocks, 64, 16) float32.

    Raises FormatError, without a file's name, for other bytes, before memory is taken for them.
    """
    changes = unpacked(codes, len(USED) * n_blocks * VOXELS, "field is", f"its {n_blocks} blocks")
    values = np.zeros((n_blocks * VOXELS, LINE), np.float32)
    for number, row, (low, high) in zip(USED, changes.reshape(len(USED), -1), limits):
        numbers = np.cumsum(row, dtype=np.uint8)
        if numbers.max(initial=0) > MOST_CODE:
            raise FormatError(f"a field has the code {numbers.max()}; expected at most {MOST_CODE}, get the file again")
        values[:, number] = np.float32(low) + numbers * np.float32((high - low) / MOST_CODE)
    return values.reshape(n_blocks, VOXELS, LINE)
