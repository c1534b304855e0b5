"""Steps in NetCDF and Zarr, and GRIB where cfgrib is installed, opened by xarray; what the values mean is in cf.py.

xarray's own decoding is left off: it knows neither `valid_range` nor never-written cells, and refuses a whole file
for one time that it cannot decode.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.arrays import MOST_COMPONENTS
from hyperinr.filters.readers.blocks import check_letters
from hyperinr.filters.readers.cf import COMPONENTS, VARIANTS, Clock, decoded, is_angle, is_moment, kind_of_axis
from hyperinr.filters.readers.grids import RESAMPLE, NotRegular, even_spacing
from hyperinr.filters.readers.groups import base_name, flattened, in_scope
from hyperinr.filters.readers.libraries import library
from hyperinr.filters.readers.places import Places
from hyperinr.filters.readers.steps import Box, FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

#: xarray's engines by suffix.
ENGINES = {
    **dict.fromkeys((".nc", ".nc4", ".cdf", ".netcdf"), "netcdf4"),
    ".zarr": "zarr",
    **dict.fromkeys((".grib", ".grib2", ".grb", ".grb2"), "cfgrib"),
}

#: The NetCDF library may be used by one thread at a time.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class _Axes:
    """Dimensions of a variable by what they are; None where it has no such axis. Index 0 is read of the others."""

    t: str | None = None
    z: str | None = None
    y: str | None = None
    x: str | None = None
    c: str | None = None
    others: tuple[str, ...] = ()

    @property
    def space(self) -> tuple[str, ...]:
        return tuple(name for name in (self.z, self.y, self.x) if name)


class CFFiles:
    """Opens the files of one series; their times are told in the unit of the first.

    Parameters
    ----------
    letters : of t, z, y, x and c for the dimensions of fields that have as many, slowest first, over what the file says.
    """

    def __init__(
        self, fields: tuple[str, ...] | None, dims: tuple[int, int, int] | None, letters: str | None = None
    ) -> None:
        self._fields, self._dims, self._letters = fields, dims, letters or ""
        self._clock = Clock()
        self._places: Places | None = None

    def open(self, path: Path, suffix: str) -> FileSteps:
        """The steps of one file; DataError when what is wanted does not lie on one regular grid."""
        check_classic_size(path)
        with _opened(path) as data:
            axes, notes = self._chosen(path, data)
            first = next(iter(axes.values()))
            grid, places = self._grid(path, data, next(iter(axes)), first)
            sizes = dict(data.sizes)
            n = sizes[first.t] if first.t else 1
            times = self._times(path, data, first, next(iter(axes)))
            units = {name: str(data.variables[name].attrs.get("units", "")) for name in axes}
            if times is not None:
                units["time"] = self._clock.units

        def part(frame: int, name: str, box: Box) -> np.ndarray:
            return _read(path, name, axes[name], frame, box)

        def read(frame: int, name: str, z_range: ZRange | None) -> np.ndarray:
            if places is None:
                return part(frame, name, _all(grid.shape, z_range))
            with _opened(path) as data:
                heights = places.heights(data, frame)
            return places.warp.applied(part(frame, name, _all(places.shape, None)), heights, z_range)

        units = {name: unit for name, unit in units.items() if unit}
        arrays = {name: sizes.get(each.c, 1) for name, each in axes.items()}
        told = (*notes, *(places.notes if places else ()))
        return FileSteps(path, grid, arrays, read, n, times, units, told, part=part if places is None else None)

    def _grid(self, path: Path, data: Any, name: str, axes: _Axes) -> tuple[Grid, Places | None]:
        """The grid of a field, and how to come to it where the file's own is not regular."""
        if self._places is not None:
            return self._places.warp.grid, self._places
        try:
            if axes.z and Places.columns_of(data, name, axes.z):
                raise NotRegular(
                    f"{path} has heights that differ from column to column; expected a regular grid, {RESAMPLE}"
                )
            return _grid(path, data, axes), None
        except NotRegular:
            points = {kind: _points(path, data, getattr(axes, kind), kind) for kind in "xyz" if getattr(axes, kind)}
            self._places = Places.found(path, data, name, axes, points, self._dims)
            return self._places.warp.grid, self._places

    def _chosen(self, path: Path, data: Any) -> tuple[dict[str, _Axes], tuple[str, ...]]:
        """The fields to offer, all on the same dimensions, and what is to be said about the choice."""
        if self._fields is not None:
            unknown = [name for name in self._fields if name not in data.variables]
            if unknown:
                known = ", ".join(sorted(_fields(data, self._letters))) or "none"
                raise DataError(f"{path} has no field {unknown[0]!r}; expected one of {known}")
            if self._letters:
                for name in self._fields:
                    check_letters(self._letters, data.variables[name].dims, f"{name!r} in {path}")
            asked = {name: _axes(path, data, name, self._letters) for name in self._fields}
            if len(set(asked.values())) > 1:
                raise DataError(
                    f"{path} has the fields on different dimensions: {_table(data, asked)}; expected one set of them, "
                    "train a model for each"
                )
            return asked, ()
        fields = _fields(data, self._letters)
        groups: dict[_Axes, list[str]] = {}
        for name, axes in fields.items():
            groups.setdefault(axes, []).append(name)
        best = max(((bool(axes.t), len(axes.space)) for axes in groups), default=None)
        largest = [axes for axes in groups if (bool(axes.t), len(axes.space)) == best]
        if len(largest) > 1:
            raise DataError(
                f"{path} has fields on different dimensions: {_table(data, fields)}; expected one set of them, "
                "choose with --field"
            )
        chosen = {name: axes for axes in largest for name in groups[axes]}
        if not chosen:
            raise DataError(
                f"{path} has no field on two or three axes; expected one, it has {_table(data, data.variables)}"
            )
        left = [name for name in fields if name not in chosen]
        return chosen, (f"{', '.join(left)} of {path.name} lie on other dimensions, and are left out",) if left else ()

    def _times(self, path: Path, data: Any, axes: _Axes, field: str) -> tuple[float, ...] | None:
        name = _coordinate(data, axes.t, "t") if axes.t else _moment(data, field)
        if name is None:
            return None
        variable = data.variables[name]
        values = np.asarray(variable.values)
        if values.dtype.kind in "iuf":
            values = decoded(values, variable.attrs)
        return self._clock.times(path, values, variable.attrs)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    xarray, engine = library("xarray", "NetCDF"), ENGINES[path.suffix.lower()]
    library({"netcdf4": "netCDF4"}.get(engine, engine), "NetCDF" if engine == "netcdf4" else path.suffix)
    options = {"indexpath": ""} if engine == "cfgrib" else {}  # writes no index beside the data
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xarray.open_dataset(
            path, engine=engine, decode_cf=False, cache=False, backend_kwargs=options or None
        ) as data:
            if engine != "netcdf4":
                yield data
                return
            with flattened(path, data) as whole:
                yield whole


