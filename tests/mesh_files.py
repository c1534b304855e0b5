"""Meshes of every kind, made by the writers of VTK, whose fields are linear in space, so that resampling is exact."""

from __future__ import annotations

import importlib
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np

N_POINTS = (7, 6, 5)


def linear(x, y, z, time=0.0):
    return 1 + 2 * x - 3 * y + 0.5 * z + 10 * time


def at_points(grid, time=0.0) -> np.ndarray:
    """(nz, ny, nx) of `linear` at the points of a grid."""
    axes = [grid.origin[i] + np.arange(grid.dims[i]) * grid.spacing[i] for i in range(3)]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    return linear(x, y, z, time)


def vtk_array(name, values):
    from vtkmodules.util.numpy_support import numpy_to_vtk

    array = numpy_to_vtk(np.ascontiguousarray(values), deep=1)
    array.SetName(name)
    return array


def write(module, name, path, data) -> Path:
    writer = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    writer.SetFileName(str(path))
    writer.SetInputData(data)
    writer.Write()
    return path


def places(n=N_POINTS, shift=0.0) -> np.ndarray:
    """(points, 3) of a unit cube whose inner points are moved."""
    x, y, z = np.meshgrid(*[np.linspace(0, 1, k) for k in n], indexing="ij")
    bent = np.stack([x + 0.1 * np.sin(3 * y) * x * (1 - x) + shift, y, z + 0.1 * np.sin(2 * x) * z * (1 - z)], -1)
    return bent.transpose(2, 1, 0, 3).reshape(-1, 3)


def with_fields(data, points, time=0.0):
    """s, a scalar, and U of three components of which the first is s."""
    s = linear(*points.T, time)
    data.GetPointData().AddArray(vtk_array("s", s))
    data.GetPointData().AddArray(vtk_array("U", np.stack([s, points[:, 0], -points[:, 1]], -1)))
    return data


def curvilinear(time=0.0, shift=0.0):
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkStructuredGrid

    data, points, xyz = vtkStructuredGrid(), vtkPoints(), places(shift=shift)
    points.SetData(vtk_array("", xyz))
    data.SetDimensions(*N_POINTS)
    data.SetPoints(points)
    return with_fields(data, xyz, time)


def hexahedra(time=0.0, shift=0.0):
    from vtkmodules.vtkFiltersCore import vtkAppendFilter

    append = vtkAppendFilter()
    append.AddInputData(curvilinear(time, shift))
    append.Update()
    return append.GetOutput()


def tetrahedra():
    from vtkmodules.vtkFiltersCore import vtkDelaunay3D

    cut = vtkDelaunay3D()
    cut.SetInputData(curvilinear())
    cut.Update()
    return cut.GetOutput()


def uneven():
    from vtkmodules.vtkCommonDataModel import vtkRectilinearGrid

    data = vtkRectilinearGrid()
    data.SetDimensions(*N_POINTS)
    axes = [np.linspace(0, 1, n) ** 1.5 for n in N_POINTS]
    for letter, axis in zip("XYZ", axes):
        getattr(data, f"Set{letter}Coordinates")(vtk_array("", axis))
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    return with_fields(data, np.stack([x, y, z], -1).reshape(-1, 3))


def blocks():
    from vtkmodules.vtkCommonDataModel import vtkMultiBlockDataSet

    data = vtkMultiBlockDataSet()
    data.SetBlock(0, curvilinear())
    data.SetBlock(2, hexahedra(shift=1.0))
    return data


def refined():
    """Two levels of cells, the finer one over the middle of the coarser, which lies about what is there."""
    from vtkmodules.vtkCommonDataModel import VTK_XYZ_GRID, vtkAMRBox, vtkOverlappingAMR, vtkUniformGrid

    def level(start, step, n, add):
        data = vtkUniformGrid()
        data.SetOrigin(start, start, start)
        data.SetSpacing(step, step, step)
        data.SetDimensions(n + 1, n + 1, n + 1)
        axis = start + (np.arange(n) + 0.5) * step
        z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
        inner = (np.abs(z - 0.5) < 0.25) & (np.abs(y - 0.5) < 0.25) & (np.abs(x - 0.5) < 0.25)
        data.GetCellData().AddArray(vtk_array("s", (linear(x, y, z) + add * inner).ravel()))
        return data

    data = vtkOverlappingAMR()
    data.Initialize(2, [1, 1])
    data.SetOrigin([0, 0, 0])
    data.SetGridDescription(VTK_XYZ_GRID)
    for number, (step, box) in enumerate(((0.125, (0, 7)), (0.0625, (4, 11)))):
        data.SetSpacing(number, [step] * 3)
        data.SetAMRBox(number, 0, vtkAMRBox([box[0]] * 3, [box[1]] * 3))
    data.SetRefinementRatio(0, 2)
    data.SetDataSet(0, 0, level(0.0, 0.125, 8, 1000.0))
    data.SetDataSet(1, 0, level(0.25, 0.0625, 8, 0.0))
    return data


