"""NRRD volumes (http://teem.sourceforge.net/nrrd/format.html), their headers read by pynrrd.

VTK's reader takes the first axis for components whenever it is short, hangs on a truncated header and crashes on
a plane (seen in VTK 9.2 and 9.7). pynrrd reads whole files only, so that the data is read here.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.blocks import Block, check_letters
from hyperinr.filters.readers.libraries import in_one_line, library
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

_TYPES = {
    "int8": ("signed char", "int8", "int8_t"),
    "uint8": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "int16": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "uint16": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "int32": ("int", "signed int", "int32", "int32_t"),
    "uint32": ("uint", "unsigned int", "uint32", "uint32_t"),
    "int64": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "uint64": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "float32": ("float",),
    "float64": ("double",),
}
_PACKINGS = {"raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"}
_SPATIAL, _TIMES = ("domain", "space"), ("time", "list")

#: Most components that an axis of unknown kind is taken for.
_FEW = 4


def open_nrrd(path: Path, name: str, axes: str | None = None) -> FileSteps:
    """The steps of a .nrrd or .nhdr file.

    Parameters
    ----------
    axes : letters of t, z, y, x and c for the axes, slowest first, over what the header says.
    """
    header, end = _header(path)
    sizes = [int(size) for size in _required(header, "sizes", path)]
    if min(sizes, default=0) < 1:
        raise DataError(f"{path} has sizes {sizes}; expected numbers of at least 1, save it again")
    letters = axes or _axes(header, sizes, path)[::-1]
    check_letters(letters, sizes, path)
    data, start = (path, end) if "data file" not in header else _data_file(header, path)
    encoding = str(_required(header, "encoding", path)).lower()
    if encoding not in _PACKINGS:
        raise DataError(f"{path} has encoding {encoding!r}; expected raw, gzip or bzip2, save it as one of them")
    kind = _dtype(header, path)
    if start < 0:
        start = data.stat().st_size - math.prod(sizes) * kind.itemsize
    block = Block(data, start, kind, tuple(sizes[::-1]), letters, _PACKINGS[encoding])

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        return block.read(frame, z_range)

    times, units = _times(header, letters[::-1], block.size("t"))
    grid = _grid(header, block.dims, letters[::-1])
    return FileSteps(path, grid, {name: block.size("c")}, read, block.size("t"), times, units)


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The fields, under one name each, and where the data starts in the file."""
    nrrd = library("nrrd", "NRRD")
    with open(path, "rb") as file:
        content = file.read(1 << 20)
    if not content.startswith(b"NRRD"):
        raise DataError(f"{path} does not start with NRRD; expected a NRRD file, write or download it again")
    end = re.search(rb"\r?\n\r?\n", content)
    # a header in a file of its own may end with it
    text = content[: end.end()] if end else content.rstrip() + b"\n\n"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fields = nrrd.read_header(io.BytesIO(text.replace(b"\r\n", b"\n")))
    except (nrrd.NRRDError, ValueError, StopIteration, IndexError) as error:
        raise DataError(
            f"{path} cannot be read ({in_one_line(error)}); expected a whole NRRD header, write it again"
        ) from error
    spelled = {"datafile": "data file", "byteskip": "byte skip", "lineskip": "line skip"}
    header = {spelled.get(key.lower(), key.lower()): value for key, value in fields.items()}
    if end is None and "data file" not in header:
        raise DataError(f"{path} ends within its header; expected data after it, write or download it again")
    return header, end.end() if end else 0


def _required(header: dict[str, Any], key: str, path: Path) -> Any:
    if key not in header:
        raise DataError(f"{path} has no {key!r} in its header; expected a complete NRRD header, write it again")
    return header[key]


def _axes(header: dict[str, Any], sizes: list[int], path: Path) -> str:
    """What each axis is, fastest first: by its kind, or by being in space or not."""
    kinds = [str(kind).lower() for kind in header.get("kinds", [])] or [""] * len(sizes)
    kinds = [re.sub(r"^(none|\?+)$", "", kind) for kind in kinds]
    outside = [bool(np.isnan(vector).all()) for vector in _directions(header)] or [False] * len(sizes)
    found: dict[int, str] = {}
    for axis, (kind, is_outside) in enumerate(zip(kinds, outside)):
        if kind in _TIMES:
            found[axis] = "t"
        elif kind not in (*_SPATIAL, ""):
            found[axis] = "c"
        elif is_outside:
            found[axis] = "c" if axis == 0 and sizes[axis] <= _FEW else "t"
    spatial = [axis for axis in range(len(sizes)) if axis not in found]
    if len(spatial) == 5 and not found:
        found[spatial.pop(0)] = "c"
    if len(spatial) == 4 and "t" not in found.values():
        # without kinds, a short first axis holds the components
        leads = not any(kinds) and sizes[0] <= _FEW and not found
        found[spatial.pop(0 if leads else -1)] = "c" if leads else "t"
    letters = list(found.values())
    if len(spatial) not in (2, 3) or len(set(letters)) < len(letters):
        raise DataError(
            f"{path} has kinds {' '.join(kinds).strip() or 'not given'} for sizes {sizes}; expected two or three axes of "
            "space, at most one of time and one of components"
        )
    found.update(zip(spatial, "xyz"))
    return "".join(found[axis] for axis in range(len(sizes)))


