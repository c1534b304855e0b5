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
    before: np.ndarray, after: np.ndarray, periodic: tuple[bool, ...], window: float = WINDOW, every: int = 1
) -> np.ndarray:
    """Displacement u at the middle: before(x - u / 2) matches after(x + u / 2).

    Parameters
    ----------
    before, after : (C, ...) float32 channels over D axes, all of comparable range.
    periodic : (D,) which axes go on at their other end.
    window : standard deviation of the window, in points.
    every : 2 to match them at every second point, along each axis that `Lattice.coarser` halves.

    Returns
    -------
    (D, ...) float32 on that lattice, in points of the volumes.
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
        is_finest = lattice is lattices[0]
        if is_finest and every > 1 and previous is not lattice:
            found = _register(previous, first, second, motion, N_LINEAR + N_CUBIC, 3, window / every, lattice)
            return growth(previous, lattice) * found
        if lattice is not previous:
            motion = _refine(motion, previous, lattice)
        if is_finest:
            motion = _register(lattice, first, second, motion, N_LINEAR, 1, window)
            motion = _register(lattice, first, second, motion, N_CUBIC, 3, window)
        else:
            motion = _register(lattice, first, second, motion, N_COARSE, 1, window)
        previous = lattice
    return motion


def growth(coarse: Lattice, fine: Lattice) -> np.ndarray:
    """(D, 1, ...) points of a finer lattice over the same box for each of a coarser one."""
    ratios = [new / old for new, old in zip(fine.shape, coarse.shape)]
    return np.array(ratios, np.float32).reshape(-1, *[1] * len(ratios))


def _halve(channels: np.ndarray, fine: Lattice, coarse: Lattice) -> np.ndarray:
    return np.stack([fine.resample(fine.smooth(channel, 2 / 3), coarse) for channel in channels])


def _refine(motion: np.ndarray, coarse: Lattice, fine: Lattice) -> np.ndarray:
    return growth(coarse, fine) * np.stack([coarse.resample(part, fine) for part in motion])


def _register(
    lattice: Lattice,
    before: np.ndarray,
    after: np.ndarray,
    motion: np.ndarray,
    n_iterations: int,
    order: int,
    window: float,
    sampled: Lattice | None = None,
) -> np.ndarray:
    """Improve the motion: linearise around it, solve least squares over the window of each point, repeat.

    Volumes on a finer lattice `sampled` are matched at the lattice's points alone, by their own slopes there.
    """
    fine = sampled or lattice
    padded = [(fine.padded(first, order), fine.padded(second, order)) for first, second in zip(before, after)]
    for _ in range(n_iterations):
        warped = [
            _warped(lattice, pair, motion, order) if sampled is None else _seen(lattice, fine, pair, motion)
            for pair in padded
        ]
        matrix, right = _normal_equations(warped, motion)
        pull = PULL * float(np.mean([matrix[i, i].mean() for i in range(len(motion))])) + 1e-12
        for i, part in enumerate(motion):
            matrix[i, i] += pull
            right[i] += pull * part
        matrix = {place: lattice.smooth(part, window) for place, part in matrix.items()}
        motion = _solve(matrix, [lattice.smooth(part, window) for part in right])
    return motion


def _warped(
    lattice: Lattice, pair: tuple[np.ndarray, np.ndarray], motion: np.ndarray, order: int
) -> tuple[np.ndarray, list[np.ndarray]]:
    """What is left between both sides of a channel, half way towards each other, and the slopes (D) of their mean."""
    start = lattice.sample(pair[0], lattice.points - 0.5 * motion, order)
    end = lattice.sample(pair[1], lattice.points + 0.5 * motion, order)
    return start - end, lattice.gradient(0.5 * (start + end))


def _seen(
    lattice: Lattice, fine: Lattice, pair: tuple[np.ndarray, np.ndarray], motion: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """The same of volumes on a finer lattice, at the points of a coarser one, with slopes for a step of that."""
    ratio = growth(lattice, fine)
    start, end = (
        fine.slopes(part, (lattice.points + np.float32(way) * motion + np.float32(0.5)) * ratio - np.float32(0.5))
        for part, way in zip(pair, (-0.5, 0.5))
    )
    return start[0] - end[0], list(0.5 * ratio * (start[1:] + end[1:]))


def _normal_equations(
    warped: list[tuple[np.ndarray, list[np.ndarray]]], motion: np.ndarray
) -> tuple[dict[tuple[int, int], np.ndarray], list[np.ndarray]]:
    """Upper triangle of g g^T, and g (g . motion - change), summed over the channels."""
    n_axes, shape = len(motion), motion.shape[1:]
    matrix = {(i, j): np.zeros(shape, np.float32) for i in range(n_axes) for j in range(i, n_axes)}
    right = [np.zeros(shape, np.float32) for _ in range(n_axes)]
    for residual, slope in warped:
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
