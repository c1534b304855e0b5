"""The macros on what can be shaded and what cannot: `shaded_by_macro.py FOLDER MACROS`, findings in FOLDER/macros.json."""

import json
import sys
from pathlib import Path

from paraview import servermanager, simple

folder, macros = map(Path, sys.argv[1:])


def press(name):
    """Run a macro as the menu does."""
    exec((macros / f"{name}.py").read_text(), {})


def things():
    """What there is and what is seen of it."""
    displays = servermanager.ProxyManager().GetProxiesInGroup("representations")
    return len(simple.GetSources()), sorted((name, display.Visibility) for (name, _), display in displays.items())


def picture(name):
    simple.ResetCamera(view)
    simple.SaveScreenshot(str(folder / f"macro_{name}.png"), view, ImageResolution=[320, 240])


simple.SetActiveSource(None)
press("ShadeVolume")
press("LightFollowsCamera")
press("AmbientOcclusion")
press("CinematicPicture")
view = simple.CreateView("RenderView")
view.OrientationAxesVisibility = 0
ball = simple.OpenDataFile(str(folder / "ball.hinr"))
simple.Show(ball, view)
vector = simple.Calculator(Input=ball, Function="density*iHat", ResultArrayName="drift")
wrong = {
    "a contour": simple.Contour(Input=ball, ContourBy=["POINTS", "density"], Isosurfaces=[0.0]),
    "cell data": simple.PointDatatoCellData(Input=ball),
    "a vector": simple.PassArrays(Input=vector, PointDataArrays=["drift"]),
    "no number": simple.OpenDataFile(str(folder / "nan.vti")),
    "pictures": simple.OpenDataFile(str(folder / "pictures.hinr")),
}
report = {"changed": []}
for case, source in wrong.items():
    simple.Show(source, view)
    simple.SetActiveSource(source)
    before = things()
    press("ShadeVolume")
    if things() != before or simple.GetActiveSource() != source:
        report["changed"].append(case)
    if case == "a contour":
        press("CinematicPicture")
        if things() != before or simple.GetActiveSource() != source:
            report["changed"].append(f"{case}, by paths of light")
    simple.Hide(source, view)
simple.SetActiveSource(ball)
press("ShadeVolume")
direct = simple.GetActiveSource()
report["seen"] = [servermanager.GetRepresentation(source, view).Visibility for source in (ball, direct)]
view.CameraPosition = [0.0, -10.0, 0.0]
view.CameraFocalPoint, view.CameraViewUp = [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]
press("LightFollowsCamera")
report["tied"] = direct.LightAzimuth
press("LightFollowsCamera")
simple.SetActiveSource(ball)
press("ShadeVolume")
report["again"] = simple.GetActiveSource() == direct
simple.Hide(direct, view)
by_menu = simple.HyperINRShadow(Input=ball)
display = simple.Show(by_menu, view)
report["applied"] = [display.Representation.GetData(), *list(display.ColorArrayName)]
picture("applied")
simple.SetActiveSource(by_menu)
by_menu.AmbientLight = direct.AmbientLight
by_menu.LightAzimuth, by_menu.LightElevation = direct.LightAzimuth, direct.LightElevation = 30, 40
n_sources = len(simple.GetSources())
press("ShadeVolume")
report["pressed"] = [len(simple.GetSources()) - n_sources, simple.GetActiveSource() == by_menu]
picture("menu")
simple.Hide(by_menu, view)
simple.Show(direct, view)
picture("direct")
simple.SetActiveSource(direct)
press("AmbientOcclusion")
report["lighting"] = [direct.Lighting.GetData()]
for made in (direct, by_menu):
    simple.Delete(made)
simple.SetActiveSource(ball)
press("AmbientOcclusion")
made = simple.GetActiveSource()
report["lighting"].append(made.Lighting.GetData())
report["occluded"] = [name for name in made.PointData.keys() if name.endswith(("shadow", "occlusion"))]
picture("occlusion")
press("CinematicPicture")
taken = simple.GetActiveSource()
beside = next(item for item in simple.GetViews() if item != view)
report["taken"] = [taken.GetXMLName(), taken.Input == ball, taken.Scalar[1], list(taken.CameraPosition)]
report["same light"] = [taken.LightAzimuth - made.LightAzimuth, taken.LightElevation - made.LightElevation]
simple.SaveScreenshot(str(folder / "macro_cinematic.png"), beside, ImageResolution=list(taken.PictureSize))
simple.SetActiveView(view)
view.CameraPosition = [10.0, 0.0, 0.0]
n_sources = len(simple.GetSources())
press("CinematicPicture")
report["again by camera"] = [len(simple.GetSources()) - n_sources, list(taken.CameraPosition)]
simple.SetActiveView(beside)
press("CinematicPicture")
(folder / "macros.json").write_text(json.dumps(report))
