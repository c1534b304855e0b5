"""What every reader gives: the steps of one file, and what is decided for all kinds of files alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

#: First and one-past-last plane.
ZRange = tuple[int, int]

#: Points z, y, x of a step.
Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class FileSteps:
    """The time steps that one file holds.

    Attributes
    ----------
    grid : the grid of all of them.
    arrays : components by field name; 0 where the header does not tell.
    read : (frame, field name, z_range or None) to an array (nz, ny, nx) or (nz, ny, nx, c).
    times : one value per frame, None when the file has none.
    units : by field name, and "time".
    notes : what the user should hear about how the file was understood, a sentence each.
    prepare : (frame, field names), for what is long in the making: makes it and keeps it, so that reading it is quick.
    part : (frame, field name, box) to what `read` gives there, of files of which a box can be read alone.
    """

    path: Path
    grid: Grid
    arrays: dict[str, int]
    read: Callable[[int, str, ZRange | None], np.ndarray]
    n: int = 1
    times: tuple[float, ...] | None = None
    units: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    prepare: Callable[[int, Sequence[str]], None] | None = None
    part: Callable[[int, str, Box], np.ndarray] | None = None


class Planes:
    """Planes of a step as an array that is not read yet: of a box of them no more is read than that.

    Parameters
    ----------
    shape : (nz, ny, nx) of the planes. first : of them in the step. read : what `FileSteps.part` gives of a box.
    """

    def __init__(self, shape: tuple[int, int, int], first: int, read: Callable[[Box], np.ndarray]) -> None:
        self.shape, self._first, self._read = shape, first, read

    def __getitem__(self, index: Any) -> np.ndarray:
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) != len(self.shape) or not all(isinstance(part, slice) and part.step is None for part in parts):
            return np.asarray(self)[index]
        z, y, x = (slice(*part.indices(n)[:2]) for part, n in zip(parts, self.shape))
        return self._read((slice(z.start + self._first, z.stop + self._first), y, x))

    def __array__(self, dtype: np.dtype | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:, :, :], dtype)


def wants_cells(path: Path, points: Iterable[str], cells: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether the values of a file's cells are taken: where its points have none, or where a wanted field is on cells alone.

    Raises DataError where wanted fields are some on points alone and some on cells alone.
    """
    on_points, on_cells, names = set(points), set(cells), set(wanted)
    only_cells, only_points = sorted(names & on_cells - on_points), sorted(names & on_points - on_cells)
    if only_cells and only_points:
        raise DataError(
            f"{path} has {only_points[0]!r} on points and {only_cells[0]!r} on cells; expected all fields on one of them, "
            "train a model for each"
        )
    return bool(on_cells) and (not on_points or bool(only_cells))
