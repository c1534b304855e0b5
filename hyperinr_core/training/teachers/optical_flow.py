"""Dense motion between two volumes, by the compiled kernel where it loads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperinr_core.backends import native
from hyperinr_core.training.teachers import flow_reference
from hyperinr_core.training.teachers.lattice import Lattice

#: Standard deviation of the window, in points.
WINDOW = flow_reference.WINDOW


def optical_flow(
    before: np.ndarray, after: np.ndarray, periodic: Sequence[bool], window: float = WINDOW, every: int = 1
) -> np.ndarray:
    """Displacement u at the middle: before(x - u / 2) matches after(x + u / 2).

    Parameters
    ----------
    before, after : (C, ...) float32 channels over D axes, two or three, all of comparable range.
    periodic : (D,) which axes go on at their other end.
    window : standard deviation of the Gaussian window over which the two must match, in points.
    every : 2 to match them at every second point along each axis alone, see `searched`.

    Returns
    -------
    (D, ...) float32 at the points of `searched`, in points.
    """
    if not native.available():
        return flow_reference.optical_flow(before, after, tuple(periodic), window, every)
    from hyperinr_core.training.teachers import flow_native

    return flow_native.optical_flow(before, after, tuple(periodic), window, every)


def searched(lattice: Lattice, every: int) -> Lattice:
    """The points that a motion is found at: all, or half of them along each axis that has many, over the same box."""
    return lattice.coarser(flow_reference.SMALLEST) if every > 1 else lattice


def flow_between(
    before: np.ndarray, after: np.ndarray, periodic: Sequence[bool], window: float = WINDOW, every: int = 1
) -> np.ndarray:
    """The optical flow of two volumes of any range, or planes.

    Parameters
    ----------
    before, after : (nz, ny, nx, c) float32.
    periodic : (3,) z, y, x.

    Returns
    -------
    (3, mz, my, mx) float32 z, y, x at the points of `searched`, in points; of planes nothing along z.
    """
    flow = np.zeros((3, *searched(Lattice(before.shape[:3], periodic), every).shape), np.float32)
    before, after = (np.moveaxis(volume, -1, 0) for volume in (before, after))
    # to the pair's own range, so that a motion does not depend on what else is in the series
    extent = max(float(before.max()), float(after.max())) - min(float(before.min()), float(after.min()))
    if not extent > 0:
        return flow
    scale = np.float32(1 / extent)
    if before.shape[1] == 1:
        flow[1:, 0] = optical_flow(before[:, 0] * scale, after[:, 0] * scale, periodic[1:], window, every)
        return flow
    return optical_flow(before * scale, after * scale, periodic, window, every)
