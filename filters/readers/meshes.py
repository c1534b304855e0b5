"""Steps in meshes of any kind that VTK or ParaView reads, resampled to a regular grid by processes of their own."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import shutil
import tempfile
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.grids import MOST_POINTS
from hyperinr.filters.readers.loader import Loader
from hyperinr.filters.readers.netcdf import check_classic_size
from hyperinr.filters.readers.sides import fingerprint
from hyperinr.filters.readers.steps import FileSteps, ZRange, wants_cells
from hyperinr.filters.readers.workers import Lacking, Workers, workers
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid, VolumeSeries

logger = logging.getLogger("hyperinr")

#: Suffixes of meshes that VTK reads.
SUFFIXES = (
    *(".vtu", ".pvtu", ".vts", ".pvts", ".vtm", ".vtmb", ".vtpd", ".vtpc", ".vth", ".vthb", ".htg"),
    *(".ex2", ".exo", ".e", ".g", ".cgns", ".case", ".encas", ".foam", ".xdmf", ".xmf"),
)
#: Those that ParaView alone has a reader for.
BY_PARAVIEW = (
    *(".bp", ".boundary", ".cas", ".cube", ".flash", ".hierarchy", ".inp", ".k", ".mfx", ".mrc", ".nek5000", ".p3d"),
    *(".pht", ".pio", ".spcth", ".tec", ".tp"),
)

#: Those of formats that hold regular grids as well, and are tried as such first.
MAYBE = (".vtr", ".pvtr", ".vtk", ".vtkhdf")

#: Files of fields of steps that are kept where nobody wants them later.
MOST_TEMPORARY = 64

#: Cells along an axis beyond which a box is rather of a point that lies far off.
MOST_ALONG = 100_000


class _Folder:
    """A folder that stays, or a temporary one of the latest files, which goes when nobody holds it any more."""

    def __init__(self, path: Path | None) -> None:
        self._latest: deque[Path] | None = None if path else deque()
        if path is not None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path = Path(tempfile.mkdtemp(prefix="hyperinr-"))
            weakref.finalize(self, shutil.rmtree, path, True)
        self.path = path

    def add(self, files: Sequence[Path]) -> None:
        """Tell of new files, for which the oldest of a temporary folder go."""
        if self._latest is not None:
            self._latest.extend(files)
            while len(self._latest) > MOST_TEMPORARY:
                # on Windows one that somebody has mapped stays; it goes with the folder
                with contextlib.suppress(PermissionError):
                    self._latest.popleft().unlink(missing_ok=True)


class Meshes:
    """Opens the files of one series: the first and the last tell the grid of all, and the first the fields.

    Attributes
    ----------
    fields : those wanted, all on points when None; those on cells where there are no others, or all wanted ones are there.
    dims : (nx, ny, nz) of the grid; those that resolve most cells when None.
    folder : where resampled steps are kept for another run; a temporary one when None.
    last : the last file. is_timed : the times of all files are known, so that none is read for its own.
    """

    def __init__(
        self,
        fields: Sequence[str] | None,
        dims: tuple[int, int, int] | None,
        folder: Path | None,
        last: Path | None = None,
        is_timed: bool = False,
    ) -> None:
        self._fields, self._dims, self._folder, self._last, self._is_timed = fields, dims, folder, last, is_timed
        self._kept: _Folder | None = None
        self._first: dict[str, Any] | None = None

    def open(self, path: Path, by_paraview: bool = False) -> FileSteps:
        """The steps of one file; DataError when it is broken or fills no space."""
        check_classic_size(path)
        try:
            return self._open(path, by_paraview)
        except Lacking:
            if by_paraview:
                raise
            return self._open(path, True)

    def _open(self, path: Path, by_paraview: bool) -> FileSteps:
        helpers, state = workers(by_paraview), fingerprint(path)
        notes: tuple[str, ...] = ()
        if self._first is None:
            self._first = told = self._described(helpers, path, state)
            notes = (self._note(path, told),)
        elif self._is_timed or self._first["moment"] is None:
            told = helpers.ask(path, "describe", state, frames=[0], times_only=True)
        else:
            told = helpers.ask(path, "describe", state, frames=[0], times_only=False)
        grid, arrays = self._first["grid"], self._first["arrays"]
        times = told["times"] or ([told["moment"]] if told.get("moment") is not None else None)
        n = len(times or (0,))
        self._kept = self._kept or _Folder(self._folder)
        made = _Resampled(path, state, grid, self._first["on_cells"], self._kept, helpers)
        return FileSteps(
            path, grid, arrays, made.read, n, None if times is None else tuple(times), {}, notes, made.prepare
        )

    def _described(self, helpers: Workers, path: Path, state: str) -> dict[str, Any]:
        told = helpers.ask(path, "describe", state, frames=[0, -1], times_only=False)
        bounds = np.array(told["bounds"])
        if self._last is not None and self._last != path:
            state = fingerprint(self._last)
            other = np.array(helpers.ask(self._last, "describe", state, frames=[-1], times_only=False)["bounds"])
            bounds[::2], bounds[1::2] = np.minimum(bounds[::2], other[::2]), np.maximum(bounds[1::2], other[1::2])
        points, cells, wanted = told["points"], told["cells"], set(self._fields or ())
        if wanted - set(points) - set(cells):
            known = ", ".join(sorted({*points, *cells})) or "none"
            raise DataError(
                f"{path} has no field {sorted(wanted - set(points) - set(cells))[0]!r}; expected one of {known}"
            )
        on_cells = wants_cells(path, points, cells, wanted)
        arrays = cells if on_cells else points
        if not arrays:
            raise DataError(f"{path} has a mesh without numeric arrays; expected at least one on its points or cells")
        grid = grid_over(bounds.tolist(), told["sizes"], on_cells, self._dims)
        return {**told, "on_cells": on_cells, "arrays": arrays, "grid": grid}

    def _note(self, path: Path, told: dict[str, Any]) -> str:
        blocks = f" in {told['n_blocks']} blocks" if told["n_blocks"] > 1 else ""
        where = "cells" if told["on_cells"] else "points"
        dims = " x ".join(map(str, told["grid"].dims))
        asked = "as asked" if self._dims else "as fine as its cells; --dims nx ny nz for another"
        if not self._dims and told["grid"].n_points > 0.9 * MOST_POINTS:
            asked = "coarser than its cells; --dims nx ny nz for another"
        return (
            f"{path.name} is a mesh of {told['n_cells']} cells{blocks}; what its {where} hold is resampled to {dims} points, "
            f"{asked}"
        )


def grid_over(
    bounds: Sequence[float], sizes: Sequence[float], on_cells: bool, dims: tuple[int, int, int] | None
) -> Grid:
    """The grid of a box: points on its faces, or for values of cells, in the middle of equal parts.

    Parameters
    ----------
    bounds : x0, x1, y0, y1, z0, z1. sizes : typical cells along the axes. dims : over what follows from these.

    Raises DataError for a box that is flat along two axes, or much larger than its cells.
    """
    lengths = np.array([bounds[2 * axis + 1] - bounds[2 * axis] for axis in range(3)])
    flat = lengths <= 1e-9 * lengths.max()
    if flat.sum() > 1:
        raise DataError(f"the mesh has the bounds {tuple(bounds)}; expected an extent along two axes at least")
    parts = np.ones(3)
    parts[~flat] = lengths[~flat] / np.maximum(np.array(sizes)[~flat], 1e-6 * lengths[~flat])
    if dims is None and parts.max() > MOST_ALONG:
        axis = int(parts.argmax())
        raise DataError(
            f"the mesh is {lengths[axis]:.6g} long along {'xyz'[axis]} and a usual cell {sizes[axis]:.6g}; expected at most "
            f"{MOST_ALONG} cells along an axis, mend a point that lies far off, or name the --dims to resample to"
        )
    if math.prod(parts) > MOST_POINTS:
        # the shortest axes may be of one part, which then shrinks no further
        for _ in range(3):
            free = parts > 1
            parts[free] *= (MOST_POINTS / math.prod(parts)) ** (1 / free.sum())
            parts = np.maximum(parts, 1)
    counts = np.maximum(np.floor(parts + 0.5), 1).astype(int)
    counts = np.array(dims) if dims else np.where(flat, 1, counts + (0 if on_cells else 1))
    steps = np.where(flat, 1.0, lengths / np.maximum(counts if on_cells else counts - 1, 1))
    middle = on_cells | (counts == 1)
    starts = np.asarray(bounds[::2]) + np.where(middle & ~flat, steps / 2, 0)
    return Grid(counts.tolist(), starts.tolist(), steps.tolist())


class _Resampled:
    """The steps of one mesh, made when they are asked for and kept in files."""

    def __init__(self, path: Path, state: str, grid: Grid, on_cells: bool, kept: _Folder, helpers: Workers) -> None:
        self._path, self._grid, self._on_cells, self._kept, self._helpers = path, grid, on_cells, kept, helpers
        self._is_beyond = False
        self._state = state
        self._key = repr((state, grid, on_cells))

    def read(self, frame: int, name: str, z_range: ZRange | None) -> np.ndarray:
        """(nz, ny, nx[, c]) with NaN outside the mesh."""
        self.prepare(frame, [name])
        values = np.load(self._file(frame, name), mmap_mode="r")
        return np.asarray(values[slice(*(z_range or (None,)))])

    def prepare(self, frame: int, names: Sequence[str]) -> None:
        """Resample fields of a step unless that is done."""
        missing = [name for name in names if not self._file(frame, name).exists()]
        if not missing:
            return
        grid = {"dims": self._grid.dims, "origin": self._grid.origin, "spacing": self._grid.spacing}
        answer = self._helpers.ask(
            self._path,
            "resample",
            self._state,
            frame=frame,
            names=missing,
            on_cells=self._on_cells,
            grid=grid,
            outputs=[str(self._file(frame, name).absolute()) for name in missing],
        )
        self._kept.add([self._file(frame, name) for name in missing])
        self._check_inside(frame, answer["bounds"])

    def _check_inside(self, frame: int, bounds: Sequence[float]) -> None:
        """Warn of a mesh that has moved out of the grid, once for a file."""
        low = np.array(self._grid.origin) - self._grid.spacing
        high = low + np.multiply(self._grid.spacing, np.array(self._grid.dims) + 1)
        if not self._is_beyond and ((bounds[::2] < low).any() or (bounds[1::2] > high).any()):
            self._is_beyond = True
            logger.warning(
                "step %d of %s reaches from %s to %s, out of the grid that holds the first and the last step",
                *(frame, self._path, tuple(bounds[::2]), tuple(bounds[1::2])),
            )

    def _file(self, frame: int, name: str) -> Path:
        digest = hashlib.sha256(f"{self._key} {frame} {name}".encode()).hexdigest()
        return self._kept.path / f"{digest[:24]}.npy"


def prepare(series: VolumeSeries, steps: Sequence[int], progress: Callable[[float, float], object]) -> None:
    """Resample steps of a series in as many processes as there are CPUs; nothing is to do where nothing is resampled."""
    if not isinstance(series.loader, Loader):
        return
    names = series.loader.arrays
    makers = [(file.prepare, frame) for file, frame in (series.loader.frames[step] for step in steps) if file.prepare]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for done, _ in enumerate(pool.map(lambda maker: maker[0](maker[1], names), makers)):
            progress(done + 1.0, float(len(makers)))
