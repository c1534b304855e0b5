"""The compiled optical flow: same function as flow_reference, at the machine's speed."""

from __future__ import annotations

import ctypes
import functools
from ctypes import c_double, c_int, c_int64, c_void_p

import numpy as np

from hyperinr_core.backends import native
from hyperinr_core.training.teachers import flow_reference as reference
from hyperinr_core.training.teachers.lattice import Lattice


class Settings(ctypes.Structure):
    """hinr_flow_settings of flow.h."""

    _fields_ = [
        ("window", c_double),
        ("pull", c_double),
        ("n_coarse", c_int64),
        ("n_linear", c_int64),
        ("n_cubic", c_int64),
        ("smallest", c_int64),
    ]


@functools.cache
def _library() -> ctypes.CDLL:
    pair = [c_void_p, c_void_p, c_int64, c_int, c_void_p, c_void_p]
    return native.declared({"hinr_flow": [c_int, *pair, ctypes.POINTER(Settings), c_int, c_void_p]}, "optical flow")


def optical_flow(
    before: np.ndarray, after: np.ndarray, periodic: tuple[bool, ...], window: float = reference.WINDOW, every: int = 1
) -> np.ndarray:
    """See flow_reference.optical_flow."""
    before, after = (np.ascontiguousarray(side, np.float32) for side in (before, after))
    shape = np.array(before.shape[1:], np.int64)
    wraps = np.array(periodic, np.uint8)
    settings = Settings(
        window, reference.PULL, reference.N_COARSE, reference.N_LINEAR, reference.N_CUBIC, reference.SMALLEST
    )
    lattice = Lattice(before.shape[1:], periodic)
    points = lattice.coarser(reference.SMALLEST) if every > 1 else lattice
    motion = np.zeros((len(shape), *points.shape), np.float32)
    native.check(
        _library().hinr_flow(
            native.choose_isa(), before.ctypes.data, after.ctypes.data, len(before), len(shape), shape.ctypes.data,
            wraps.ctypes.data, ctypes.byref(settings), every, motion.ctypes.data,
        )
    )  # fmt: skip
    return motion
