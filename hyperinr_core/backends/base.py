"""What every way to evaluate a model has to offer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np


class Backend(ABC):
    """Evaluates one model. `backends/reference.py` is the definition of correct: every other gives its values.

    A backend is made of an `Architecture`, encoder_params (N, M) float16 or float32, one table per encoder, and mlp_params
    (W,) float32, the weight matrices one after the other, each (outputs, inputs) row by row.

    Attributes
    ----------
    name : what it is asked for by.
    slab_points : points that `INR` asks for between two calls of its caller's progress callback.
    resident : the torch.device where training steps stay and are carried along a motion; None for the host's memory.
    """

    name = ""
    slab_points = 1 << 20
    resident: Any = None

    @abstractmethod
    def blend(self, indices: np.ndarray, weights: np.ndarray, guide: np.ndarray | None = None) -> Any:
        """The table for one theta: sum of weights[k] * encoder_params[indices[k]] (equation 4).

        Parameters
        ----------
        indices : (K,) int, encoders.
        weights : (K,) float, coefficients that sum to 1.
        guide : the numbers of the guide's level, where the encoding has one.

        Returns
        -------
        The blended table in whatever form `sample` and `sample_grid` of the same backend read.
        """

    @abstractmethod
    def sample(self, table: Any, points: np.ndarray) -> np.ndarray:
        """Normalised values at scattered points.

        Parameters
        ----------
        points : (B, D) float32 in [0, 1], x first.

        Returns
        -------
        (B, C) float32.
        """

    @abstractmethod
    def sample_grid(
        self, table: Any, axes: tuple[np.ndarray, ...], out: np.ndarray, scale: np.ndarray, offset: np.ndarray
    ) -> None:
        """Values at every combination of the coordinates on each axis, x fastest.

        Parameters
        ----------
        axes : D arrays of float32 in [0, 1]: x, y (, z).
        out : (nz, ny, nx, C) or (ny, nx, C) C-contiguous float32, written with values * scale + offset.
        scale, offset : (C,) float32.
        """

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array for values, in the kind of memory that this backend writes to best."""
        return np.empty(shape, np.float32)

    def empty_there(self, shape: tuple[int, ...]) -> Any:
        """A float32 array or tensor for values that stay where the backend computes them, which `sample_grid` takes too."""
        return self.empty(shape)
