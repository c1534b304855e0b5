"""A model seen through a server, or by pvbatch under MPI: FOLDER NAME [PORT PLUGIN]; appended to FOLDER/NAME.json, .png.

The client has no Python of ours: the plugin's XML is all that it knows.
"""

import importlib.util
import json
import sys
from pathlib import Path

from paraview import servermanager, simple

FOLDER, NAME = Path(sys.argv[1]), sys.argv[2]
report = {}
if len(sys.argv) > 3:
    report["client_has_package"] = importlib.util.find_spec("hyperinr_core") is not None
    simple.Connect("localhost", int(sys.argv[3]))
    simple.LoadPlugin(sys.argv[4], remote=False, ns=globals())
DIMS, PIXELS = json.loads((FOLDER / "how.json").read_text())


def extents(source, what):
    """Where each rank writes the extent that it was given."""
    spy = simple.ProgrammableFilter(Input=source)
    spy.CopyArrays = 1
    spy.Script = (
        "from vtkmodules.vtkParallelCore import vtkMultiProcessController as C\n"
        "rank = C.GetGlobalController().GetLocalProcessId()\n"
        f"open('{FOLDER}/{NAME}_{what}_%d.txt' % rank, 'w').write(repr(inputs[0].VTKObject.GetExtent()))\n"
    )
    spy.UpdatePipeline(0.55)


def main():
    """Everything in a function, because a ProgrammableFilter puts all of NumPy's names into __main__."""
    source = simple.OpenDataFile(str(FOLDER / "volume.hinr"))
    source.Dims = DIMS
    source.UpdatePipeline(0.55)
    report["cells"] = source.GetDataInformation().GetNumberOfCells()
    report["bounds"] = source.GetDataInformation().GetBounds()
    extents(source, "whole")
    view = simple.CreateView("RenderView")
    view.ViewSize = PIXELS
    view.ViewTime = 0.55
    view.OrientationAxesVisibility = 0
    display = simple.Show(source, view)
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", "density"))
    colours = simple.GetColorTransferFunction("density")
    colours.RescaleTransferFunction(-1.0, 3.0)
    simple.GetOpacityTransferFunction("density").RescaleTransferFunction(-1.0, 3.0)
    simple.ResetCamera(view)
    simple.SaveScreenshot(str(FOLDER / f"{NAME}.png"), view)
    source.RegionOfInterest = 1
    source.RegionPosition, source.RegionSize = [2.0, -1.5, 1.0], [2.0, 1.0, 12.0]
    extents(source, "region")
    source.UpdatePipeline(0.55)
    report["region_cells"] = source.GetDataInformation().GetNumberOfCells()
    integral = simple.IntegrateVariables(Input=source)
    integral.UpdatePipeline(0.55)
    report["region_density"] = servermanager.Fetch(integral).GetPointData().GetArray("density").GetValue(0)
    if NAME.startswith("server"):
        source.RegionOfInterest = 0
        source.Dims, source.TimeSteps = [9, 8, 7], "training steps"
        settings = {"ChooseFields": 1, "Fields": ["density"], "Samples": 20000, "Teacher": "none", "Preset": "fast"}
        simple.SaveData(str(FOLDER / f"{NAME}.hinr"), source, **settings)
    (FOLDER / f"{NAME}.json").write_text(json.dumps(report))


main()
