"""A series of volumes from the files a scientist has: which files, in which order, at which times."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from hyperinr.filters.readers.arrays import Frames, ZRange, open_npy, open_npz, open_raw
from hyperinr.filters.readers.formats import FORMATS, VTKFiles
from hyperinr.filters.readers.grids import RESAMPLE, upright
from hyperinr.filters.readers.netcdf import ENGINES, CFFiles
from hyperinr.filters.readers.nrrd import open_nrrd
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.volume import VolumeSeries

INDEXES = (".pvd", ".series")
STEPS = (*FORMATS, *ENGINES, ".nrrd", ".nhdr", ".npy", ".npz", ".raw")
#: Suffixes of folders that are one file to the user.
FOLDERS = (".zarr",)
NOT_REGULAR = (
    ".vtu",
    ".pvtu",
    ".vtp",
    ".pvtp",
    ".vts",
    ".pvts",
    ".vtm",
    ".vtmb",
    ".ex2",
    ".exo",
    ".stl",
    ".ply",
    ".cgns",
)

#: A file and the time that an index gives it, None where there is none.
Step = tuple[Path, "float | None"]


def open_series(
    paths: str | os.PathLike | Sequence[str | os.PathLike],
    dims: tuple[int, int, int] | None = None,
    dtype: str | None = None,
    fields: Sequence[str] | None = None,
    components: int = 1,
) -> VolumeSeries:
    """Open time steps without reading more than one of them; the series reads the rest when asked for.

    Times come from the .pvd, .series, NetCDF or .vtkhdf, from `time` in an .npz, or from the field data TimeValue;
    where there are none, the step's index is its time. Numbers in file names only order the files.
    Data on cells becomes points at the cell centres; a file with point data gives its points (unless `fields`
    are all on cells). A single .npy is (z, y, x), (t, z, y, x) or (t, z, y, x, c); of several, each is one step
    (z, y, x) or (z, y, x, c).

    Parameters
    ----------
    paths : a file, a folder, a pattern such as "run/density_*.vti", or several files; a single file that holds
        one step is a static volume.
    dims, dtype : (nx, ny, nz) and NumPy type of .raw files, which hold one or more steps.
    fields : arrays to offer, all when None; also the name for .npy, .raw and .nrrd, whose array has none.
    components : components of .raw and .npy values, interleaved.

    Raises
    ------
    DataError when there is nothing to read, the steps do not fit each other, or a file is broken or not regular.
    """
    steps = _find_steps(paths, dims is not None)
    source = str(paths) if isinstance(paths, (str, os.PathLike)) else f"{steps[0][0]} to {steps[-1][0]}"
    opener = _Opener(dims, dtype, tuple(fields) if fields is not None else None, components, len(steps) > 1)
    files = []
    for path, _ in steps:
        files.append(opener.open(path))
        _check_same(files[0], files[-1])
    first = files[0]
    thetas, frames = _in_time(_timed(files, [time for _, time in steps]))

    def load(step: int, name: str, z_range: ZRange | None) -> np.ndarray:
        file, frame = frames[step]
        with _reading(file.path):
            return file.read(frame, name, z_range)

    arrays = _chosen(first, fields)
    return VolumeSeries(first.grid, thetas, arrays, load, source, units=first.units)


class _Opener:
    """Opens each file of one series with what reads its format."""

    def __init__(
        self,
        dims: tuple[int, int, int] | None,
        dtype: str | None,
        fields: tuple[str, ...] | None,
        components: int,
        many: bool,
    ) -> None:
        self._dims, self._dtype, self._components, self._many = dims, dtype, components, many
        self._name = fields[0] if fields and len(fields) == 1 else "value"
        self._vtk, self._cf = VTKFiles(fields), CFFiles(fields)

    def open(self, path: Path) -> Frames:
        """The steps of one file."""
        suffix = _suffix(path)
        if not path.is_file() and not (suffix in FOLDERS and path.is_dir()):
            raise DataError(f"{path} does not exist; expected a file of one or more time steps, check the path")
        with _reading(path):
            return upright(self._open(path, suffix))

    def _open(self, path: Path, suffix: str) -> Frames:
        if suffix == ".raw" or (self._dims is not None and suffix not in STEPS):
            return self._open_raw(path)
        if self._dims is not None or self._dtype is not None:
            raise DataError(f"{path} says its own dims and dtype; expected them for .raw files only, leave them out")
        if suffix in ENGINES:
            return self._cf.open(path, suffix)
        if suffix in FORMATS:
            return self._vtk.open(path, suffix)
        if suffix in (".nrrd", ".nhdr"):
            return open_nrrd(path, self._name)
        if suffix in (".npy", ".npz"):
            open_array = open_npy if suffix == ".npy" else open_npz
            return open_array(path, self._name, self._components, self._many)
        if suffix in NOT_REGULAR:
            raise DataError(f"{path} is no regular grid; expected image data such as .vti, {RESAMPLE}")
        raise DataError(
            f"{path} has the unknown extension {suffix!r}; expected one of {' '.join((*INDEXES, *STEPS))}, "
            "or dims and dtype for raw data"
        )

    def _open_raw(self, path: Path) -> Frames:
        if self._dims is None or self._dtype is None:
            raise DataError(
                f"{path} is raw data; expected both dims and dtype to read it, such as --dims 64 64 64 --dtype float32"
            )
        return open_raw(path, self._name, self._dims, self._dtype, self._components)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what Python raises over a broken, vanished or forbidden file into one sentence."""
    try:
        yield
    except (OSError, ValueError, KeyError, OverflowError, RuntimeError, EOFError, ParameterError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split()).rstrip(".")
        raise DataError(
            f"{path} cannot be read ({reason}); expected a whole, readable file, check or write it again"
        ) from error


