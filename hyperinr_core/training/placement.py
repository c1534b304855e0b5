"""Positions in parameter space, for encoders and for the distillation set (HyperINR sections 2 and 4)."""

from __future__ import annotations

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.settings import PlacementConfig
from hyperinr_core.volume import VolumeSeries

#: Steps of the bisection for the disks' radius, each a whole sampling.
N_BISECTIONS = 12


def place(series: VolumeSeries, config: PlacementConfig, seed: int) -> np.ndarray:
    """(N, P) positions within the training thetas' bounds, no two the same; increasing when P is 1.

    The shares of Poisson disks and Gaussian kernels are drawn at random; the rest is spread uniformly, which means evenly
    from the first to the last step for one parameter and at random for several.
    """
    low, high = series.thetas.min(axis=0), series.thetas.max(axis=0)
    extent = np.where(high > low, high - low, 1)
    rng = np.random.Generator(np.random.Philox(key=[seed, 3]))
    n_poisson, n_gaussian = round(config.poisson * config.count), round(config.gaussian * config.count)
    parts = [
        _uniform(config.count - n_poisson - n_gaussian, series.thetas.shape[1], rng),
        poisson_disks(n_poisson, series.thetas.shape[1], rng),
        _around((series.thetas - low) / extent, n_gaussian, config.sigma, rng),
    ]
    unit = np.unique(np.concatenate(parts), axis=0)
    return np.unique(low + unit * (high - low), axis=0)


def _uniform(count: int, n_parameters: int, rng: np.random.Generator) -> np.ndarray:
    if n_parameters == 1:
        return np.linspace(0, 1, count)[:, None]
    return rng.random((count, n_parameters))


def poisson_disks(count: int, n_parameters: int, rng: np.random.Generator) -> np.ndarray:
    """(count, P) points of [0, 1]^P that keep a distance: Bridson's sampling at the largest radius that yields as many."""
    if count == 0:
        return np.empty((0, n_parameters))
    from scipy.stats import qmc

    if not hasattr(qmc, "PoissonDisk"):
        raise ParameterError("Poisson disks need SciPy 1.10 or newer; update SciPy or set poisson to 0")
    seed = int(rng.integers(2**31))
    small, large = 1e-3 / count, 1.0
    for _ in range(N_BISECTIONS):
        radius = np.sqrt(small * large)
        enough = len(qmc.PoissonDisk(n_parameters, radius=radius, seed=seed).random(count)) == count
        small, large = (radius, large) if enough else (small, radius)
    return qmc.PoissonDisk(n_parameters, radius=small, seed=seed).random(count)


def _around(centers: np.ndarray, count: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """(count, P) points of Gaussians around training thetas, of which each has as many as any other but one."""
    chosen = centers[np.arange(count) % len(centers)]
    return np.clip(chosen + sigma * rng.standard_normal(chosen.shape), 0, 1)
