"""TIFF stacks by tifffile: several pages are planes, or what ImageJ and OME say they are."""

from __future__ import annotations

import contextlib
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.blocks import Block, check_letters, in_order, of_step
from hyperinr.filters.readers.libraries import in_one_line, library
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

SUFFIXES = (".tif", ".tiff")

#: As VTK calls the array.
NAME = "Tiff Scalars"

#: Bytes of a picture to a byte of its file, more than any compression makes of real data.
MOST_PACKED = 1 << 12

_LETTERS = {"T": "t", "Z": "z", "Y": "y", "X": "x", "C": "c", "S": "c"}


def open_tiff(path: Path, axes: str | None = None) -> FileSteps:
    """The steps of a file; its first row is at y = 0, where ParaView puts it.

    Parameters
    ----------
    axes : letters of t, z, y, x and c for the axes of the file, slowest first, over what it says.
    """
    with _series(path) as (file, series):
        shape, stored = tuple(series.shape), series.axes
        letters = axes or _letters(path, stored)
        check_letters(letters, shape, path)
        contiguous = series.dataoffset
        kind = np.dtype(series.dtype).newbyteorder(file.byteorder)
        spacing, interval = _spacing(file)
    expected = math.prod(shape) * kind.itemsize
    if expected > MOST_PACKED * path.stat().st_size:
        raise DataError(f"{path} says that it holds {expected} bytes, too many for its size; expected a whole file")
    block = Block(path, contiguous or 0, kind, shape, letters)
    n, (nx, ny, nz) = block.size("t"), block.dims

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        if contiguous is not None:
            return block.read(frame, z_range)
        return _pages(path, block, frame, z_range or (0, nz))

    grid = Grid((nx, ny, nz), spacing=spacing)
    times = tuple((interval * np.arange(n)).tolist()) if interval and n > 1 else None
    return FileSteps(path, grid, {NAME: block.size("c")}, read, n, times, {"time": "s"} if times else {})


@contextlib.contextmanager
def _series(path: Path) -> Iterator[Any]:
    tifffile = library("tifffile", "TIFF")
    try:
        with tifffile.TiffFile(path) as file:
            # tifffile never ends with the series of a page without a size
            if min(file.pages.first.shape, default=0) < 1:
                raise tifffile.TiffFileError("its first page is empty")
            yield file, file.series[0]
    except (tifffile.TiffFileError, IndexError, struct.error) as error:
        raise DataError(
            f"{path} cannot be read ({in_one_line(error)}); expected a whole TIFF file, write it again"
        ) from error


def _letters(path: Path, axes: str) -> str:
    """Our letters for tifffile's; pages of which it knows nothing are planes, or else steps."""
    known = [_LETTERS.get(axis, "") for axis in axes]
    for index, letter in enumerate(known):
        if not letter:
            known[index] = next((free for free in "zt" if free not in known), "")
    if len(set(known)) < len(known) or "" in known or not {"y", "x"} <= set(known):
        raise DataError(f"{path} has the axes {axes}; expected time, three axes of space and components at most")
    return "".join(known)


def _pages(path: Path, block: Block, frame: int, z_range: ZRange) -> np.ndarray:
    """(nz, ny, nx, c) of one step from only the pages that it takes."""
    n_leading = block.axes.index("y")
    if "x" in block.axes[:n_leading]:
        raise DataError(f"{path} has its columns before its rows; expected rows first, write it again")
    leading, rest = block.axes[:n_leading], block.shape[n_leading:]
    numbers = np.arange(math.prod(block.shape[:n_leading])).reshape(block.shape[:n_leading])
    picked = of_step(numbers, leading, frame, slice(*z_range))
    with _series(path) as (_, series):
        if len(series.pages) == numbers.size:
            planes = [np.asarray(series.pages[int(number)].asarray()) for number in np.ravel(picked)]
            values = np.stack(planes).reshape(*np.shape(picked), *rest)
        else:  # several axes of space, or planes of colour, in one page
            values = of_step(np.asarray(series.asarray()), block.axes, frame, slice(*z_range))
    return in_order(values, block.axes.replace("t", ""))


def _spacing(file: Any) -> tuple[tuple[float, float, float], float]:
    """Distances along x, y and z, and between steps in seconds, 0 where nothing is said."""
    if file.ome_metadata:
        sizes = [re.search(rf'PhysicalSize{axis}="([^"]+)"', file.ome_metadata) for axis in "XYZ"]
        interval = re.search(r'TimeIncrement="([^"]+)"', file.ome_metadata)
        x, y, z = (float(size[1]) if size else 1.0 for size in sizes)
        return (x, y, z), float(interval[1]) if interval else 0.0
    said = file.imagej_metadata
    if not said:
        return (1.0, 1.0, 1.0), 0.0
    tags = file.pages[0].tags
    plane: list[float] = []
    for tag in ("XResolution", "YResolution"):
        above, below = tags[tag].value if tag in tags else (1, 1)
        plane.append(below / above if above and below else 1.0)
    x, y = plane
    return (x, y, float(said.get("spacing", 1.0)) or 1.0), float(said.get("finterval", 0.0))
