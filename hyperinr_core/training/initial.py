"""The model that a run begins with: random numbers, or what another model has learned."""

from __future__ import annotations

import dataclasses
import hashlib
import math

import numpy as np

from hyperinr_core.hypernet import HyperINR
from hyperinr_core.training.task import Lesson

#: Hash tables start in U(-INITIAL, INITIAL) (section 4).
INITIAL = 1e-4


def initial_model(lesson: Lesson) -> HyperINR:
    """All encoders start as one, so that blending them means something from the first step on."""
    config, architecture, n_encoders = lesson.config, lesson.architecture, len(lesson.positions)
    rng = np.random.Generator(np.random.Philox(key=np.array([config.training.seed, 2**64 - 1], np.uint64)))
    table = rng.uniform(-INITIAL, INITIAL, architecture.n_table).astype(np.float32)
    layers = []
    for rows, columns in architecture.layer_shapes:
        limit = math.sqrt(6 / (rows + columns))  # Glorot's, as in tiny-cuda-nn
        layers.append(rng.uniform(-limit, limit, rows * columns))
    return HyperINR(
        config.encoding,
        config.network,
        lesson.parameters,
        lesson.stream.series.grid,
        lesson.fields,
        lesson.positions,
        np.tile(table, (n_encoders, 1)),
        np.concatenate(layers).astype(np.float32),
        lesson.interpolation or ("linear" if len(lesson.parameters) == 1 else "idw"),
        base=lesson.base,
        guide=lesson.guide,
        mask=lesson.mask,
        motion=lesson.motion,
    )


def started_from(model: HyperINR, initial: HyperINR) -> HyperINR:
    """A model with the network of another and the mean of its tables, which is where Reptile's steps would lead."""
    mean = initial.encoder_params.mean(axis=0, dtype=np.float32)
    tables = np.tile(mean, (len(model.encoder_params), 1))
    return dataclasses.replace(model, encoder_params=tables, mlp_params=initial.mlp_params.astype(np.float32))


def digest_of(model: HyperINR) -> str:
    """Of all that a run which starts from a model takes from it."""
    return hashlib.sha256(model.mlp_params.tobytes() + model.encoder_params.tobytes()).hexdigest()
