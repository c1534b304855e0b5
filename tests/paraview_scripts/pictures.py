"""Runs inside pvpython: opens a model of pictures as `hyperinr paraview` does, turns it, and saves what is shown."""

from __future__ import annotations

import os
import runpy
import sys

from paraview import simple

os.environ["HYPERINR_OPEN"] = sys.argv[1]
state = runpy.run_module("hyperinr.plugin.scenes.opened")
assert simple.GetRepresentation(state["source"], state["view"]).MapScalars == 0, "colours would be mapped"
state["source"].Parameter1 = 90.0
state["source"].Parameter2 = 10.0
view = state["view"]
view.ViewSize = [240, 240]
simple.ResetCamera(view)
simple.SaveScreenshot(sys.argv[2], view, ImageResolution=[240, 240])
