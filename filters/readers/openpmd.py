"""Meshes of openPMD files (https://github.com/openPMD/openPMD-standard) in HDF5, by h5py.

openpmd-api reads ADIOS besides, but has no wheels for all platforms; the standard is attributes on groups. Values, places
and times are in SI units, as ParaView's reader gives them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.libraries import library
from hyperinr.filters.readers.steps import FileSteps, ZRange
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

SUFFIXES = (".h5", ".hdf5", ".hdf")


@dataclass(frozen=True)
class _Mesh:
    """One record: its grid, the axes of its arrays from slowest to fastest, and its components."""

    grid: Grid
    labels: tuple[str, ...]
    components: tuple[str, ...]


def open_openpmd(path: Path, fields: Sequence[str] | None) -> FileSteps:
    """The steps, which openPMD calls iterations, that one file holds."""
    with _file(path) as file:
        iterations = sorted(file["data"], key=int)
        if not iterations:
            raise DataError(f"{path} has no iterations; expected at least one")
        times = tuple(_time(file["data"][iteration]) for iteration in iterations)
        meshes = {}
        for name, record in _records(file, iterations[0]).items():
            if fields is None or name in fields:
                meshes[name] = _mesh(path, name, record)
    wanted = {
        name: mesh for name, mesh in meshes.items() if fields is not None or sum(n > 1 for n in mesh.grid.dims) > 1
    }
    if not wanted:
        raise DataError(f"{path} has no mesh of two or three axes; expected one, or the name of one of its meshes")
    grid = max((mesh.grid for mesh in wanted.values()), key=lambda grid: grid.n_pos_dims * (1 << 40) + grid.n_points)
    alike = {name: mesh for name, mesh in wanted.items() if mesh.grid == grid}
    left = sorted(set(wanted) - set(alike))
    if left and fields is not None:
        raise DataError(
            f"{path} has {left[0]!r} on another grid than the other fields; expected one, train it by itself"
        )

    def read(frame: int, name: str, z_range: ZRange | None) -> np.ndarray:
        with _file(path) as file:
            record = _records(file, iterations[frame])[name]
            return _read(record, alike[name], z_range)

    notes = (f"{', '.join(left)} of {path.name} lie on other grids, and are left out",) if left else ()
    arrays = {name: max(len(mesh.components), 1) for name, mesh in alike.items()}
    return FileSteps(path, grid, arrays, read, len(iterations), times, {"time": "s"}, notes)


@contextlib.contextmanager
def _file(path: Path) -> Iterator[Any]:
    with library("h5py", "openPMD").File(path, "r") as file:
        if "openPMD" not in file.attrs or "data" not in file:
            raise DataError(
                f"{path} is HDF5 but no openPMD file; expected one, or .vtkhdf, .nc or the .xdmf that describes it"
            )
        yield file


def _records(file: Any, iteration: str) -> Any:
    folder = _text(file.attrs.get("meshesPath", "meshes/")).strip("/")
    return file["data"][iteration].get(folder, {})


def _time(iteration: Any) -> float:
    attributes = iteration.attrs
    return float(attributes.get("time", 0.0)) * float(attributes.get("timeUnitSI", 1.0))


def _mesh(path: Path, name: str, record: Any) -> _Mesh:
    attributes = record.attrs
    geometry = _text(attributes.get("geometry", "cartesian"))
    if geometry != "cartesian":
        raise DataError(f"{path} has {name!r} in {geometry} geometry; expected cartesian, choose others with --field")
    # records without a shape are groups of components, or a constant
    is_vector = not hasattr(record, "shape") and "shape" not in attributes
    components = tuple(record) if is_vector else ()
    shape = _shape(record[components[0]] if components else record)
    labels = [_text(label) for label in np.atleast_1d(attributes.get("axisLabels", list("zyx")[-len(shape) :]))]
    if len(labels) != len(shape) or len(shape) > 3:
        raise DataError(
            f"{path} has {name!r} of shape {shape} with axes {labels}; expected one label for each of three axes"
        )
    unit = float(attributes.get("gridUnitSI", 1.0))
    spacing = np.atleast_1d(attributes.get("gridSpacing", np.ones(len(shape)))) * unit
    offset = np.atleast_1d(attributes.get("gridGlobalOffset", np.zeros(len(shape)))) * unit
    if _text(attributes.get("dataOrder", "C")) == "F":
        labels, spacing, offset = labels[::-1], spacing[::-1], offset[::-1]
    # the first of the letters that there are runs along x, and so on
    order = [labels.index(label) for label in sorted(labels)]
    pad = 3 - len(order)
    grid = Grid(
        (*[shape[i] for i in order], *[1] * pad),
        (*offset[order], *[0.0] * pad),
        (*spacing[order], *[1.0] * pad),
    )
    return _Mesh(grid, tuple(labels), components)


def _shape(component: Any) -> tuple[int, ...]:
    sizes = component.shape if hasattr(component, "shape") else component.attrs["shape"]
    return tuple(int(size) for size in np.atleast_1d(sizes))


def _read(record: Any, mesh: _Mesh, z_range: ZRange | None) -> np.ndarray:
    z0, z1 = z_range or (0, mesh.grid.dims[2])
    if not mesh.components:
        return _planes(record, mesh, z0, z1)
    return np.stack([_planes(record[name], mesh, z0, z1) for name in mesh.components], axis=-1)


def _planes(component: Any, mesh: _Mesh, z0: int, z1: int) -> np.ndarray:
    """(nz, ny, nx) of a component, in SI units."""
    slowest_first = sorted(mesh.labels, reverse=True)
    index = [slice(None)] * len(mesh.labels)
    if len(mesh.labels) == 3:
        index[mesh.labels.index(slowest_first[0])] = slice(z0, z1)
    unit = float(component.attrs.get("unitSI", 1.0))
    if not hasattr(component, "shape"):  # one value everywhere
        return np.full((z1 - z0, *mesh.grid.shape[1:]), component.attrs["value"] * unit)
    values = np.asarray(component[tuple(index)]).transpose([mesh.labels.index(label) for label in slowest_first])
    values = values.reshape(z1 - z0, *mesh.grid.shape[1:])
    return values if unit == 1 else np.multiply(values, unit, dtype=np.float64)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
