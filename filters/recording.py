"""A time series on disk that grows step by step and can be read after each of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.image import to_image, write_image, write_pvd
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid


class Recording:
    """Writes steps as .vti files and, after each, the .pvd that lists them.

    Parameters
    ----------
    path : the .pvd; the steps lie beside it, under its name.

    Raises
    ------
    DataError when the folder is missing or read-only.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        if self.path.suffix != ".pvd":
            raise DataError(f"{self.path} ends in {self.path.suffix!r}; expected .pvd, the list of the steps")
        self._steps: list[tuple[float, str]] = []

    def add(self, time: float, image: Any) -> None:
        """One more step: a vtkImageData, later than those before it.

        Raises
        ------
        DataError for a time that does not increase, or a disk that is full; what was recorded before stays readable.
        """
        if self._steps and time <= self._steps[-1][0]:
            raise DataError(
                f"{self.path} has a step at time {self._steps[-1][0]:g} already; expected a later one than that, found {time:g}"
            )
        name = f"{self.path.stem}_{len(self._steps):06d}.vti"
        write_image(self.path.with_name(name), image)
        self._steps.append((float(time), name))
        write_pvd(self.path, self._steps)

    def add_arrays(self, time: float, arrays: Mapping[str, np.ndarray], grid: Grid) -> None:
        """One more step from NumPy arrays by field name, (nz, ny, nx) or (nz, ny, nx, C)."""
        self.add(time, to_image(grid, arrays))
