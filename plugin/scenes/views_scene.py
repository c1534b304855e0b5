"""The pictures of `hyperinr render-views`, drawn inside pvpython: `pvpython -m hyperinr.plugin.scenes.views_scene JOB.json`."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from paraview import simple

from hyperinr_core.spaces.sphere import camera_frames

BACKGROUND = [1.0, 1.0, 1.0]
SURFACE = [0.85, 0.66, 0.42]


def show(job: dict, view: Any) -> tuple[float, ...]:
    """Show the surface or the volume; the bounds of what is shown."""
    reader = simple.XMLImageDataReader(FileName=[job["volume"]])
    reader.UpdatePipeline()
    if job["isovalue"] is not None:
        surface = simple.Contour(Input=reader, ContourBy=["POINTS", "value"], Isosurfaces=[job["isovalue"]])
        display = simple.Show(surface, view)
        simple.ColorBy(display, None)
        display.AmbientColor = display.DiffuseColor = SURFACE
        display.Specular = 0.2
        surface.UpdatePipeline()
        return surface.GetDataInformation().GetBounds()
    display = simple.Show(reader, view)
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", "value"))
    low, high = job["range"]
    colors = simple.GetColorTransferFunction("value")
    colors.ColorSpace = "RGB"
    colors.RGBPoints = [v for x, *rgb in job["colors"] for v in (low + x * (high - low), *rgb)]
    opacity = simple.GetOpacityTransferFunction("value")
    opacity.Points = [low, 0, 0.5, 0, low + 0.2 * (high - low), 0, 0.5, 0, high, 0.6, 0.5, 0]
    bounds = reader.GetDataInformation().GetBounds()
    display.ScalarOpacityUnitDistance = math.dist(bounds[0::2], bounds[1::2]) / 60
    display.SetScalarBarVisibility(view, False)
    return bounds


def main() -> None:
    """Draw all views of the job."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    view = simple.CreateView("RenderView")
    size = list(job["size"])
    view.ViewSize = size
    view.UseColorPaletteForBackground = 0
    view.Background = BACKGROUND
    view.OrientationAxesVisibility = 0
    view.CenterAxesVisibility = 0
    bounds = show(job, view)
    center = [(low + high) / 2 for low, high in zip(bounds[0::2], bounds[1::2])]
    half = math.tan(math.radians(job["view_angle"] / 2)) * min(1.0, size[0] / size[1])
    distance = math.dist(bounds[0::2], bounds[1::2]) / 2 / math.sin(math.atan(half))
    view.CameraViewAngle = job["view_angle"]
    view.CameraFocalPoint = view.CenterOfRotation = center
    for number, (_, up, towards) in enumerate(camera_frames(job["views"]).tolist()):
        view.CameraPosition = [c + distance * t for c, t in zip(center, towards)]
        view.CameraViewUp = up
        name, transparent = f"{job['folder']}/{number:05d}.png", int(job["transparent"])
        simple.SaveScreenshot(name, view, ImageResolution=size, TransparentBackground=transparent)


if __name__ == "__main__":
    main()
