"""Dense motion between two volumes, in NumPy: iterative Lucas-Kanade from coarse to fine, symmetric about their middle.

Le Besnerais and Champagnat, "Dense optical flow by iterative local window registration" (2005), the method of
scikit-image's `optical_flow_ilk`. What differs: both volumes are warped half way towards each other, so that neither is
preferred and half the work finds both directions; windows are Gaussian; a window that sees too little takes the motion of
its surroundings; the last iterations warp with cubic splines; axes may be periodic.
"""

from __future__ import annotations

import numpy as np

from hyperinr_core.training.teachers.lattice import Lattice

#: Standard deviation of the window, in points.
WINDOW = 2.0

#: Iterations on the coarser lattices, and on the finest one with trilinear and then with cubic warps.
N_COARSE, N_LINEAR, N_CUBIC = 8, 6, 4

#: Strength of the pull towards the surrounding motion, as a share of the mean squared gradient.
PULL = 0.1

#: A lattice is halved along the axes that then keep at least so many points.
SMALLEST = 16


def optical_flow(
    before: np.ndarray, after: np.ndarray, periodic: tuple[bool, ...], window: float = WINDOW
) -> np.ndarray:
    """Displacement u at the middle: before(x - u / 2) matches after(x + u / 2).

    Parameters
    ----------
    before, after : (C, ...) float32 channels over D axes, all of comparable range.
    periodic : (D,) which axes go on at their other end.
    window : standard deviation of the window, in points.

    Returns
    -------
    (D, ...) float32, in points.
    """
    lattices = [Lattice(before.shape[1:], periodic)]
    pairs = [(before, after)]
    while (coarse := lattices[-1].coarser(SMALLEST)).shape != lattices[-1].shape:
        first, second = (_halve(channels, lattices[-1], coarse) for channels in pairs[-1])
        pairs.append((first, second))
        lattices.append(coarse)
    motion = np.zeros((len(periodic), *lattices[-1].shape), np.float32)
    previous = lattices[-1]
    for lattice, (first, second) in zip(reversed(lattices), reversed(pairs)):
        if lattice is not previous:
            motion = _refine(motion, previous, lattice)
        if lattice is lattices[0]:
            motion = _register(lattice, first, second, motion, N_LINEAR, 1, window)
            motion = _register(lattice, first, second, motion, N_CUBIC, 3, window)
        else:
            motion = _register(lattice, first, second, motion, N_COARSE, 1, window)
        previous = lattice
    return motion


def _halve(channels: np.ndarray, fine: Lattice, coarse: Lattice) -> np.ndarray:
    return np.stack([fine.resample(fine.smooth(channel, 2 / 3), coarse) for channel in channels])


def _refine(motion: np.ndarray, coarse: Lattice, fine: Lattice) -> np.ndarray:
    growth = [new / old for new, old in zip(fine.shape, coarse.shape)]
    return np.stack([np.float32(g) * coarse.resample(part, fine) for g, part in zip(growth, motion)])


def _register(
    lattice: Lattice,
    before: np.ndarray,
    after: np.ndarray,
    motion: np.ndarray,
    n_iterations: int,
    order: int,
    window: float,
) -> np.ndarray:
    """Improve the motion: linearise around it, solve least squares over the window of each point, repeat."""
    padded = [(lattice.padded(first, order), lattice.padded(second, order)) for first, second in zip(before, after)]
    for _ in range(n_iterations):
        matrix, right = _normal_equations(lattice, padded, motion, order)
        pull = PULL * float(np.mean([matrix[i, i].mean() for i in range(len(motion))])) + 1e-12
        for i, part in enumerate(motion):
            matrix[i, i] += pull
            right[i] += pull * part
        matrix = {place: lattice.smooth(part, window) for place, part in matrix.items()}
        motion = _solve(matrix, [lattice.smooth(part, window) for part in right])
    return motion


def _normal_equations(
    lattice: Lattice, padded: list[tuple[np.ndarray, np.ndarray]], motion: np.ndarray, order: int
) -> tuple[dict[tuple[int, int], np.ndarray], list[np.ndarray]]:
    """Upper triangle of g g^T, and g (g . motion - change), summed over the channels."""
    n_axes = len(motion)
    matrix = {(i, j): np.zeros(lattice.shape, np.float32) for i in range(n_axes) for j in range(i, n_axes)}
    right = [np.zeros(lattice.shape, np.float32) for _ in range(n_axes)]
    for first, second in padded:
        start = lattice.sample(first, lattice.points - 0.5 * motion, order)
        end = lattice.sample(second, lattice.points + 0.5 * motion, order)
        slope = lattice.gradient(0.5 * (start + end))
        residual = start - end
        for g, part in zip(slope, motion):
            residual += g * part
        for i, j in matrix:
            matrix[i, j] += slope[i] * slope[j]
        for i in range(n_axes):
            right[i] += slope[i] * residual
    return matrix, right


def _solve(matrix: dict[tuple[int, int], np.ndarray], right: list[np.ndarray]) -> np.ndarray:
    """Gaussian elimination at all points at once; symmetric and positive definite, so no pivots are needed."""
    n = len(right)
    for i in range(n):
        for j in range(i + 1, n):
            factor = matrix[i, j] / matrix[i, i]
            for k in range(j, n):
                matrix[j, k] -= factor * matrix[i, k]
            right[j] -= factor * right[i]
    for i in reversed(range(n)):
        for j in range(i + 1, n):
            right[i] -= matrix[i, j] * right[j]
        right[i] /= matrix[i, i]
    return np.stack(right)
