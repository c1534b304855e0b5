"""What pvpython sees of models in FOLDER: prints one JSON object; the arrays go to FOLDER/*.npy."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from paraview import servermanager, simple
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_STRING

FOLDER = Path(sys.argv[1])


def save(name, source, field="density"):
    """Store an array of the source's image and say where the image lies."""
    image = servermanager.Fetch(source)
    nx, ny, nz = image.GetDimensions()
    array = vtk_to_numpy(image.GetPointData().GetArray(field))
    np.save(FOLDER / f"{name}.npy", array.reshape(nz, ny, nx, -1))
    arrays = [image.GetPointData().GetArrayName(i) for i in range(image.GetPointData().GetNumberOfArrays())]
    return {
        "extent": image.GetExtent(),
        "origin": image.GetOrigin(),
        "spacing": image.GetSpacing(),
        "arrays": arrays,
    }


def volume():
    """Time steps, times between them, dims, region, field choice, default representation."""
    source = simple.OpenDataFile(str(FOLDER / "volume.hinr"))
    found = {
        "proxy": source.GetXMLName(),
        "times": list(source.TimestepValues),
        "range": list(source.GetPropertyValue("TimeRange")),
    }
    source.UpdatePipeline(0.55)
    found["between"] = save("between", source)
    found["region_default"] = [*source.RegionPosition, *source.RegionSize]
    source.Dims = [17, 0, 9]
    source.UpdatePipeline(0.55)
    found["dims"] = save("dims", source)
    source.RegionOfInterest = 1
    source.RegionPosition, source.RegionSize = [2.0, -1.5, 1.0], [2.0, 1.0, 2.0]
    source.UpdatePipeline(1.3)
    found["region"] = save("region", source)
    source.Fields = ["density"]
    source.UpdatePipeline(1.3)
    found["one_field"] = save("one_field", source)
    source.UpdatePipeline(99.0)
    save("clamped", source)
    found["representation"] = shown_as(source)
    return found


def shown_as(source):
    view = simple.CreateView("RenderView")
    kind = simple.Show(source, view).SMProxy.GetProperty("Representation").GetElement(0)
    simple.Delete(view)
    return kind


def animation():
    """Times that the animation passes on when it plays more frames than the model has steps."""
    source = simple.OpenDataFile(str(FOLDER / "volume.hinr"))
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    scene.PlayMode = "Sequence"
    scene.NumberOfFrames = 9
    simple.Show(source, simple.CreateView("RenderView"))
    times = []
    scene.GoToFirst()
    for _ in range(scene.NumberOfFrames):
        source.UpdatePipeline(scene.TimeKeeper.Time)
        data = servermanager.Fetch(source)
        times.append(data.GetInformation().Get(data.DATA_TIME_STEP()))
        scene.GoToNext()
    return times


def over_time():
    """What filters over time make of the steps between the training steps; and a source that has none."""
    source = simple.OpenDataFile(str(FOLDER / "volume.hinr"))
    source.StepsBetween = 1
    statistics = simple.TemporalStatistics(Input=source)
    statistics.UpdatePipeline()
    save("mean", statistics, "density_average")
    between = simple.TemporalInterpolator(Input=source)
    between.UpdatePipeline(0.75)
    save("interpolated", between)
    simple.QuerySelect(QueryString="id == 0", FieldType="POINT", Source=source)
    plot = simple.PlotDataOverTime(Input=simple.ExtractSelection(Input=source))
    plot.UpdatePipeline()
    table = servermanager.Fetch(plot).GetBlock(0)
    plotted = [table.GetColumnByName("avg(density)").GetValue(i) for i in range(table.GetNumberOfRows())]
    source.TimeSteps = "continuous"
    source.UpdatePipelineInformation()
    steps = {"steps": list(source.TimestepValues), "range": list(source.GetPropertyValue("TimeRange"))}
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    return {"plotted": plotted, "continuous": {**steps, "scene": [scene.StartTime, scene.EndTime]}}


def parameters():
    """Sliders of a model with more parameters than time."""
    source = simple.OpenDataFile(str(FOLDER / "lights.hinr"))
    found = {
        "number": source.GetPropertyValue("NumberOfParameters"),
        "names": [source.GetPropertyValue(f"Parameter{n}Name") for n in (1, 2)],
        "ranges": [list(source.GetPropertyValue(f"Parameter{n}Range")) for n in (1, 2)],
        "defaults": [source.Parameter1, source.Parameter2],
    }
    source.Parameter1, source.Parameter2 = 20.0, 75.0
    source.UpdatePipeline(0.25)
    save("lights", source)
    return found


def plane():
    source = simple.OpenDataFile(str(FOLDER / "plane.hinr"))
    source.UpdatePipeline(0.7)
    return {"proxy": source.GetXMLName(), **save("plane", source), "representation": shown_as(source)}


def errors():
    """Error events of files and settings that cannot work, and how many points come out."""
    found = {}
    for name, settings in {
        "missing": {"FileName": str(FOLDER / "missing.hinr")},
        "truncated": {"FileName": str(FOLDER / "truncated.hinr")},
        "newer": {"FileName": str(FOLDER / "newer.hinr")},
        "dims": {"FileName": str(FOLDER / "volume.hinr"), "Dims": [1, 1, 1]},
    }.items():
        source = simple.HyperINRSource(FileName="", registrationName=name)
        said = []

        def note(caller, event, text, said=said):
            said.append(text)

        note.CallDataType = VTK_STRING
        source.GetClientSideObject().AddObserver("ErrorEvent", note)
        for key, value in settings.items():
            setattr(source, key, value)
        source.UpdatePipeline()
        found[name] = {"said": said, "points": source.GetDataInformation().GetNumberOfPoints()}
    return found


def reload_files():
    """A file that is replaced by a model on another grid, before and after Reload Files."""
    path = FOLDER / "replaced.hinr"
    shutil.copyfile(FOLDER / "volume.hinr", path)
    source = simple.OpenDataFile(str(path))
    source.UpdatePipeline(0.3)
    before = source.GetDataInformation().GetNumberOfPoints()
    shutil.copyfile(FOLDER / "lights.hinr", path)
    simple.ReloadFiles(source)
    source.UpdatePipeline(0.3)
    return [before, source.GetDataInformation().GetNumberOfPoints()]


def state():
    """A saved state brings a reader back with its choices."""
    source = simple.OpenDataFile(str(FOLDER / "lights.hinr"))
    source.Dims, source.Parameter2, source.Backend = [7, 0, 5], 61.0, "reference"
    simple.SaveState(str(FOLDER / "state.pvsm"))
    simple.ResetSession()
    simple.LoadState(str(FOLDER / "state.pvsm"))
    readers = [item for item in simple.GetSources().values() if item.GetXMLName() == "HyperINRSource"]
    source = next(item for item in readers if list(item.Dims) == [7, 0, 5])
    source.UpdatePipeline(1.0)
    return [
        source.Parameter1,
        source.Parameter2,
        source.SMProxy.GetProperty("Backend").GetElement(0),
        source.GetDataInformation().GetNumberOfPoints(),
    ]


report = {
    part.__name__: part() for part in (volume, animation, over_time, parameters, plane, errors, reload_files, state)
}
report["modules"] = [name for name in ("torch", "scipy", "skimage") if name in sys.modules]
(FOLDER / "report.json").write_text(json.dumps(report))
