"""What lies where in a VTK mesh: its blocks, the sizes of its cells, and its fields at the points of a regular grid.

Imported by `mesh_worker.py` alone, in the Python of any ParaView, so nothing of ours is imported here.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import vtkPoints
from vtkmodules.vtkCommonDataModel import vtkDataSetAttributes, vtkGenericCell, vtkImageData, vtkPolyData
from vtkmodules.vtkFiltersCore import vtkProbeFilter

GHOSTS, VALID = "vtkGhostType", "vtkValidPointMask"

#: What is added to an array's name for the one that says where it has holes, and the weight that counts as one.
HOLES, LEAST_HOLE = " holes", 1e-6

#: Share of the cells that may be smaller than what the default grid resolves.
SMALLER = 0.25


#: Share of the spacing that decides nothing.
HAIR = 1e-6


class NoMesh(Exception):
    """Why a data set cannot be resampled."""


def leaves_of(data: Any) -> list[Any]:
    """The data sets with cells that a data object consists of, the finest first where levels overlap."""
    if data is None:
        raise NoMesh("it holds no data set")
    if data.IsA("vtkCompositeDataSet"):
        iterator, leaves = data.NewIterator(), []
        iterator.InitTraversal()
        while not iterator.IsDoneWithTraversal():
            leaves.append(iterator.GetCurrentDataObject())
            iterator.GoToNextItem()
    else:
        leaves = [data]
    leaves = [_unfolded(leaf) for leaf in leaves]
    leaves = [leaf for leaf in leaves if leaf.IsA("vtkDataSet") and leaf.GetNumberOfCells()]
    if not leaves:
        raise NoMesh(f"it holds a {data.GetClassName()} without cells")
    ranks = [_n_axes(leaf) for leaf in leaves]
    # boundaries beside volumes are no part of the space that is filled
    leaves = [leaf for leaf, rank in zip(leaves, ranks) if rank == max(ranks)]
    bounds = describe_bounds_of(leaves)
    if max(ranks) < 2 or (max(ranks) == 2 and all(high > low for low, high in zip(bounds[::2], bounds[1::2]))):
        raise NoMesh("its cells are points, lines or a curved surface, which fill no space")
    if data.IsA("vtkUniformGridAMR"):
        leaves.sort(key=lambda leaf: math.prod(leaf.GetSpacing()))
    return leaves


def _unfolded(leaf: Any) -> Any:
    if leaf.IsA("vtkHyperTreeGrid"):
        from vtkmodules.vtkFiltersHyperTree import vtkHyperTreeGridToUnstructuredGrid

        unfold = vtkHyperTreeGridToUnstructuredGrid()
        unfold.SetInputData(leaf)
        unfold.Update()
        return unfold.GetOutput()
    return leaf


def _n_axes(leaf: Any) -> int:
    """Along how many axes the cells extend at most."""
    if leaf.IsA("vtkUnstructuredGrid"):
        cell, most = vtkGenericCell(), 0
        for kind in np.unique(vtk_to_numpy(leaf.GetCellTypesArray())).tolist():
            cell.SetCellType(kind)
            most = max(most, cell.GetCellDimension())
        return most
    if hasattr(leaf, "GetExtent"):
        extent = leaf.GetExtent()
        return sum(high > low for low, high in zip(extent[::2], extent[1::2]))
    return leaf.GetCell(0).GetCellDimension()


def describe_bounds(data: Any) -> list[float]:
    """x0, x1, y0, y1, z0, z1 of a data object."""
    return describe_bounds_of(leaves_of(data))


def describe_bounds_of(leaves: list[Any]) -> list[float]:
    boxes = np.array([leaf.GetBounds() for leaf in leaves])
    return np.stack([boxes[:, ::2].min(axis=0), boxes[:, 1::2].max(axis=0)], axis=1).ravel().tolist()


def describe(data: Any) -> dict[str, Any]:
    """Bounds, sizes of cells, and fields of a data object."""
    leaves = leaves_of(data)
    points: dict[str, int] = {}
    cells: dict[str, int] = {}
    for leaf in leaves:
        points.update(_numeric(leaf.GetPointData(), leaf.GetNumberOfPoints()))
        cells.update(_numeric(leaf.GetCellData(), leaf.GetNumberOfCells()))
    sizes = np.concatenate([_sizes(leaf) for leaf in leaves])
    return {
        "kind": data.GetClassName(),
        "n_blocks": len(leaves),
        "n_cells": sum(leaf.GetNumberOfCells() for leaf in leaves),
        "bounds": describe_bounds_of(leaves),
        "sizes": [_typical(column) for column in sizes.T],
        "points": points,
        "cells": cells,
    }


def _typical(sizes: np.ndarray) -> float:
    sizes = sizes[sizes > 0]
    return float(np.quantile(sizes, SMALLER)) if len(sizes) else 0.0


def _numeric(attributes: Any, n: int) -> dict[str, int]:
    """Components by name of numeric arrays of n tuples, without VTK's marks; some readers give arrays of other lengths."""
    arrays = {}
    for index in range(attributes.GetNumberOfArrays()):
        array = attributes.GetArray(index)
        named = array is not None and array.GetName() not in (None, "", GHOSTS, VALID)
        if named and array.GetNumberOfTuples() == n:
            arrays[array.GetName()] = array.GetNumberOfComponents()
    return arrays


