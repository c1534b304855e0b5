"""Small series of things that move in a known way, for tests of motion."""

from __future__ import annotations

import numpy as np

from hyperinr_core.volume import Grid, VolumeSeries

#: Points per step along x, y, z.
SPEED = (3.0, 1.0, -1.5)


def drift(
    n_steps=6, dims=(24, 20, 18), speed=SPEED, spacing=(1.0, 1.0, 1.0), dt=1.0, noise=0.0, velocity=None, appear=False
) -> VolumeSeries:
    """Three blobs "c" that move through a periodic box at `speed`, and the velocity "U" that is said to have been saved.

    Parameters
    ----------
    velocity : (3,) or a function of a step to (nz, ny, nx, 3); the true one, lengths of the grid per unit of time, when None.
    appear : every step has blobs of its own, which do not move at all.
    """
    rng = np.random.default_rng(4)
    speed = np.array(speed) * (np.array(dims) > 1)
    centers = rng.random((3, 3)) * dims
    z, y, x = np.meshgrid(*(np.arange(n) for n in dims[::-1]), indexing="ij")
    times = dt * np.arange(n_steps)
    true = speed * spacing / dt

    def blobs(step):
        own = np.random.default_rng(step).random((3, 3)) * dims if appear else centers + step * speed
        values = np.zeros(dims[::-1])
        for number, center in enumerate(own):
            away = [(p - c + n / 2) % n - n / 2 for p, c, n in zip((x, y, z), center, dims)]
            values += (1 + number) * np.exp(-sum(a * a for a in away) / (2 * 2.2**2))
        return values + noise * np.random.default_rng(100 + step).standard_normal(values.shape)

    def load(step, name, z_range):
        if name == "c":
            values = blobs(step)
        elif callable(velocity):
            values = velocity(step)
        else:
            values = np.broadcast_to(true if velocity is None else velocity, (*dims[::-1], 3))
        return values[slice(*(z_range or (None,)))].astype(np.float32)

    return VolumeSeries(Grid(dims, spacing=spacing), times, {"c": 1, "U": 3}, load, "drifting blobs")
