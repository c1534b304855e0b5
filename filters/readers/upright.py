"""Grids without mirrors: steps read the other way round along axes that descend."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from functools import partial

import numpy as np

from hyperinr.filters.readers.steps import Box, FileSteps, ZRange
from hyperinr_core.volume import Grid


def upright(frames: FileSteps) -> FileSteps:
    """The same points at the same places, in an order with positive spacing and a rotation for direction.

    ParaView 5.11 draws no volume of a mirrored image, and its contours ignore what mirrors it.
    """
    grid, axes = frames.grid, _mirrored_axes(frames.grid)
    if not axes:
        return frames
    direction, spacing, origin = (
        np.reshape(grid.direction, (3, 3)).copy(),
        np.array(grid.spacing),
        np.array(grid.origin),
    )
    for axis in axes:
        origin += direction[:, axis] * spacing[axis] * (grid.dims[axis] - 1)
        if spacing[axis] < 0:
            spacing[axis] *= -1
        else:
            direction[:, axis] *= -1
    depth, order = grid.dims[2], tuple(slice(None, None, -1 if 2 - i in axes else 1) for i in range(3))

    def read(frame: int, name: str, z_range: ZRange | None) -> np.ndarray:
        if z_range and 2 in axes:
            z_range = (depth - z_range[1], depth - z_range[0])
        return frames.read(frame, name, z_range)[order]

    def part(straight: Callable[[int, str, Box], np.ndarray], frame: int, name: str, box: Box) -> np.ndarray:
        z, y, x = (
            slice(n - each.stop, n - each.start) if 2 - i in axes else each
            for i, (each, n) in enumerate(zip(box, grid.shape))
        )
        return straight(frame, name, (z, y, x))[order]

    turned = Grid(grid.dims, tuple(origin), tuple(spacing), tuple(direction.ravel()))
    return dataclasses.replace(
        frames, grid=turned, read=read, part=None if frames.part is None else partial(part, frames.part)
    )


def _mirrored_axes(grid: Grid) -> set[int]:
    """The axes to read the other way round: those with negative spacing, and what a mirrored direction takes."""
    axes = {axis for axis in range(3) if grid.spacing[axis] < 0}
    direction = np.reshape(grid.direction, (3, 3))
    if np.linalg.det(direction) < 0:
        # of what makes it a rotation, the one that turns least
        odd = [flips for flips in itertools.product((1, -1), repeat=3) if np.prod(flips) < 0]
        flips = max(odd, key=lambda flips: np.dot(np.diag(direction), flips))
        axes ^= {axis for axis in range(3) if flips[axis] < 0}
    return axes
