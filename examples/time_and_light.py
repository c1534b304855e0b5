"""A HyperINR model that plays through its time while the light climbs, as numbered pictures.

    xvfb-run -a pvpython examples/time_and_light.py MODEL.hinr FOLDER     after eval "$(hyperinr env)"

Times lie between the training steps as well as on them; shadows follow the field at every one. Runs in pvbatch under MPI, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paraview import simple

from hyperinr.plugin import shading

N_PICTURES = 48


def main(model: str, folder: str) -> None:
    """Draw every picture."""
    view = simple.CreateView("RenderView")
    view.ViewSize = [800, 600]
    source = simple.OpenDataFile(model)
    first, last = source.TimestepValues[0], source.TimestepValues[-1]
    view.ViewTime = first
    shadow = shading.shade(source, view=view)
    view.CameraPosition, view.CameraViewUp = [1.5, -2.6, 1.5], [0.0, 0.0, 1.0]
    simple.ResetCamera(view)
    Path(folder).mkdir(exist_ok=True)
    for number in range(N_PICTURES):
        done = number / (N_PICTURES - 1)
        view.ViewTime = first + done * (last - first)
        shadow.LightElevation = 80.0 * done
        simple.SaveScreenshot(f"{folder}/moment_{number:03d}.png", view)


if __name__ == "__main__":
    main(*sys.argv[1:])
