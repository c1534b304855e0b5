"""A motion that was found, finished: the very numbers that a model stores, until two steps match best along their paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hyperinr_core.motion.splines import Nodes
    from hyperinr_core.training.motion.pairs import Pairs

#: Times that the steps are warped anew, and conjugate gradients for each: more follow what is no motion.
ROUNDS, ITERATIONS = 3, 6

#: How much alike what is added at neighbouring nodes must be, of what the points around a node weigh.
STIFFNESS = 0.06

#: Points. Mismatches that are a longer way off count by the way, not by its square: things appear and vanish.
ROBUST = 0.1

#: Slopes of no more than so much of the values are the values' last digits.
ROUNDING = 8 * np.finfo(np.float32).eps

#: Of the six different numbers of a symmetric 3 x 3 matrix, those of each row.
ROWS = ((0, 1, 2), (1, 3, 4), (2, 4, 5))


def refined(pairs: Pairs, a: int, b: int, ends: np.ndarray) -> np.ndarray:
    """Coefficients of a path's ends at steps a and b that match better than others (2, 3, cz, cy, cx), near to them.

    Gauss-Newton over the coefficients themselves: Lucas-Kanade asks for a match in a window around each point, and is then
    smoothed by what is stored of it. Both ends move alike, so that a path's middle stays where it is.
    """
    nodes, ends = pairs.searched_nodes, ends.copy()
    for _ in range(ROUNDS):
        matrix, right = _equations(pairs, a, b, ends)
        change = np.float32(0.5) * _solved(nodes, matrix, right)
        ends += np.stack([-change, change])
    return ends


def _equations(pairs: Pairs, a: int, b: int, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal equations of what each point's displacement lacks: matrix (6, mz, my, mx), right (3, mz, my, mx)."""
    lattice = pairs.searched
    places = [pairs.places + end for end in pairs.searched_nodes.at_points(ends)]
    first, last = (np.moveaxis(pairs.sampled(step, each), -1, 0) for step, each in zip((a, b), places))
    between = _slopes(pairs, (a, b), places) if pairs.every > 1 else None
    matrix, right = np.zeros((6, *lattice.shape), np.float32), np.zeros((3, *lattice.shape), np.float32)
    valid = pairs.seen(pairs.valid(a, b))
    for number, (before, after) in enumerate(zip(first, last)):
        mean = np.float32(0.5) * (before + after)
        slopes = np.stack(lattice.gradient(mean)) if between is None else between[..., number]
        steepness = np.sqrt(np.mean((slopes**2).sum(axis=0)))
        if steepness <= ROUNDING * abs(before).max():
            continue
        slopes, way = slopes / steepness, (before - after) / steepness
        weight = valid / np.sqrt(way**2 + np.float32(ROBUST**2))
        for i, row in enumerate(ROWS):
            right[i] += weight * slopes[i] * way
            for j in range(i, 3):
                matrix[row[j]] += weight * slopes[i] * slopes[j]
    return matrix, right


def _slopes(pairs: Pairs, steps: tuple[int, int], places: Sequence[np.ndarray]) -> np.ndarray:
    """(3, mz, my, mx, c) slopes of the mean of two steps at places (3, mz, my, mx) in each, whose neighbours are not known."""
    found = []
    for way in np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1, 1):
        sides = [pairs.sampled(step, each + way) - pairs.sampled(step, each - way) for step, each in zip(steps, places)]
        found.append(np.float32(0.25) * (sides[0] + sides[1]))
    return np.stack(found)


def _solved(nodes: Nodes, matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Coefficients (3, cz, cy, cx) by conjugate gradients, from none on."""
    stiffness = np.float32(STIFFNESS * np.prod(right.shape[1:]) / np.prod(nodes.counts))

    def product(coefficients: np.ndarray) -> np.ndarray:
        at = nodes.at_points(coefficients)
        forces = np.stack([sum(matrix[n] * part for n, part in zip(row, at)) for row in ROWS])
        return nodes.gathered(forces) + stiffness * _uneven(nodes, coefficients)

    diagonal = nodes.gathered(matrix[[0, 3, 5]]) + 6 * stiffness
    residual = nodes.gathered(right)
    found = np.zeros_like(residual)
    direction = steepest = residual / diagonal
    size = _dot(residual, steepest)
    for _ in range(ITERATIONS):
        if not size > 0:
            break
        answer = product(direction)
        far = np.float32(size / _dot(direction, answer))
        found += far * direction
        residual = residual - far * answer
        steepest = residual / diagonal
        before, size = size, _dot(residual, steepest)
        direction = steepest + np.float32(size / before) * direction
    return found


def _uneven(nodes: Nodes, coefficients: np.ndarray) -> np.ndarray:
    """How much more a coefficient (3, cz, cy, cx) is than those beside it, summed over those."""
    total = np.zeros_like(coefficients)
    for axis, wraps in enumerate(nodes.periodic):
        width = [(1, 1) if other == axis + 1 else (0, 0) for other in range(4)]
        total -= np.diff(np.pad(coefficients, width, mode="wrap" if wraps else "edge"), 2, axis + 1)
    return total


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    # not by BLAS, which rounds in another way with another number of threads
    return float(np.sum(a * b, dtype=np.float64))
