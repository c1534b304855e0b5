"""A series of volumes from the files a scientist has: which files, in which order, at which times."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from hyperinr.filters.readers import meshes, meta_image, nifti, openpmd, tiff, vtkhdf
from hyperinr.filters.readers.arrays import open_npy, open_npz, open_raw
from hyperinr.filters.readers.formats import FORMATS, VTKFiles
from hyperinr.filters.readers.grids import NotRegular
from hyperinr.filters.readers.libraries import in_one_line
from hyperinr.filters.readers.loader import Loader, Part
from hyperinr.filters.readers.netcdf import ENGINES, CFFiles
from hyperinr.filters.readers.nrrd import open_nrrd
from hyperinr.filters.readers.paths import (
    FOLDERS,
    INDEXES,
    READABLE,
    STEPS,
    SURFACES,
    Step,
    find_steps,
    gaps,
    suffix_of,
)
from hyperinr.filters.readers.steps import FileSteps
from hyperinr.filters.readers.upright import upright
from hyperinr_core.errors import BackendError, DataError, ParameterError
from hyperinr_core.volume import VolumeSeries

#: Files whose axes may be called by letters.
LETTERED = (".npy", ".npz", ".nrrd", ".nhdr", *nifti.SUFFIXES, *tiff.SUFFIXES, *ENGINES)

#: The time of a step, None where there is none, its file, and its number in it.
TimedStep = tuple["float | None", FileSteps, int]


def open_series(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    dims: tuple[int, int, int] | None = None,
    dtype: str | None = None,
    fields: Sequence[str] | None = None,
    components: int = 1,
    duplicates: str = "error",
    times: Sequence[float] | None = None,
    axes: str | None = None,
    keep: Path | None = None,
) -> VolumeSeries:
    """Open time steps without reading more than one of them; the series reads the rest when asked for.

    Times come from the .pvd, .series, NetCDF or .vtkhdf, from `time` in an .npz, or from the field data TimeValue;
    where there are none, the step's index is its time. Numbers in file names only order the files.
    Data on cells becomes points at the cell centres; a file with point data gives its points (unless `fields`
    are all on cells). A single .npy is (z, y, x), (t, z, y, x) or (t, z, y, x, c); of several, each is one step
    (z, y, x) or (z, y, x, c), or a part of the series (t, z, y, x).

    Parameters
    ----------
    paths : a file, a folder, a pattern such as "run/density_*.vti", or several files; a single file that holds
        one step is a static volume.
    dims : (nx, ny, nz) of .raw files, which hold one or more steps; or of the points that a mesh is resampled to.
    dtype : NumPy type of .raw files.
    fields : arrays to offer, all when None; also the name for .npy, .raw and .nrrd, whose array has none. "U:0" is a
        component of U, "U:mag" its length.
    components : components of .raw and .npy values, interleaved.
    duplicates : which of several steps at one time counts, "first" or "last" in the files' order; or "error".
    times : of the steps in the files' order, over what the files say.
    axes : letters of t, z, y, x and c for the axes of arrays, slowest first, in formats that say too little of them.
    keep : folder for what is resampled, for another run to find; a temporary one when None.

    Raises
    ------
    DataError when there is nothing to read, the steps do not fit each other, or a file is broken or not regular.
    """
    steps = find_steps(paths, dims is not None)
    source = str(paths) if isinstance(paths, (str, os.PathLike)) else f"{steps[0][0]} to {steps[-1][0]}"
    parts = None if fields is None else {name: Part.of(name) for name in fields}
    arrays = None if parts is None else tuple(dict.fromkeys(part.array for part in parts.values()))
    opener = _Opener(dims, dtype, arrays, components, steps, axes, keep)
    files = []
    for path, _ in steps:
        files.append(opener.open(path))
        _check_same(files[0], files[-1], arrays)
    first = files[0]
    timed = _timed(files, [time for _, time in steps])
    if times is not None:
        timed = _retimed(timed, times)
    thetas, frames, told = _in_time(timed, duplicates)
    loader = Loader(frames, parts or {name: Part(name) for name in first.arrays}, reading)
    missing = gaps([path for path, time in steps if time is None])
    notes = tuple(note for note in (*first.notes, missing, *told) if note)
    n_components = loader.components(_chosen(first, arrays))
    return VolumeSeries(first.grid, thetas, n_components, loader, source, units=loader.units(first.units), notes=notes)


class _Opener:
    """Opens each file of one series with what reads its format."""

    def __init__(
        self,
        dims: tuple[int, int, int] | None,
        dtype: str | None,
        fields: tuple[str, ...] | None,
        components: int,
        steps: Sequence[Step],
        axes: str | None,
        keep: Path | None,
    ) -> None:
        self._dims, self._dtype, self._components, self._many, self._axes = (
            dims,
            dtype,
            components,
            len(steps) > 1,
            axes,
        )
        self._fields = fields
        self._name = fields[0] if fields and len(fields) == 1 else "value"
        self._vtk, self._cf = VTKFiles(fields), CFFiles(fields, dims, axes)
        self._meshes = meshes.Meshes(fields, dims, keep, steps[-1][0], all(time is not None for _, time in steps))
        self._uneven: set[str] = set()  # suffixes of files that turned out to hold no regular grid

    def open(self, path: Path) -> FileSteps:
        """The steps of one file."""
        suffix = suffix_of(path)
        if not path.is_file() and not (suffix in FOLDERS and path.is_dir()):
            raise DataError(f"{path} does not exist; expected a file of one or more time steps, check the path")
        if self._axes and suffix not in LETTERED:
            raise DataError(
                f"{path} leaves no doubt about its axes; expected --axes for {' '.join(LETTERED)} alone, leave it out"
            )
        with reading(path):
            return upright(self._open(path, suffix))

    def _open(self, path: Path, suffix: str) -> FileSteps:
        if suffix in INDEXES:
            return self._meshes.open(path, by_paraview=True)
        if suffix == ".raw" or (self._dims is not None and suffix not in STEPS):
            return self._open_raw(path)
        if suffix in (*meshes.SUFFIXES, *meshes.BY_PARAVIEW, *self._uneven):
            return self._meshes.open(path, suffix in meshes.BY_PARAVIEW)
        may_ask = self._dtype is None and (self._dims is None or suffix in (*meshes.MAYBE, *ENGINES))
        if not may_ask:
            raise self._says_its_own(path)
        try:
            frames = self._open_regular(path, suffix)
        except NotRegular:
            if suffix not in meshes.MAYBE:
                raise
            self._uneven.add(suffix)
            return self._meshes.open(path)
        if self._dims is not None and frames.grid.dims != self._dims:
            raise self._says_its_own(path)
        return frames

    def _says_its_own(self, path: Path) -> DataError:
        return DataError(f"{path} says its own dims and dtype; expected them for .raw files only, leave them out")

    def _open_regular(self, path: Path, suffix: str) -> FileSteps:
        if suffix in ENGINES:
            return self._cf.open(path, suffix)
        if suffix in FORMATS:
            return self._vtk.open(path, suffix)
        if suffix in (".nrrd", ".nhdr"):
            return open_nrrd(path, self._name, self._axes)
        if suffix in nifti.SUFFIXES:
            return nifti.open_nifti(path, self._axes)
        if suffix in vtkhdf.SUFFIXES:
            return vtkhdf.open_vtkhdf(path, self._fields)
        if suffix in openpmd.SUFFIXES:
            return openpmd.open_openpmd(path, self._fields)
        if suffix in tiff.SUFFIXES:
            return tiff.open_tiff(path, self._axes)
        if suffix in meta_image.SUFFIXES:
            return meta_image.open_meta_image(path)
        if suffix == ".npy":
            return open_npy(path, self._name, self._components, self._many, self._axes)
        if suffix == ".npz":
            return open_npz(path, self._name, self._components, self._many, self._fields, self._axes)
        if suffix in SURFACES:
            raise DataError(f"{path} is a surface; expected something with an inside, such as .vti or .vtu")
        raise DataError(
            f"{path} has the unknown extension {suffix!r}; expected one of {READABLE}, or dims and dtype for raw data"
        )

    def _open_raw(self, path: Path) -> FileSteps:
        if self._dims is None or self._dtype is None:
            raise DataError(
                f"{path} is raw data; expected both dims and dtype to read it, such as --dims 64 64 64 --dtype float32"
            )
        return open_raw(path, self._name, self._dims, self._dtype, self._components)


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what is raised over a broken, vanished or forbidden file into one sentence."""
    try:
        yield
    except (DataError, BackendError):
        raise
    except Exception as error:  # libraries raise whatever they stumble over in a damaged file
        raise DataError(
            f"{path} cannot be read ({in_one_line(error)}); expected a whole, readable file, check or write it again"
        ) from error