def tree():
    """A hyper tree grid without refinement, with its values on cells."""
    from vtkmodules.vtkFiltersSources import vtkRandomHyperTreeGridSource

    source = vtkRandomHyperTreeGridSource()
    source.SetDimensions(5, 5, 5)
    source.SetOutputBounds(0, 1, 0, 1, 0, 1)
    source.SetMaxDepth(2)
    source.SetSeed(1)
    source.Update()
    return source.GetHyperTreeGridOutput() if hasattr(source, "GetHyperTreeGridOutput") else source.GetOutput()


def in_time(make, times):
    """A source of VTK's pipeline that makes a data set for each time."""
    from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline

    class Source(VTKPythonAlgorithmBase):
        def __init__(self):
            super().__init__(nInputPorts=0, nOutputPorts=1, outputType="vtkUnstructuredGrid")

        def RequestInformation(self, request, inputs, outputs):
            info = outputs.GetInformationObject(0)
            info.Set(Pipeline.TIME_STEPS(), times, len(times))
            info.Set(Pipeline.TIME_RANGE(), [times[0], times[-1]], 2)
            return 1

        def RequestData(self, request, inputs, outputs):
            info = outputs.GetInformationObject(0)
            time = info.Get(Pipeline.UPDATE_TIME_STEP())
            output = self.GetOutputData(outputs, 0)
            output.ShallowCopy(make(time))
            output.GetInformation().Set(output.DATA_TIME_STEP(), time)
            return 1

    return Source()


def write_steps(module, name, path, times) -> Path:
    """A file with all time steps."""
    writer = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    source = in_time(hexahedra, times)
    writer.SetFileName(str(path))
    writer.SetInputConnection(source.GetOutputPort())
    writer.SetWriteAllTimeSteps(True)
    writer.Write()
    return path


def write_foam(folder, times=(0.5, 1.0), n=4) -> Path:
    """A case of n x n x n cubes on the unit box, as blockMesh numbers them, with s on cells."""
    mesh = folder / "constant" / "polyMesh"
    mesh.mkdir(parents=True)
    (folder / "system").mkdir()
    (folder / "system" / "controlDict").write_text(_head("dictionary", "controlDict") + "startTime 0;\nendTime 1;\n")
    m = n + 1
    axis = np.linspace(0, 1, m)
    points = [f"({x:.9g} {y:.9g} {z:.9g})" for z in axis for y in axis for x in axis]

    def point(i, j, k):
        return i + m * (j + m * k)

    def cell(i, j, k):
        return i + n * (j + n * k)

    inner, outer = [], []
    for k in range(n):
        for j in range(n):
            for i in range(n):
                for axis_number in range(3):
                    step = [int(a == axis_number) for a in range(3)]
                    low, high = [i, j, k], [i + step[0], j + step[1], k + step[2]]
                    for at, is_high in ((low, False), (high, True)):
                        across = [a for a in range(3) if a != axis_number]
                        corners = []
                        for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)):
                            corner = list(at)
                            corner[across[0]] += u
                            corner[across[1]] += v
                            corners.append(point(*corner))
                        if (axis_number != 1) != is_high:
                            corners.reverse()
                        if is_high and max(high) < n:
                            inner.append((cell(i, j, k), cell(*high), corners))
                        elif (is_high and high[axis_number] == n) or (not is_high and low[axis_number] == 0):
                            outer.append((cell(i, j, k), None, corners))
                        elif is_high:
                            inner.append((cell(i, j, k), cell(*high), corners))
    inner.sort(key=lambda face: face[:2])
    faces = inner + outer
    _list(mesh, "points", "vectorField", points)
    _list(mesh, "faces", "faceList", [f"4({' '.join(map(str, corners))})" for *_, corners in faces])
    _list(mesh, "owner", "labelList", [str(owner) for owner, *_ in faces])
    _list(mesh, "neighbour", "labelList", [str(other) for _, other, _ in inner])
    patch = f"walls\n{{\n type wall;\n nFaces {len(outer)};\n startFace {len(inner)};\n}}"
    (mesh / "boundary").write_text(_head("polyBoundaryMesh", "boundary") + f"1\n(\n{patch}\n)\n")
    middle = (np.arange(n) + 0.5) / n
    z, y, x = np.meshgrid(middle, middle, middle, indexing="ij")
    for time in times:
        step = folder / f"{time:g}"
        step.mkdir()
        values = "\n".join(f"{value:.9g}" for value in linear(x, y, z, time).ravel())
        (step / "s").write_text(
            _head("volScalarField", "s")
            + f"dimensions [0 0 0 0 0 0 0];\ninternalField nonuniform List<scalar>\n{n**3}\n(\n{values}\n);\n"
            + "boundaryField\n{\n walls\n {\n  type zeroGradient;\n }\n}\n"
        )
    (folder / "case.foam").touch()
    return folder / "case.foam"


