"""Reads meshes in a process of its own, which a damaged file may bring down: run by path, by Python with VTK or by pvpython.

A line of JSON comes in for each thing to do, and one goes out for each that is done; `meshes.py` is at the other end.
Nothing of ours is imported but `probing.py` beside it, so that the Python of any ParaView can run it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

if __name__ == "__main__":
    # this folder last: modules of libraries may have the names of its modules
    HERE = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [*(folder for folder in sys.path if folder != HERE), HERE]

import numpy as np
import probing  # type: ignore[import-not-found]  # found beside this file, which runs by path
from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow, vtkStringOutputWindow
from vtkmodules.vtkCommonDataModel import vtkCompositeDataSet
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

#: Suffix -> module and class of VTK's reader.
READERS = {
    ".vtu": ("vtkIOXML", "vtkXMLUnstructuredGridReader"),
    ".pvtu": ("vtkIOXML", "vtkXMLPUnstructuredGridReader"),
    ".vts": ("vtkIOXML", "vtkXMLStructuredGridReader"),
    ".pvts": ("vtkIOXML", "vtkXMLPStructuredGridReader"),
    ".vtr": ("vtkIOXML", "vtkXMLRectilinearGridReader"),
    ".pvtr": ("vtkIOXML", "vtkXMLPRectilinearGridReader"),
    ".vtm": ("vtkIOXML", "vtkXMLMultiBlockDataReader"),
    ".vtmb": ("vtkIOXML", "vtkXMLMultiBlockDataReader"),
    ".vtpd": ("vtkIOXML", "vtkXMLPartitionedDataSetReader"),
    ".vtpc": ("vtkIOXML", "vtkXMLPartitionedDataSetCollectionReader"),
    ".vth": ("vtkIOXML", "vtkXMLUniformGridAMRReader"),
    ".vthb": ("vtkIOXML", "vtkXMLUniformGridAMRReader"),
    ".htg": ("vtkIOXML", "vtkXMLHyperTreeGridReader"),
    ".vtkhdf": ("vtkIOHDF", "vtkHDFReader"),
    ".vtk": ("vtkIOLegacy", "vtkGenericDataObjectReader"),
    ".ex2": ("vtkIOExodus", "vtkExodusIIReader"),
    ".exo": ("vtkIOExodus", "vtkExodusIIReader"),
    ".e": ("vtkIOExodus", "vtkExodusIIReader"),
    ".g": ("vtkIOExodus", "vtkExodusIIReader"),
    ".cgns": ("vtkIOCGNSReader", "vtkCGNSReader"),
    ".case": ("vtkIOEnSight", "vtkGenericEnSightReader"),
    ".encas": ("vtkIOEnSight", "vtkGenericEnSightReader"),
    ".foam": ("vtkIOGeometry", "vtkOpenFOAMReader"),
    ".xdmf": ("vtkIOXdmf2", "vtkXdmfReader"),
    ".xmf": ("vtkIOXdmf2", "vtkXdmfReader"),
}

_FAILURE = re.compile(r"error|fail|truncat|mismatch|premature|cannot|could not", re.IGNORECASE)
_MESSAGE = re.compile(r"^(ERROR|Generic Warning): In .*, line \d+\n(?:\w+ \(0x[0-9a-f]+\): )?(.+)", re.MULTILINE)


class Failed(Exception):
    """What is wrong with a file."""


class Lacking(Exception):
    """There is no reader here that takes a file."""


class Source:
    """A file's reader in a pipeline, and what it put out last."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.reader = _reader(path)
        self.reader.UpdateInformation()
        info, key = self.reader.GetOutputInformation(0), vtkStreamingDemandDrivenPipeline.TIME_STEPS()
        has_times = info.Has(key) and info.Length(key) and not self.reader.IsA("vtkDataReader")
        self.times = list(info.Get(key)) if has_times else None

    def data(self, frame: int) -> Any:
        """The data set of a step."""
        if self.times is None:
            self.reader.Update()
        elif self.reader.IsA("vtkXMLReader") and not self.reader.IsA("vtkPVDReader"):
            # its times are numbers of steps
            self.reader.SetTimeStep(int(self.times[frame]))
            self.reader.Update()
        else:
            self.reader.UpdateTimeStep(self.times[frame])
        return self.reader.GetOutputDataObject(0)


