"""Runs inside pvpython: ties a radiance field's picture to the camera, turns it, and saves what is shown."""

from __future__ import annotations

import os
import runpy
import sys

from paraview import simple

from hyperinr.plugin.scenes import camera_picture
from hyperinr_core.pictures.look import BACKGROUND

model, folder = sys.argv[1:]
os.environ["HYPERINR_OPEN"] = model
state = runpy.run_module("hyperinr.plugin.scenes.opened")
source, view = state["source"], state["view"]
view.ViewSize = [160, 120]
source.Parameter1, source.Parameter2 = 30.0, 20.0
simple.SaveScreenshot(f"{folder}/before.png", view, ImageResolution=[160, 120])
camera_picture.toggle()
view.UseColorPaletteForBackground = 0
view.Background = [1.0, 1.0, 1.0]
simple.SaveScreenshot(f"{folder}/first.png", view, ImageResolution=[160, 120])
view.CameraPosition = [0.0, -3.0, 1.0]
view.CameraViewUp = [0.0, 0.0, 1.0]
tied = next(iter(camera_picture._ties.values()))
tied._share = 0.25  # as after a slow picture
sizes = []
for render in (view.SMProxy.InteractiveRender, view.SMProxy.StillRender):
    render()
    sizes.append(tied.plane.GetMapper().GetInput().GetDimensions()[:2])
assert sizes[0][0] < sizes[1][0] == 160, sizes
simple.SaveScreenshot(f"{folder}/turned.png", view, ImageResolution=[160, 120])
simple.SaveScreenshot(f"{folder}/large.png", view, ImageResolution=[480, 360])
view.CameraParallelProjection, view.CameraParallelScale = 1, 2.0
simple.SaveScreenshot(f"{folder}/parallel.png", view, ImageResolution=[160, 120])
camera_picture.toggle()
view.Background = BACKGROUND
simple.SaveScreenshot(f"{folder}/off.png", view, ImageResolution=[160, 120])
camera_picture.toggle()
camera_picture.toggle()
source.Show = "volume"
simple.Render(view)  # `scene.follow` shows it as a volume
assert simple.GetRepresentation(source, view).Representation == "Volume"
view.CameraPosition, view.CameraFocalPoint = [0.0, -4.0, 0.0], [0.0, 0.0, 0.0]
simple.SaveScreenshot(f"{folder}/volume.png", view, ImageResolution=[160, 120])
camera_picture.toggle()
simple.Delete(source)
simple.Render(view)
sphere = simple.Sphere()
camera_picture.toggle()  # said, and nothing else
print("alive")
