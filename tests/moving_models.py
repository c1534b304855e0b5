"""Motions of random numbers, and models that have them, for tests that need paths but no training."""

from __future__ import annotations

import dataclasses

import numpy as np
from models import random_model

from hyperinr_core.motion.motion import Motion
from hyperinr_core.motion.splines import Nodes

#: Times of four steps, three gaps of different length.
TIMES = (0.0, 1.0, 2.5, 3.0)


def random_motion(
    shape, periodic=(False, False, False), times=TIMES, n_fields=1, anchored=(True,), points=2.0, seed=0, **changes
) -> Motion:
    """Paths that turn at every node, in which everything differs from node to node; the motions are shared out evenly.

    Parameters
    ----------
    points : how far paths lead, about.
    changes : attributes of the motion.
    """
    rng = np.random.default_rng(seed)
    nodes, n_gaps = Nodes(shape, periodic), len(times) - 1
    size = (n_gaps, *nodes.coefficient_shape)
    paths = rng.normal(0, points * 32, (len(anchored), n_gaps, 2, 3, *nodes.coefficient_shape))
    motion = Motion(
        shape=tuple(shape),
        periodic=tuple(periodic),
        nodes=nodes.counts,
        times=np.array(times, np.float64),
        paths=np.rint(paths).astype(np.int16),
        path_step=1 / 32,
        anchored=tuple(anchored),
        owners=tuple(field % len(anchored) for field in range(n_fields)),
        trust=rng.integers(0, 256, (n_fields, *size)).astype(np.uint8),
        error=rng.integers(0, 256, (n_fields, *size)).astype(np.uint8),
        largest_error=(0.5,) * n_fields,
        bend=(0.3,) * n_fields,
    )
    return dataclasses.replace(motion, **changes)


def moving_model(model=None, periodic=(False, False, False), anchored=(True,), **options):
    """A random model, or the one given, that carries its steps along a random motion."""
    model = random_model(**options) if model is None else model
    times, n_fields = model.encoder_positions[:, 0], len(model.fields)
    motion = random_motion(model.grid.shape, periodic, times, n_fields, anchored[:n_fields])
    return dataclasses.replace(model, motion=motion)
