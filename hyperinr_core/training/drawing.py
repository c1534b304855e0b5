"""Which values of a step are drawn: runs of neighbours, each as often as its part of the whole is wide."""

from __future__ import annotations

import math

import numpy as np

#: Values lie in memory brick by brick, of so many points along an axis. As many of them as a brick has are a run (kRun of
#: loop.cpp), which has a share of the points that are drawn.
BRICK = 8
RUN = BRICK**3

#: Numbers that are drawn for a point are below this.
FINE = 1 << 31


def by_bricks(shape: tuple[int, int, int]) -> np.ndarray:
    """(n,) numbers of a grid's points, counted along x first, in the order in which bricks hold them."""
    n_points = math.prod(shape)
    sizes = [min(n, BRICK) for n in shape]
    counts = [-(-n // size) for n, size in zip(shape, sizes)]
    padded = np.full(
        [count * size for count, size in zip(counts, sizes)], -1, np.int32 if n_points < 1 << 31 else np.int64
    )
    padded[tuple(map(slice, shape))] = np.arange(n_points, dtype=padded.dtype).reshape(shape)
    split = padded.reshape([n for pair in zip(counts, sizes) for n in pair])
    ordered: np.ndarray = split.transpose(0, 2, 4, 1, 3, 5).ravel()
    return np.extract(ordered >= 0, ordered)


def even(n_values: int) -> np.ndarray:
    """`Resident.bounds` of so many values that are all drawn equally often."""
    return np.append(np.arange(0, n_values, RUN), n_values) / n_values


def placed(bounds: np.ndarray, n_values: int, fine: np.ndarray) -> np.ndarray:
    """Numbers of the values that are drawn, in the order of the runs; as `Drawn::place` of loop.cpp.

    Parameters
    ----------
    bounds : see `Resident`.
    fine : (n,) integers below FINE: where in the n-th parts of the whole the draws lie.
    """
    positions = (np.arange(len(fine)) + fine / FINE) / len(fine)
    run = np.searchsorted(bounds, positions, side="right") - 1
    first = run * RUN
    length = np.minimum(RUN, n_values - first)
    within = (positions - bounds[run]) / (bounds[run + 1] - bounds[run]) * length
    return first + np.minimum(within.astype(np.int64), length - 1)
