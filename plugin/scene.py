"""A model in a ParaView view as it is best seen: what `hyperinr paraview`, `hyperinr render`, the examples and a macro use.

`pvpython -m hyperinr.plugin.scene JOB` draws the picture of `hyperinr render`; JOB is a JSON object.
"""

from __future__ import annotations

import json
import math
import sys
from typing import Any

from paraview import servermanager, simple

from hyperinr.filters.reporting import tell_error
from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.pictures.look import (
    BACKGROUND,
    OUTLINE,
    UNITS_ACROSS,
    Look,
    camera_at,
    is_signed,
    look_between,
    signed_look,
)

#: Our readers.
SOURCES = ("HyperINRSource", "HyperINRPlaneSource")

#: Frames where a source has no time steps to play.
N_FRAMES = 201

#: Sources that are followed, with their views, by the proxies' identities.
_followed: set[tuple[str, str]] = set()

#: What ParaView shows images of each kind as.
REPRESENTATIONS = {"volume": "Volume", "plane": "Surface", "picture": "Slice", "colors": "Volume"}

#: Points of the opacity function that a display of colours with opacity needs, one for each step of a byte.
N_OPACITIES = 256


def show(source: Any, view: Any = None, field: str | None = None) -> Any:
    """Show a source as it is best seen: colours, opacity, outline, time, background and camera.

    Parameters
    ----------
    source : a HyperINR Source, or any other image.
    view : the render view; the active one when None.
    field : point array; the first when None.

    Returns
    -------
    The display.

    Raises
    ------
    DataError for what is no image with point data.
    """
    view = view or simple.GetActiveViewOrCreate("RenderView")
    facts = facts_of(source, view)
    field = field or next(iter(facts["fields"]), None) or source.PointData[0].Name
    display = simple.Show(source, view)
    display.SetRepresentationType(REPRESENTATIONS[facts["kind"]])
    simple.ColorBy(display, ("POINTS", field))
    set_up(view)
    if facts["kind"] == "picture":
        display.MapScalars = 0
    elif facts["kind"] == "colors":
        color_directly(display, field)
        make_clear(display, facts["unit"])
    else:
        entry = facts["fields"].get(field) or {"title": field, **_guess(source, field).to_dict()}
        title = entry.pop("title")
        color(display, view, source, field, Look.from_dict(entry), title)
    if facts["time"]:
        time = _beside(source, "TimeToTextConvertor", simple.AnnotateTimeFilter, "time")
        time.Format = facts["time"]
        simple.Show(time, view)
    is_volume = REPRESENTATIONS[facts["kind"]] == "Volume"
    if is_volume:
        outline(source, view)
    else:
        display.Ambient, display.Diffuse = 1.0, 0.0  # colours as in the legend, not shaded
    look_at(source, view, flat=not is_volume)
    simple.SetActiveSource(source)
    return display


def facts_of(source: Any, view: Any) -> dict[str, Any]:
    """What a source says of how it is shown, {"kind", "time", "fields"}; for others than ours what their data says."""
    source.UpdatePipeline(view.ViewTime)
    information = source.GetDataInformation().DataInformation
    if not information.DataSetTypeIsA("vtkImageData") or not len(source.PointData):
        raise DataError(
            f"the source is {information.GetDataSetTypeAsString() or 'empty'} with {len(source.PointData)} point arrays; "
            "expected an image with values at its points, select a HyperINR Source in the pipeline browser"
        )
    if source.GetXMLName() in SOURCES:
        source.UpdatePropertyInformation()
        return json.loads(source.GetProperty("Look").GetElement(0))
    extent = information.GetExtent()
    flat = any(extent[2 * axis] == extent[2 * axis + 1] for axis in range(3))
    return {"kind": "plane" if flat else "volume", "time": "", "fields": {}}


def shown_in(view: Any, source: Any) -> str | None:
    """The point array that a view colours a source by; None where it does not."""
    display = servermanager.GetRepresentation(source, view)
    place, name = ("", "") if display is None else (display.ColorArrayName[0], display.ColorArrayName[1])
    return name if place == "POINTS" and name in source.PointData.keys() else None


def _guess(source: Any, field: str) -> Look:
    """The look of an array of which only the range is known."""
    low, high = source.PointData[field].GetRange(-1 if source.PointData[field].GetNumberOfComponents() > 1 else 0)
    if is_signed(low, high) or (field.endswith(" error") and low < 0):
        return signed_look(max(-low, high))
    return look_between(low, high if high > low else low + 1.0)


def color(display: Any, view: Any, source: Any, field: str, look: Look, title: str) -> None:
    """Give an array its colours and opacity, for all times the same, and a legend."""
    colors, opacity = simple.GetColorTransferFunction(field), simple.GetOpacityTransferFunction(field)
    colors.AutomaticRescaleRangeMode = "Never"
    apply_preset(colors, look.colors)
    colors.RescaleTransferFunction(look.low, look.high)
    opacity.Points = [number for x, alpha in look.opacities for number in (x, alpha, 0.5, 0.0)]
    bounds = source.GetDataInformation().GetBounds()
    display.ScalarOpacityUnitDistance = math.dist(bounds[0::2], bounds[1::2]) / UNITS_ACROSS
    bar = simple.GetScalarBar(colors, view)
    bar.Title, bar.ComponentTitle = title, ""
    bar.RangeLabelFormat = bar.LabelFormat  # the ends as the others, not as 1.6e+01
    display.SetScalarBarVisibility(view, True)