def _sizes(leaf: Any) -> np.ndarray:
    """(n, 3) extents of the cells along the axes."""
    if leaf.IsA("vtkImageData"):
        return np.broadcast_to(leaf.GetSpacing(), (leaf.GetNumberOfCells(), 3))
    if leaf.IsA("vtkUnstructuredGrid"):
        cells, places = leaf.GetCells(), vtk_to_numpy(leaf.GetPoints().GetData())
        corners, starts = vtk_to_numpy(cells.GetConnectivityArray()), vtk_to_numpy(cells.GetOffsetsArray())
        starts = np.unique(starts[:-1][np.diff(starts) > 0])
        places = places[corners]
        return np.maximum.reduceat(places, starts) - np.minimum.reduceat(places, starts)
    boxes = np.array([leaf.GetCell(i).GetBounds() for i in _some(leaf.GetNumberOfCells())])
    return boxes[:, 1::2] - boxes[:, ::2]


def _some(n: int) -> list[int]:
    """At most about 20000 numbers below n, spread evenly."""
    return np.unique(np.linspace(0, n - 1, min(n, 20000)).astype(int)).tolist()


def resampled(
    data: Any, names: list[str], on_cells: bool, dims: Sequence[int], origin: Sequence[float], spacing: Sequence[float]
) -> dict[str, np.ndarray]:
    """Fields at the points of a grid, (nz, ny, nx[, c]), NaN where there is no mesh or it is blanked.

    Points of the mesh are interpolated between as its cells say; a cell counts for all of itself.
    """
    values: dict[str, np.ndarray] = {}
    filled = np.zeros(tuple(dims[::-1]), bool)
    for leaf in leaves_of(data):
        part = _stripped(leaf, names, on_cells)
        box = _box(leaf.GetBounds(), dims, origin, spacing)
        attributes = part.GetCellData() if on_cells else part.GetPointData()
        for name in set(names) & set(_names(attributes)) - set(values):
            array = vtk_to_numpy(attributes.GetArray(name))
            kind = np.promote_types(array.dtype, np.float32)
            values[name] = np.full((*filled.shape, *array.shape[1:]), np.nan, kind)
        if box is None or not set(names) & set(_names(attributes)):
            continue
        found, valid = probed(part, box, dims, origin, spacing)
        region = tuple(slice(box[axis], box[axis + 1] + 1) for axis in (4, 2, 0))
        new = valid & ~filled[region]
        hidden = found.pop(GHOSTS, np.zeros(filled[region].shape)) != 0
        for name in set(found) & set(values):
            holes = found.get(name + HOLES, np.zeros(hidden.shape)) > LEAST_HOLE
            values[name][region][new] = found[name][new]
            values[name][region][new & (hidden | holes)] = np.nan
        filled[region] |= new
    return values


def _stripped(leaf: Any, names: list[str], on_cells: bool) -> Any:
    """The mesh with the wanted arrays alone, and marks of hidden cells as one more; hidden points hold NaN."""
    part = leaf.NewInstance()
    part.CopyStructure(leaf)
    for attributes in (part.GetPointData(), part.GetCellData()):
        attributes.RemoveArray(GHOSTS)  # which newer VTKs count as structure, and then probe no cell beside a mark
    source, target = (
        (leaf.GetCellData(), part.GetCellData()) if on_cells else (leaf.GetPointData(), part.GetPointData())
    )
    whole = _numeric(source, leaf.GetNumberOfCells() if on_cells else leaf.GetNumberOfPoints())
    for name in names:
        if name in whole:
            target.AddArray(source.GetArray(name))
    marks = leaf.GetCellData().GetArray(GHOSTS)
    hidden = vtkDataSetAttributes.HIDDENCELL
    if marks is not None and (vtk_to_numpy(marks) & hidden).any():
        part.GetCellData().AddArray(_marks(vtk_to_numpy(marks) & hidden))
    if not on_cells:
        marks = leaf.GetPointData().GetArray(GHOSTS)
        _mark_holes(target, vtk_to_numpy(marks) & vtkDataSetAttributes.HIDDENPOINT != 0 if marks is not None else None)
    return part


