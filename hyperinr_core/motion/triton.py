"""Carrying with fused Triton kernels: a time's coarse lattice in one launch, and a slab of values in another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import triton

from hyperinr_core.backends.device import to_device
from hyperinr_core.backends.triton import INTERPRETED  # where no kernel runs, this raises BackendError
from hyperinr_core.motion import triton_kernels as kernels
from hyperinr_core.motion.reference import N_CHANNELS, N_FIXED_POINT, N_STEPS
from hyperinr_core.motion.torch import are_on_points, node_taps

if TYPE_CHECKING:
    from hyperinr_core.motion.motion import Gap, Moment
    from hyperinr_core.motion.splines import Nodes
    from hyperinr_core.motion.steps import Step

#: Points of a program, and its warps.
BLOCK, WARPS = (1024 if INTERPRETED else 128), 4

#: Numbers of the nodes' lines that a launch may have: their places are 32 bit numbers.
MOST_NUMBERS = 1 << 30

#: Numbers that vectors begin at.
ALIGNED = 4


def channels_first(gap: Gap, device: torch.device) -> torch.Tensor:
    """(16, pz, py, px) coefficients of a gap."""
    return to_device(np.moveaxis(gap.coefficients, -1, 0), device)


def now(moment: Moment, coefficients: torch.Tensor) -> torch.Tensor:
    """(16, pz, py, px) what `Moment.coefficients` are, of the gap's."""
    nodes, device = moment.gap.lattice, coefficients.device
    n_steps = len(moment.on_path)
    _, depth, height, width = coefficients.shape
    offsets = coefficients.view(N_STEPS, 4, depth, height, width)[:n_steps, :3]
    travelled = sum(weight * offset for weight, offset in zip(moment.on_path.tolist(), offsets))
    axes, numbers, matrices = _there(nodes, device)
    found = torch.empty((N_CHANNELS, *nodes.counts), device=device)
    n = found[0].numel()
    taps = [4 if m > 1 else 1 for m in nodes.counts]
    kernels.now_kernel[(triton.cdiv(n, BLOCK),)](
        coefficients, travelled.contiguous(), *axes, numbers, found,
        n, nodes.counts[1], nodes.counts[2], depth, height, width,
        STEPS=n_steps, TIMES=N_FIXED_POINT, CHANNELS=N_CHANNELS,
        TAPS_Z=taps[0], TAPS_Y=taps[1], TAPS_X=taps[2], BLOCK=BLOCK, num_warps=WARPS,
    )  # fmt: skip
    for axis, matrix in enumerate(matrices):
        if matrix.numel() > 1:
            found = torch.tensordot(found, matrix, dims=([axis + 1], [1])).movedim(-1, axis + 1)
    return found.contiguous()


def fits(nodes: Nodes, axes: Sequence[np.ndarray]) -> bool:
    """Whether `carry` takes a mesh of points."""
    width = nodes.counts[2] + 3
    return nodes.counts[2] > 1 and N_CHANNELS * len(axes[0]) * len(axes[1]) * width < MOST_NUMBERS


def carry(
    moment: Moment, steps: Sequence[Step], axes: Sequence[np.ndarray], coefficients: torch.Tensor
) -> torch.Tensor:
    """See `kernel.carry`, of a mesh that `fits` and a time between steps.

    Parameters
    ----------
    coefficients : as of `now`.
    """
    arrays: list[Any] = [array for kind in ("splines", "values") for array in _four(steps, kind)]
    device, gap = coefficients.device, moment.gap
    axes = [np.ascontiguousarray(axis, np.float32) for axis in axes]
    whole = all(are_on_points(axis, n) for axis, n in zip(axes, steps[0].shape))
    n_components, depth, height, width = arrays[0].shape
    taps = [
        node_taps(gap.lattice, axis, torch.from_numpy(places), coefficients.shape[axis + 1])
        for axis, places in enumerate(axes)
    ]
    known = [*(first.int().numpy() for first, _ in taps), *(weights.numpy() for _, weights in taps), *axes]
    *sent, numbers = _sent([*known, _numbers(moment, steps[0])], device)
    firsts, weights, places = [first.view(torch.int32) for first in sent[:3]], sent[3:6], sent[6:]
    lines = _lines(coefficients, firsts, weights)
    out = torch.empty((*map(len, axes), n_components), device=device)
    n_points = len(axes[0]) * len(axes[1]) * len(axes[2])
    kernels.carry_kernel[(triton.cdiv(n_points, BLOCK),)](
        lines, firsts[2], weights[2], *places, numbers, *arrays, out,
        n_points, len(axes[2]), len(axes[1]), n_components, lines.shape[-1], lines[0].numel(), depth, height, width,
        STEPS=len(steps), FIRST=gap.first, BENDS=gap.bend != 0, PLANE=depth == 1, WHOLE=whole, BLOCK=BLOCK, num_warps=WARPS,
    )  # fmt: skip
    return out


