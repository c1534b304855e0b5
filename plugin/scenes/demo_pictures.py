"""The demo's pictures, drawn inside ParaView: `pvpython demo_pictures.py JOB`, JOB being one JSON object.

Panels of one moment: the truth, the model, linear interpolation (ParaView's TemporalInterpolator between the training
steps), and how far the two are from the truth; then the model's frames of the whole sequence, and the moment in light
and shadow.

The job holds "folder" for the pictures, "model", "series" and "training_series" files, "field", "looks" of the field
and of the difference, "time" of the panels, "frame_times" and "frame_dims" of the animation.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from paraview import simple

from hyperinr.plugin import scene, shading
from hyperinr_core.pictures.look import UNITS_ACROSS, Look

SIZE = (480, 480)


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
    scene.outline(sources["truth"], view)
    draw_panels(view, job, sources)
    draw_frames(view, job, sources["model"])
    draw_shadow(view, job, sources["model"])


def open_view() -> Any:
    """An empty view of the demo's size and background."""
    view = simple.CreateView("RenderView")
    view.ViewSize = SIZE
    scene.set_up(view)
    return view


def draw_panels(view: Any, job: dict, sources: dict) -> None:
    """One picture for each source at the job's moment, and for the distance of model and linear from the truth."""
    field = job["field"]
    for name, source in sources.items():
        draw(view, source, "field", job, name)
    for name in ("model", "linear"):
        distance = simple.PythonCalculator(Input=[sources[name], sources["truth"]])
        distance.Expression = f"abs(inputs[0].PointData['{field}'] - inputs[1].PointData['{field}'])"
        distance.ArrayName = "difference"
        draw(view, distance, "difference", job, f"{name}_difference")


def draw(view: Any, source: Any, kind: str, job: dict, name: str) -> None:
    """Save a picture of one source alone."""
    show(view, source, kind, job)
    simple.SaveScreenshot(f"{job['folder']}/{name}.png", view)
    simple.Hide(source, view)


def draw_frames(view: Any, job: dict, model: Any) -> None:
    """The model at every time of the animation."""
    model.Dims = job["frame_dims"]
    show(view, model, "field", job)
    for number, moment in enumerate(job["frame_times"]):
        view.ViewTime = moment
        simple.SaveScreenshot(f"{job['folder']}/frame_{number:03d}.png", view)


def draw_shadow(view: Any, job: dict, model: Any) -> None:
    """The model at the job's moment, shaded by itself under a light from the upper right."""
    view.ViewTime = job["time"]
    bounds = model.GetDataInformation().GetBounds()
    unit = math.dist(bounds[0::2], bounds[1::2]) / UNITS_ACROSS
    shadow = shading.shade(model, job["field"], view, unit_distance=unit)
    shadow.LightAzimuth, shadow.LightElevation = 5.0, 35.0
    simple.SaveScreenshot(f"{job['folder']}/shadow.png", view)


def show(view: Any, source: Any, kind: str, job: dict) -> None:
    """Show a source as a volume under the camera and the look that all of its kind share."""
    source.UpdatePipeline(view.ViewTime)
    if not source.GetDataInformation().GetNumberOfPoints():
        sys.exit(f"nothing to draw at time {view.ViewTime:g}")  # ParaView has said why
    name = job["field"] if kind == "field" else kind
    display = simple.Show(source, view, "UniformGridRepresentation")
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", name))
    scene.color(display, view, source, name, Look.from_dict(job["looks"][kind]), name)
    display.SetScalarBarVisibility(view, False)  # the strip has one for all
    scene.look_at(source, view)


if __name__ == "__main__":
    main()
