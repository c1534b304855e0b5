"""What `hyperinr doctor` runs inside a ParaView program: `-m hyperinr.plugin.scenes.probe MODEL [PORT]`.

Prints one line, MARK and a JSON object. With a port, the model is opened on the pvserver that listens there.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable

MARK = "HYPERINR_PROBE "


def attempt(check: Callable[[], object]) -> dict:
    """{"ok": True, "found": what the check gives} or {"ok": False, "found": why not}; nothing stops the probe."""
    try:
        return {"ok": True, "found": check()}
    except BaseException as error:  # an extension module built for another Python may raise anything
        return {"ok": False, "found": f"{type(error).__name__}: {error}"}


def numpy_works() -> str:
    """NumPy's version, after VTK has read an array of it."""
    import numpy
    from vtkmodules.numpy_interface import dataset_adapter  # breaks with a NumPy too new for this VTK
    from vtkmodules.util.numpy_support import numpy_to_vtk

    numpy_to_vtk(numpy.zeros(3, numpy.float32))
    return f"{numpy.__version__}" if dataset_adapter else ""


def package_found() -> str:
    """Where our package was found, after importing the class that ParaView makes."""
    from hyperinr.filters import source

    return source.__file__


def kernel_loads(path: str) -> str:
    """The instruction set of the compiled kernel, the precision of its networks, and why that one."""
    from hyperinr_core import hinr
    from hyperinr_core.backends.native import NativeBackend, chosen

    model = hinr.load_one(path)
    backend = NativeBackend(model.architecture, model.encoder_params, model.mlp_params)
    return f"{backend.isa} in {backend.precision} ({chosen()[2]})"


def plugin_works(path: str, port: int) -> str:
    """Points of an image that the model gives through the plugin."""
    from paraview import simple

    if port:
        simple.Connect("localhost", port)
    source = simple.HyperINRSource(FileName=path)
    source.UpdatePipeline()
    points = source.GetDataInformation().GetNumberOfPoints()
    if not points:
        raise RuntimeError("the plugin gave an empty image")
    return f"{points} points"


def main(path: str, port: int = 0) -> None:
    """Check everything and print it."""
    report = {
        "python": {"ok": True, "found": platform.python_version()},
        "numpy": attempt(numpy_works),
        "package": attempt(package_found),
        "kernel": attempt(lambda: kernel_loads(path)),
        "plugin": attempt(lambda: plugin_works(path, port)),
    }
    print("\n" + MARK + json.dumps(report), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *(int(port) for port in sys.argv[2:3]))
