"""What `native_driver.c` reads: the golden models, and what the reference says of them at the points of the golden files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from golden_models import KINDS

from hyperinr_core import hinr
from hyperinr_core.backends.reference import ReferenceBackend

FOLDER = Path(__file__).parent / "golden"


def text() -> str:
    """All cases, a line of numbers for each array after their count; nine digits are a float32 exactly."""
    lines = []
    for name, arrays in cases():
        lines.append(name)
        lines += [" ".join([str(array.size), *(f"{number:.9g}" for number in array.ravel())]) for array in arrays]
    return "\n".join(lines) + "\n"


def cases() -> Iterator[tuple[str, list[np.ndarray]]]:
    """Name and arrays of each golden model at each of its golden thetas: its encoders alone, without motion, mask and base."""
    for kind in KINDS:
        model = hinr.load(FOLDER / f"{kind}.hinr")
        low, high = model.theta_bounds.T
        for share in (0.0, 0.37, 1.0):
            yield f"{kind}@{share}", _arrays(model, low + share * (high - low))


def _arrays(model: Any, theta: np.ndarray) -> list[np.ndarray]:
    architecture, grid = model.architecture, model.architecture.hash_grid
    rows, mlp = np.asarray(model.encoder_params[:], np.float32), np.asarray(model.mlp_params, np.float32)
    indices, weights = model._weights(theta, None)
    weights = np.asarray(weights, np.float32)
    guide = model.guide_level(theta)
    points = np.random.default_rng(0).random((5, model.grid.n_pos_dims)).astype(np.float32)
    reference = ReferenceBackend(architecture, rows, mlp)
    expected = reference.sample(reference.blend(indices, weights, guide), points)
    sizes = [
        architecture.encoding.n_pos_dims,
        grid.n_levels,
        architecture.encoding.n_features_per_level,
        architecture.network.n_neurons,
        architecture.network.n_hidden_layers,
        architecture.n_outputs,
        len(rows),
    ]
    rest = np.empty(0) if guide is None else guide
    geometry = [np.asarray(array) for array in (grid.scales, grid.resolutions, grid.offsets, grid.hashed)]
    return [np.array(sizes), *geometry, mlp, rows, np.asarray(indices), weights, rest, points, expected]
