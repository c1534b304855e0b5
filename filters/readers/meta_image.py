"""MetaImages (.mhd, .mha), read without a library.

VTK's reader ends the process for a fourth axis and for integers of 64 bits. SimpleITK reads them, but takes 264 MB, and
all of a packed file for a plane of it; the format is a list of names and values before numbers.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from hyperinr.filters.readers.blocks import Block
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

SUFFIXES = (".mhd", ".mha")

#: As VTK calls the array.
NAME = "MetaImage"

_TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip


def open_meta_image(path: Path) -> FileSteps:
    """The steps of a file: two to three axes of space, and the slowest of four is time."""
    header, end = _header(path)
    for key in ("DimSize", "ElementType", "ElementDataFile"):
        if key not in header:
            raise DataError(f"{path} lacks {key}; expected a complete MetaImage header, write it again")
    sizes = [int(size) for size in header["DimSize"].split()]
    if len(sizes) not in (2, 3, 4) or min(sizes) < 1:
        raise DataError(f"{path} has DimSize {header['DimSize']}; expected two to four sizes of at least 1")
    components = int(header.get("ElementNumberOfChannels", 1))
    axes = "tzyx"[-len(sizes) :]
    nx, ny, nz = (*sizes, 1)[:3]
    grid = _grid(header, (nx, ny, nz))
    n = sizes[3] if len(sizes) == 4 else 1
    blocks = _blocks(path, header, end, (*sizes[::-1], components), axes + "c", n)
    for block in blocks:
        block.check()

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        if len(blocks) == 1:
            return blocks[0].read(frame, z_range)
        # a file for each step, or for each plane of it
        if len(blocks) == n:
            return blocks[frame].read(0, z_range)
        z0, z1 = z_range or (0, grid.dims[2])
        return np.concatenate([blocks[frame * grid.dims[2] + z].read(0, None) for z in range(z0, z1)])

    return FileSteps(path, grid, {NAME: components}, read, n, _times(header, n))


def _header(path: Path) -> tuple[dict[str, str], int]:
    """Values by name, and where the header ends."""
    header: dict[str, str] = {}
    with open(path, "rb") as file:
        for line in iter(lambda: file.readline(4096), b""):
            key, _, value = line.decode("latin-1").partition("=")
            header[key.strip()] = value.strip()
            if key.strip() == "ElementDataFile":
                if value.strip() == "LIST":
                    header["LIST"] = file.read().decode("latin-1")
                break
        return header, file.tell()


def _blocks(path: Path, header: dict[str, str], end: int, shape: tuple[int, ...], axes: str, n: int) -> list[Block]:
    """Where the numbers lie: in one file, or in one for each step or plane."""
    name = header["ElementDataFile"]
    if not _is_true(header.get("BinaryData", "True")):
        raise DataError(f"{path} holds its numbers as text; expected BinaryData = True, write it again")
    kind = header["ElementType"].replace("MET_", "").replace("_ARRAY", "")
    if kind not in _TYPES:
        raise DataError(f"{path} has ElementType {header['ElementType']}; expected numbers such as MET_FLOAT")
    big = _is_true(header.get("ElementByteOrderMSB", header.get("BinaryDataByteOrderMSB", "False")))
    dtype = np.dtype((">" if big else "<") + _TYPES[kind])
    packing = "gzip" if _is_true(header.get("CompressedData", "False")) else "raw"
    if name == "LOCAL":
        return [Block(path, end, dtype, shape, axes, packing)]
    names = _names(header, name)
    depth = 1 if len(names) == 1 else n if len(names) == n and "t" in axes else math.prod(shape[:-3])
    if len(names) != depth:
        raise DataError(
            f"{path} names {len(names)} files of data for {' x '.join(map(str, shape[::-1]))}; expected one for each"
        )
    if len(names) > 1:
        leading = 1 if depth == n and "t" in axes else len(shape) - 3
        shape, axes = shape[leading:], axes[leading:]
    blocks = []
    for each in names:
        data = path.parent / each
        if not data.is_file():
            raise DataError(
                f"{path} has its data in {each!r}, which is no file beside it; expected it there, restore it"
            )
        skip = int(header.get("HeaderSize", 0))
        if skip < 0:
            skip = data.stat().st_size - math.prod(shape) * dtype.itemsize
        blocks.append(Block(data, skip, dtype, shape, axes, packing))
    return blocks


def _names(header: dict[str, str], name: str) -> list[str]:
    if name.startswith("LIST"):
        return [line.strip() for line in header.get("LIST", "").splitlines() if line.strip()]
    pattern = re.fullmatch(r"(\S*%\d*d\S*)\s+(\d+)\s+(\d+)\s*(\d*)", name)
    if pattern is None:
        return [name]
    first, last, step = int(pattern[2]), int(pattern[3]), int(pattern[4] or 1)
    return [pattern[1] % number for number in range(first, last + 1, step)]


def _is_true(text: str) -> bool:
    return text.lower().startswith(("t", "y", "1"))


def _grid(header: dict[str, str], dims: tuple[int, int, int]) -> Grid:
    n = len(header["DimSize"].split())
    spacing = _numbers(header, ("ElementSpacing", "ElementSize"), n) or [1.0] * n
    origin = _numbers(header, ("Offset", "Position", "Origin"), n) or [0.0] * n
    matrix = _numbers(header, ("TransformMatrix", "Rotation", "Orientation"), n * n) or np.eye(n).ravel().tolist()
    # the rows of the file are the directions of the axes
    columns, m = np.reshape(matrix, (n, n)).T, min(n, 3)
    direction = np.eye(3)
    direction[:m, :m] = columns[:m, :m]
    pad = [1.0] * (3 - m)
    return Grid(dims, (*origin[:m], *[0.0] * (3 - m)), (*spacing[:m], *pad), tuple(direction.ravel()))


def _times(header: dict[str, str], n: int) -> tuple[float, ...] | None:
    if n == 1:
        return None
    spacing, origin = (
        _numbers(header, keys, 4) for keys in (("ElementSpacing", "ElementSize"), ("Offset", "Position"))
    )
    step, start = spacing[3] if spacing else 1.0, origin[3] if origin else 0.0
    return tuple((start + step * np.arange(n)).tolist()) if step > 0 else None


def _numbers(header: dict[str, str], keys: tuple[str, ...], n: int) -> list[float]:
    """The numbers of the first of these fields that has so many."""
    for key in keys:
        numbers = [float(number) for number in header.get(key, "").split()]
        if len(numbers) == n:
            return numbers
    return []
