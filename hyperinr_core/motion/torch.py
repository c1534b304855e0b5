"""Splines and carrying in torch operations, on any device: the twin of `reference` for steps that lie on a GPU.

Values are tensors. What stands on a mesh is summed along one axis after the other, what is anywhere in rows of four
coefficients for each point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from hyperinr_core.motion.reference import REACH, TRUST, spline_weights

if TYPE_CHECKING:
    from hyperinr_core.motion.motion import Moment
    from hyperinr_core.motion.splines import Nodes
    from hyperinr_core.motion.steps import Step

#: Coordinates z, y, x of points; of a mesh along each axis.
Places = Sequence[torch.Tensor]


class Taps(NamedTuple):
    """What places along an axis are made of: the first (...) int64 of T coefficients side by side, and their weights (..., T)."""

    first: torch.Tensor
    weights: torch.Tensor


def spline(values: torch.Tensor) -> torch.Tensor:
    """See `kernel.spline`."""
    weights = spline_weights()[REACH:].tolist()
    for axis, n in enumerate(values.shape):
        if n == 1:
            continue
        left = n - 2 * REACH
        total = values.narrow(axis, REACH, left) * weights[0]
        for k in range(1, REACH + 1):
            total.add_(values.narrow(axis, REACH - k, left), alpha=weights[k])
            total.add_(values.narrow(axis, REACH + k, left), alpha=weights[k])
        values = total
    return values.contiguous()


def channels(nodes: Nodes, padded: torch.Tensor, places: Places, scattered: bool = True) -> torch.Tensor:
    """(..., k) of fields (pz, py, px, k); see `kernel.channels`."""
    taps = [node_taps(nodes, axis, place, padded.shape[axis]) for axis, place in enumerate(places)]
    if not scattered:
        return _on_mesh(padded, taps, 0)
    *_, height, width, n_channels = padded.shape
    rows, total = padded.reshape(-1, n_channels), torch.zeros((), device=padded.device)
    for z, y, x in np.ndindex(*(tap.weights.shape[-1] for tap in taps)):
        where = ((taps[0].first + z) * height + taps[1].first + y) * width + taps[2].first + x
        weight = taps[0].weights[:, z] * taps[1].weights[:, y] * taps[2].weights[:, x]
        total = total + weight[:, None] * rows[where]
    return total


def carry(
    moment: Moment,
    steps: Sequence[Step],
    axes: Sequence[np.ndarray],
    scattered: bool = False,
    coefficients: torch.Tensor | None = None,
) -> torch.Tensor:
    """See `kernel.carry`; steps are tensors, and values are where they are.

    Parameters
    ----------
    coefficients : the moment's, if they are there already.
    """
    arrays: Any = steps[0].values
    device = arrays.device
    places = [torch.as_tensor(axis, dtype=torch.float32, device=device) for axis in axes]
    whole = all(are_on_points(axis, n) for axis, n in zip(axes, steps[0].shape))
    if moment.is_at_step:
        return in_place(steps[0], places, scattered, whole)
    if coefficients is None:
        coefficients = torch.from_numpy(moment.coefficients).to(device)
    gap, share, weights = moment.gap, moment.share, moment.weights.tolist()
    seen = steps if gap.bend else steps[gap.first : gap.first + 2]
    here = [in_place(step, places, scattered, whole) for step in seen]
    first, last = here[gap.first : gap.first + 2] if gap.bend else here
    linear = first + share * (last - first)
    values = linear + gap.bend * (_blended(weights, here) - linear) if gap.bend else linear.clone()
    del here, first, last
    found = channels(gap.lattice, coefficients, places, scattered)
    shape = found.shape[:-1]
    if not scattered:
        places = list(torch.meshgrid(*places, indexing="ij"))
    ends = gap.first, gap.first + 1
    along = []
    for j, step in enumerate(steps):
        there = [(place + found[..., 4 * j + axis]).reshape(-1) for axis, place in enumerate(places)]
        along.append(_sampled(step, there, j in ends).view(*shape, -1))
    return values.add_(found[..., TRUST, None].clamp(0, 1) * (_blended(weights, along) - linear))


def are_on_points(places: np.ndarray, n: int) -> bool:
    """Whether all coordinates are those of points of an axis."""
    return bool(_on_points(places, n).all())


def _on_points(places: Any, n: int) -> Any:
    """Whether coordinates are those of points of an axis."""
    return (places == places.round()) & (places >= 0) & (places < n)


def in_place(step: Step, places: Places, scattered: bool, whole: bool) -> torch.Tensor:
    """(..., c) of a step where nothing moves: at points of the grid, which are all when `whole`, their own values."""
    arrays: Any = step
    own = [
        (place.long() - start).clamp(0, size - 1)
        for place, start, size in zip(places, step.start, step.values.shape[1:])
    ]
    values = arrays.values
    if scattered:
        values = values[:, own[0], own[1], own[2]]
    else:
        for axis, index in enumerate(own):
            values = values.index_select(axis + 1, index)
    values = values.movedim(0, -1)
    if whole:
        return values
    z, y, x = (_on_points(place, n) for place, n in zip(places, step.shape))
    if scattered:
        return torch.where((z & y & x)[:, None], values, _sampled(step, places, True))
    found = _on_mesh(arrays.splines, [_taps(step, axis, place, 4) for axis, place in enumerate(places)], 1)
    return torch.where((z[:, None, None] & y[:, None] & x)[..., None], values, found.movedim(0, -1))


def _sampled(step: Step, places: Places, cubic: bool) -> torch.Tensor:
    """(n, c) of a step at places, by cubic splines or linear between points."""
    arrays: Any = step.splines if cubic else step.values
    z, y, x = (_taps(step, axis, place, 4 if cubic else 2) for axis, place in enumerate(places))
    _, height, width = arrays.shape[1:]
    corner = (z.first * height + y.first) * width + x.first
    found = []
    for array in arrays:
        rows = array.reshape(-1).unfold(0, x.weights.shape[-1], 1)
        total: Any = 0
        for c in range(z.weights.shape[-1]):
            part: Any = 0
            for b in range(y.weights.shape[-1]):
                part = part + y.weights[:, b, None] * rows[corner + (c * height + b) * width]
            total = total + z.weights[:, c, None] * part
        found.append((total * x.weights).sum(-1))
    return torch.stack(found, dim=-1)


def _on_mesh(array: torch.Tensor, taps: Sequence[Taps], first_axis: int) -> torch.Tensor:
    """Weighted sums along three axes of an array, one after the other."""
    for axis, (first, weights) in enumerate(taps, first_axis):
        shape = [-1 if a == axis else 1 for a in range(array.ndim)]
        total: Any = 0
        for tap in range(weights.shape[-1]):
            total = total + weights[:, tap].view(shape) * array.index_select(axis, first + tap)
        array = total
    return array


def _taps(step: Step, axis: int, p: torch.Tensor, count: int) -> Taps:
    """Four coefficients of a spline, or two values, around places along an axis of a step."""
    (first, last, turn), size = step.limits[axis], step.values.shape[axis + 1]
    if size == 1:
        return _alone(p)
    if turn:
        p = p - turn * torch.floor((p - first) / turn)
    inside = p.clamp(first, last) - step.start[axis]
    whole = inside.floor()
    # regions reach far enough; memory must not depend on that
    return Taps((whole.long() - (count // 2 - 1)).clamp(0, size - count), _weights(inside - whole, count))


def node_taps(nodes: Nodes, axis: int, p: torch.Tensor, size: int) -> Taps:
    """Coefficients on a coarse lattice around places along an axis."""
    n = nodes.shape[axis]
    if nodes.counts[axis] == 1:
        return _alone(p)
    p = p - n * torch.floor(p / n) if nodes.periodic[axis] else p.clamp(0, n - 1)
    inside = p * nodes.scales[axis]
    first = inside.floor().long().clamp(0, size - 4)
    return Taps(first, _weights(inside - first, 4))


def _alone(p: torch.Tensor) -> Taps:
    return Taps(torch.zeros_like(p, dtype=torch.int64), torch.ones_like(p)[..., None])


def _weights(f: torch.Tensor, count: int) -> torch.Tensor:
    """(..., count) of a uniform cubic B-spline, or linear, at fractions (...) of a cell."""
    if count == 2:
        return torch.stack([1 - f, f], dim=-1)
    parts = (1 - f) ** 3, (3 * f - 6) * f * f + 4, 3 * (f + f * f - f**3) + 1, f**3
    return torch.stack(parts, dim=-1) / 6


def _blended(weights: Sequence[float], values: Sequence[torch.Tensor]) -> torch.Tensor:
    """The weighted sum, within what the values have: fronts do not ring."""
    total, low, high = weights[0] * values[0], values[0], values[0]
    for weight, other in zip(weights[1:], values[1:]):
        total, low, high = total + weight * other, torch.minimum(low, other), torch.maximum(high, other)
    return torch.minimum(torch.maximum(total, low), high)
