"""Small series in memory for tests."""

from __future__ import annotations

import numpy as np

from hyperinr_core.volume import Grid, VolumeSeries


def moving_blob(dims=(16, 14, 12), n_steps=5, thetas=None, noise=0.0) -> VolumeSeries:
    """A Gaussian that crosses the box, as fields "density" and, with two components, "motion"."""
    grid = Grid(dims, spacing=(1.0, 0.5, 2.0))
    thetas = np.linspace(0, 2, n_steps) if thetas is None else np.asarray(thetas, float)
    x, y, z = np.meshgrid(*grid.axes(), indexing="ij")
    rng = np.random.default_rng(5)
    steps = []
    for t in thetas:
        center = 0.3 + 0.2 * t
        blob = np.exp(-((x - center) ** 2 + (y - 0.5) ** 2 + (z - 0.5) ** 2) / 0.08).T
        steps.append((10 * blob + noise * rng.standard_normal(blob.shape)).astype(np.float32))

    def load(step, name, z_range):
        values = steps[step][slice(*(z_range or (0, dims[2])))]
        return values if name == "density" else np.stack([values, 1 - values], axis=-1)

    return VolumeSeries(grid, thetas, {"density": 1, "motion": 2}, load, "a moving blob")


def waves(n=32, times=(0.0, 0.5, 1.0, 1.5, 2.0), speed=4.0, dims=None) -> VolumeSeries:
    """A periodic field that moves at a constant velocity of `speed` points per unit time along x and half of it along z."""
    dims = dims or (n, n, n)
    rng = np.random.default_rng(2)
    modes = [(rng.integers(-2, 3, 3), rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 1)) for _ in range(20)]

    def load(step, name, z_range):
        z, y, x = np.meshgrid(*(np.arange(d) * 2 * np.pi / n for d in dims[::-1]), indexing="ij")
        shift = times[step] * speed * 2 * np.pi / n
        values = sum(a * np.cos(k[0] * (x - shift) + k[1] * y + k[2] * (z - shift / 2) + p) for k, p, a in modes)
        return values[slice(*(z_range or (0, dims[2])))].astype(np.float32)

    return VolumeSeries(Grid(dims), list(times), {"w": 1}, load, "moving waves")