def _fields(data: Any, letters: str) -> dict[str, _Axes]:
    """Numeric variables on at least two axes of space that are no coordinates, bounds or measures of others."""
    helpers = set(data.sizes)
    for variable in data.variables.values():
        for key in ("coordinates", "bounds", "climatology", "cell_measures"):
            helpers |= set(str({**variable.encoding, **variable.attrs}.get(key, "")).split())
    fields = {}
    for name, variable in data.variables.items():
        if name not in helpers and variable.dtype.kind in "iuf":
            with contextlib.suppress(DataError):
                axes = _axes(None, data, name, letters)
                if sum(data.sizes[dim] > 1 for dim in axes.space) >= 2:
                    fields[str(name)] = axes
    return fields


def _axes(path: Path | None, data: Any, name: str, letters: str) -> _Axes:
    """What the dimensions of a variable are: by their coordinates, and those that these leave open by their order."""
    variable = data.variables[name]
    if variable.dtype.kind not in "biuf":
        raise DataError(f"{path} holds {variable.dtype} in {name!r}; expected numbers")
    if len(letters) == len(variable.dims):
        return _Axes(**dict(zip(letters, variable.dims)))
    found: dict[str, str] = {}
    unknown = []
    for dim in variable.dims:
        kind = _kind(data, dim)
        if kind and kind not in found:
            found[kind] = dim
        else:
            unknown.append(dim)
    unlimited = data.encoding.get("unlimited_dims", ())
    if unknown and "t" not in found and unknown[0] == variable.dims[0] and unknown[0] in unlimited:
        found["t"] = unknown.pop(0)
    others = []
    for dim in reversed(unknown):
        free = [kind for kind in ("x", "y", "z", "t") if kind not in found]
        if data.sizes[dim] == 1:
            others.append(dim)
        elif "c" not in found and data.sizes[dim] <= MOST_COMPONENTS and COMPONENTS.fullmatch(base_name(dim)):
            found["c"] = dim
        elif free and not VARIANTS.fullmatch(base_name(dim)):
            found[free[0]] = dim
        else:
            raise DataError(
                f"{path} has {name!r} on {_sizes(data, variable.dims)}; expected time and three axes of space at most, "
                f"choose one of {dim} first"
            )
    return _Axes(**found, others=tuple(others))


def _kind(data: Any, dim: str) -> str:
    """What a dimension is by its own coordinate, or else by one that lies along it."""
    own = data.variables.get(dim)
    kind = kind_of_axis(str(dim), own.attrs if own is not None else {})
    if kind or own is not None:
        return kind
    along = [name for name, variable in data.variables.items() if variable.dims == (dim,)]
    return next((kind for kind in (kind_of_axis(str(name), data.variables[name].attrs) for name in along) if kind), "")


