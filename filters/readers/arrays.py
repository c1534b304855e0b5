"""Steps in NumPy and raw files, memory-mapped or streamed, without VTK."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from hyperinr.filters.readers.blocks import check_letters, in_order, of_step
from hyperinr.filters.readers.grids import even_spacing
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

#: Longest last axis that is taken for components where nothing is said: a tensor's.
MOST_COMPONENTS = 9

#: Types whose size in C is another than in NumPy, or depends on the machine.
_AMBIGUOUS = ("float", "int", "uint", "long", "ulong")

#: What 1-D arrays beside a volume are called, by the axis whose points they place.
COORDINATES = {
    "x": ("x", "lon", "longitude"),
    "y": ("y", "lat", "latitude"),
    "z": ("z", "lev", "level", "depth", "height"),
}
TIMES = ("time", "times", "t")


@dataclass(frozen=True)
class ArrayLayout:
    """What the axes of an array mean: n steps of (nz, ny, nx) with c components."""

    n: int
    shape: tuple[int, int, int]
    n_components: int

    @property
    def stored(self) -> tuple[int, ...]:
        """The shape that any stored shape is viewed as, (n, nz, ny, nx, c)."""
        return (self.n, *self.shape, self.n_components)

    @property
    def grid(self) -> Grid:
        return Grid(self.shape[::-1])

    def check_numeric(self, dtype: np.dtype, what: str) -> None:
        """Raise DataError unless the type holds plain numbers."""
        if dtype.kind not in "biuf":
            raise DataError(f"{what} holds {dtype}; expected integers or floats, save its parts as such arrays")


def layout_of(shape: tuple[int, ...], what: str, n_components: int, one_step: bool) -> ArrayLayout:
    """The meaning of a shape: (z, y, x), (t, z, y, x) or (t, z, y, x, c); with `one_step`, (y, x) or (z, y, x[, c]).

    With `n_components` above 1 the last axis is the components in any of them.
    """
    rest, c = shape, 1
    if n_components > 1 or len(shape) == 5 or (one_step and len(shape) == 4):
        rest, c = shape[:-1], shape[-1] if shape else 0
    if one_step and len(rest) == 2:
        rest = (1, *rest)
    if len(rest) == 3:
        rest = (1, *rest)
    wrong_components = n_components > 1 and c != n_components
    if len(rest) != 4 or (one_step and rest[0] != 1) or wrong_components or 0 in shape:
        expected = "(z, y, x) or (z, y, x, c)" if one_step else "(z, y, x), (t, z, y, x) or (t, z, y, x, c)"
        suffix = f" with c = {n_components}" if n_components > 1 else ""
        raise DataError(f"{what} has shape {shape}; expected {expected}{suffix}, reshape it first")
    return ArrayLayout(rest[0], rest[1:], c)


def open_npy(path: Path, name: str, n_components: int, one_step: bool, axes: str | None = None) -> FileSteps:
    """Steps of a .npy file; every read maps the file anew, so that a long set holds no open files.

    Parameters
    ----------
    axes : letters of t, z, y, x and c for the axes, slowest first, over what their number says.
    """
    array = _mapped(path)
    if axes:
        layout = _lettered(axes, array.shape, str(path))
        layout.check_numeric(array.dtype, str(path))
        return FileSteps(
            path, layout.grid, {name: layout.n_components},
            lambda frame, _, z_range: _taken(_mapped(path), axes, frame, z_range), layout.n,
        )  # fmt: skip
    # of several files with four axes, each is a part of the series, unless the last axis is as short as components are
    one_step = one_step and (array.ndim != 4 or n_components > 1 or array.shape[-1] <= MOST_COMPONENTS)
    layout = layout_of(array.shape, str(path), n_components, one_step)
    layout.check_numeric(array.dtype, str(path))

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        return _mapped(path).reshape(layout.stored)[frame, slice(*(z_range or (None,)))]

    return FileSteps(path, layout.grid, {name: layout.n_components}, read, layout.n)


def _lettered(letters: str, shape: tuple[int, ...], what: str) -> ArrayLayout:
    """The meaning of a shape whose axes have these letters."""
    check_letters(letters, shape, what)
    sizes = dict(zip(letters, shape))
    if 0 in shape:
        raise DataError(f"{what} has shape {shape}; expected at least one number along each axis")
    nz, ny, nx = (sizes.get(axis, 1) for axis in "zyx")
    return ArrayLayout(sizes.get("t", 1), (nz, ny, nx), sizes.get("c", 1))


def _taken(values: np.ndarray, letters: str, frame: int, z_range: ZRange | None) -> np.ndarray:
    """(nz, ny, nx, c) of one step."""
    planes = slice(*z_range) if z_range and "z" in letters else slice(None)
    return in_order(of_step(values, letters, frame, planes), letters.replace("t", ""))


def _mapped(path: Path) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected a whole .npy file, write it again") from error


def open_raw(path: Path, name: str, dims: tuple[int, int, int], dtype: str, n_components: int) -> FileSteps:
    """Steps of a .raw file, x fastest, components interleaved, one step after the other."""
    if dtype in _AMBIGUOUS:
        raise DataError(
            f"dtype is {dtype!r}, which leaves its size open; expected one with its bits, such as {dtype}32"
        )
    try:
        kind = np.dtype(dtype)
    except TypeError as error:
        raise DataError(f"dtype is {dtype!r}; expected a NumPy type such as float32, uint8 or >f4") from error
    if len(dims) != 3 or min(dims) < 1:
        raise DataError(f"dims are {tuple(dims)}; expected three sizes nx ny nz of at least 1")
    nx, ny, nz = (int(n) for n in dims)
    step_bytes = nx * ny * nz * n_components * kind.itemsize
    found = path.stat().st_size
    if found == 0 or found % step_bytes:
        raise DataError(
            f"{path} has {found} bytes; expected {step_bytes} for a step of {' x '.join(map(str, dims))} {kind.name}"
            f"{f' with {n_components} components' if n_components > 1 else ''}, or a multiple of it; check dims and dtype"
        )
    layout = ArrayLayout(found // step_bytes, (nz, ny, nx), n_components)
    layout.check_numeric(kind, str(path))

    def read(frame: int, _: str, z_range: ZRange | None) -> np.ndarray:
        return np.memmap(path, kind, "r", shape=layout.stored)[frame, slice(*(z_range or (None,)))]

    return FileSteps(path, layout.grid, {name: n_components}, read, layout.n)


def open_npz(
    path: Path,
    name: str,
    n_components: int,
    one_step: bool,
    fields: Sequence[str] | None = None,
    axes: str | None = None,
) -> FileSteps:
    """Steps of a .npz file: one array per field, or the unnamed arrays arr_0, arr_1... as one step each.

    A field (z, y, x) says that the file is one step; an array "time", "times" or "t" gives the times, and 1-D arrays such
    as x, y and z the places. Members are streamed, decompressed up to what is asked for; with `axes`, as for .npy, all of it.
    """
    headers = {key: header for key, header in _members(path).items() if np.dtype(header[1]).kind in "biuf"}
    keys = _field_keys({key: header[0] for key, header in headers.items()}, fields)
    unnamed = len(keys) > 1 and all(re.fullmatch(r"arr_\d+", key) for key in keys)
    one_step = one_step or unnamed or any(len(headers[key][0]) == 3 for key in keys)
    layouts = {
        key: _lettered(axes, headers[key][0], f"{key} in {path}")
        if axes
        else layout_of(headers[key][0], f"{key} in {path}", n_components, one_step)
        for key in keys
    }
    if not layouts:
        raise DataError(f"{path} has no numeric arrays besides times; expected one per field, (t, z, y, x[, c])")
    first = layouts[keys[0]]
    for key, layout in layouts.items():
        if (layout.n, layout.shape) != (first.n, first.shape):
            raise DataError(
                f"{path} has {keys[0]!r} of {first.n} x {first.shape} and {key!r} of {layout.n} x {layout.shape}; "
                "expected the same steps and (nz, ny, nx) for all arrays, or the fields to take"
            )
    n = len(keys) if unnamed else first.n
    lines = {key: _member(path, key).reshape(-1) for key, header in headers.items() if len(header[0]) <= 1}
    times = next((lines[key] for key in TIMES if key in lines), None)
    if times is not None and len(times) != n:
        raise DataError(f"{path} has {len(times)} times for {n} steps; expected one for each")
    grid = _placed(path, first.grid, lines)

    def read(frame: int, field_name: str, z_range: ZRange | None) -> np.ndarray:
        key = f"arr_{frame}" if unnamed else field_name
        if axes:
            values = _member(path, key).reshape(headers[key][0])
            return _taken(values, axes, 0 if unnamed else frame, z_range)
        return _member(path, key, layouts[key], 0 if unnamed else frame, z_range)

    arrays = {name: first.n_components} if unnamed else {key: layout.n_components for key, layout in layouts.items()}
    return FileSteps(path, grid, arrays, read, n, None if times is None else tuple(times.tolist()))


def _field_keys(shapes: dict[str, tuple[int, ...]], fields: Sequence[str] | None) -> list[str]:
    """The arrays to take: those asked for, or else all volumes, or else all planes."""
    wanted = [key for key in fields or () if key in shapes]
    volumes = [key for key, shape in shapes.items() if len(shape) >= 3]
    return wanted or volumes or [key for key, shape in shapes.items() if len(shape) == 2]


def _placed(path: Path, grid: Grid, lines: dict[str, np.ndarray]) -> Grid:
    """The grid with the origin and spacing that 1-D arrays beside the volume give."""
    origin, spacing = list(grid.origin), list(grid.spacing)
    for axis, (letter, names) in enumerate(COORDINATES.items()):
        points = next((lines[key] for key in lines if key.lower() in names), None)
        if points is not None and len(points) == grid.dims[axis]:
            origin[axis] = float(points[0])
            spacing[axis] = even_spacing(path, letter, points.astype(np.float64))
    return Grid(grid.dims, tuple(origin), tuple(spacing))


def _members(path: Path) -> dict[str, tuple[tuple[int, ...], np.dtype]]:
    """Shape and type of every array of a .npz, from its headers."""
    try:
        with zipfile.ZipFile(path) as archive:
            headers = {}
            for member in archive.namelist():
                with archive.open(member) as file:
                    shape, _, kind = _header(file)
                headers[member[: -len(".npy")]] = (shape, kind)
            return headers
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise _broken_npz(path, error) from error


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _member(
    path: Path, key: str, layout: ArrayLayout | None = None, frame: int = 0, z_range: ZRange | None = None
) -> np.ndarray:
    """Planes of one frame of a member, or all of it without a layout; holds no more than that in memory."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{key}.npy") as file:
            shape, fortran, kind = _header(file)
            if fortran and len(shape) > 1:
                raise DataError(f"{key} in {path} is stored in Fortran order; expected C order, use ascontiguousarray")
            layout = layout or ArrayLayout(1, (1, 1, math.prod(shape)), 1)
            z0, z1 = z_range or (0, layout.shape[0])
            plane_bytes = math.prod(layout.stored[2:]) * kind.itemsize
            file.seek(file.tell() + (frame * layout.shape[0] + z0) * plane_bytes)
            values = np.frombuffer(file.read((z1 - z0) * plane_bytes), kind)
            return values.reshape(z1 - z0, *layout.stored[2:])
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError) as error:
        raise _broken_npz(path, error) from error


def _broken_npz(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} cannot be read ({error}); expected a whole .npz file, write it again")
