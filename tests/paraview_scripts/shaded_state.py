"""A shaded scene, kept and opened again: `shaded_state.py FOLDER made|pvsm|py`, pictures in FOLDER/NAME_*.png.

`made` shades one field twice, with another unit distance in another view, and saves the scene both ways; the others open
what was saved. All of them then move a light and edit the colour map.
"""

import sys
from pathlib import Path

from paraview import servermanager, simple, smstate

folder, name = Path(sys.argv[1]), sys.argv[2]


def make():
    from hyperinr.plugin import shading

    ball = simple.OpenDataFile(str(folder / "ball.hinr"))
    for unit_distance in (0.1, 2.0):
        view = simple.CreateView("RenderView")
        view.UseColorPaletteForBackground = 0
        view.Background = [0.0, 0.0, 0.0]
        view.OrientationAxesVisibility = 0
        shading.shade(ball, "density", view, unit_distance=unit_distance)
        view.CameraPosition, view.CameraViewUp = [1.0, -2.0, 1.0], [0.0, 0.0, 1.0]
        simple.ResetCamera(view)
        look("alone")


def look(label):
    """A picture of every view, named after the unit distance of what is shaded in it."""
    for shadow in simple.GetSources().values():
        views = simple.GetRenderViews() if shadow.GetXMLName() == "HyperINRShadow" else []
        for view in views:
            if servermanager.GetRepresentation(shadow, view) is not None:
                path = folder / f"{name}_{label}_{shadow.OpacityUnitDistance:g}.png"
                simple.SaveScreenshot(str(path), view, ImageResolution=[320, 240])


if name == "made":
    make()
    simple.SaveState(str(folder / "scene.pvsm"))
    (folder / "scene.py").write_text(smstate.get_state())
elif name == "pvsm":
    simple.LoadState(str(folder / "scene.pvsm"))
else:
    exec((folder / "scene.py").read_text(), {})
look("scene")
shadows = [source for source in simple.GetSources().values() if source.GetXMLName() == "HyperINRShadow"]
for shadow in shadows:
    shadow.LightAzimuth = 200.0
look("turned")
opacity = simple.GetOpacityTransferFunction("density")
opacity.Points = [0.0, 0.0, 0.5, 0.0, 1.0, 0.3, 0.5, 0.0]
look("thin")