def _coordinate(data: Any, dim: str, kind: str) -> str | None:
    """The variable that tells where along a dimension its points are; None where there is none."""
    if dim in data.variables and data.variables[dim].dims == (dim,):
        return dim
    for name, variable in data.variables.items():
        words = variable.dims[:1] == (dim,) and variable.ndim == 2 and variable.dtype == "S1"
        if (variable.dims == (dim,) or words) and kind_of_axis(str(name), variable.attrs) == kind:
            return name
    return None


def _moment(data: Any, field: str) -> str | None:
    """The scalar variable that is the time of a file of one step: of those that a field's group sees the nearest."""
    moments = [
        str(name)
        for name, variable in data.variables.items()
        if variable.dims == () and is_moment(str(name), variable.attrs) and in_scope(str(name), field)
    ]
    return max(moments, key=lambda name: name.count("/"), default=None)


def _grid(path: Path, data: Any, axes: _Axes) -> Grid:
    dims, origin, spacing = [], [], []
    for kind in "xy":
        name = Places.curved(data, getattr(axes, kind), kind)
        if name and _coordinate(data, getattr(axes, kind), kind) is None:
            raise NotRegular(f"{path} has curved axes, such as {name}; expected a regular grid, {RESAMPLE}")
    for kind in "xyz":
        dim = getattr(axes, kind)
        points = _points(path, data, dim, kind) if dim else np.zeros(1)
        dims.append(len(points))
        origin.append(points[0])
        spacing.append(even_spacing(path, kind, points))
    return Grid(tuple(dims), tuple(origin), tuple(spacing))


def _points(path: Path, data: Any, dim: str, kind: str) -> np.ndarray:
    """Where the points along a dimension are, their numbers where nothing tells."""
    name = _coordinate(data, dim, kind)
    if name is not None:
        values = np.asarray(data.variables[name].values)
        if values.dtype.kind in "iuf":
            attributes = data.variables[name].attrs
            points = decoded(values, attributes).astype(np.float64)
            return np.unwrap(points, period=360) if kind == "x" and is_angle(name, attributes, "x") else points
    return np.arange(data.sizes[dim], dtype=np.float64)


def _all(shape: tuple[int, int, int], z_range: ZRange | None) -> Box:
    """All rows and columns of some planes."""
    return slice(*(z_range or (0, shape[0]))), slice(0, shape[1]), slice(0, shape[2])


def _read(path: Path, name: str, axes: _Axes, frame: int, box: Box) -> np.ndarray:
    index: dict[str, Any] = {**dict.fromkeys(axes.others, 0), **dict(zip(reversed(axes.space), reversed(box)))}
    if axes.t:
        index[axes.t] = frame
    with _opened(path) as data:
        if name not in data.variables:
            raise DataError(f"{path} has no variable {name!r}; expected it in every step")
        part = data.variables[name].isel(index).transpose(*axes.space, *filter(None, [axes.c]))
        values = np.asarray(part.values)
        fill = _default_fill(path, values.dtype)
        return decoded(values, part.attrs, fill).reshape(*(each.stop - each.start for each in box), -1)


def _default_fill(path: Path, kind: np.dtype) -> float | None:
    """What the NetCDF library leaves in cells that were never written; bytes have no such value."""
    if ENGINES[path.suffix.lower()] != "netcdf4" or kind.itemsize == 1:
        return None
    return library("netCDF4", "NetCDF").default_fillvals.get(f"{kind.kind}{kind.itemsize}")


def _table(data: Any, names: Any) -> str:
    entries = [f"{name} ({_sizes(data, data.variables[name].dims)})" for name in names]
    return ", ".join(entries[:20]) + (", ..." if len(entries) > 20 else "")


def _sizes(data: Any, dims: Any) -> str:
    return ", ".join(f"{dim} {data.sizes[dim]}" for dim in dims)


def check_classic_size(path: Path) -> None:
    """DataError when a classic NetCDF file is short, which is read as zeros; the HDF5 kind is checked by HDF5."""
    from scipy.io import netcdf_file

    if not path.is_file():
        return
    with open(path, "rb") as file:
        if file.read(4) not in (b"CDF\x01", b"CDF\x02"):
            return
        file.seek(0)
        is_whole = True
        try:
            netcdf_file(file, mmap=True).close()  # maps every variable, reads none
        except (ValueError, TypeError, IndexError, KeyError):
            is_whole = False  # not raised from here: the traceback would keep the file mapped
    if not is_whole:
        raise DataError(f"{path} is shorter than its header says; expected a whole file, write or download it again")
