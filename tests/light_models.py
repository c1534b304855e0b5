"""A small volume to cast shadows, and settings that learn them in a moment."""

from __future__ import annotations

import numpy as np

from hyperinr_core.pictures.transfer import TransferFunction
from hyperinr_core.training.lights.task import (
    shadow_preset,
)
from hyperinr_core.volume import Grid

GRID = Grid((20, 18, 16), spacing=(1.0, 1.0, 1.5))


FUNCTION = TransferFunction(((0, 0, 0, 0), (1, 1, 1, 1)), ((0.0, 0.0), (1.0, 0.3)), name="test")


SMALL = {"samples": 1_200_000, "batch_points": 2048}


def pillars() -> np.ndarray:
    """Two pillars and a beam."""
    values = np.zeros(GRID.shape, np.float32)
    values[2:14, 4:8, 4:8] = values[2:14, 11:14, 12:16] = values[11:14, 4:14, 7:10] = 1
    return values


def config(**training):
    return shadow_preset("fast", GRID).replace(training={**SMALL, **training}, encoding={"log2_hashmap_size": 11})
