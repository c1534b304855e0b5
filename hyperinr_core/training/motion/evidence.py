"""How far a motion is to be believed: every step left out in turn, predicted from the others, and weighed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.motion.kernel import carry
from hyperinr_core.motion.motion import Gap
from hyperinr_core.spaces.line import catmull_rom_weights
from hyperinr_core.training.motion.pairs import Pairs

#: dB of gain on one left-out step at which half of the weights is believed; less with more steps.
EVIDENCE = 0.5

#: Ridge of the least squares, of the mean of their diagonal.
RIDGE = 1e-3


@dataclass(frozen=True)
class Equations:
    """Normal equations of what linear interpolation misses, over what the candidates have beyond it."""

    matrix: np.ndarray
    right: np.ndarray
    error: float

    @classmethod
    def of(cls, linear: np.ndarray, parts: Sequence[np.ndarray], truth: np.ndarray, valid: np.ndarray) -> Equations:
        rows = np.stack([part[valid].ravel() for part in parts]).astype(np.float64)
        error = (truth - linear)[valid].ravel().astype(np.float64)
        n = max(len(error), 1)
        return cls(rows @ rows.T / n, rows @ error / n, float(error @ error / n))


def weigh(equations: Sequence[Equations]) -> tuple[np.ndarray, float]:
    """Weights of the candidates, at least 0, shrunk by what they gained where they were fitted; that gain in dB."""
    from scipy.optimize import nnls

    matrix, right, error = (sum(getattr(each, part) for each in equations) for part in ("matrix", "right", "error"))
    n = len(right)
    if error <= 0 or not np.trace(matrix) > 0:
        return np.zeros(n), 0.0
    factor = np.linalg.cholesky(matrix + (RIDGE * np.trace(matrix) / n) * np.eye(n))
    found = nnls(factor.T, np.linalg.solve(factor, right))[0]
    left = max(error - 2 * found @ right + found @ matrix @ found, 1e-10 * error)
    gain = max(10 * np.log10(error / left), 0.0)
    return found * gain / (gain + EVIDENCE / len(equations)), gain


def in_place(pairs: Pairs, steps: Sequence[int], time: float) -> tuple[np.ndarray, np.ndarray]:
    """(nz, ny, nx, c) linear and Catmull-Rom interpolation at a time within given steps, the latter within what they have."""
    times = pairs.times[list(steps)]
    chosen, weights = catmull_rom_weights(times, time)
    values = np.stack([pairs.latest(steps[i]) for i in chosen])
    right = int(np.searchsorted(times, time))
    a, b = (pairs.latest(steps[i]) for i in (right - 1, right))
    share = np.float32((time - times[right - 1]) / (times[right] - times[right - 1]))
    curve = np.clip(np.tensordot(weights.astype(np.float32), values, axes=1), values.min(axis=0), values.max(axis=0))
    return (1 - share) * a + share * b, curve


def carried(
    pairs: Pairs, steps: Sequence[int], gap: int, time: float, ends: np.ndarray, beside: Sequence[np.ndarray | None], anchored: bool
) -> np.ndarray:
    """(nz, ny, nx, c) values at a time in a gap of some steps, wholly carried."""
    ones = np.ones(pairs.nodes.coefficient_shape, np.float32)
    paths = Gap.of(pairs.nodes, pairs.times[list(steps)], gap, ends, beside, ones, 0 * ones, anchored, 0.0)
    return carry(paths.at(time), [pairs.step(steps[i]) for i in paths.steps], [np.arange(n) for n in pairs.lattice.shape])
