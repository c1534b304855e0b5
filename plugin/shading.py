"""A volume with shadows in one call, for pvpython, pvbatch and the GUI's Python shell.

    from hyperinr.plugin import shading
    shadow = shading.shade(source, "density", view)
    shadow.LightAzimuth = 200

In the GUI the menu Macros has ShadeVolume and LightFollowsCamera, which call `shade_active` and `toggle_light`.
"""

from __future__ import annotations

import math
from typing import Any

from paraview import print_warning, servermanager, simple

#: Points of the opacity function that a display of colours with opacity needs, one for each step of a byte.
N_OPACITIES = 256

#: What unties the light of each HyperINR Shadow that is tied to a camera, by the proxy's identity.
_ties: dict[str, Any] = {}


def shade(
    source: Any, field: str | None = None, view: Any = None, model: str | None = None, unit_distance: float = 0.0
) -> Any:
    """Show a source as a volume with shadows.

    The shadow takes the colours and opacities that ParaView has for the field, and follows them when they are edited.

    Parameters
    ----------
    source : image data: a HyperINR Source or any other.
    field : point array of one component; the first when None.
    view : the render view; the active one when None.
    model : path of a shadow model; without one the shadow is computed exactly.
    unit_distance : length that the opacities hold for; 0 for 1/128 of the volume's diagonal.

    Returns
    -------
    The HyperINR Shadow proxy: drag its LightAzimuth and LightElevation.
    """
    view = view or simple.GetActiveViewOrCreate("RenderView")
    source.UpdatePipeline(view.ViewTime)
    shadow = simple.HyperINRShadow(Input=source)
    if field:
        shadow.Scalar = ["POINTS", field]
    field = shadow.Scalar[1]
    colors = simple.GetColorTransferFunction(field)
    opacity = simple.GetOpacityTransferFunction(field)
    low, high = source.GetPointDataInformation()[field].GetRange()
    if colors.RGBPoints.GetData()[0] == 0 and colors.RGBPoints.GetData()[-4] == 1:  # as made, not yet for this data
        colors.RescaleTransferFunction(low, high)
        opacity.RescaleTransferFunction(low, high)
    shadow.ColorMap = colors
    shadow.OpacityUnitDistance = unit_distance
    if model:
        shadow.Model = model
    shadow.UpdatePipeline(view.ViewTime)
    simple.Hide(source, view)
    show(shadow, view)
    return shadow


def show(shadow: Any, view: Any) -> Any:
    """Show a HyperINR Shadow's colours as a volume, with the opacities that they stand for."""
    display = simple.Show(shadow, view)
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", "rgba"))
    display.MapScalars = 0
    display.ScalarOpacityUnitDistance = 1.0
    shadow.UpdatePropertyInformation()
    unit = shadow.GetProperty("UnitDistanceInUse")[0]
    # ParaView hands the unit distance to the first component alone, and VTK takes opacity from the fourth: opacities for
    # a length of 1 stand in the function instead.
    alphas = (1 - (1 - min(i / 255, 0.9999)) ** (1 / unit) for i in range(N_OPACITIES))
    display.ScalarOpacityFunction = servermanager.CreateProxy("piecewise_functions", "PiecewiseFunction")
    display.ScalarOpacityFunction.Points = [x for i, a in enumerate(alphas) for x in (float(i), a, 0.5, 0.0)]
    return display


def light_at_camera(shadow: Any, view: Any) -> None:
    """Let the light come from where the camera of a view stands."""
    position, focus = view.CameraPosition, view.CameraFocalPoint
    x, y, z = (p - f for p, f in zip(position, focus))
    shadow.LightAzimuth = math.degrees(math.atan2(y, x)) % 360.0
    shadow.LightElevation = math.degrees(math.atan2(z, math.hypot(x, y)))


def tie_light(shadow: Any, view: Any) -> Any:
    """Let the light stay at the camera: it follows when the mouse is released. Returns what unties it when called."""

    def follow(*_: Any) -> None:
        light_at_camera(shadow, view)
        simple.Render(view)

    follow()
    interactor = view.GetInteractor()
    tag = interactor.AddObserver("EndInteractionEvent", follow)
    return lambda: interactor.RemoveObserver(tag)


def shade_active() -> Any:
    """Show the active source with shadows; says so where there is none."""
    source = simple.GetActiveSource()
    if source is None:
        print_warning(
            "ShadeVolume: there is no active source; expected an image, open one and select it in the pipeline browser"
        )
        return None
    if source.GetXMLName() == "HyperINRShadow":
        print_warning("ShadeVolume: the active source is shaded already; drag its Light Azimuth and Light Elevation")
        return source
    shadow = shade(source)
    simple.SetActiveSource(shadow)
    simple.Render()
    return shadow


def toggle_light() -> None:
    """Tie the light of the active HyperINR Shadow to the camera of the active view, or untie it where it is tied."""
    shadow = simple.GetActiveSource()
    key = shadow.GetGlobalIDAsString() if shadow is not None and shadow.GetXMLName() == "HyperINRShadow" else None
    if key is None:
        print_warning("LightFollowsCamera: the active source is no HyperINR Shadow; select one in the pipeline browser")
    elif key in _ties:
        _ties.pop(key)()
        print("LightFollowsCamera: off")
    else:
        _ties[key] = tie_light(shadow, simple.GetActiveView())
        print("LightFollowsCamera: on")
