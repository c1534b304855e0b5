"""The compiled shadow kernels: same functions as shadow_reference, at the machine's speed."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from ctypes import c_double, c_int, c_int64, c_uint64, c_void_p

import numpy as np

from hyperinr_core.backends import native


@functools.cache
def _library() -> ctypes.CDLL:
    one_direction = [c_int, c_void_p, c_void_p, c_void_p, c_double, c_void_p]
    scattered = [*[c_void_p] * 5, c_double, c_double, c_void_p, c_int64, c_int64, c_uint64, c_void_p]
    return native.declared(
        {
            "hinr_shadow_rays": one_direction,
            "hinr_shadow_sweep": one_direction,
            "hinr_shadow_sweeps": [c_int, c_void_p, c_void_p, c_void_p, c_int64, c_void_p],
            "hinr_shadow_scatter": scattered,
        },
        "shadows",
    )


def rays(tau: np.ndarray, step: np.ndarray, length: float) -> np.ndarray:
    """See shadow_reference.rays."""
    return _call("hinr_shadow_rays", tau, step, length)


def sweep(tau: np.ndarray, towards: np.ndarray, length: float) -> np.ndarray:
    """See shadow_reference.sweep."""
    return _call("hinr_shadow_sweep", tau, towards, length)


def sweeps(tau: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """See shadow_reference.sweeps."""
    tau = np.ascontiguousarray(tau, np.float32)
    towards = np.ascontiguousarray(towards, np.float64)
    dims = np.array(tau.shape[::-1], np.int64)
    out = np.empty(tau.shape, np.float32)
    pointers = tau.ctypes.data, dims.ctypes.data, towards.ctypes.data
    native.check(_library().hinr_shadow_sweeps(native.choose_isa(), *pointers, len(towards), out.ctypes.data))
    return out


def scatter(
    tau: np.ndarray,
    direct: np.ndarray,
    spacing: Sequence[float],
    towards: Sequence[float] | np.ndarray,
    albedo: float,
    g: float,
    voxels: np.ndarray,
    n_paths: int,
    seed: int,
) -> np.ndarray:
    """(n,) direct light and the mean of what n_paths random paths from each voxel gather; see shadow.scattered.

    Parameters
    ----------
    tau, direct : (nz, ny, nx) extinction and transmittance.
    spacing, towards : (3,) distance of points, and unit vector to the light, along the grid's axes.
    voxels : (n,) places in tau.
    """
    tau, direct = (np.ascontiguousarray(array, np.float32) for array in (tau, direct))
    vectors = np.array([spacing, towards], np.float64)
    dims = np.array(tau.shape[::-1], np.int64)
    voxels = np.ascontiguousarray(voxels, np.int64)
    out = np.empty(voxels.shape, np.float32)
    pointers = [array.ctypes.data for array in (tau, direct, dims, vectors[0], vectors[1])]
    numbers = albedo, g, voxels.ctypes.data, voxels.size, n_paths, seed
    native.check(_library().hinr_shadow_scatter(*pointers, *numbers, out.ctypes.data))
    return out


def _call(name: str, tau: np.ndarray, vector: np.ndarray, length: float) -> np.ndarray:
    tau = np.ascontiguousarray(tau, np.float32)
    vector = np.ascontiguousarray(vector, np.float64)
    dims = np.array(tau.shape[::-1], np.int64)
    out = np.empty(tau.shape, np.float32)
    pointers = tau.ctypes.data, dims.ctypes.data, vector.ctypes.data
    native.check(getattr(_library(), name)(native.choose_isa(), *pointers, float(length), out.ctypes.data))
    return out
