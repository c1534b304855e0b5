"""Writes a state file that shows a HyperINR model as a volume, with its time in the corner and 201 frames to play.

    xvfb-run -a pvpython examples/turbulence_state.py demo/turbulence.hinr examples/turbulence.pvsm   after eval "$(hyperinr env)"

`examples/turbulence.pvsm` was made this way. The state names the model without its folder: open it with File > Load State and
*Search files under specified directory*, or from Python with LoadState(state, data_directory="demo").
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from paraview import simple

from hyperinr.plugin.scene import apply_preset

N_FRAMES = 201


def main(model: str, state: str) -> None:
    """Set up the view and save the state."""
    state = os.path.abspath(state)
    os.chdir(Path(model).resolve().parent)
    source = simple.OpenDataFile(Path(model).name)
    simple.RenameSource(Path(model).name, source)
    view = simple.GetActiveViewOrCreate("RenderView")
    view.ViewSize = [800, 600]
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    scene.PlayMode, scene.NumberOfFrames = "Sequence", N_FRAMES
    show(source, view)
    simple.Show(simple.AnnotateTimeFilter(source, Format="time {time:.3f}", registrationName="time"), view)
    view.CameraPosition, view.CameraViewUp = [1.5, -2.6, 1.5], [0.0, 0.0, 1.0]
    simple.ResetCamera(view)
    simple.Render(view)
    simple.SaveState(state)


def show(source: object, view: object) -> None:
    """Colours from dark to bright, and an opacity that leaves the calm fluid clear."""
    field = source.PointData[0].Name
    display = simple.Show(source, view, "UniformGridRepresentation")
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", field))
    low, high = source.PointData[field].GetRange()
    colors, opacity = simple.GetColorTransferFunction(field), simple.GetOpacityTransferFunction(field)
    apply_preset(colors, "Inferno (matplotlib)")
    colors.RescaleTransferFunction(low, high)
    steps = ((0.0, 0.0), (0.2, 0.0), (0.45, 0.15), (1.0, 0.9))
    opacity.Points = [x for share, alpha in steps for x in (low + share * (high - low), alpha, 0.5, 0.0)]
    display.SetScalarBarVisibility(view, True)


if __name__ == "__main__":
    main(*sys.argv[1:])
