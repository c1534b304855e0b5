"""What the shadow kernels compute, in NumPy and by other means: slow, and the definition of correct."""

from __future__ import annotations

import numpy as np

#: Rounding may leave a ray a hair beyond the last point of an axis.
TOLERANCE = 1e-6


def rays(tau: np.ndarray, step: np.ndarray, length: float) -> np.ndarray:
    """Transmittance by one ray per voxel, extinction sampled in the middle of each step.

    Parameters
    ----------
    tau : (nz, ny, nx) extinction, zero beyond the outermost points.
    step : (3,) one step towards the light in voxels, x first.
    length : the step's length in tau's unit.

    Returns
    -------
    (nz, ny, nx) float32.
    """
    places = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float64) for n in tau.shape), indexing="ij"))
    back = np.asarray(step, np.float64)[::-1].reshape(3, 1, 1, 1)
    total = np.zeros(tau.shape)
    k = 0
    while True:
        values, inside = _interpolate(tau, places + (k + 0.5) * back)
        if not inside.any():
            return np.exp(-total * length).astype(np.float32)
        total += values
        k += 1


def sweep(tau: np.ndarray, towards: np.ndarray, length: float) -> np.ndarray:
    """Transmittance by one pass over the slices along the axis that the light climbs fastest.

    Sums of extinction are kept for rays that cross the first slice at whole points, so that nothing blurs on the way; a
    voxel takes the bilinear mean of the four rays around it.

    Parameters
    ----------
    towards : (3,) the light's direction in voxels, x first.
    length : that vector's length in tau's unit.
    """
    axis = 2 - max((2, 1, 0), key=lambda a: abs(towards[a]))
    climb = np.asarray(towards, np.float64)[::-1] / abs(towards[2 - axis])
    slices = np.moveaxis(tau, axis, 0)
    slices = slices[::-1] if climb[axis] > 0 else slices
    slope = -np.delete(climb, axis)
    way = 0.5 * length / abs(towards[2 - axis])
    far = slope * (len(slices) - 1)
    starts = np.floor(np.minimum(0, -far)) - 1
    stops = np.array(slices.shape[1:]) + np.ceil(np.maximum(0, -far)) + 1
    lattice = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(starts, stops)), indexing="ij"))
    voxels = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float64) for n in slices.shape[1:]), indexing="ij"))
    total = np.zeros(lattice.shape[1:])
    out = np.empty(slices.shape, np.float32)
    for k, values in enumerate(slices):
        shift = (k * slope).reshape(2, 1, 1)
        met, _ = _interpolate(values, lattice + shift)
        total += way * _part_inside(values.shape, lattice + shift, slope) * met if k else 0
        out[k] = np.exp(-_interpolate(total, voxels - shift - starts.reshape(2, 1, 1))[0])
        total += way * met
    out = out[::-1] if climb[axis] > 0 else out
    return np.ascontiguousarray(np.moveaxis(out, 0, axis))


def sweeps(tau: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """The mean of one sweep for each light.

    Parameters
    ----------
    towards : (n, 3) directions in voxels, x first, each of length 1 in tau's unit.
    """
    return np.mean([sweep(tau, light, 1.0) for light in towards], axis=0, dtype=np.float32)


def _part_inside(shape: tuple[int, ...], places: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Weight of a slice for the way before it, 1 for a whole one: twice the part inside for rays that have just entered."""
    part = np.ones(places.shape[1:])
    for n, p, move in zip(shape, places, slope):
        inside = np.maximum(p if move > 0 else n - 1 - p, 0)
        entered = inside < abs(move) - 2 * TOLERANCE
        part = np.minimum(part, np.where(entered, inside / max(abs(move), TOLERANCE), 1))
    return np.where(part < 1, 2 * part, 1)


def _interpolate(values: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values (...) at places (D, ...) by D-linear interpolation, zero outside, and which places are inside."""
    inside = np.ones(places.shape[1:], bool)
    for n, p in zip(values.shape, places):
        inside &= (p >= -TOLERANCE) & (p <= n - 1 + TOLERANCE)
    result = np.zeros(places.shape[1:])
    cells = [np.clip(np.floor(p + TOLERANCE), 0, n - 1).astype(np.int64) for n, p in zip(values.shape, places)]
    for corner in np.ndindex(*[2] * len(places)):
        weight, index = np.ones(places.shape[1:]), []
        for n, p, cell, upper in zip(values.shape, places, cells, corner):
            part = np.clip(p - cell, 0, 1)
            weight *= part if upper else 1 - part
            index.append(np.minimum(cell + upper, n - 1))
        result += weight * values[tuple(index)]
    return np.where(inside, result, 0), inside