# At which times, and whether the steps fit each other.


def _timed(files: list[FileSteps], given: list[float | None]) -> list[TimedStep]:
    """(time, file, frame) of every step; an index's time counts more than the file's own."""
    steps: list[TimedStep] = []
    for file, time in zip(files, given):
        if time is not None and file.n == 1:
            steps.append((time, file, 0))
        else:
            steps.extend((file.times[i] if file.times else None, file, i) for i in range(file.n))
    return steps


def _retimed(steps: list[TimedStep], times: Sequence[float]) -> list[TimedStep]:
    if len(times) != len(steps):
        raise ParameterError(f"there are {len(times)} times for {len(steps)} steps; expected one for each")
    return [(float(time), file, frame) for time, (_, file, frame) in zip(times, steps)]


def _in_time(
    steps: list[TimedStep], duplicates: str
) -> tuple[np.ndarray, list[tuple[FileSteps, int]], tuple[str, ...]]:
    """Times, increasing, the frame of each, and what is to be said about them.

    Raises DataError when two are equal and none of them is to count, or only some steps have a time.
    """
    timed = [(time, file, frame) for time, file, frame in steps if time is not None]
    if timed and len(timed) < len(steps):
        timeless = next(file.path for time, file, _ in steps if time is None)
        raise DataError(
            f"{timeless} has no time but {timed[0][1].path} has one; expected a time for all steps or for none"
        )
    if not timed:
        return np.arange(float(len(steps))), [(file, frame) for _, file, frame in steps], ()
    kept: list[tuple[float, FileSteps, int]] = []
    n_equal = 0
    for step in sorted(timed, key=lambda step: step[0]):
        if not kept or step[0] != kept[-1][0]:
            kept.append(step)
            continue
        n_equal += 1
        if duplicates == "error":
            raise _at_one_time(kept[-1], step)
        if duplicates == "last":
            kept[-1] = step
    told = (f"{n_equal} steps are left out for the {duplicates} ones at their times",) if n_equal else ()
    return np.array([time for time, _, _ in kept]), [(file, frame) for _, file, frame in kept], told