def write_decomposed(folder, times=(0.5, 1.0), n=4) -> Path:
    """The same on two such boxes side by side, a process each; the case itself has what decomposePar leaves there."""
    for number in range(2):
        part = folder / f"processor{number}"
        part.mkdir()
        write_foam(part, times, n).unlink()
        for path, add in (
            (part / "constant" / "polyMesh" / "points", 1.0),
            *((part / f"{t:g}" / "s", 2.0) for t in times),
        ):
            numbers = r"(?<=^\()[-\d.e]+(?= )" if path.name == "points" else r"^[-\d.e]+$(?!\n\()"
            moved = re.sub(numbers, partial(_added, add * number), path.read_text(), flags=re.M)
            path.write_text(moved)
    for name in ("constant", "system", f"{times[0]:g}"):
        shutil.copytree(folder / "processor0" / name, folder / name)
    (folder / "case.foam").touch()
    return folder / "case.foam"


def write_fluent(path, n=3) -> Path:
    """Fluent's mesh in ASCII of n x n x n cubes on the unit box, and beside it a .dat with `linear` as their pressure."""

    def point(i, j, k):
        return 1 + i + (n + 1) * (j + (n + 1) * k)

    def cell(i, j, k):
        return 1 + i + n * (j + n * k)

    inner, outer = [], []
    for axis in range(3):
        across = [other for other in range(3) if other != axis]
        for index in np.ndindex(*[n + (other == axis) for other in range(3)]):
            corners = []
            for u, v in ((0, 0), (1, 0), (1, 1), (0, 1)):
                corner = list(index)
                corner[across[0]] += u
                corner[across[1]] += v
                corners.append(point(*corner))
            if axis == 1:
                corners.reverse()  # so that the normal is along the axis, into the first of the cells
            below = [i - (other == axis) for other, i in enumerate(index)]
            if index[axis] == n:
                outer.append([*corners[::-1], cell(*below), 0])
            else:
                (outer if index[axis] == 0 else inner).append(
                    [*corners, cell(*index), 0 if index[axis] == 0 else cell(*below)]
                )
    axis = np.linspace(0, 1, n + 1)
    points = [f"{x:.9g} {y:.9g} {z:.9g}" for z in axis for y in axis for x in axis]
    faces = [[" ".join(f"{number:x}" for number in face) for face in part] for part in (inner, outer)]
    lines = ["(2 3)", f"(10 (0 1 {len(points):x} 0 3))", f"(10 (1 1 {len(points):x} 1 3)(", *points, "))"]
    lines += [f"(12 (0 1 {n**3:x} 0))", f"(12 (2 1 {n**3:x} 1 4))", f"(13 (0 1 {len(inner) + len(outer):x} 0))"]
    lines += [f"(13 (3 1 {len(inner):x} 2 4)(", *faces[0], "))"]
    lines += [f"(13 (4 {len(inner) + 1:x} {len(inner) + len(outer):x} 3 4)(", *faces[1], "))"]
    path.write_text("\n".join([*lines, "(45 (2 fluid fluid)())", "(45 (3 interior int)())", "(45 (4 wall wall)())\n"]))
    middle = (np.arange(n) + 0.5) / n
    z, y, x = np.meshgrid(middle, middle, middle, indexing="ij")
    values = [f"{value:.9g}" for value in linear(x, y, z).ravel()]
    about = f"(33 ({n**3} {len(inner) + len(outer)} {len(points)}))"
    path.with_suffix(".dat").write_text("\n".join([about, f"(300 (1 2 1 0 0 1 {n**3})(", *values, "))\n"]))
    return path


def _added(add, found) -> str:
    return f"{float(found[0]) + add:.9g}"


def _head(kind, name) -> str:
    return f"FoamFile\n{{\n version 2.0;\n format ascii;\n class {kind};\n object {name};\n}}\n"


def _list(folder, name, kind, items) -> None:
    (folder / name).write_text(_head(kind, name) + f"{len(items)}\n(\n" + "\n".join(items) + "\n)\n")
