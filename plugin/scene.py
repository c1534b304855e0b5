"""The picture of `hyperinr render`, drawn inside pvpython: `pvpython -m hyperinr.plugin.scene JOB`, a JSON object."""

from __future__ import annotations

import json
import math
import sys

from paraview import simple

#: Fractions of the colour range and the opacity there: the low end clears the view, the high end shows.
OPACITY = ((0.0, 0.0), (0.15, 0.0), (0.4, 0.12), (1.0, 0.9))

PRESET = "Inferno (matplotlib)"


def open_model(job: dict):
    """The source at the job's theta and dims, with one field."""
    source = simple.HyperINRSource(FileName=job["model"])
    source.Fields = [job["field"]]
    if job["dims"]:
        source.Dims = job["dims"]
    for number, value in enumerate(job["sliders"], start=1):
        setattr(source, f"Parameter{number}", value)
    source.UpdatePipeline(job["time"] or 0.0)
    if not source.GetDataInformation().GetNumberOfPoints():
        sys.exit("the model gave no image")
    return source


def show(source, view, job: dict) -> None:
    """Show the field as a volume, or as a coloured plane when it is flat."""
    display = simple.Show(source, view)
    display.SetRepresentationType("Surface" if job["flat"] else "Volume")
    simple.ColorBy(display, ("POINTS", job["field"]))
    if job["picture"]:
        display.MapScalars = 0
        display.Ambient, display.Diffuse = 1.0, 0.0
        return
    low, high = job["range"]
    colours = simple.GetColorTransferFunction(job["field"])
    apply_preset(colours, PRESET)
    colours.RescaleTransferFunction(low, high)
    opacity = simple.GetOpacityTransferFunction(job["field"])
    opacity.Points = [number for at, alpha in OPACITY for number in (low + at * (high - low), alpha, 0.5, 0.0)]
    display.SetScalarBarVisibility(view, True)
    if job["flat"]:
        display.Ambient, display.Diffuse = 1.0, 0.0  # colours as in the legend, not shaded
        return
    bounds = source.GetDataInformation().GetBounds()
    display.ScalarOpacityUnitDistance = math.dist(bounds[0::2], bounds[1::2]) / 40
    outline = simple.Show(simple.Outline(Input=source), view)
    outline.AmbientColor = outline.DiffuseColor = [0.45, 0.45, 0.5]


def apply_preset(colours, name: str) -> None:
    """Use a colour map of ParaView's; from 6.0 on those of matplotlib are named without " (matplotlib)"."""
    try:
        colours.ApplyPreset(name, True)
    except RuntimeError:
        colours.ApplyPreset(name.partition(" (")[0], True)


def main() -> None:
    """Draw the job and save the picture."""
    job = json.loads(sys.argv[1])
    view = simple.CreateView("RenderView")
    view.ViewSize = job["size"]
    view.UseColorPaletteForBackground = 0
    view.Background = [0.09, 0.09, 0.11]
    view.OrientationAxesVisibility = 0
    if job["time"] is not None:
        view.ViewTime = job["time"]
    show(open_model(job), view, job)
    if job["flat"]:
        view.InteractionMode = "2D"
    else:
        view.CameraViewUp = [0.0, 0.0, 1.0]
        view.CameraPosition = [1.5, -2.6, 1.5]
        view.CameraFocalPoint = [0.0, 0.0, 0.0]
    simple.ResetCamera(view)
    simple.Render(view)
    simple.SaveScreenshot(job["output"], view, ImageResolution=job["size"])


if __name__ == "__main__":
    main()
