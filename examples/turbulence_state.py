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

from hyperinr.plugin import scene


def main(model: str, state: str) -> None:
    """Set up the view and save the state."""
    state = os.path.abspath(state)
    os.chdir(Path(model).resolve().parent)
    source = simple.OpenDataFile(Path(model).name)
    simple.RenameSource(Path(model).name, source)
    view = simple.GetActiveViewOrCreate("RenderView")
    view.ViewSize = [800, 600]
    scene.show(source, view)
    scene.play_between(source)
    simple.Render(view)
    simple.SaveState(state)


if __name__ == "__main__":
    main(*sys.argv[1:])
