"""Which files the steps of a series are, and in which order: a folder, a pattern, an index or a list."""

from __future__ import annotations

import glob
import json
import os
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from hyperinr.filters.readers import meshes, meta_image, nifti, openpmd, tiff, vtkhdf
from hyperinr.filters.readers.formats import FORMATS
from hyperinr.filters.readers.netcdf import ENGINES
from hyperinr_core.errors import DataError

INDEXES = (".pvd", ".series")
STEPS = (
    *(*FORMATS, *ENGINES, *vtkhdf.SUFFIXES, *openpmd.SUFFIXES, *nifti.SUFFIXES, *meta_image.SUFFIXES, *tiff.SUFFIXES),
    *(".nrrd", ".nhdr", ".npy", ".npz", ".raw"),
    *(*meshes.SUFFIXES, *meshes.BY_PARAVIEW),
)
#: What may be read, in words.
READABLE = " ".join(
    (*INDEXES, *(suffix for suffix in STEPS if suffix not in (*meshes.SUFFIXES, *meshes.BY_PARAVIEW)))
) + (", or a mesh such as .vtu .vtm .ex2 .foam .xdmf")
#: Suffixes of folders that are one file to the user.
FOLDERS = (".zarr", ".bp")
#: Surfaces, which have no inside.
SURFACES = (".vtp", ".pvtp", ".stl", ".ply")

#: A number in a file's name.
_NUMBER = re.compile(
    r"""(?:(?<![A-Za-z0-9])-)?               # a sign, unless it separates words or numbers
    (?:(?<!\d\.)\d+\.\d+(?!\.?\d)|\d+)     # decimals, unless of three parts as in 1.2.3
    (?:[eE][-+]?\d+(?![A-Za-z0-9]))?""",
    re.VERBOSE,
)

#: A file and the time that an index gives it, None where there is none.
Step = tuple[Path, "float | None"]


def find_steps(paths: str | os.PathLike | Sequence, raw: bool) -> list[Step]:
    """The files of a series in their order; `raw` says that files of any name may hold raw data.

    Raises DataError when there are none, or several series.
    """
    if isinstance(paths, (str, os.PathLike)):
        return _expand(Path(os.path.expanduser(paths)), raw)
    files = [Path(os.path.expanduser(path)) for path in paths]
    if len(files) == 1:
        return _expand(files[0], raw)
    if not files:
        raise DataError("no files are given; expected the files of the time steps, a folder or a pattern")
    for path in files:
        if (path.is_dir() and suffix_of(path) not in FOLDERS) or suffix_of(path) in INDEXES:
            raise DataError(f"{path} is one of {len(files)} paths; expected it alone, or only files of single steps")
    return _ordered(files)


def _expand(path: Path, raw: bool) -> list[Step]:
    if path.is_dir() and suffix_of(path) not in FOLDERS:
        return _in_folder(path, raw)
    if path.exists():
        return _read_index(path) if suffix_of(path) in INDEXES else [(path, None)]
    if not glob.has_magic(str(path)):
        raise DataError(f"{path} does not exist; expected a file, a folder or a pattern of time steps, check the path")
    matches = [Path(name) for name in glob.glob(str(path)) if _is_data(Path(name))]
    if not matches:
        raise DataError(f"{path} matches no file; expected the files of the time steps, check the pattern")
    return _ordered(matches)


def _in_folder(folder: Path, raw: bool) -> list[Step]:
    """The index of a folder, or else its one set of files that differ only in their numbers."""
    files = [path for path in folder.iterdir() if _is_data(path) and not path.name.startswith(".")]
    indexes = [path for path in files if suffix_of(path) in INDEXES]
    if indexes:
        files = indexes
    else:
        known = [path for path in files if suffix_of(path) in STEPS and (raw or suffix_of(path) != ".raw")]
        files = known or [path for path in files if suffix_of(path) in (".raw", *SURFACES)]
    if not files:
        raise DataError(f"{folder} has no time steps; expected files that end in {READABLE}")
    kinds = sorted({path.name if indexes else _NUMBER.sub("*", path.name) for path in files})
    if len(kinds) > 1:
        listed = ", ".join(kinds[:4]) + (", ..." if len(kinds) > 4 else "")
        raise DataError(f"{folder} has several series ({listed}); expected one, name it or give a pattern in quotes")
    return _read_index(files[0]) if indexes else _ordered(files)


def _ordered(paths: Iterable[Path]) -> list[Step]:
    """Files in the order of their numbers: a shell hands over 10 before 9, and 0.1 before 0.05."""
    paths = list(paths)
    keys = {tuple(_natural(path, _NUMBER)) for path in paths}
    # 1.1 and 1.10 in one set are no decimals
    number = _NUMBER if len(keys) == len(set(paths)) else re.compile(r"\d+")
    paths.sort(key=lambda path: (_natural(path, number), str(path)))
    for before, after in zip(paths, paths[1:]):
        if before == after:
            raise DataError(f"{after} is given twice; expected every time step once, leave one out")
    return [(path, None) for path in paths]


def _natural(path: Path, number: re.Pattern[str]) -> list[str | Decimal]:
    text = str(path)
    key: list[str | Decimal] = []
    end = 0
    for match in number.finditer(text):
        key += [text[end : match.start()], Decimal(match[0])]
        end = match.end()
    return [*key, text[end:]]


def gaps(paths: Sequence[Path]) -> str:
    """A sentence on the numbers that are missing among those that order the files; nothing when none are."""
    keys = [_natural(path, _NUMBER) for path in paths]
    varying = [column for column in zip(*keys) if len(set(column)) > 1] if len({len(key) for key in keys}) == 1 else []
    if len(varying) != 1 or not all(isinstance(value, Decimal) for value in varying[0]):
        return ""
    steps = [after - before for before, after in zip(varying[0], varying[0][1:])]
    (usual, count), *_ = Counter(steps).most_common(1) or [(None, 0)]
    odd = [index for index, step in enumerate(steps) if step != usual]
    if not odd or count <= len(odd):
        return ""
    pairs = ", ".join(f"{paths[index].name} and {paths[index + 1].name}" for index in odd[:3])
    return (
        f"the files' numbers go up by {usual} but not between {pairs}{', ...' if len(odd) > 3 else ''}: "
        "files may be missing there"
    )


def _read_index(path: Path) -> list[Step]:
    """Files and times of a .pvd or .series, in the order of the index."""
    try:
        entries = _pvd_entries(path) if suffix_of(path) == ".pvd" else _series_entries(path)
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
    if suffix_of(path) == ".pvd" and len({time for _, time in steps}) < len(steps):
        parts = {entry.get("part", "0") for entry in ElementTree.parse(path).getroot().iter("DataSet")}
        if len(parts) > 1:  # several files make a step, which ParaView puts together
            return [(path, None)]
    return steps


def _pvd_entries(path: Path) -> list[tuple[str, str | None]]:
    return [
        (entry.attrib["file"], entry.get("timestep")) for entry in ElementTree.parse(path).getroot().iter("DataSet")
    ]


def _series_entries(path: Path) -> list[tuple[str, float | None]]:
    return [(entry["name"], entry.get("time")) for entry in json.loads(path.read_text(encoding="utf-8"))["files"]]


def _is_data(path: Path) -> bool:
    return path.is_file() or (suffix_of(path) in FOLDERS and path.is_dir())


def suffix_of(path: Path) -> str:
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else path.suffix.lower()
