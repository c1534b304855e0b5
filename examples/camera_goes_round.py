"""A scene seen from all around by a model of its pictures, as numbered pictures: nothing is rendered but a plane.

    xvfb-run -a pvpython examples/camera_goes_round.py MODEL.hinr FOLDER        after eval "$(hyperinr env)"

MODEL is one that `hyperinr train-views` made. The camera goes once round; its height and other parameters stay in the middle.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paraview import simple

from hyperinr_core import hinr

N_PICTURES = 72


def main(model: str, folder: str) -> None:
    """Draw every picture."""
    view = simple.CreateView("RenderView")
    view.InteractionMode = "2D"
    source = simple.OpenDataFile(model)
    sliders = [p for p in hinr.read_header(model)["parameters"] if p["role"] != "time"]
    for number, parameter in enumerate(sliders, start=1):
        setattr(source, f"Parameter{number}", sum(parameter["bounds"]) / 2)
    azimuth = 1 + [parameter["role"] for parameter in sliders].index("view_azimuth")
    low, high = sliders[azimuth - 1]["bounds"]
    display = simple.Show(source, view)
    display.SetRepresentationType("Slice")
    display.MapScalars = 0  # the colours are what is to be seen, no values to be coloured
    view.OrientationAxesVisibility = 0
    nx, ny, _ = source.GetDataInformation().DataInformation.GetExtent()[1::2]
    view.ViewSize = [nx + 1, ny + 1]
    simple.ResetCamera(view)
    bounds = source.GetDataInformation().GetBounds()
    view.CameraParallelScale = (bounds[3] - bounds[2]) / 2  # the picture fills the window
    Path(folder).mkdir(exist_ok=True)
    for number in range(N_PICTURES):
        setattr(source, f"Parameter{azimuth}", low + (high - low) * number / N_PICTURES)
        simple.SaveScreenshot(f"{folder}/view_{number:03d}.png", view)


if __name__ == "__main__":
    main(*sys.argv[1:])
