"""A volume whose light goes round it once, as numbered pictures.

    xvfb-run -a pvpython examples/light_goes_round.py VOLUME FOLDER [SHADOW_MODEL.hinr]     after eval "$(hyperinr env)"

VOLUME is any image data that ParaView opens, or a .hinr model. Without a shadow model the shadows are exact; with one of a
soft light or of scattering, this is where it saves its time. Runs in pvbatch under MPI, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

from paraview import simple

from hyperinr.plugin import shading

N_PICTURES = 72


def main(volume: str, folder: str, model: str | None = None) -> None:
    """Draw every picture."""
    view = simple.CreateView("RenderView")
    view.ViewSize = [800, 600]
    source = simple.OpenDataFile(volume)
    shadow = shading.shade(source, view=view, model=model)
    view.CameraPosition, view.CameraViewUp = [1.5, -2.6, 1.5], [0.0, 0.0, 1.0]
    simple.ResetCamera(view)
    shadow.LightElevation = 35.0
    Path(folder).mkdir(exist_ok=True)
    for number in range(N_PICTURES):
        shadow.LightAzimuth = 360.0 * number / N_PICTURES
        simple.SaveScreenshot(f"{folder}/light_{number:03d}.png", view)


if __name__ == "__main__":
    main(*sys.argv[1:])
