"""Which voxels of a radiance field are empty, the same field on a finer grid around the others, and means of fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from hyperinr_core.radiance.field import DENSITY, MOST_LOG, RadianceField
from hyperinr_core.radiance.voxels import EDGE

#: How far from points (n, 3) something is, (n, 3).
Moved = Callable[[np.ndarray], np.ndarray]

#: Opacity of one voxel's length below which a voxel is empty: never what few rays have seen, which may be a thin face.
#: 0.012 cost a volume rendering 3 dB, and a surface 0.1.
EMPTY = 0.001

#: Most voxels along an axis that the kernel takes.
MOST_DIM = 512

#: How many times as fine as the coarsest of some fields their mean may be.
MOST_FINER = 2

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
    return replace(field, index=index, values=field.values[rows]), rows


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


def blended(
    fields: Sequence[RadianceField], weights: np.ndarray, moved: Sequence[Moved] | None = None
) -> RadianceField:
    """The weighted mean of fields: of optical depths, and of colours as far as each is opaque.

    Parameters
    ----------
    weights : (n,) of sum 1.
    moved : how far from points (n, 3) each field is to be read for them; in place when None.
    """
    taking_part = np.flatnonzero(weights > 0)
    if len(taking_part) == 1:
        return fields[taking_part[0]]
    fields = [fields[i] for i in taking_part]
    ways = [moved[i] if moved else None for i in taking_part]
    weights = weights[taking_part].astype(np.float32)
    spacings = [field.spacing for field in fields]
    low = np.min([field.origin for field in fields], axis=0)
    high = np.max([np.add(f.origin, np.multiply(f.spacing, np.subtract(f.dims, 1))) for f in fields], axis=0)
    spacing = max(min(spacings), max(spacings) / MOST_FINER, (high - low).max() / (MOST_DIM - 1))
    dims = [int(n) for n in np.maximum(np.ceil((high - low) / spacing - 1e-6) + 1, EDGE)]
    found = [
        _stored_at(field, low, spacing, dims) if way is None else _reached(field, low, spacing, dims, way)
        for field, way in zip(fields, ways)
    ]
    stored = np.any(found, axis=0)
    parts = [
        field.resampled(low, spacing, (dims[0], dims[1], dims[2]), stored, way) for field, way in zip(fields, ways)
    ]
    depths = [weight * np.exp(np.minimum(part.values[..., DENSITY], MOST_LOG)) for part, weight in zip(parts, weights)]
    whole = sum(depths)
    values = sum((depth / whole)[..., None] * part.values for depth, part in zip(depths, parts))
    values[..., DENSITY] = np.log(whole)
    mean = replace(parts[0], values=values)
    return mean if moved is None else kept(mean)[0]


def _stored_at(field: RadianceField, origin: np.ndarray, spacing: float, dims: Sequence[int]) -> np.ndarray:
    """(bz, by, bx) bool blocks of another grid in which the field has stored ones."""
    stored, ratio = field.index >= 0, field.spacing / spacing
    for axis in range(3):
        middles = EDGE * np.arange(field.index.shape[2 - axis]) + (EDGE - 1) / 2
        places = middles * ratio + (field.origin[axis] - origin[axis]) / spacing
        stored = _by_blocks(stored, 2 - axis, places, -(-dims[axis] // EDGE), EDGE / 2 * ratio)
    return stored


def _reached(field: RadianceField, origin: np.ndarray, spacing: float, dims: Sequence[int], moved: Moved) -> np.ndarray:
    """(bz, by, bx) bool blocks of another grid for which the field is read in stored blocks, or near them."""
    shape = tuple(-(-n // EDGE) for n in dims[::-1])
    ratio = spacing / field.spacing
    stored = field.index >= 0
    for axis in range(3):  # as far as a block's corner is from its middle, and paths may part
        margin = EDGE * ratio + EDGE
        stored = _by_blocks(stored, axis, EDGE * np.arange(stored.shape[axis]) + 1.5, stored.shape[axis], margin)
    middles = (EDGE * np.argwhere(np.ones(shape, bool))[:, ::-1] + (EDGE - 1) / 2) * spacing + origin
    places = (middles + moved(middles) - field.origin) / (EDGE * field.spacing)
    blocks = np.clip(places, 0, np.subtract(field.index.shape[::-1], 1)).astype(int)
    near = (np.abs(places - blocks - 0.5) < 1.5 + ratio).all(axis=1)
    return (stored[blocks[:, 2], blocks[:, 1], blocks[:, 0]] & near).reshape(shape)


def near_full(field: RadianceField) -> np.ndarray:
    """(n, 64) bool stored voxels that are not empty, or have one beside them that is not."""
    near = full_voxels(field)
    for axis in range(3):
        moved = near.copy()
        ahead, behind = (
            tuple(part if a == axis else slice(None) for a in range(3)) for part in (slice(1, None), slice(None, -1))
        )
        moved[ahead] |= near[behind]
        moved[behind] |= near[ahead]
        near = moved
    bz, by, bx = field.index.shape
    blocks = near.reshape(bz, EDGE, by, EDGE, bx, EDGE).transpose(0, 2, 4, 1, 3, 5).reshape(bz, by, bx, -1)
    return blocks[field.index >= 0]