def _sent(arrays: Sequence[np.ndarray], device: torch.device) -> list[torch.Tensor]:
    """Arrays of four bytes a number as float32 of the same bits, in one transfer; each begins where vectors may."""
    starts = np.cumsum([0, *(-(-array.size // ALIGNED) * ALIGNED for array in arrays)]).tolist()
    numbers = np.zeros(starts[-1], np.float32)
    for start, array in zip(starts, arrays):
        numbers[start : start + array.size] = np.ascontiguousarray(array).view(np.float32).ravel()
    sent = to_device(numbers, device)
    return [sent[start : start + array.size].view(array.shape) for start, array in zip(starts, arrays)]


def _four(steps: Sequence[Step], kind: str) -> list[Any]:
    """An array of each of four steps, the first one's again where there are fewer: nobody reads it."""
    arrays = [getattr(step, kind) for step in steps]
    return arrays + arrays[:1] * (N_STEPS - len(arrays))


def _lines(coefficients: torch.Tensor, firsts: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """Lines (16, nz, ny, px) of nodes for rows of points, whose nodes along z, y are the first (n,) and those after it."""
    for axis in (0, 1):
        shape = coefficients.shape
        out = torch.empty((*shape[: axis + 1], len(firsts[axis]), *shape[axis + 2 :]), device=coefficients.device)
        length = math.prod(shape[axis + 2 :])
        block = min(1024, triton.next_power_of_2(length))
        kernels.along_kernel[(out.numel() // length, triton.cdiv(length, block))](
            coefficients, firsts[axis], weights[axis], out, shape[axis + 1], len(firsts[axis]), length,
            TAPS=weights[axis].shape[-1], BLOCK=block, num_warps=1 if block <= 128 else WARPS,
        )  # fmt: skip
        coefficients = out
    return coefficients


def _numbers(moment: Moment, step: Step) -> np.ndarray:
    """What `carry_kernel` wants to know."""
    weights = np.zeros(N_STEPS)
    weights[: len(moment.weights)] = moment.weights
    found = [*weights, moment.share, moment.gap.bend]
    for (first, last, turn), start in zip(step.limits, step.start):
        found += [first, last, turn, 1 / turn if turn else 0, start]
    return np.array(found, np.float32)


def _there(nodes: Nodes, device: torch.device) -> tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]:
    """Of a lattice on the device: where nodes lie along z, y, x, what `now_kernel` wants to know, and the matrices `through`."""
    known = _known.setdefault(nodes, {})
    if device not in known:
        axes, matrices = ([to_device(array, device) for array in arrays] for arrays in (nodes.axes, nodes.through))
        known[device] = axes, to_device(_lattice_numbers(nodes), device), matrices
    return known[device]


_known: WeakKeyDictionary[Nodes, dict[torch.device, tuple[list[torch.Tensor], torch.Tensor, list[torch.Tensor]]]]
_known = WeakKeyDictionary()


def _lattice_numbers(nodes: Nodes) -> np.ndarray:
    """What `now_kernel` wants to know."""
    found = []
    for n, m, wraps, scale in zip(nodes.shape, nodes.counts, nodes.periodic, nodes.scales):
        turns = wraps and m > 1
        found += [0, n if turns else n - 1, n if turns else 0, 1 / n if turns else 0, scale if m > 1 else 0]
    return np.array(found, np.float32)
