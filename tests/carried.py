"""Small models that carry random steps along a motion that is known, for tests."""

from __future__ import annotations

import dataclasses

import numpy as np
from models import random_model

from hyperinr_core.hypernet import HyperINR
from hyperinr_core.motion.motion import Motion
from hyperinr_core.motion.splines import Nodes


def carried_model(place=lambda t: np.array([t, 2.0 * t, 0.5 * t]), anchored=False, model=None, **options) -> HyperINR:
    """A random model all of whose points move alike.

    Parameters
    ----------
    place : x, y, z in points of the training grid where what was at 0 is at a time.
    model : one without motion, of which everything else is taken; `random_model(**options)` when None.
    """
    model = random_model(**options) if model is None else model
    nodes, times = Nodes(model.grid.shape, (False,) * 3), model.encoder_positions[:, 0]
    n_fields, n_gaps, shape = len(model.fields), len(times) - 1, nodes.coefficient_shape
    paths = np.zeros((1, n_gaps, 2, 3, *shape), np.int16)
    for gap, (a, b) in enumerate(zip(times, times[1:])):
        for end, time in enumerate((a, b)):
            offset = (place(time) - place((a + b) / 2))[::-1] * (np.array(model.grid.shape) > 1)
            paths[0, gap, end] = np.rint(offset * 1024).reshape(3, 1, 1, 1)
    trust = np.full((n_fields, n_gaps, *shape), 204, np.uint8)
    error = np.full((n_fields, n_gaps, *shape), 51, np.uint8)
    motion = Motion(
        model.grid.shape, (False,) * 3, nodes.counts, times, paths, 1 / 1024, (anchored,), (0,) * n_fields, trust, error,
        tuple(0.5 * (index + 1) for index in range(n_fields)), (0.0,) * n_fields,
    )  # fmt: skip
    return dataclasses.replace(model, motion=motion)
