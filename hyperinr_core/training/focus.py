"""Points are drawn where the error is large: a few times a run the model is asked how far it is from what it learns.

Runs of values, a brick of 8^3 points where nothing is masked, are drawn in proportion to their root mean square error, as a few
of their values tell it, and none much less often than others. The loss is not corrected for it: that gains less.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from hyperinr_core.training.drawing import even
from hyperinr_core.training.samples import SampleStream
from hyperinr_core.training.task import Stream

#: A run is cut into so many equal parts, with a look between two.
N_PARTS = 20

#: Each so many-th value is looked at: eight of a run. A prime, so that they lie all over a brick.
STRIDE = 61

#: How often a run is drawn at least, where evenly drawn ones are once.
LEAST = 0.2

#: Of a theta (P,) and points (n, D): normalised values (n, C).
Values = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Focus:
    """When the errors are looked for, and what a stream draws then.

    Parameters
    ----------
    stream : is drawn evenly until the first look; and to the end where it is not of a series that fits into memory.
    n_iterations : of the run.
    """

    def __init__(self, stream: Stream, n_iterations: int) -> None:
        self._stream = stream if isinstance(stream, SampleStream) and stream.fits else None
        self._due = {round(n_iterations * n / N_PARTS) for n in range(1, N_PARTS)} if self._stream else set()
        if self._stream:
            self._stream.draw_evenly()

    def left(self, iteration: int) -> int:
        """Iterations until the next look; endless after the last one."""
        return min((due - iteration for due in self._due if due > iteration), default=sys.maxsize)

    def look(self, iteration: int, values: Values) -> None:
        """Change what is drawn, if a look is due after this iteration."""
        if self._stream is None or iteration not in self._due:
            return
        for slot, bounds in enumerate(self._stream.all_bounds()):
            theta, points, targets, runs = self._stream.every(slot, iteration % STRIDE, STRIDE)
            squares = np.square(values(theta, points) - targets).mean(axis=1, dtype=np.float64)
            bounds[:] = shares(squares, runs, self._stream.n_values(slot))

    @property
    def state(self) -> np.ndarray:
        """What is drawn now, for `resume`."""
        return np.concatenate([np.empty(0), *(self._stream.all_bounds() if self._stream else ())])

    def resume(self, state: np.ndarray) -> None:
        """Draw as when that was the state."""
        for bounds in self._stream.all_bounds() if self._stream else ():
            bounds[:], state = state[: len(bounds)], state[len(bounds) :]


def shares(squares: np.ndarray, runs: np.ndarray, n_values: int) -> np.ndarray:
    """`Resident.bounds` of so many values, given squared errors (n,) and the runs (n,) they lie in."""
    bounds = even(n_values)
    sums, counts = (np.bincount(runs, weights, len(bounds) - 1) for weights in (squares, None))
    lengths = np.diff(bounds)
    errors = np.sqrt(sums / np.maximum(counts, 1)) * lengths
    if not 0 < errors.sum() < np.inf:
        return bounds
    bounds[1:] = np.cumsum(LEAST * lengths + (1 - LEAST) * errors / errors.sum())
    return bounds / bounds[-1]
