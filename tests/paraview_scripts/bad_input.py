"""What goes wrong in a session, one thing after the other, in one pvpython: findings in FOLDER/bad_input.json."""

import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from paraview import servermanager, simple
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_STRING

FOLDER, PLUGIN = Path(sys.argv[1]), sys.argv[2]


def opened(name):
    """A source and the list of what it says."""
    source, said = simple.OpenDataFile(str(FOLDER / name)), []

    def note(caller, event, text):
        said.append(text)

    note.CallDataType = VTK_STRING
    for event in ("ErrorEvent", "WarningEvent"):
        source.GetClientSideObject().AddObserver(event, note)
    return source, said


def n_points(source):
    return source.GetDataInformation().GetNumberOfPoints()


def values(source):
    return vtk_to_numpy(servermanager.Fetch(source).GetPointData().GetArray("density")).copy()


def loaded_twice():
    """The plugin again, while a model is open and after it: both still work, and the menus have no second entry."""
    source, said = opened("volume.hinr")
    source.UpdatePipeline(0.1)
    for _ in range(2):
        simple.LoadPlugin(PLUGIN, ns=globals())
    source.UpdatePipeline(0.2)
    again, _ = opened("volume.hinr")
    again.UpdatePipeline(0.2)
    return {
        "said": said,
        "points": [n_points(source), n_points(again)],
        "equal": bool((values(source) == values(again)).all()),
    }


def deleted():
    path = FOLDER / "deleted.hinr"
    shutil.copyfile(FOLDER / "volume.hinr", path)
    source, said = opened("deleted.hinr")
    source.UpdatePipeline(0.1)
    before = n_points(source)
    path.unlink()
    for time in (0.2, 0.3):
        source.UpdatePipeline(time)
    while_gone = n_points(source)
    shutil.copyfile(FOLDER / "volume.hinr", path)
    source.UpdatePipeline(0.4)
    return {"said": said, "points": [before, while_gone, n_points(source)]}


def replaced():
    """By a model on the same grid, which is shown at the next time, and by one on another, which takes a reload."""
    path = FOLDER / "replaced.hinr"
    shutil.copyfile(FOLDER / "volume.hinr", path)
    source, said = opened("replaced.hinr")
    source.UpdatePipeline(0.5)
    before = values(source)
    shutil.copyfile(FOLDER / "other.hinr", path)
    os.utime(path, ns=(0, 0))
    source.UpdatePipeline(0.6)
    source.UpdatePipeline(0.5)
    changed = float(np.abs(values(source) - before).max())
    shutil.copyfile(FOLDER / "small.hinr", path)
    source.UpdatePipeline(0.7)
    during = n_points(source)
    simple.ReloadFiles(source)
    source.UpdatePipeline(0.8)
    return {"said": said, "changed": changed, "points": [during, n_points(source)]}


def two_models():
    """One of time and two lights, one of time alone, side by side and with the same times."""
    (lights, said), (volume, _) = opened("lights.hinr"), opened("volume.hinr")
    lights.Parameter1, lights.Parameter2 = -10.0, 99.0
    for time in (0.0, 1.0, 1.0):
        lights.UpdatePipeline(time)
        volume.UpdatePipeline(time)
    np.save(FOLDER / "two_lights.npy", values(lights))
    np.save(FOLDER / "two_volume.npy", values(volume))
    return {
        "said": said,
        "sliders": [source.GetPropertyValue("NumberOfParameters") for source in (lights, volume)],
        "names": [source.GetPropertyValue("ModelParameters") for source in (lights, volume)],
    }


def outside():
    source, said = opened("volume.hinr")
    source.UpdatePipeline(2.0)
    last = values(source)
    for time in (-5.0, 99.0, 1e30):
        source.UpdatePipeline(time)
    return {"said": said, "equal": bool((values(source) == last).all())}


def too_large():
    source, said = opened("volume.hinr")
    source.Dims = [4000, 4000, 4000]
    source.UpdatePipeline(0.3)
    refused = n_points(source)
    source.Dims = [0, 0, 0]
    source.UpdatePipeline(0.3)
    return {"said": said, "points": [refused, n_points(source)]}


def compare():
    """A model against the truth of its own fields, and against one on another grid."""
    truth, said = opened("volume.hinr")
    truth.TimeSteps = "training steps"
    model, _ = opened("other.hinr")
    filter_ = simple.HyperINRCompare(Truth=truth, Model=model)

    def note(caller, event, text):
        said.append(text)

    note.CallDataType = VTK_STRING
    filter_.GetClientSideObject().AddObserver("ErrorEvent", note)
    filter_.UpdatePipeline(0.6)
    image = servermanager.Fetch(filter_)
    data = image.GetFieldData()
    found = {data.GetArrayName(i): data.GetArray(i).GetValue(0) for i in range(data.GetNumberOfArrays())}
    error = vtk_to_numpy(image.GetPointData().GetArray("density error"))
    truth.UpdatePipeline(0.5)
    model.UpdatePipeline(0.5)
    exact = float(np.abs(error - (values(model) - values(truth))).max())
    model.Dims = [5, 6, 7]
    filter_.UpdatePipeline(0.6)
    return {"said": said, "found": found, "exact": exact, "points": n_points(filter_)}


PARTS = (loaded_twice, deleted, replaced, two_models, outside, too_large, compare)
(FOLDER / "bad_input.json").write_text(json.dumps({part.__name__: part() for part in PARTS}))
