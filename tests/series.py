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
