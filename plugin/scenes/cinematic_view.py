"""A picture by paths of light beside the view whose camera, colours, opacities and background it takes.

    from hyperinr.plugin.scenes import cinematic_view
    cinematic = cinematic_view.picture_of(source, view)

In the GUI the menu Macros has CinematicPicture, which calls `take`. The picture follows the view when the mouse is released.
"""

from __future__ import annotations

from typing import Any

from paraview import servermanager, simple

from hyperinr.filters.cinematic import PICTURE
from hyperinr.filters.reporting import tell, tell_error
from hyperinr.plugin import shading
from hyperinr.plugin.scenes.camera_picture import seen_by
from hyperinr_core.errors import HyperINRError
from hyperinr_core.pictures.camera import BESIDE

CINEMATIC = "HyperINRCinematic"

#: What views of ParaView's window are drawn by, and those of scripts are not.
QT_WINDOW = "vtkGenericOpenGLRenderWindow"

#: Pixels that a picture's side has at least.
LEAST = 16

#: What unties pictures from the views that they follow, by the identity of the HyperINR Cinematic.
_ties: dict[str, Any] = {}


def picture_of(source: Any, view: Any, field: str | None = None) -> Any:
    """Take a picture of a volume as a view shows it.

    Parameters
    ----------
    source : image data: a HyperINR Source or any other, or a HyperINR Shadow, whose light and colours are taken.
    view : the render view that the camera, the size and the background are of.
    field : point array of one component; when None the one that the view shows, else the first.

    Returns
    -------
    The HyperINR Cinematic proxy, not yet shown: drag its LightAzimuth, raise its Samples.

    Raises
    ------
    DataError for what is no volume with such an array; nothing is made then.
    """
    shadow = source if source.GetXMLName() == shading.SHADOW else None
    volume = shadow.Input if shadow else source
    field = shading.scalar_of(volume, view, field or (shadow.Scalar[1] if shadow else None))
    cinematic = simple.HyperINRCinematic(Input=volume, Samples=1, PictureSize=[LEAST, LEAST])
    cinematic.Scalar = ["POINTS", field]
    if shadow:
        cinematic.LightAzimuth, cinematic.LightElevation = shadow.LightAzimuth, shadow.LightElevation
        cinematic.OpacityUnitDistance = shadow.OpacityUnitDistance
        cinematic.ColorMap = shadow.ColorMap
    else:
        shading.light_at_camera(cinematic, view, beside=BESIDE)
    if cinematic.ColorMap is None:
        cinematic.UpdatePipeline(view.ViewTime)  # for the look of its values
        shading.take_colors(cinematic, servermanager.GetRepresentation(volume, view))
    look_as(cinematic, view)
    cinematic.Samples = cinematic.GetProperty("Samples").GetDefaultValue(0)
    filter_ = cinematic.GetClientSideObject()
    if filter_ is not None and view.GetRenderWindow().GetClassName() == QT_WINDOW:  # scripts want all samples at once
        filter_.ExpectWindow()
    return cinematic


def look_as(cinematic: Any, view: Any) -> None:
    """Give a HyperINR Cinematic a view's camera, size and background."""
    camera = seen_by(view.GetActiveCamera())
    cinematic.CameraPosition, cinematic.CameraFocalPoint = camera.position, camera.focal_point
    cinematic.CameraViewUp, cinematic.CameraViewAngle = camera.up, camera.view_angle
    cinematic.CameraParallelScale = camera.parallel_scale
    cinematic.PictureSize = [max(int(side), LEAST) for side in view.ViewSize]
    cinematic.Background = view.GetRenderer().GetBackground()


def show(cinematic: Any, view: Any) -> Any:
    """Show the picture in a view of its own, which is made beside another one; returns that view."""
    if simple.GetLayout(view) is None:  # a script's view may be in none
        simple.AssignViewToLayout(view=view, layout=simple.CreateLayout())
    layout = simple.GetLayout(view)
    place = layout.SplitHorizontal(layout.GetViewLocation(view.SMProxy), 0.5)
    beside = simple.CreateView("RenderView")
    simple.AssignViewToLayout(view=beside, layout=layout, hint=place + 1)
    beside.OrientationAxesVisibility, beside.InteractionMode = 0, "2D"
    display = simple.Show(cinematic, beside)
    display.SetRepresentationType("Slice")
    simple.ColorBy(display, ("POINTS", PICTURE))
    display.MapScalars = 0
    display.SetScalarBarVisibility(beside, False)
    simple.ResetCamera(beside)
    beside.CameraParallelScale = cinematic.PictureSize[1] / 2
    return beside


def follow(cinematic: Any, view: Any) -> Any:
    """Let the picture be of what a view shows whenever the mouse is released there. Returns what ends it when called."""

    def again(*_: Any) -> None:
        look_as(cinematic, view)
        simple.RenderAllViews()

    interactor = view.GetInteractor()
    tag = interactor.AddObserver("EndInteractionEvent", again)
    return lambda: interactor.RemoveObserver(tag)


def take() -> Any:
    """Show a picture of the active source as the active view shows it, or take it anew. Says what it does or lacks."""
    source = simple.GetActiveSource()
    if source is None:
        tell_error("CinematicPicture: there is no active source; expected a volume, select one in the pipeline browser")
        return None
    view = simple.GetActiveViewOrCreate("RenderView")
    cinematic = source if source.GetXMLName() == CINEMATIC else _of(source)
    try:
        if cinematic is None:
            cinematic = picture_of(source, view)
            show(cinematic, view)
        elif view.GetXMLName() != "RenderView" or servermanager.GetRepresentation(cinematic, view) is not None:
            tell_error(
                "CinematicPicture: the active view shows no volume; click on the one that a picture is wanted of"
            )
            return None
        else:
            look_as(cinematic, view)
    except HyperINRError as error:
        tell_error(f"CinematicPicture: {error}")
        return None
    _ties.pop(cinematic.GetGlobalIDAsString(), lambda: None)()
    _ties[cinematic.GetGlobalIDAsString()] = follow(cinematic, view)
    simple.SetActiveSource(cinematic)
    simple.RenderAllViews()
    tell("CinematicPicture: on; it follows the view beside it, and its light is in the panel")
    return cinematic


def _of(source: Any) -> Any:
    """The HyperINR Cinematic of a volume, or of what a HyperINR Shadow shades; None where there is none yet."""
    volume = source.Input if source.GetXMLName() == shading.SHADOW else source
    pictures = [item for item in simple.GetSources().values() if item.GetXMLName() == CINEMATIC and item.Input]
    key = volume.SMProxy.GetGlobalID()
    return next((picture for picture in pictures if picture.Input.SMProxy.GetGlobalID() == key), None)