def _reader(path: str) -> Any:
    suffix = Path(path).suffix.lower()
    try:
        module, name = READERS[suffix]
        reader = getattr(importlib.import_module(f"vtkmodules.{module}"), name)()
    except (KeyError, ImportError, AttributeError):
        return _of_paraview(path)
    if suffix == ".foam" and _is_decomposed(Path(path)):
        from vtkmodules.vtkIOParallel import vtkPOpenFOAMReader

        reader = vtkPOpenFOAMReader()
        reader.SetCaseType(0)
    getattr(reader, "SetCaseFileName" if "EnSight" in name else "SetFileName")(path)
    _want_all(reader)
    return reader


def _is_decomposed(path: Path) -> bool:
    """Whether an OpenFOAM case has steps in the folders of its processes alone: the mesh and step 0 stay in the case."""
    own = _times_in(path.parent)
    if any(_times_in(folder) - own for folder in path.parent.glob("processors*")):
        raise Failed("its steps are in OpenFOAM's collated format, of which reconstructPar makes what VTK reads")
    return bool(_times_in(path.parent / "processor0") - own)


def _times_in(folder: Path) -> set[float]:
    times = set()
    for step in folder.iterdir() if folder.is_dir() else ():
        with contextlib.suppress(ValueError):
            times.add(float(step.name))
    return times


def _want_all(reader: Any) -> None:
    """Set a reader to read everything but numbers of its own."""
    if reader.IsA("vtkExodusIIReader"):
        for kind in (reader.NODAL, reader.ELEM_BLOCK):
            reader.UpdateInformation()
            reader.SetAllArrayStatus(kind, 1)
        reader.SetGenerateObjectIdCellArray(0)
        reader.SetGenerateGlobalElementIdArray(0)
        reader.SetGenerateGlobalNodeIdArray(0)
    if reader.IsA("vtkDataReader"):
        for attribute in ("Scalars", "Vectors", "Normals", "Tensors", "Fields"):
            getattr(reader, f"ReadAll{attribute}On")()
    if hasattr(reader, "SetCreateCellToPoint"):
        reader.SetCreateCellToPoint(0)  # OpenFOAM computes in cells, and means of their values are not what it found
    if hasattr(reader, "SetMaximumLevelsToReadByDefault"):
        reader.SetMaximumLevelsToReadByDefault(0)  # 0 is all; without it the coarsest level alone is read
    if hasattr(reader, "EnableAllCellArrays"):
        reader.UpdateInformation()
        reader.EnableAllCellArrays()
        reader.EnableAllPointArrays()
    if reader.IsA("vtkCGNSReader"):
        reader.UpdateInformation()
        reader.EnableAllBases()


def _of_paraview(path: str) -> Any:
    """What ParaView reads a file with."""
    try:
        from paraview import simple
    except ImportError:
        raise Lacking from None
    try:
        proxy = simple.OpenDataFile(path)
    except RuntimeError:  # what it says when none of its readers takes the file
        raise Lacking from None
    for name in ("PointArrayStatus", "CellArrayStatus"):
        if name in proxy.ListProperties():
            property_ = proxy.GetProperty(name)
            property_.SetData(list(property_.GetAvailable()))
    proxy.UpdatePipelineInformation()
    while _kept:  # the file before, of which no source is left
        simple.Delete(_kept.pop())
    _kept.append(proxy)
    return proxy.GetClientSideObject()


#: ParaView's proxy of the open file, whose reader goes with it.
_kept: list[Any] = []