def _marks(values: np.ndarray) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk

    array = numpy_to_vtk(values.astype(np.uint8), deep=1)
    array.SetName(GHOSTS)
    return array


def _mark_holes(attributes: Any, hidden: np.ndarray | None) -> None:
    """Put a 0 where points are hidden or have no number, and beside each array one that is 1 there.

    Interpolated, that says how much a hole counts at a place; NaN itself would count where its weight is 0, too, in newer VTKs.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk

    for name in _names(attributes):
        values = vtk_to_numpy(attributes.GetArray(name))
        holes = np.isnan(values).reshape(len(values), -1).any(axis=1)
        if hidden is not None:
            holes |= hidden
        if not holes.any():
            continue
        values = values.astype(np.promote_types(values.dtype, np.float32))
        values[holes] = 0
        for title, content in ((name, values), (name + HOLES, holes.astype(np.float32))):
            array = numpy_to_vtk(content, deep=1)
            array.SetName(title)
            attributes.AddArray(array)


def _box(bounds: Any, dims: Sequence[int], origin: Sequence[float], spacing: Sequence[float]) -> list[int] | None:
    """The inclusive box of points that a part of the mesh may reach; None when there is none."""
    box = []
    for axis in range(3):
        low, high = ((bound - origin[axis]) / spacing[axis] for bound in bounds[2 * axis : 2 * axis + 2])
        box += [max(math.floor(low - 1e-3), 0), min(math.ceil(high + 1e-3), dims[axis] - 1)]
        if box[-2] > box[-1]:
            return None
    return box


def probed(
    part: Any, box: Sequence[int], dims: Sequence[int], origin: Sequence[float], spacing: Sequence[float]
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Fields (nz, ny, nx[, c]) at the points of a box, and at which of them there is mesh."""
    image = vtkImageData()
    shape = [box[2 * axis + 1] - box[2 * axis] + 1 for axis in (2, 1, 0)]
    image.SetDimensions(*shape[::-1])
    start = [origin[i] + box[2 * i] * spacing[i] for i in range(3)]
    image.SetOrigin(*start)
    image.SetSpacing(*spacing)
    found = _probe(image, part)
    fields = {name: array.reshape(*shape, *array.shape[1:]) for name, array in found.items()}
    valid = fields.pop(VALID) != 0
    beside, way = _beside(valid)
    if len(beside):
        # rounding may put what lies on the face of a cell out of it: a hair inwards it is found
        again = _probe(_cloud((beside + HAIR * way)[:, ::-1] * spacing + start), part)
        met = again.pop(VALID) != 0
        index = tuple(beside[met].T)
        for name, array in again.items():
            fields[name][index] = array[met]
        valid[index] = True
    return fields, valid


def _probe(at: Any, part: Any) -> dict[str, np.ndarray]:
    probe = vtkProbeFilter()
    probe.SetInputData(at)
    probe.SetSourceData(part)
    probe.Update()
    attributes = probe.GetOutput().GetPointData()
    return {name: vtk_to_numpy(attributes.GetArray(name)) for name in _names(attributes)}


def _names(attributes: Any) -> list[str]:
    return [attributes.GetArrayName(i) for i in range(attributes.GetNumberOfArrays())]


def _beside(valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (n, 3) of the points without mesh that have neighbours with it, and the way (n, 3) to these, each -1 or 1."""
    padded = np.pad(valid, 1)
    n_near = np.zeros(valid.shape, np.int8)
    ways = np.zeros((*valid.shape, 3), np.int8)
    for offset in itertools.product((-1, 0, 1), repeat=3):
        near = padded[tuple(slice(1 + step, 1 + step + n) for step, n in zip(offset, valid.shape))]
        n_near += near
        ways += near[..., None] * np.array(offset, np.int8)
    beside = np.argwhere((n_near > 0) & ~valid)
    return beside, np.where(ways[tuple(beside.T)] < 0, -1.0, 1.0)


def _cloud(places: np.ndarray) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk

    points = vtkPoints()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(places, np.float64), deep=1))
    cloud = vtkPolyData()
    cloud.SetPoints(points)
    return cloud
