"""What splines and carrying mean, in NumPy: the definition of correct, which the compiled kernel is tested against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from hyperinr_core.motion.motion import Moment
    from hyperinr_core.motion.splines import Nodes
    from hyperinr_core.motion.steps import Step

#: Values to either side that a spline coefficient is made of; those beyond would add 1e-7 of theirs.
REACH = 12

#: Numbers at a node: for each of up to four steps that a path passes the offset z, y, x, and a fourth number: of the first step
#: trust, of the second error.
N_STEPS, TRUST, ERROR, N_CHANNELS = 4, 3, 7, 16

#: Times that a path is followed back to the middle of its gap.
N_FIXED_POINT = 3


def spline(values: np.ndarray) -> np.ndarray:
    """See `kernel.spline`."""
    from scipy import ndimage  # viewing with the compiled kernel does without

    weights = spline_weights()
    for axis, n in enumerate(values.shape):
        if n > 1:
            values = ndimage.correlate1d(values, weights, axis, output=np.float32)
            values = values[tuple(slice(REACH, n - REACH) if a == axis else slice(None) for a in range(3))]
    return np.ascontiguousarray(values)


def spline_weights() -> np.ndarray:
    """(2 * REACH + 1,) what a coefficient has of the values around it along one axis."""
    pole = np.sqrt(3) - 2
    return -6 * pole / (1 - pole**2) * pole ** np.abs(np.arange(-REACH, REACH + 1))


def channels(nodes: Nodes, padded: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """See `kernel.channels`."""
    inside = np.empty(positions.shape, np.float32)
    for axis, (n, m, wraps) in enumerate(zip(nodes.shape, nodes.counts, nodes.periodic)):
        p = _within(positions[axis], n, wraps)
        inside[axis] = 0 if m == 1 else p * np.float32(nodes.scales[axis]) + 1
    return np.stack([_sampled(part, inside) for part in np.moveaxis(padded, -1, 0)])


def here(nodes: Nodes, padded: np.ndarray, on_path: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Channels (16, mz, my, mx) of what is at the nodes, offsets from there; and (J, 3, mz, my, mx) from the middle."""
    middle = nodes.places
    for _ in range(N_FIXED_POINT + 1):
        channels = nodes.at(padded, middle)
        offsets = channels.reshape(N_STEPS, 4, *nodes.counts)[: len(on_path), :3]
        found = offsets.copy()
        travelled = weighted(on_path, found)
        middle = nodes.places - travelled
    offsets -= travelled
    return channels, found


def weighted(weights: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """The weighted sum of offsets (J, ...)."""
    # not by BLAS, which rounds in another way with another number of threads
    return np.add.reduce([weight * offset for weight, offset in zip(weights.astype(np.float32), offsets)])


def now(nodes: Nodes, padded: np.ndarray, on_path: np.ndarray) -> np.ndarray:
    """See `kernel.now`."""
    return nodes.padded(nodes.interpolate(here(nodes, padded, on_path)[0]))


def carry(
    moment: Moment, steps: Sequence[Step], axes: Sequence[np.ndarray], scattered: bool, out: np.ndarray | None = None
) -> np.ndarray:
    """See `kernel.carry`."""
    positions = np.stack(axes if scattered else np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    gap, share = moment.gap, np.float32(moment.share)
    here = [_values(step, positions) for step in steps]
    first, last = here[gap.first], here[gap.first + 1]
    linear = last if share == 1 else first + share * (last - first)  # at the last end that step's own bits
    values = linear.copy()
    if not moment.is_at_step:
        weights = moment.weights.astype(np.float32)
        values += np.float32(gap.bend) * (_blended(weights, here) - linear)
        found = channels(gap.lattice, moment.coefficients, positions)
        offsets = found.reshape(-1, 4, *positions.shape[1:])[: len(steps), :3]
        ends = gap.first, gap.first + 1
        along = [_values(step, positions + offset, j in ends) for j, (step, offset) in enumerate(zip(steps, offsets))]
        values += np.clip(found[TRUST], 0, 1) * (_blended(weights, along) - linear)
    values = np.moveaxis(values, 0, -1)
    if out is not None:
        out[:] = values
    return values


def sample(step: Step, positions: np.ndarray) -> np.ndarray:
    """See `kernel.sample`."""
    return np.moveaxis(_values(step, positions), 0, -1)


def _values(step: Step, positions: np.ndarray, cubic: bool = True) -> np.ndarray:
    """(c, ...) values of a step at positions (3, ...), by cubic splines or linear between points."""
    inside = np.empty(positions.shape, np.float32)
    for axis, (first, last, turn) in enumerate(step.limits):
        p = positions[axis]
        if turn:
            p = p - turn * np.floor((p - np.float32(first)) / np.float32(turn))
        inside[axis] = np.clip(p, first, last) - step.start[axis]
    return np.stack([_sampled(part, inside, 3 if cubic else 1) for part in (step.splines if cubic else step.values)])


def _within(p: np.ndarray, n: int, wraps: bool) -> np.ndarray:
    """Coordinates of points on an axis: around it, or not beyond its borders."""
    return p - n * np.floor(p / np.float32(n)) if wraps else np.clip(p, 0, n - 1)


def _sampled(part: np.ndarray, inside: np.ndarray, order: int = 3) -> np.ndarray:
    from scipy import ndimage

    return ndimage.map_coordinates(part, inside, output=np.float32, order=order, mode="nearest", prefilter=False)


def _blended(weights: np.ndarray, values: Sequence[np.ndarray]) -> np.ndarray:
    """The weighted sum, within what the values have: fronts do not ring."""
    total = np.tensordot(weights, np.stack(values), axes=1)
    return np.clip(total, np.min(values, axis=0), np.max(values, axis=0))
