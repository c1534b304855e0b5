"""Reads the fields of a series from the files of its steps: whole arrays, their components and magnitudes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np

from hyperinr.filters.readers.steps import Box, FileSteps, Planes, ZRange
from hyperinr_core.errors import DataError

_PART = re.compile(r"(.+):(\d+|mag)")


@dataclass(frozen=True)
class Part:
    """What of an array a field is.

    Attributes
    ----------
    component : its number, "mag" for the length of the vectors, None for the whole.
    """

    array: str
    component: str | None = None

    @classmethod
    def of(cls, name: str) -> Part:
        """That of a field's name, such as "U", "U:0" or "U:mag"."""
        match = _PART.fullmatch(name)
        return cls(match[1], match[2]) if match else cls(name)

    def taken(self, values: np.ndarray) -> np.ndarray:
        """(nz, ny, nx[, c]) of values (nz, ny, nx[, c])."""
        if self.component is None:
            return values
        values = values.reshape(*values.shape[:3], -1)
        if self.component == "mag":
            kind = np.promote_types(values.dtype, np.float32)
            return np.sqrt(np.sum(np.square(values, dtype=np.float64), axis=-1)).astype(kind)
        return values[..., int(self.component)]


class Loader:
    """What a `VolumeSeries` reads with.

    Attributes
    ----------
    frames : the file of each step, and the step's number in it. arrays : names of those that the fields are of.
    """

    def __init__(
        self,
        frames: Sequence[tuple[FileSteps, int]],
        parts: Mapping[str, Part],
        reading: Callable[[Path], AbstractContextManager],
    ) -> None:
        self.frames, self.parts, self._reading = frames, parts, reading
        self.arrays = list(dict.fromkeys(part.array for part in parts.values()))

    def __call__(self, step: int, name: str, z_range: ZRange | None) -> np.ndarray:
        file, frame = self.frames[step]
        if file.part is not None:
            first, last = z_range or (0, file.grid.dims[2])
            planes = Planes((last - first, *file.grid.shape[1:]), first, partial(self._box, step, name, file.part))
            return cast("np.ndarray", planes)  # as which whoever does not cut it takes it
        with self._reading(file.path):
            return self.parts[name].taken(file.read(frame, self.parts[name].array, z_range))

    def _box(self, step: int, name: str, read: Callable[[int, str, Box], np.ndarray], box: Box) -> np.ndarray:
        file, frame = self.frames[step]
        part = self.parts[name]
        with self._reading(file.path):
            return part.taken(read(frame, part.array, box))

    def components(self, arrays: Mapping[str, int]) -> dict[str, int]:
        """Those of each field, of arrays with so many; DataError where a field is a component that there is not."""
        counts = {}
        for name, part in self.parts.items():
            n = arrays[part.array]
            if part.component not in (None, "mag") and int(part.component) >= n:
                raise DataError(
                    f"{self.frames[0][0].path} has {n} components of {part.array!r}; expected {name!r} to name one "
                    f"of 0 to {n - 1}"
                )
            counts[name] = n if part.component is None else 1
        return counts

    def units(self, units: Mapping[str, str]) -> dict[str, str]:
        """Those of each field, and of the time."""
        own = {name: units[part.array] for name, part in self.parts.items() if part.array in units}
        return {**own, **({"time": units["time"]} if "time" in units else {})}
