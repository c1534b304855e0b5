"""What radiance fields show, carried between two scenes along straight paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperinr_core.errors import FormatError
from hyperinr_core.packing import folded, packed, unfolded, unpacked


@dataclass(frozen=True, eq=False)
class Paths:
    """Straight paths through the gaps between scenes in their order.

    Attributes
    ----------
    origin : (3,) where the first point of a lattice is. spacing : between its points, along x, y and z.
    shifts : (N - 1, 3, nz, ny, nx) int16: what is at a point half way through a gap goes along x, y, z from one end of it to the
        other, in units of `step`.
    step : length, in the fields' unit.
    """

    origin: tuple[float, float, float]
    spacing: float
    shifts: np.ndarray
    step: float

    def at(self, gap: int, points: np.ndarray) -> np.ndarray:
        """(n, 3) which way what is at points (n, 3) goes through a gap; beyond the lattice as at its border."""
        from scipy.ndimage import map_coordinates  # here, because most models have no paths

        places = ((points - self.origin) / self.spacing).T[::-1]
        numbers = [
            map_coordinates(shift.astype(np.float32), places, order=1, mode="nearest") for shift in self.shifts[gap]
        ]
        return np.stack(numbers, axis=1) * np.float32(self.step)


def document_of(paths: Paths) -> dict[str, Any]:
    """What a file's document says of paths."""
    dims = list(paths.shifts.shape[:1:-1])
    return {"origin": list(paths.origin), "spacing": paths.spacing, "dims": dims, "step": paths.step}


def codes_of(paths: Paths) -> np.ndarray:
    """(B,) uint8 their numbers."""
    codes = folded(np.diff(paths.shifts, axis=-1, prepend=np.int16(0)))
    return packed(np.concatenate([(codes & 0xFF).ravel(), (codes >> 8).ravel()]).astype(np.uint8), "motion is")


def decoded(
    codes: np.ndarray,
    n_gaps: int,
    origin: tuple[float, float, float],
    spacing: float,
    dims: Sequence[int],
    step: float,
) -> Paths:
    """Paths of what `document_of` and `codes_of` gave.

    Raises FormatError, without a file's name, for other bytes, before memory is taken for them.
    """
    if n_gaps < 1:
        raise FormatError("a motion stands beside one scene; expected two at least")
    shape = (n_gaps, 3, *dims[::-1])
    planes = unpacked(codes, 2 * math.prod(shape), "motion is", f"its {n_gaps} gaps")
    differences = unfolded(*planes.reshape(2, -1)).reshape(shape)
    return Paths(origin, spacing, np.cumsum(differences, axis=-1, dtype=np.int16), step)