def _is_data(path: Path) -> bool:
    return path.is_file() or (_suffix(path) in FOLDERS and path.is_dir())


def _suffix(path: Path) -> str:
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()


# Which files: a folder, a pattern, an index, a list.


def _find_steps(paths: str | os.PathLike | Sequence, raw: bool) -> list[Step]:
    if isinstance(paths, (str, os.PathLike)):
        return _expand(Path(os.path.expanduser(paths)), raw)
    files = [Path(os.path.expanduser(path)) for path in paths]
    if len(files) == 1:
        return _expand(files[0], raw)
    if not files:
        raise DataError("no files are given; expected the files of the time steps, a folder or a pattern")
    for path in files:
        if (path.is_dir() and _suffix(path) not in FOLDERS) or _suffix(path) in INDEXES:
            raise DataError(f"{path} is one of {len(files)} paths; expected it alone, or only files of single steps")
    return _ordered(files)


def _expand(path: Path, raw: bool) -> list[Step]:
    if path.is_dir() and _suffix(path) not in FOLDERS:
        return _in_folder(path, raw)
    if path.exists():
        return _read_index(path) if _suffix(path) in INDEXES else [(path, None)]
    if not glob.has_magic(str(path)):
        raise DataError(f"{path} does not exist; expected a file, a folder or a pattern of time steps, check the path")
    matches = [Path(name) for name in glob.glob(str(path)) if _is_data(Path(name))]
    if not matches:
        raise DataError(f"{path} matches no file; expected the files of the time steps, check the pattern")
    return _ordered(matches)


def _in_folder(folder: Path, raw: bool) -> list[Step]:
    """The index of a folder, or else its one set of files that differ only in their numbers."""
    files = [path for path in folder.iterdir() if _is_data(path) and not path.name.startswith(".")]
    indexes = [path for path in files if _suffix(path) in INDEXES]
    if indexes:
        files = indexes
    else:
        known = [path for path in files if _suffix(path) in STEPS and (raw or _suffix(path) != ".raw")]
        files = known or [path for path in files if _suffix(path) in (".raw", *NOT_REGULAR)]
    if not files:
        raise DataError(f"{folder} has no time steps; expected files that end in {' '.join((*INDEXES, *STEPS))}")
    kinds = sorted({path.name if indexes else re.sub(r"\d+", "*", path.name) for path in files})
    if len(kinds) > 1:
        listed = ", ".join(kinds[:4]) + (", ..." if len(kinds) > 4 else "")
        raise DataError(f"{folder} has several series ({listed}); expected one, name it or give a pattern in quotes")
    return _read_index(files[0]) if indexes else _ordered(files)


def _ordered(paths: Iterable[Path]) -> list[Step]:
    """Files in natural order, 9 before 10, because a shell hands them over the other way round."""
    paths = sorted(paths, key=_natural)
    for before, after in zip(paths, paths[1:]):
        if before == after:
            raise DataError(f"{after} is given twice; expected every time step once, leave one out")
    return [(path, None) for path in paths]


