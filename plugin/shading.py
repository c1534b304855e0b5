"""A volume with shadows in one call, for pvpython, pvbatch and the GUI's Python shell.

    from hyperinr.plugin import shading
    shadow = shading.shade(source, "density", view)
    shadow.LightAzimuth = 200

In the GUI the menu Macros has ShadeVolume, AmbientOcclusion and LightFollowsCamera, which call `shade_active`, `occlude_active`
and `toggle_light`.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from paraview import servermanager, simple

from hyperinr.filters.reporting import tell, tell_error
from hyperinr.plugin.scene import apply_preset, color_directly, make_clear, shown_in
from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.pictures.look import UNITS_ACROSS, Look
from hyperinr_core.spaces.sphere import angles_of

SHADOW = "HyperINRShadow"

#: How far beside the camera the light stands that a macro makes, and how much ambient light it has.
BESIDE, AMBIENT = 0.6, 0.35

#: What unties the light of each HyperINR Shadow that is tied to a camera, by the proxy's identity.
_ties: dict[str, Any] = {}


def shade(
    source: Any, field: str | None = None, view: Any = None, model: str | None = None, unit_distance: float = 0.0
) -> Any:
    """Show a source as a volume with shadows.

    The shadow takes the colours and opacities that ParaView has for the field, and follows them when they are edited. Where
    they are still as ParaView makes them, they get the look that suits the values.

    Parameters
    ----------
    source : image data: a HyperINR Source or any other.
    field : point array of one component; when None the one that the view shows, else the first.
    view : the render view; the active one when None.
    model : path of a shadow model; without one the shadow is computed exactly.
    unit_distance : length that the opacities hold for; 0 for that of the volume that the view shows, else of the look.

    Returns
    -------
    The HyperINR Shadow proxy: drag its LightAzimuth and LightElevation.

    Raises
    ------
    DataError for what is no volume with such an array; nothing is made then.
    """
    view = view or simple.GetActiveViewOrCreate("RenderView")
    field = scalar_of(source, view, field)
    shadow = simple.HyperINRShadow(Input=source)
    shadow.Scalar = ["POINTS", field]
    shadow.OpacityUnitDistance = unit_distance
    if model:
        shadow.Model = model
    try:
        show(shadow, view)
    except DataError:
        simple.Delete(shadow)
        simple.SetActiveSource(source)
        raise
    simple.Hide(source, view)
    return shadow


def show(shadow: Any, view: Any) -> Any:
    """Show a HyperINR Shadow's colours as a volume, with the opacities that they stand for; again after other ones.

    Raises
    ------
    DataError where the shadow puts nothing out, for a reason that it has told.
    """
    shadow.UpdatePipeline(view.ViewTime)
    if not shadow.GetDataInformation().GetNumberOfPoints():
        raise DataError(f"{_name_of(shadow)} has nothing to show; expected an image, look for the error above")
    display = simple.Show(shadow, view)
    display.SetRepresentationType("Volume")
    # A map of the display's own: another shadow of the same field may have another unit distance.
    color_directly(display, f"{shadow.Scalar[1]} shaded")
    if shadow.ColorMap is None:  # not before Show, which stretches the field's colours over its range
        take_colors(shadow, servermanager.GetRepresentation(shadow.Input, view))
        shadow.UpdatePipeline(view.ViewTime)
    shadow.UpdatePropertyInformation()
    make_clear(display, shadow.GetProperty("UnitDistanceInUse")[0])
    return display


def scalar_of(source: Any, view: Any, field: str | None = None) -> str:
    """The point array of one component of a volume: the one that is named, that a view shows, or the first.

    Raises
    ------
    DataError for what is no volume with such an array.
    """
    source.UpdatePipeline(view.ViewTime)
    shown = shown_in(view, source)
    return _checked(source, field or (shown if shown in _scalars(source) else None))


def _scalars(source: Any) -> list[str]:
    return [name for name, array in source.PointData.items() if array.GetNumberOfComponents() == 1]


def _checked(source: Any, field: str | None) -> str:
    """The field, or the first there is.

    Raises
    ------
    DataError where there is nothing to shade.
    """
    information = source.GetDataInformation().DataInformation
    name = _name_of(source)
    if not information.DataSetTypeIsA("vtkImageData"):
        kind = information.GetPrettyDataTypeString()
        raise DataError(f"{name} is {kind}; expected a volume (Image), select one in the pipeline browser")
    extent = information.GetExtent()
    if any(low >= high for low, high in zip(extent[0::2], extent[1::2])):
        raise DataError(f"{name} is flat or empty; expected a volume, select one in the pipeline browser")
    scalars = _scalars(source)
    if not scalars or field not in (None, *scalars):
        arrays = [f"{name} ({array.GetNumberOfComponents()} components)" for name, array in source.PointData.items()]
        has = f"the point arrays {', '.join(arrays)}" if arrays else "no point arrays"
        raise DataError(
            f"{name} has {has}; expected {field or 'one'} of one component, use Cell Data to Point Data, or a Calculator "
            "for the magnitude of a vector"
        )
    return field or scalars[0]


def _name_of(source: Any) -> str:
    return next((name for (name, _), proxy in simple.GetSources().items() if proxy == source), source.GetXMLName())


def take_colors(shadow: Any, seen: Any) -> None:
    """Give a shadow the colours and opacities that ParaView has for its field; the look of its values if nobody made them.

    Parameters
    ----------
    shadow : or a HyperINR Cinematic, which has the same properties.
    seen : the display of what is shaded, whose opacities hold for its unit distance; or None.
    """
    field = shadow.Scalar[1]
    colors, opacity = simple.GetColorTransferFunction(field), simple.GetOpacityTransferFunction(field)
    unit_distance = 0.0
    if _untouched(colors, opacity):
        _give(_look_of(shadow, field), colors, opacity)
        bounds = shadow.Input.GetDataInformation().GetBounds()
        unit_distance = math.dist(bounds[0::2], bounds[1::2]) / UNITS_ACROSS
        if seen is not None:
            seen.ScalarOpacityUnitDistance = unit_distance
    elif seen is not None and seen.Representation == "Volume":
        unit_distance = seen.ScalarOpacityUnitDistance
    shadow.ColorMap = colors
    shadow.OpacityUnitDistance = shadow.OpacityUnitDistance or unit_distance


def _look_of(shadow: Any, field: str) -> Look:
    """What a HyperINR Source says of its field at all times, or the shadow of the values that it has now."""
    for proxy in (shadow.Input, shadow):
        if proxy.GetProperty("Look") is not None:
            proxy.UpdatePropertyInformation()
            entry = json.loads(proxy.GetProperty("Look").GetElement(0))["fields"].get(field)
            if entry:
                return Look.from_dict({key: value for key, value in entry.items() if key != "title"})
    raise DataError(f"{_name_of(shadow)} has no look for {field}; expected its Scalar, press Apply first")


def _give(look: Look, colors: Any, opacity: Any) -> None:
    """Make a colour map and its opacities those of a look."""
    colors.AutomaticRescaleRangeMode = "Never"
    apply_preset(colors, look.colors)
    colors.RescaleTransferFunction(look.low, look.high)
    opacity.Points = [number for x, alpha in look.opacities for number in (x, alpha, 0.5, 0.0)]


def _untouched(colors: Any, opacity: Any) -> bool:
    """Whether a colour map is as ParaView makes it, over whatever range."""
    fresh = servermanager.CreateProxy("lookup_tables", "PVLookupTable")
    points, usual = _colors_over_1(colors), _colors_over_1(servermanager._getPyProxy(fresh))
    same = len(points) == len(usual) and all(abs(a - b) < 1e-6 for a, b in zip(points, usual))
    return same and list(opacity.Points)[1::4] == [0.0, 1.0]


def _colors_over_1(colors: Any) -> list[float]:
    """The points of a colour map, stretched over 0 to 1."""
    points = list(colors.RGBPoints)
    low, high = points[0], points[-4]
    return [(x - low) / (high - low or 1.0) if i % 4 == 0 else x for i, x in enumerate(points)]


def light_at_camera(shadow: Any, view: Any, beside: float = 0.0) -> None:
    """Let the light come from where the camera of a view stands.

    Parameters
    ----------
    beside : how far to the left of the camera and above it, as a share of its distance: shadows are seen from beside.
    """
    towards = np.subtract(view.CameraPosition, view.CameraFocalPoint)
    towards /= np.linalg.norm(towards)
    right = np.cross(view.CameraViewUp, towards)
    direction = towards + beside * (np.cross(towards, right) - right)
    shadow.LightAzimuth, shadow.LightElevation = angles_of(direction)


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
    """Show the active source with shadows; a HyperINR Shadow as it is. Says in Output Messages what it does or lacks."""
    shadow = _shown("ShadeVolume", "One Light")
    if shadow is not None:
        tell(
            f"ShadeVolume: {shadow.Scalar[1]} is shaded; drag Light Azimuth and Light Elevation of the HyperINR Shadow"
        )
    return shadow


def occlude_active() -> Any:
    """Show the active source in a light from everywhere; a HyperINR Shadow of one light gets it beside that one."""
    shadow = _shown("AmbientOcclusion", "Ambient Occlusion")
    if shadow is None:
        return None
    if shadow.Lighting == "One Light":
        shadow.Lighting = "Both"
        simple.Render()
    tell(
        f"AmbientOcclusion: {shadow.Scalar[1]} is in a light from everywhere; Lighting of the HyperINR Shadow says what else"
    )
    return shadow


def _shown(macro: str, lighting: str) -> Any:
    """The HyperINR Shadow of the active source, shown and made where there is none; None where that cannot be, as is said.

    Parameters
    ----------
    lighting : of one that is made.
    """
    source = simple.GetActiveSource()
    if source is None:
        tell_error(f"{macro}: there is no active source; expected a volume, select one in the pipeline browser")
        return None
    view = simple.GetActiveViewOrCreate("RenderView")
    try:
        shadow = _shade_or_show(source, view, lighting)
    except HyperINRError as error:
        tell_error(f"{macro}: {error}")
        return None
    bar = simple.GetScalarBar(shadow.ColorMap, view)  # hidden with what was shown before
    bar.Title, bar.Visibility = bar.Title or shadow.Scalar[1], 1
    simple.SetActiveSource(shadow)
    simple.Render()
    return shadow


def _shade_or_show(source: Any, view: Any, lighting: str) -> Any:
    shadow = source if source.GetXMLName() == SHADOW else _shadow_of(source)
    if shadow is None:
        shadow = shade(source, view=view)
        shadow.Lighting = lighting
        light_at_camera(shadow, view, beside=BESIDE)
        shadow.AmbientLight = AMBIENT
        return shadow
    _checked(shadow.Input, shadow.Scalar[1])
    show(shadow, view)
    simple.Hide(shadow.Input, view)
    return shadow


def _shadow_of(source: Any) -> Any:
    """The HyperINR Shadow behind a source; None where there is none yet."""
    shadows = [item for item in simple.GetSources().values() if item.GetXMLName() == SHADOW and item.Input]
    key = source.SMProxy.GetGlobalID()
    return next((shadow for shadow in shadows if shadow.Input.SMProxy.GetGlobalID() == key), None)


def toggle_light() -> None:
    """Tie the light of the active HyperINR Shadow to the camera of the active view, or untie it where it is tied."""
    shadow, view = simple.GetActiveSource(), simple.GetActiveView()
    if shadow is None or shadow.GetXMLName() != SHADOW:
        tell_error("LightFollowsCamera: the active source is no HyperINR Shadow; select one in the pipeline browser")
        return
    key = shadow.GetGlobalIDAsString()
    if key in _ties:
        _ties.pop(key)()
        tell("LightFollowsCamera: off")
    elif view is None or view.GetXMLName() != "RenderView":
        tell_error("LightFollowsCamera: the active view has no camera; click on the render view first")
    else:
        _ties[key] = tie_light(shadow, view)
        tell("LightFollowsCamera: on")