def apply_preset(colors: Any, name: str) -> None:
    """Use a colour map of ParaView's; from 6.0 on those of matplotlib are named without the " (matplotlib)"."""
    try:
        colors.ApplyPreset(name, True)
    except RuntimeError:
        colors.ApplyPreset(name.partition(" (")[0], True)


def color_directly(display: Any, array: str) -> None:
    """Show a volume's colours of 8 bits as they are, by a map of the display's own, with opacity for a length of 1."""
    simple.ColorBy(display, ("POINTS", array), separate=True)
    display.MapScalars = 0
    display.ScalarOpacityUnitDistance = 1.0
    display.LookupTable.AutomaticRescaleRangeMode = "Never"


def make_clear(display: Any, unit: float) -> None:
    """Take the fourth component of a volume's colours for the opacity of a length of `unit`.

    ParaView hands the unit distance to the first component alone, and VTK takes opacity from the fourth: opacities for a
    length of 1 stand in the function instead.
    """
    alphas = (1 - (1 - min(i / 255, 0.9999)) ** (1 / unit) for i in range(N_OPACITIES))
    display.ScalarOpacityFunction.Points = [x for i, a in enumerate(alphas) for x in (float(i), a, 0.5, 0.0)]


def outline(source: Any, view: Any) -> None:
    """The edges of the source's box, which give a volume its depth."""
    edges = simple.Show(_beside(source, "OutlineFilter", simple.Outline, "outline"), view)
    edges.AmbientColor = edges.DiffuseColor = OUTLINE


def set_up(view: Any) -> None:
    """The background, without ParaView's own axes."""
    view.UseColorPaletteForBackground = 0
    view.Background = BACKGROUND
    view.OrientationAxesVisibility = 0


def look_at(source: Any, view: Any, flat: bool = False) -> None:
    """Put the camera where the source's box fills the picture: a plane from the front."""
    view.InteractionMode = "2D" if flat else "3D"
    if not flat:
        view.CameraPosition, view.CameraFocalPoint = camera_at(source.GetDataInformation().GetBounds())
        view.CameraViewUp = [0.0, 0.0, 1.0]
    simple.ResetCamera(view)


def _beside(source: Any, kind: str, make: Any, name: str) -> Any:
    """The filter of a kind behind the source, made where there is none yet."""
    for item in simple.GetSources().values():
        if (
            item.GetXMLName() == kind
            and item.Input
            and item.Input.SMProxy.GetGlobalID() == source.SMProxy.GetGlobalID()
        ):
            return item
    return make(Input=source, registrationName=name)


def play_between(source: Any) -> None:
    """As many frames as the source has time steps."""
    scene = simple.GetAnimationScene()
    scene.UpdateAnimationUsingDataTimeSteps()
    steps = source.TimestepValues if source.GetProperty("TimestepValues") is not None else []
    scene.NumberOfFrames = len(steps) if hasattr(steps, "__len__") and len(steps) > 1 else N_FRAMES


def follow(source: Any, view: Any) -> None:
    """Show the source anew when another file in its panel took away the array that was shown."""

    key = source.SMProxy.GetGlobalIDAsString(), view.SMProxy.GetGlobalIDAsString()

    def look_again(*_: Any) -> None:
        display = simple.GetRepresentation(source, view)
        names = [array.Name for array in source.PointData]
        if names and display is not None and display.ColorArrayName[1] not in names and key in _followed:
            _followed.remove(key)  # showing it updates it, which comes back here
            try:
                show(source, view)
            finally:
                _followed.add(key)

    if key not in _followed:
        _followed.add(key)
        source.SMProxy.AddObserver("UpdateDataEvent", look_again)


def show_active() -> Any:
    """Show the active source as it is best seen; says so where it cannot be."""
    source = simple.GetActiveSource()
    try:
        if source is None:
            raise DataError("there is no active source; expected an image, select one in the pipeline browser")
        view = simple.GetActiveViewOrCreate("RenderView")
        display = show(source, view, shown_in(view, source))
    except HyperINRError as error:
        tell_error(f"ShowHyperINR: {error}")
        return None
    play_between(source)
    follow(source, view)
    simple.HideUnusedScalarBars(view)
    simple.Render()
    return display


def main() -> None:
    """Draw the job and save the picture."""
    job = json.loads(sys.argv[1])
    source = simple.OpenDataFile(job["model"])
    source.Fields = [job["field"]]
    if job["dims"]:
        source.Dims = job["dims"]
    for number, value in enumerate(job["sliders"], start=1):
        setattr(source, f"Parameter{number}", value)
    view = simple.CreateView("RenderView")
    view.ViewSize = job["size"]
    if job["time"] is not None:
        view.ViewTime = job["time"]
    try:
        show(source, view, job["field"])
    except HyperINRError as error:
        sys.exit(f"the model gave no image: {error}")
    simple.Render(view)
    simple.SaveScreenshot(job["output"], view, ImageResolution=job["size"])


if __name__ == "__main__":
    main()
