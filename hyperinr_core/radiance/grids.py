"""Which voxels of a radiance field are empty, and the same field on a finer grid around the others."""

from __future__ import annotations

import numpy as np

from hyperinr_core.radiance.field import DENSITY, MOST_LOG, RadianceField
from hyperinr_core.radiance.native import EDGE

#: Opacity of one voxel's length below which a voxel is empty: never what few rays have seen, which may be a thin face.
EMPTY = 0.02

#: Voxels around what is not empty that are kept when the box is drawn tighter.
MARGIN = 2


def full_voxels(field: RadianceField) -> np.ndarray:
    """(bz * 4, by * 4, bx * 4) bool voxels that are not empty."""
    full = np.zeros((*field.index.shape, EDGE, EDGE, EDGE), bool)
    stored = field.index >= 0
    depth = np.exp(np.minimum(field.values[..., DENSITY], MOST_LOG))
    opaque = (1 - np.exp(-depth) > EMPTY).reshape(-1, EDGE, EDGE, EDGE)
    full[stored] = opaque[field.index[stored]]
    return full.transpose(0, 3, 1, 4, 2, 5).reshape([EDGE * n for n in field.index.shape])


def kept(field: RadianceField) -> tuple[RadianceField, np.ndarray]:
    """The field without blocks that are empty and whose neighbours are, and the numbers of the blocks that are left."""
    stored = full_voxels(field)
    for axis in range(3):
        stored = _by_blocks(stored, axis, np.arange(stored.shape[axis]), field.index.shape[axis], 1.0)
    stored &= field.index >= 0
    rows = field.index[stored]
    index = np.full(stored.shape, -1, np.int32)
    index[stored] = np.arange(len(rows))
    return RadianceField(field.origin, field.spacing, field.dims, index, field.values[rows]), rows


def refined(field: RadianceField, longest: int) -> RadianceField:
    """The part of a field that is not empty, with a margin, on a grid of so many voxels along its longest axis."""
    full = full_voxels(field)
    if not full.any():
        full[:] = True
    held = [np.flatnonzero(full.any(axis=tuple(a for a in range(3) if a != 2 - axis))) for axis in range(3)]
    low = np.array([max(places[0] - MARGIN, 0) for places in held])
    high = np.array([min(places[-1] + MARGIN, n - 1) for places, n in zip(held, field.dims)])
    edges = (high - low) * field.spacing
    spacing = edges.max() / (longest - 1)
    dims = [int(n) for n in np.maximum(np.ceil(edges / spacing - 1e-6) + 1, EDGE)]
    ratio, stored = field.spacing / spacing, full
    for axis in range(3):
        places = (np.arange(full.shape[2 - axis]) - low[axis]) * ratio
        stored = _by_blocks(stored, 2 - axis, places, -(-dims[axis] // EDGE), max(ratio, 1.0))
    return field.resampled(np.add(field.origin, low * field.spacing), spacing, (dims[0], dims[1], dims[2]), stored)


def _by_blocks(voxels: np.ndarray, axis: int, places: np.ndarray, n_blocks: int, margin: float) -> np.ndarray:
    """Along an axis, whether each of n_blocks blocks has any of the voxels, at places (n,), within it or a margin."""
    first = EDGE * np.arange(n_blocks)[:, None]
    within = (places >= first - margin) & (places <= first + EDGE - 1 + margin)
    counts = np.tensordot(within.astype(np.float32), voxels.astype(np.float32), (1, axis))
    return np.moveaxis(counts, 0, axis) > 0
