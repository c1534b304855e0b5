"""The state in which `hyperinr paraview` opens a model: shown, framed and coloured, with what lies between its steps to play.

ParaView runs it as a state file in Python (--state), so that it comes before the user does anything.
"""

from __future__ import annotations

import os

from paraview import simple

from hyperinr.filters.reporting import tell_error
from hyperinr.plugin import scene
from hyperinr_core.errors import HyperINRError

path = os.environ["HYPERINR_OPEN"]
source = simple.OpenDataFile(path)
simple.RenameSource(os.path.basename(path), source)
view = simple.GetActiveViewOrCreate("RenderView")
reader = source.GetClientSideObject()
if reader is not None:  # what is in a server stays there
    reader.ExpectWindow()
try:
    scene.show(source, view)
    scene.play_between(source)
    scene.follow(source, view)
except HyperINRError as error:  # the reader has said why there is no image
    tell_error(f"hyperinr paraview: {error}")
simple.Render(view)
