"""The shadow pass in ParaView: `shadow.py FOLDER serial|parallel|server [URL]`, findings in FOLDER/shadow_NAME.json."""

import json
import sys
from pathlib import Path

from paraview import servermanager, simple

folder, name = Path(sys.argv[1]), sys.argv[2]
if len(sys.argv) > 3:
    simple.Connect("localhost", int(sys.argv[3]))
from hyperinr.plugin import shading  # noqa: E402 - after the connection, whose proxies it is for

view = simple.CreateView("RenderView")
view.ViewSize = [320, 240]
view.UseColorPaletteForBackground = 0
view.Background = [0.0, 0.0, 0.0]
view.OrientationAxesVisibility = 0
source = simple.OpenDataFile(str(folder / "ball.hinr"))
shadow = shading.shade(source, "density", view)
shadow.AmbientLight = 0.0
view.CameraPosition = [0.0, -10.0, 0.0]
view.CameraFocalPoint = [0.0, 0.0, 0.0]
view.CameraViewUp = [0.0, 0.0, 1.0]
simple.ResetCamera(view)


def look(label):
    simple.Render(view)
    simple.SaveScreenshot(str(folder / f"{name}_{label}.png"), view, ImageResolution=[320, 240])


report = {"ranks": servermanager.vtkProcessModule.GetProcessModule().GetNumberOfLocalPartitions()}
shading.light_at_camera(shadow, view)
report["at_camera"] = [shadow.LightAzimuth, shadow.LightElevation]
look("front")
if name == "serial":
    untie = shading.tie_light(shadow, view)
    view.GetActiveCamera().Azimuth(90)
    view.GetInteractor().InvokeEvent("EndInteractionEvent")
    report["tied"] = [shadow.LightAzimuth, shadow.LightElevation]
    untie()
    view.GetActiveCamera().Azimuth(-90)
    view.GetInteractor().InvokeEvent("EndInteractionEvent")
    report["untied"] = shadow.LightAzimuth
for label, azimuth in (("left", 180.0), ("right", 0.0)):
    shadow.LightAzimuth, shadow.LightElevation = azimuth, 0.0
    look(label)
integral = simple.IntegrateVariables(Input=shadow)
integral.UpdatePipeline()
sums = servermanager.Fetch(integral)
report["integral"] = sums.GetPointData().GetArray("density shadow").GetValue(0)
report["cells"] = shadow.GetDataInformation().GetNumberOfCells()
opacity = simple.GetOpacityTransferFunction("density")
opacity.Points = [0.0, 0.0, 0.5, 0.0, 1.0, 0.01, 0.5, 0.0]
integral.UpdatePipeline()
report["integral_thin"] = servermanager.Fetch(integral).GetPointData().GetArray("density shadow").GetValue(0)
shadow.Model = str(folder / "lights.hinr")
integral.UpdatePipeline()
report["integral_model"] = servermanager.Fetch(integral).GetPointData().GetArray("density shadow").GetValue(0)
report["modules"] = sorted({"torch", "scipy"} & set(sys.modules))
(folder / f"shadow_{name}.json").write_text(json.dumps(report))
