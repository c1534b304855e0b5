"""Dense motion between two volumes, by the compiled kernel where it loads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hyperinr_core.backends import native
from hyperinr_core.training.teachers import flow_reference

#: Standard deviation of the window, in points.
WINDOW = flow_reference.WINDOW


def optical_flow(before: np.ndarray, after: np.ndarray, periodic: Sequence[bool], window: float = WINDOW) -> np.ndarray:
    """Displacement u at the middle: before(x - u / 2) matches after(x + u / 2).

    Parameters
    ----------
    before, after : (C, ...) float32 channels over D axes, two or three, all of comparable range.
    periodic : (D,) which axes go on at their other end.
    window : standard deviation of the Gaussian window over which the two must match, in points.

    Returns
    -------
    (D, ...) float32, in points.
    """
    if not native.available():
        return flow_reference.optical_flow(before, after, tuple(periodic), window)
    from hyperinr_core.training.teachers import flow_native

    return flow_native.optical_flow(before, after, tuple(periodic), window)