def _natural(path: Path) -> list[str | int]:
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"([0-9]+)", str(path)))]


def _read_index(path: Path) -> list[Step]:
    """Files and times of a .pvd or .series, in the order of the index."""
    try:
        entries = _pvd_entries(path) if _suffix(path) == ".pvd" else _series_entries(path)
        steps = [(path.parent / name, None if time is None else float(time)) for name, time in entries]
    except (ElementTree.ParseError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise DataError(
            f"{path} cannot be read ({error!r}); expected ParaView's list of files, save it again"
        ) from error
    if not steps:
        raise DataError(f"{path} has no time steps; expected at least one file in it")
    for file, _ in steps:
        if not file.is_file():
            raise DataError(
                f"{path} names {file}, which does not exist; expected all its files beside it, restore them"
            )
    return steps


def _pvd_entries(path: Path) -> list[tuple[str, str | None]]:
    entries = list(ElementTree.parse(path).getroot().iter("DataSet"))
    parts = {entry.get("part", "0") for entry in entries}
    if len(parts) > 1:
        raise DataError(f"{path} has {len(parts)} parts at a time; expected one regular grid, {RESAMPLE}")
    return [(entry.attrib["file"], entry.get("timestep")) for entry in entries]


def _series_entries(path: Path) -> list[tuple[str, float | None]]:
    return [(entry["name"], entry.get("time")) for entry in json.loads(path.read_text(encoding="utf-8"))["files"]]


# At which times, and whether the steps fit each other.


def _timed(files: list[Frames], given: list[float | None]) -> list[tuple[float | None, Frames, int]]:
    """(time, file, frame) of every step; an index's time counts more than the file's own."""
    steps = []
    for file, time in zip(files, given):
        if time is not None and file.n == 1:
            steps.append((time, file, 0))
        else:
            steps.extend((file.times[i] if file.times else None, file, i) for i in range(file.n))
    return steps


def _in_time(steps: list[tuple[float | None, Frames, int]]) -> tuple[np.ndarray, list[tuple[Frames, int]]]:
    """Times, increasing, and the frame of each; DataError when two are equal or only some have one."""
    timeless = [file.path for time, file, _ in steps if time is None]
    if timeless and len(timeless) < len(steps):
        timed = next(file.path for time, file, _ in steps if time is not None)
        raise DataError(f"{timeless[0]} has no time but {timed} has one; expected a time for all steps or for none")
    if timeless:
        return np.arange(float(len(steps))), [(file, frame) for _, file, frame in steps]
    steps = sorted(steps, key=lambda step: step[0])
    for (before, first, i), (time, second, j) in zip(steps, steps[1:]):
        if time == before:
            raise DataError(
                f"{first.path} (step {i}) and {second.path} (step {j}) are both at time {time:g}; "
                "expected each time once, remove one or correct its time"
            )
    return np.array([time for time, _, _ in steps]), [(file, frame) for _, file, frame in steps]


def _check_same(first: Frames, other: Frames) -> None:
    """DataError unless both files have the same grid and arrays."""
    expected, found = first.grid, other.grid
    tolerance = 1e-5 * max(expected.spacing)
    for what in ("dims", "spacing", "direction", "origin"):
        mine, theirs = getattr(expected, what), getattr(found, what)
        if mine != theirs and not (what != "dims" and np.allclose(theirs, mine, rtol=1e-5, atol=tolerance)):
            raise DataError(
                f"{other.path} has {what} {_text(theirs)} but {first.path} has {_text(mine)}; "
                "expected one grid for all steps, resample them to it first"
            )
    if set(first.arrays) != set(other.arrays):
        raise DataError(
            f"{other.path} has the arrays {_names(other)} but {first.path} has {_names(first)}; "
            "expected the same in every step, write them all or leave the odd file out"
        )


def _text(numbers: Iterable[float]) -> str:
    return "(" + ", ".join(f"{number:g}" for number in numbers) + ")"


def _names(file: Frames) -> str:
    return ", ".join(sorted(file.arrays)) or "none"


def _chosen(first: Frames, fields: Sequence[str] | None) -> dict[str, int]:
    """Components of the wanted fields, in the order they were asked for."""
    if fields is None:
        return first.arrays
    for name in fields:
        if name not in first.arrays:
            raise DataError(f"{first.path} has no field {name!r}; expected one of {_names(first)}")
    return {name: first.arrays[name] for name in fields}