def _at_one_time(one: TimedStep, other: TimedStep) -> DataError:
    (time, first, i), (_, second, j) = one, other
    return DataError(
        f"{first.path} (step {i}) and {second.path} (step {j}) are both at time {time!r}; "
        "expected each time once, remove one, correct its time, or say --duplicates first or last"
    )


def _check_same(first: FileSteps, other: FileSteps, fields: Sequence[str] | None) -> None:
    """DataError unless both files have the same grid and arrays, or the wanted ones of these."""
    expected, found = first.grid, other.grid
    tolerance = 1e-5 * max(expected.spacing)
    for what in ("dims", "spacing", "direction", "origin"):
        mine, theirs = getattr(expected, what), getattr(found, what)
        if mine != theirs and not (what != "dims" and np.allclose(theirs, mine, rtol=1e-5, atol=tolerance)):
            raise DataError(
                f"{other.path} has {what} {_text(theirs)} but {first.path} has {_text(mine)}; "
                "expected one grid for all steps, resample them to it first"
            )
    if fields is None and set(first.arrays) != set(other.arrays):
        raise DataError(
            f"{other.path} has the arrays {_names(other)} but {first.path} has {_names(first)}; "
            "expected the same in every step, choose among them with --field or leave the odd file out"
        )
    _chosen(other, fields)


def _text(numbers: Iterable[float]) -> str:
    return "(" + ", ".join(f"{number:.9g}" for number in numbers) + ")"


def _names(file: FileSteps) -> str:
    return ", ".join(sorted(file.arrays)) or "none"


def _chosen(file: FileSteps, fields: Sequence[str] | None) -> dict[str, int]:
    """Components of the wanted fields, in the order they were asked for."""
    if fields is None:
        return file.arrays
    for name in fields:
        if name not in file.arrays:
            raise DataError(f"{file.path} has no field {name!r}; expected one of {_names(file)}")
    return {name: file.arrays[name] for name in fields}
