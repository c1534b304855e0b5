"""The compiled shadow kernels: same functions as shadow_reference, at the machine's speed."""

from __future__ import annotations

import ctypes
import functools
from ctypes import c_double, c_int, c_void_p

import numpy as np

from hyperinr_core.backends import native
from hyperinr_core.errors import BackendError


@functools.cache
def _library() -> ctypes.CDLL:
    library = native.library()
    try:
        for name in ("hinr_shadow_rays", "hinr_shadow_sweep"):
            getattr(library, name).argtypes = [c_int, c_void_p, c_void_p, c_void_p, c_double, c_void_p]
            getattr(library, name).restype = c_int
    except AttributeError as error:
        raise BackendError(f"the CPU kernel has no shadows ({error}); reinstall the package") from error
    native.set_threads_from_environment()
    return library


def rays(tau: np.ndarray, step: np.ndarray, length: float) -> np.ndarray:
    """See shadow_reference.rays."""
    return _call("hinr_shadow_rays", tau, step, length)


def sweep(tau: np.ndarray, towards: np.ndarray, length: float) -> np.ndarray:
    """See shadow_reference.sweep."""
    return _call("hinr_shadow_sweep", tau, towards, length)


def _call(name: str, tau: np.ndarray, vector: np.ndarray, length: float) -> np.ndarray:
    tau = np.ascontiguousarray(tau, np.float32)
    vector = np.ascontiguousarray(vector, np.float64)
    dims = np.array(tau.shape[::-1], np.int64)
    out = np.empty(tau.shape, np.float32)
    pointers = tau.ctypes.data, dims.ctypes.data, vector.ctypes.data
    native.check(getattr(_library(), name)(native.choose_isa(), *pointers, float(length), out.ctypes.data))
    return out
