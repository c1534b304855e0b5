"""The demo's pictures, drawn inside ParaView: `pvpython demo_render.py JOB`, JOB being one JSON object.

Panels of one moment: the truth, the model, linear interpolation (ParaView's TemporalInterpolator between the training
steps), and how far the two are from the truth; then the model's frames of the whole sequence, and the moment in light
and shadow.

The job holds "folder" for the pictures, "model", "series" and "training_series" files, "field", "ranges" of the field
and of the difference, "time" of the panels, "frame_times" and "frame_dims" of the animation.
"""

from __future__ import annotations

import json
import math
import sys

from paraview import simple

from hyperinr.plugin import shading
from hyperinr.plugin.scene import apply_preset

SIZE = (480, 480)
BACKGROUND = (0.035, 0.04, 0.06)
#: Opacity at fractions of the colour range: the calm fluid clears the view of the vortices.
OPACITY = {
    "field": ((0.0, 0.0), (0.25, 0.0), (0.4, 0.08), (0.65, 0.45), (1.0, 0.9)),
    "difference": ((0.0, 0.0), (0.25, 0.0), (0.5, 0.1), (1.0, 0.6)),
}
#: Opacities hold for this part of the box's diagonal.
UNITS_PER_DIAGONAL = 45
PRESET = {"field": "Inferno (matplotlib)", "difference": "Viridis (matplotlib)"}
#: The box is seen from a corner, a little from above.
CAMERA = (1.0, -1.7, 0.85)


def main() -> None:
    """Draw everything the job asks for."""
    job = json.loads(sys.argv[1])
    view = open_view()
    sources = {
        "truth": simple.PVDReader(FileName=job["series"]),
        "model": simple.HyperINRSource(FileName=job["model"]),
        "linear": simple.TemporalInterpolator(Input=simple.PVDReader(FileName=job["training_series"])),
    }
    view.ViewTime = job["time"]
    show_box(view, sources["truth"])
    draw_panels(view, job, sources)
    draw_frames(view, job, sources["model"])
    draw_shadow(view, job, sources["model"])


def open_view():
    """An empty view of the demo's size and background."""
    view = simple.CreateView("RenderView")
    view.ViewSize = SIZE
    view.UseColorPaletteForBackground = 0
    view.Background = BACKGROUND
    view.OrientationAxesVisibility = 0
    return view


def draw_panels(view, job: dict, sources: dict) -> None:
    """One picture for each source at the job's moment, and for the distance of model and linear from the truth."""
    field = job["field"]
    for name, source in sources.items():
        draw(view, source, "field", job, name)
    for name in ("model", "linear"):
        distance = simple.PythonCalculator(Input=[sources[name], sources["truth"]])
        distance.Expression = f"abs(inputs[0].PointData['{field}'] - inputs[1].PointData['{field}'])"
        distance.ArrayName = "difference"
        draw(view, distance, "difference", job, f"{name}_difference")


def draw(view, source, kind: str, job: dict, name: str) -> None:
    """Save a picture of one source alone."""
    show(view, source, kind, job)
    simple.SaveScreenshot(f"{job['folder']}/{name}.png", view)
    simple.Hide(source, view)


def draw_frames(view, job: dict, model) -> None:
    """The model at every time of the animation."""
    model.Dims = job["frame_dims"]
    show(view, model, "field", job)
    for number, moment in enumerate(job["frame_times"]):
        view.ViewTime = moment
        simple.SaveScreenshot(f"{job['folder']}/frame_{number:03d}.png", view)


def draw_shadow(view, job: dict, model) -> None:
    """The model at the job's moment, shaded by itself under a light from the upper right."""
    view.ViewTime = job["time"]
    bounds = model.GetDataInformation().GetBounds()
    unit = math.dist(bounds[0::2], bounds[1::2]) / UNITS_PER_DIAGONAL
    shadow = shading.shade(model, job["field"], view, unit_distance=unit)
    shadow.LightAzimuth, shadow.LightElevation = 5.0, 35.0
    simple.SaveScreenshot(f"{job['folder']}/shadow.png", view)


def show(view, source, kind: str, job: dict) -> None:
    """Show a source as a volume under the camera and transfer function that all of its kind share."""
    source.UpdatePipeline(view.ViewTime)
    if not source.GetDataInformation().GetNumberOfPoints():
        sys.exit(f"nothing to draw at time {view.ViewTime:g}")  # ParaView has said why
    name = job["field"] if kind == "field" else kind
    display = simple.Show(source, view, "UniformGridRepresentation")
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", name))
    low, high = job["ranges"][kind]
    colours = simple.GetColorTransferFunction(name)
    colours.AutomaticRescaleRangeMode = "Never"
    apply_preset(colours, PRESET[kind])
    colours.RescaleTransferFunction(low, high)
    opacity = simple.GetOpacityTransferFunction(name)
    opacity.Points = [number for at, alpha in OPACITY[kind] for number in (low + at * (high - low), alpha, 0.5, 0.0)]
    bounds = source.GetDataInformation().GetBounds()
    display.ScalarOpacityUnitDistance = math.dist(bounds[0::2], bounds[1::2]) / UNITS_PER_DIAGONAL
    place_camera(view, bounds)


def show_box(view, source) -> None:
    """Faint edges of the data's box, which give the picture its depth."""
    display = simple.Show(simple.Outline(Input=source), view)
    display.AmbientColor = display.DiffuseColor = (0.3, 0.33, 0.4)
    display.LineWidth = 1.0


def place_camera(view, bounds: tuple[float, ...]) -> None:
    """Look at the middle of the box from `CAMERA`, near enough to fill the picture."""
    middle = [(bounds[i] + bounds[i + 1]) / 2 for i in (0, 2, 4)]
    distance = 1.9 * math.dist(bounds[0::2], bounds[1::2]) / math.dist(CAMERA, (0, 0, 0))
    view.CameraFocalPoint = middle
    view.CameraPosition = [m + distance * c for m, c in zip(middle, CAMERA)]
    view.CameraViewUp = (0.0, 0.0, 1.0)
    view.CameraViewAngle = 30


if __name__ == "__main__":
    main()
