"""Fitting a radiance field to pictures whose cameras are known: from coarse to fine, by single rays from all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.radiance.camera import Camera
from hyperinr_core.radiance.field import DENSITY, MOST_LOG, RadianceField
from hyperinr_core.radiance.native import EDGE, VOXELS, LINE, Settings, Shown

@dataclass(frozen=True)
class Level:
    longest: int
    steps: int
    rays: int
    rate_density: float = 0.3
    rate_color: float = 0.03
    fall: float = 0.1
    smooth_density: float = 1e-3
    smooth_color: float = 1e-3

BEND = (0.5, 0.05)
START = -4.0
EMPTY = 0.02
CALL = 50
BETAS = (0.9, 0.99)


def first_field(half: float, longest: int) -> RadianceField:
    n = -(-longest // EDGE)
    index = np.arange(n**3, dtype=np.int32).reshape(n, n, n)
    values = np.zeros((n**3, VOXELS, LINE), np.float32)
    values[..., :3] = 0.5
    values[..., DENSITY] = START
    return RadianceField((-half,) * 3, 2 * half / (longest - 1), (longest,) * 3, index, values)


def opaque(field: RadianceField) -> np.ndarray:
    """(bz, by, bx, 4, 4, 4) bool voxels that are not empty."""
    full = np.zeros((*field.index.shape, EDGE, EDGE, EDGE), bool)
    stored = field.index >= 0
    density = np.exp(np.minimum(field.values[..., DENSITY], MOST_LOG))
    full[stored] = (1 - np.exp(-density) > EMPTY).reshape(-1, EDGE, EDGE, EDGE)[field.index[stored]]
    return full.transpose(0, 3, 1, 4, 2, 5).reshape([EDGE * n for n in field.index.shape])


def refined(field: RadianceField, longest: int) -> RadianceField:
    """The part of a field that is not empty, with a margin, on a grid of so many voxels along the longest axis."""
    full = opaque(field)
    if not full.any():
        full[:] = True
    held = [np.flatnonzero(full.any(axis=tuple(a for a in range(3) if a != 2 - axis))) for axis in range(3)]
    low = np.array([max(h[0] - 2, 0) for h in held])
    high = np.array([min(h[-1] + 2, n - 1) for h, n in zip(held, field.dims)])
    origin = np.add(field.origin, low * field.spacing)
    edges = (high - low) * field.spacing
    spacing = edges.max() / (longest - 1)
    dims = tuple(int(n) for n in np.maximum(np.ceil(edges / spacing - 1e-6) + 1, 4))
    stored = full
    for axis in range(3):  # blocks that a voxel, or one beside them, lies in
        n_blocks = -(-dims[axis] // EDGE)
        places = (np.arange(full.shape[2 - axis]) - low[axis]) * field.spacing / spacing
        margin = max(field.spacing / spacing, 1.0)
        begin, end = EDGE * np.arange(n_blocks) - margin, EDGE * np.arange(n_blocks) + EDGE - 1 + margin
        within = (places[None] >= begin[:, None]) & (places[None] <= end[:, None])
        stored = np.moveaxis(np.tensordot(within.astype(np.float32), stored.astype(np.float32), (1, 2 - axis)) > 0, 0, 2 - axis)
    return field.resampled(origin, spacing, dims, stored)


def pruned(field: RadianceField, moments):
    full = opaque(field)
    wide = full.copy()
    for axis in range(3):
        moved = wide.copy()
        a, b = [slice(None)] * 3, [slice(None)] * 3
        a[axis], b[axis] = slice(1, None), slice(None, -1)
        moved[tuple(a)] |= wide[tuple(b)]
        moved[tuple(b)] |= wide[tuple(a)]
        wide = moved
    bz, by, bx = field.index.shape
    stored = wide.reshape(bz, EDGE, by, EDGE, bx, EDGE).any(axis=(1, 3, 5)) & (field.index >= 0)
    old = field.index[stored]
    index = np.full(stored.shape, -1, np.int32)
    index[stored] = np.arange(len(old))
    return RadianceField(field.origin, field.spacing, field.dims, index, np.ascontiguousarray(field.values[old])), [np.ascontiguousarray(m[old]) for m in moments]


def fit(cameras, pictures, background, half, levels, seed=0, progress=lambda *a: None):
    field = None
    done = 0
    for number, level in enumerate(levels):
        field = first_field(half, level.longest) if field is None else refined(field, level.longest)
        moments = [np.zeros_like(field.values) for _ in range(2)]
        shown = Shown(np.stack([field.rays(c) for c in cameras]), pictures, background)
        for start in range(0, level.steps, CALL):
            rate = level.fall ** (start / level.steps)
            settings = Settings(level.rays, seed, level.rate_density * rate, level.rate_color * rate, *BETAS, level.smooth_density, level.smooth_color, *BEND)
            if start and start % (4 * CALL) == 0:
                field, moments = pruned(field, moments)
                shown = Shown(np.stack([field.rays(c) for c in cameras]), pictures, background)
            loss = field.lattice.fit(moments, shown, settings, done, min(CALL, level.steps - start))
            done += min(CALL, level.steps - start)
        progress(number, field, loss)
    return field
