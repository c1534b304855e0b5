"""The compiled kernel of motion: same functions as `reference`, at the machine's speed."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import POINTER, c_double, c_int, c_int32, c_int64, c_void_p
from typing import TYPE_CHECKING, Any

import numpy as np

from hyperinr_core.backends import native
from hyperinr_core.motion.reference import N_CHANNELS, REACH

if TYPE_CHECKING:
    from hyperinr_core.motion.motion import Moment
    from hyperinr_core.motion.splines import Nodes
    from hyperinr_core.motion.steps import Step


class CNodes(ctypes.Structure):
    """hinr_nodes of carry.h."""

    _fields_ = [
        ("n", c_int64 * 3),
        ("wraps", c_int32 * 3),
        ("reserved", c_int32),
        ("size", c_int64 * 3),
        ("scale", c_double * 3),
        ("coefficients", c_void_p),
    ]


class CMoment(ctypes.Structure):
    """hinr_moment of carry.h."""

    _fields_ = [
        ("start", c_int64 * 3),
        ("size", c_int64 * 3),
        ("first_place", c_int64 * 3),
        ("last_place", c_int64 * 3),
        ("turn", c_int64 * 3),
        ("steps", c_void_p),
        ("values", c_void_p),
        ("n_steps", c_int32),
        ("first", c_int32),
        ("n_components", c_int32),
        ("at_step", c_int32),
        ("weights", c_double * 4),
        ("share", c_double),
        ("bend", c_double),
    ]


@functools.cache
def _library() -> ctypes.CDLL:
    axes: list[Any] = [c_void_p, c_int64] * 3
    signatures: dict[str, list[Any]] = {
        "hinr_spline": [c_int, c_void_p, c_void_p, c_void_p],
        "hinr_channels": [c_int, POINTER(CNodes), c_void_p, c_void_p, c_void_p, c_int64, c_void_p],
        "hinr_now": [c_int, POINTER(CNodes), c_void_p, c_int, c_void_p],
        "hinr_carry": [c_int, POINTER(CNodes), POINTER(CMoment), *axes, c_int, c_void_p],
    }
    return native.declared(signatures, "motion")


def spline(values: np.ndarray) -> np.ndarray:
    """See `kernel.spline`."""
    values = np.ascontiguousarray(values, np.float32)
    out = np.empty([n - 2 * REACH if n > 1 else 1 for n in values.shape], np.float32)
    size = np.array(values.shape, np.int64)
    native.check(_library().hinr_spline(native.choose_isa(), values.ctypes.data, size.ctypes.data, out.ctypes.data))
    return out


def channels(nodes: Nodes, padded: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """See `kernel.channels`; there are N_CHANNELS fields."""
    z, y, x = np.ascontiguousarray(positions, np.float32).reshape(3, -1)
    out = np.empty((len(x), N_CHANNELS), np.float32)
    places = (z.ctypes.data, y.ctypes.data, x.ctypes.data, len(x))
    filled = _nodes(nodes, padded)
    native.check(_library().hinr_channels(native.choose_isa(), ctypes.byref(filled), *places, out.ctypes.data))
    return np.ascontiguousarray(out.T).reshape(N_CHANNELS, *positions.shape[1:])


def now(nodes: Nodes, padded: np.ndarray, on_path: np.ndarray) -> np.ndarray:
    """See `kernel.now`."""
    out, weights = np.empty(padded.shape, np.float32), np.ascontiguousarray(on_path, np.float64)
    filled = _nodes(nodes, padded)
    args = ctypes.byref(filled), weights.ctypes.data, len(weights), out.ctypes.data
    native.check(_library().hinr_now(native.choose_isa(), *args))
    return out


def carry(
    moment: Moment, steps: Sequence[Step], axes: Sequence[np.ndarray], scattered: bool, out: np.ndarray | None = None
) -> np.ndarray:
    """See `kernel.carry`."""
    filled = CMoment(n_steps=len(steps), first=moment.gap.first, at_step=moment.is_at_step)
    filled.weights[: len(steps)], filled.share, filled.bend = moment.weights, moment.share, moment.gap.bend
    return _carried(_nodes(moment.gap.lattice, moment.coefficients), filled, steps, axes, scattered, out)


def sample(step: Step, positions: np.ndarray) -> np.ndarray:
    """See `kernel.sample`: twice the same step, between which nothing moves."""
    nothing = np.zeros(N_CHANNELS, np.float32)
    nodes = CNodes(coefficients=nothing.ctypes.data)
    nodes.n[:], nodes.wraps[:], nodes.size[:] = step.shape, step.periodic, (1, 1, 1)
    return _carried(nodes, CMoment(n_steps=2, at_step=1), [step, step], list(positions), True)


def _carried(
    nodes: CNodes,
    filled: CMoment,
    steps: Sequence[Step],
    axes: Sequence[np.ndarray],
    scattered: bool,
    out: np.ndarray | None = None,
) -> np.ndarray:
    z, y, x = (np.ascontiguousarray(axis, np.float32) for axis in axes)
    n_components, *size = steps[0].splines.shape
    shape = (len(x),) if scattered else (len(z), len(y), len(x))
    fits = out is not None and out.dtype == np.float32 and out.flags.c_contiguous
    values = out if out is not None and fits else np.empty((*shape, n_components), np.float32)
    pointers = [_pointers([part for step in steps for part in getattr(step, kind)]) for kind in ("splines", "values")]
    filled.steps, filled.values = (ctypes.cast(array, c_void_p) for array in pointers)
    filled.start[:], filled.size[:], filled.n_components = steps[0].start, size, n_components
    filled.first_place[:], filled.last_place[:], filled.turn[:] = zip(*steps[0].limits)
    places = (z.ctypes.data, len(z), y.ctypes.data, len(y), x.ctypes.data, len(x))
    args = ctypes.byref(nodes), ctypes.byref(filled), *places, int(scattered), values.ctypes.data
    native.check(_library().hinr_carry(native.choose_isa(), *args))
    if out is not None and not fits:
        out[:] = values
    return values


def _nodes(nodes: Nodes, padded: np.ndarray) -> CNodes:
    found = CNodes(coefficients=padded.ctypes.data)
    found.n[:], found.wraps[:], found.size[:] = nodes.shape, nodes.periodic, padded.shape[:3]
    found.scale[:] = [scale if m > 1 else 0.0 for scale, m in zip(nodes.scales, nodes.counts)]
    return found


def _pointers(arrays: Sequence[np.ndarray]) -> ctypes.Array:
    return (c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
