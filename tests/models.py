"""Small models with random parameters, for tests that need a model but no training."""

from __future__ import annotations

import dataclasses

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.guide import Guide
from hyperinr_core.spline_base import Base
from hyperinr_core.volume import Field, Grid, Parameter


def random_model(
    dims=(12, 10, 8), parameters=None, fields=None, n_encoders=5, seed=0, interpolation=None, encoding=None, **others
) -> HyperINR:
    """A model whose values vary over space and theta; by default one scalar field over time 0 to 2.

    Parameters
    ----------
    others : provenance and quality.
    """
    rng = np.random.default_rng(seed)
    grid = Grid(dims, origin=(1.0, -2.0, 0.5), spacing=(0.5, 0.25, 1.0))
    parameters = parameters or (Parameter("time", "time", (0.0, 2.0), "s", tuple(np.linspace(0, 2, n_encoders))),)
    fields = fields or (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"),)
    encoding = encoding or EncodingConfig(grid.n_pos_dims, n_levels=4, log2_hashmap_size=9)
    network = NetworkConfig(32, 2)
    bounds = np.array([parameter.bounds for parameter in parameters])
    positions = (
        np.linspace(0, 1, n_encoders)[:, None] if len(parameters) == 1 else rng.random((n_encoders, len(bounds)))
    )
    positions = bounds[:, 0] + positions * (bounds[:, 1] - bounds[:, 0])
    architecture = Architecture.of(encoding, network, fields)
    layers = [rng.normal(0, np.sqrt(2 / columns), rows * columns) for rows, columns in architecture.layer_shapes]
    resolution = encoding.guide_resolution
    guide = Guide(rng.uniform(0, 60, (resolution,) * 3).astype(np.float16), grid, 5.0) if resolution else None
    return HyperINR(
        encoding,
        network,
        tuple(parameters),
        grid,
        tuple(fields),
        positions,
        rng.uniform(-1, 1, (n_encoders, architecture.n_table)).astype(np.float16),
        np.concatenate(layers).astype(np.float32),
        interpolation or ("linear" if len(parameters) == 1 else "idw"),
        guide=guide,
        **others,
    )


def based_model(*args, components=(0,), **options) -> HyperINR:
    """The same with a base."""
    model = random_model(*args, **options)
    return dataclasses.replace(model, base=random_base(model, components))


def random_base(model: HyperINR, components=(0,), n_positions=4, seed=1) -> Base:
    """A base of random coefficients for some of a model's outputs."""
    rng = np.random.default_rng(seed)
    counts = [1 if n == 1 else 5 for n in model.grid.shape]
    coefficients = rng.integers(0, 65536, (n_positions, *counts, len(components)), dtype=np.uint16)
    limits, residual = np.array([[-3.0, 4.0]] * len(components)), np.array([[-0.1, 0.2]] * len(components))
    positions = np.linspace(*model.parameters[0].bounds, n_positions)
    return Base(positions, coefficients, tuple(components), limits, residual, "catmull_rom")
