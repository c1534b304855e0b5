"""NRRD volumes (http://teem.sourceforge.net/nrrd/format.html).

VTK's reader takes the first axis for components whenever it is short, hangs on a truncated header and crashes on
a plane (seen in VTK 9.2 and 9.7), so this one is ours.
"""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np

from hyperinr.filters.readers.arrays import Frames, ZRange
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


def open_nrrd(path: Path, name: str) -> Frames:
    """The step of a .nrrd or .nhdr file; an axis that is not spatial holds the components and must come first."""
    header, start = _header(path)
    sizes = [int(size) for size in _required(header, "sizes", path).split()]
    leading = _leading_components(header, sizes, path)
    spatial = sizes[leading:]
    if len(spatial) not in (2, 3) or min(sizes) < 1:
        raise DataError(f"{path} has sizes {sizes}; expected two or three spatial axes, save it as such")
    grid = _grid(header, (*spatial, 1)[:3], leading)
    shape = (*grid.shape, sizes[0] if leading else 1)
    kind = _dtype(header, path)
    encoding = _required(header, "encoding", path).lower()
    if encoding not in ("raw", "gzip", "gz"):
        raise DataError(f"{path} has encoding {encoding!r}; expected raw or gzip, save it as one of them")
    data, start = (path, start) if start is not None else _data_file(header, path)
    read_block = _raw_block if encoding == "raw" else _gzip_block

    def read(_: int, __: str, z_range: ZRange | None) -> np.ndarray:
        return read_block(data, start, kind, shape, *(z_range or (0, shape[0])))

    return Frames(path, grid, {name: shape[3]}, read)


def _header(path: Path) -> tuple[dict[str, str], int | None]:
    """Fields by name in lower case, and where the data starts; None when it lies in another file."""
    with open(path, "rb") as file:
        if not file.readline(16).startswith(b"NRRD"):
            raise DataError(f"{path} does not start with NRRD; expected a NRRD file, write or download it again")
        fields = {}
        for line in iter(lambda: file.readline(65536), b""):
            text = line.decode("latin-1").strip()
            if not text:
                return fields, None if _names_data(fields) else file.tell()
            match = re.match(r"([^:=#][^:=]*): (.*)", text)
            if match:
                fields[match[1].strip().lower()] = match[2].strip()
    if not _names_data(fields):
        raise DataError(f"{path} ends within its header; expected data after it, write or download it again")
    return fields, None


def _names_data(fields: dict[str, str]) -> bool:
    return "data file" in fields or "datafile" in fields


def _required(header: dict[str, str], key: str, path: Path) -> str:
    if key not in header:
        raise DataError(f"{path} has no {key!r} in its header; expected a complete NRRD header, write it again")
    return header[key]


def _leading_components(header: dict[str, str], sizes: list[int], path: Path) -> int:
    """How many axes, none or one, come before the spatial ones."""
    kinds = header.get("kinds", "").lower().split() or ["domain"] * len(sizes)
    vectors = re.findall(r"\([^)]*\)|none", header.get("space directions", ""))
    other = {axis for axis, kind in enumerate(kinds) if kind not in ("domain", "space", "???", "none")}
    other |= {axis for axis, vector in enumerate(vectors) if vector == "none"}
    if len(sizes) == 4 and not other:
        other = {0}
    if other not in (set(), {0}) or "time" in kinds:
        raise DataError(
            f"{path} has kinds {header.get('kinds', 'not given')} for sizes {sizes}; "
            "expected two or three spatial axes after at most one of components, save one file per time step"
        )
    return len(other)


def _grid(header: dict[str, str], dims: tuple[int, ...], leading: int) -> Grid:
    """Spacing and rotation from `space directions`, or `spacings` without rotation."""
    vectors = [_numbers(vector) for vector in re.findall(r"\([^)]*\)", header.get("space directions", ""))]
    origin = _numbers(header.get("space origin", ""))
    origin = tuple(origin) if len(origin) == 3 else (0.0, 0.0, 0.0)
    if [len(vector) for vector in vectors] == [3, 3, 3]:
        spacing = [math.hypot(*vector) or 1.0 for vector in vectors]
        columns = np.array(vectors) / np.array(spacing)[:, None]
        return Grid(dims, origin, tuple(spacing), tuple(columns.T.ravel()))
    spacing = [float(step) for step in header.get("spacings", "").split()][leading:]
    spacing = [step if math.isfinite(step) and step else 1.0 for step in spacing]
    return Grid(dims, origin, tuple((*spacing, 1.0, 1.0, 1.0)[:3]))


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.strip("()").split(",") if number.strip()]


def _dtype(header: dict[str, str], path: Path) -> np.dtype:
    name = _required(header, "type", path).lower()
    kind = next((kind for kind, names in _TYPES.items() if name in names), None)
    if kind is None:
        raise DataError(f"{path} has type {name!r}; expected a number such as uchar, short, float or double")
    return np.dtype(kind).newbyteorder(">" if header.get("endian", "little").lower() == "big" else "<")


def _data_file(header: dict[str, str], path: Path) -> tuple[Path, int]:
    """The file a detached header points to, and the bytes to skip in it."""
    name = header.get("data file", header.get("datafile", ""))
    data = path.parent / name
    if not data.is_file():
        raise DataError(
            f"{path} has its data in {name!r}, which is no file beside it; expected one data file, restore it"
        )
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    if skip < 0 or int(header.get("line skip", header.get("lineskip", 0))):
        raise DataError(
            f"{path} skips lines or counts bytes from the end; expected `byte skip` of at least 0, save it anew"
        )
    return data, skip


def _raw_block(data: Path, start: int, kind: np.dtype, shape: tuple[int, ...], z0: int, z1: int) -> np.ndarray:
    found, expected = data.stat().st_size - start, math.prod(shape) * kind.itemsize
    if found < expected:
        raise _truncated(data, found, expected)
    return np.memmap(data, kind, "r", offset=start, shape=shape)[z0:z1]


def _gzip_block(data: Path, start: int, kind: np.dtype, shape: tuple[int, ...], z0: int, z1: int) -> np.ndarray:
    plane = math.prod(shape[1:]) * kind.itemsize
    try:
        with open(data, "rb") as file:
            file.seek(start)
            with gzip.GzipFile(fileobj=file) as stream:
                stream.seek(z0 * plane)
                content = stream.read((z1 - z0) * plane)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{data} cannot be unpacked ({error}); expected whole gzip data, write it again") from error
    if len(content) < (z1 - z0) * plane:
        raise _truncated(data, len(content), (z1 - z0) * plane)
    return np.frombuffer(content, kind).reshape(z1 - z0, *shape[1:])


def _truncated(data: Path, found: int, expected: int) -> DataError:
    return DataError(f"{data} has {found} bytes of data; expected {expected}, write or download it again")
