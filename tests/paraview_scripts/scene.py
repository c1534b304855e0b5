"""How models look in pvpython: `scene.py FOLDER`; findings go to FOLDER/scene.json, pictures to FOLDER/*.png."""

import json
import sys
from pathlib import Path

from paraview import simple

from hyperinr.plugin import scene
from hyperinr_core.errors import HyperINRError

FOLDER = Path(sys.argv[1])


def save(view, name):
    view.ViewSize = [320, 280]
    simple.SaveScreenshot(str(FOLDER / f"{name}.png"), view, ImageResolution=[320, 280])


def shown(display, source, field):
    colors, opacity = simple.GetColorTransferFunction(field), simple.GetOpacityTransferFunction(field)
    return {
        "representation": display.SMProxy.GetProperty("Representation").GetElement(0),
        "field": display.ColorArrayName[1],
        "range": [colors.RGBPoints[0], colors.RGBPoints[-4]],
        "opacities": [list(opacity.Points)[i : i + 2] for i in range(0, len(opacity.Points), 4)],
        "title": simple.GetScalarBar(colors, simple.GetActiveView()).Title,
    }


def volume():
    """A model of two fields, its second one, the first again, and another file in the panel."""
    source, view = simple.OpenDataFile(str(FOLDER / "volume.hinr")), simple.CreateView("RenderView")
    view.ViewTime = 0.7
    found = {"first": shown(scene.show(source, view), source, "density")}
    scene.play_between(source)
    scene.follow(source, view)
    save(view, "volume")
    found["second"] = shown(scene.show(source, view, "velocity"), source, "velocity")
    scene.show(source, view)
    found["made"] = sorted(item.GetXMLName() for item in simple.GetSources().values())
    found["frames"] = simple.GetAnimationScene().NumberOfFrames
    found["time"] = simple.FindSource("time").Format
    source.FileName = str(FOLDER / "other.hinr")
    source.UpdatePipeline(0.7)
    found["other"] = simple.GetRepresentation(source, view).ColorArrayName[1]
    save(view, "other")
    source.TimeSteps = "continuous"
    scene.play_between(source)
    found["continuous frames"] = simple.GetAnimationScene().NumberOfFrames
    simple.Delete(view)
    return found


def plane():
    source, view = simple.OpenDataFile(str(FOLDER / "plane.hinr")), simple.CreateView("RenderView")
    field = source.PointData[0].Name
    found = shown(scene.show(source, view), source, field)
    save(view, "plane")
    simple.Delete(view)
    return {**found, "mode": str(view.InteractionMode) if view else ""}


def others():
    """An image that is not ours, with an error on both sides of zero; and what cannot be shown."""
    view = simple.CreateView("RenderView")
    wavelet = simple.Wavelet()
    signed = simple.Calculator(Input=wavelet, ResultArrayName="density error", Function="RTData - 150")
    found = {"signed": shown(scene.show(signed, view, "density error"), signed, "density error")}
    n_sources = len(simple.GetSources())
    found["said"] = [refusal(simple.Contour(Input=wavelet, Isosurfaces=[150.0]), view), refusal(simple.Sphere(), view)]
    simple.SetActiveSource(None)
    scene.show_active()
    found["made"] = len(simple.GetSources()) - n_sources
    return found


def refusal(source, view):
    try:
        scene.show(source, view)
    except HyperINRError as error:
        return str(error)


report = {part.__name__: part() for part in (volume, plane, others)}
(FOLDER / "scene.json").write_text(json.dumps(report))