class Worker:
    """Does what the lines ask for; the file of the last one stays open."""

    def __init__(self) -> None:
        self._source: Source | None = None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._source is None or self._source.path != request["path"]:
            self._source = None
            self._source = Source(request["path"])
        return getattr(self, request["do"])(self._source, **request.get("with", {}))

    def describe(self, source: Source, frames: list[int], times_only: bool) -> dict[str, Any]:
        """What a file holds; with `times_only` no more than when its steps are, None where the header does not tell."""
        if times_only:
            return {"times": source.times}
        found: list[dict[str, Any]] = []
        for frame in sorted({range(len(source.times or (0,)))[frame] for frame in frames}):
            data = source.data(frame)
            found.append({**probing.describe(data), "moment": _moment(data)})
        lows, highs = zip(*((each["bounds"][::2], each["bounds"][1::2]) for each in found))
        bounds = np.stack([np.min(lows, axis=0), np.max(highs, axis=0)], axis=1).ravel().tolist()
        return {**found[0], "bounds": bounds, "times": source.times}

    def load(self, source: Source) -> dict[str, Any]:
        """Read a file, to see whether that can be done."""
        source.data(0)
        self._source = None
        return {}

    def resample(
        self, source: Source, frame: int, names: list[str], on_cells: bool, grid: dict[str, Any], outputs: list[str]
    ) -> dict[str, Any]:
        """Write fields of a step, (nz, ny, nx[, c]) with NaN outside the mesh, one .npy each."""
        data = source.data(frame)
        fields = probing.resampled(data, names, on_cells, **grid)
        for name, output in zip(names, outputs):
            if name not in fields:
                raise Failed(f"step {frame} has no field {name!r} on its {'cells' if on_cells else 'points'}")
            _save(output, fields[name])
        return {"bounds": probing.describe_bounds(data)}


def _save(output: str, values: np.ndarray) -> None:
    """Write a .npy file whole or not at all."""
    part = f"{output}.{os.getpid()}.part"
    try:
        with open(part, "wb") as file:
            np.save(file, values)
        os.replace(part, output)
    finally:
        Path(part).unlink(missing_ok=True)


def _moment(data: Any) -> float | None:
    leaves = [data]
    if isinstance(data, vtkCompositeDataSet):
        leaves += probing.leaves_of(data)[:1]
    for leaf in leaves:
        for name in ("TimeValue", "TIME"):
            array = leaf.GetFieldData().GetArray(name) if leaf.GetFieldData() else None
            if array is not None and array.GetNumberOfTuples() == 1:
                return float(array.GetComponent(0, 0))
    return None


def _complaint(window: Any) -> str:
    """The first failure that VTK's readers told of, in one line; warnings of what harms nothing are none."""
    for kind, text in _MESSAGE.findall(window.GetOutput()):
        if kind == "ERROR" or _FAILURE.search(text):
            return " ".join(text.split()).rstrip(".")
    return ""


def _answered(worker: Worker, line: str) -> dict[str, Any]:
    window = vtkStringOutputWindow()
    vtkOutputWindow.SetInstance(window)
    try:
        answer = worker.answer(json.loads(line))
    except Lacking:
        return {"lacking": True}
    except Exception as error:  # readers raise whatever they stumble over
        own = isinstance(error, (Failed, probing.NoMesh))
        return {"failed": _complaint(window) or (str(error) if own else f"{type(error).__name__}: {error}")}
    # a reader that complains has read less than there is
    complaint = _complaint(window)
    return {"failed": complaint} if complaint else answer


@contextlib.contextmanager
def ended_with(questions: IO[str]) -> Iterator[None]:
    """Let this process end when nobody is left who asks, even while a library's code does not come back.

    Linux then sends SIGIO, which ends whoever does not handle it; it would for another question, too, but none is asked
    before the last one is answered. Elsewhere a process that hangs ends when its asker's patience does.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    import fcntl

    flags = fcntl.fcntl(questions, fcntl.F_GETFL)
    fcntl.fcntl(questions, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(questions, fcntl.F_SETFL, flags | os.O_ASYNC)
    try:
        yield
    finally:
        fcntl.fcntl(questions, fcntl.F_SETFL, flags)


def main() -> None:
    """Answer until the other end closes."""
    # what libraries print is no answer, and pvpython's sys.stdin is no file
    questions, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    worker = Worker()
    for line in questions:
        with ended_with(questions):
            answer = json.dumps(_answered(worker, line))
        print(answer, file=answers, flush=True)


if __name__ == "__main__":
    main()