def _directions(header: dict[str, Any]) -> list[np.ndarray]:
    """A vector for each axis, NaN for one that is not in space; empty where the header has none."""
    vectors = header.get("space directions")
    if vectors is None:
        return []
    width = max((len(vector) for vector in vectors if vector is not None), default=3)
    return [np.full(width, np.nan) if vector is None else np.asarray(vector, np.float64) for vector in vectors]


def _grid(header: dict[str, Any], dims: tuple[int, int, int], letters: str) -> Grid:
    """Spacing and rotation from `space directions`, or `spacings` without rotation."""
    axes = [letters.index(axis) for axis in "xyz" if axis in letters]
    origin = np.asarray(header.get("space origin", ()), np.float64)
    origin = origin[:3] if len(origin) >= 3 and np.isfinite(origin[:3]).all() else np.zeros(3)
    vectors = [vector[:3] for vector in _directions(header)]
    if len(axes) == 3 and vectors and np.isfinite([vectors[axis] for axis in axes]).all() and len(vectors[0]) == 3:
        columns = np.array([vectors[axis] for axis in axes])
        spacing = np.linalg.norm(columns, axis=1)
        spacing = np.where(spacing > 0, spacing, 1.0)
        return Grid(dims, tuple(origin), tuple(spacing), tuple((columns / spacing[:, None]).T.ravel()))
    steps = np.asarray(header.get("spacings", ()), np.float64)
    spacing = [steps[axis] if axis < len(steps) else 1.0 for axis in axes]
    spacing = [step if np.isfinite(step) and step else 1.0 for step in spacing]
    return Grid(dims, tuple(origin), tuple((*spacing, 1.0)[:3]))


def _times(header: dict[str, Any], letters: str, n: int) -> tuple[tuple[float, ...] | None, dict[str, str]]:
    """Times of the steps as the header has them, and their unit; ITK's and Slicer's ways of saying them are known."""
    if "t" not in letters:
        return None, {}
    axis = letters.index("t")
    unit = str(header.get(f"axis {axis} index unit", "")).strip()
    values = str(header.get(f"axis {axis} index values", "")).split()
    if len(values) == n:
        try:
            return tuple(float(value) for value in values), {"time": unit} if unit else {}
        except ValueError:
            return None, {}
    vectors, spacings = _directions(header), np.asarray(header.get("spacings", ()), np.float64)
    step = spacings[axis] if axis < len(spacings) else np.nan
    start = float(np.asarray(header["axis mins"], np.float64)[axis]) if "axis mins" in header else 0.0
    if axis < len(vectors) and len(vectors[axis]) > 3:
        step, start = vectors[axis][3], float(np.asarray(header.get("space origin", np.zeros(4)), np.float64)[3])
    if not (np.isfinite([step, start]).all() and step > 0):
        return None, {}
    return tuple((start + step * np.arange(n)).tolist()), {}


def _dtype(header: dict[str, Any], path: Path) -> np.dtype:
    name = str(_required(header, "type", path)).lower()
    kind = next((kind for kind, names in _TYPES.items() if name in names), None)
    if kind is None:
        raise DataError(f"{path} has type {name!r}; expected a number such as uchar, short, float or double")
    return np.dtype(kind).newbyteorder(">" if str(header.get("endian", "little")).lower() == "big" else "<")


def _data_file(header: dict[str, Any], path: Path) -> tuple[Path, int]:
    """The file a detached header points to, and the bytes to skip in it, -1 for all before the data."""
    name = str(header["data file"])
    data = path.parent / name
    if not data.is_file():
        raise DataError(
            f"{path} has its data in {name!r}, which is no file beside it; expected one data file, restore it"
        )
    skip = int(header.get("byte skip", 0))
    if skip < -1 or int(header.get("line skip", 0)):
        raise DataError(f"{path} skips lines of {name}; expected `byte skip` alone, save it anew")
    return data, skip
