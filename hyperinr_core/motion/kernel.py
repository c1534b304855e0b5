"""Splines, and what is carried along paths: by the compiled kernel where it loads, in NumPy where it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hyperinr_core.backends import native as compiled
from hyperinr_core.motion import native, reference

if TYPE_CHECKING:
    from hyperinr_core.motion.motion import Moment
    from hyperinr_core.motion.splines import Nodes
    from hyperinr_core.motion.steps import Step


def spline(values: np.ndarray) -> np.ndarray:
    """Coefficients of cubic B-splines through values (z, y, x), less REACH at both ends of each axis of several points."""
    return (native if compiled.available() else reference).spline(values)


def channels(nodes: Nodes, padded: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Fields of cubic B-splines on a coarse lattice.

    Parameters
    ----------
    padded : (pz, py, px, k) float32, see `Nodes.padded`.
    positions : (3, ...) z, y, x in points of the training grid.

    Returns
    -------
    (k, ...) float32.
    """
    n = padded.shape[-1]
    if not compiled.available() or n > reference.N_CHANNELS:
        return reference.channels(nodes, padded, positions)
    width = [(0, 0)] * 3 + [(0, reference.N_CHANNELS - n)]
    return native.channels(nodes, np.pad(padded, width) if n < reference.N_CHANNELS else padded, positions)[:n]


def now(nodes: Nodes, padded: np.ndarray, on_path: np.ndarray) -> np.ndarray:
    """What is known of the paths that are at the nodes now.

    Parameters
    ----------
    padded : (pz, py, px, 16) float32, by where a path is in the middle of its gap, as of `Gap`.
    on_path : (J,) weights of the offsets: their sum is how far a path now is from its middle.

    Returns
    -------
    (pz, py, px, 16) float32, with offsets from where a path is now.
    """
    return (native if compiled.available() else reference).now(nodes, padded, on_path)


def carry(
    moment: Moment,
    steps: Sequence[Step],
    axes: Sequence[np.ndarray],
    scattered: bool = False,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Values at a time between steps, carried along paths as far as these are trusted.

    Parameters
    ----------
    steps : (J,) those of the moment's gap, of equal shape, start and number c of components.
    axes : (3,) z, y, x in points of the training grid: coordinates, every combination of which is a point.
    scattered : the axes are instead the coordinates of as many points.
    out : what values are written to, if anything.

    Returns
    -------
    (nz, ny, nx, c) float32; (n, c) of scattered points.
    """
    return (native if compiled.available() else reference).carry(moment, steps, axes, scattered, out)


def sample(step: Step, positions: np.ndarray) -> np.ndarray:
    """(n, c) values of a step, by cubic splines, at positions (3, n) z, y, x in points."""
    return (native if compiled.available() else reference).sample(step, positions)
