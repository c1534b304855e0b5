"""The state in which `hyperinr paraview` opens a model of pictures: seen from the front, in its own colours.

ParaView would map the magnitude of 8 bit colours to a colour map until Map Scalars is switched off.
"""

from __future__ import annotations

import os

from paraview import simple

source = simple.OpenDataFile(os.environ["HYPERINR_PICTURES"])
view = simple.GetActiveViewOrCreate("RenderView")
display = simple.Show(source, view)
display.SetRepresentationType("Slice")
display.MapScalars = 0
view.InteractionMode = "2D"
view.OrientationAxesVisibility = 0
simple.ResetCamera(view)
simple.Render(view)
