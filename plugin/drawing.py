"""What `hyperinr view` draws of models of pictures, and the items of its page that all kinds of models share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.model import Model
from hyperinr_core.pictures.look import BACKGROUND
from hyperinr_core.pictures.picture_set import to_bytes
from hyperinr_core.volume import Parameter

JPEG_QUALITY = 90

#: Of all numbers that the page may send: fields are drawn in single precision, but for those that need more.
LARGEST = float(np.finfo(np.float32).max)


class Shows(Protocol):
    """What a page shows."""

    def description(self) -> dict[str, Any]:
        """What the page shows besides the picture.

        Returns
        -------
        {"title", "kind", "background", "colors": points of each colour map, "sliders": items of the parameters, "fields": what
        can be shown, each with items of its own, "view": items of all fields, "turned": what dragging turns}; an item is a
        choice, a number or points.
        """


class Draws(Shows, Protocol):
    """What is drawn on the server."""

    def draw(self, values: dict[str, Any], look: dict[str, Any], size: Any) -> tuple[str, bytes]:
        """Media type and bytes of the picture at values by parameter.

        Parameters
        ----------
        look : a value for each item of the view. size : width and height in pixels, for what can be drawn in any.

        Raises
        ------
        ParameterError for values, looks or sizes that are none.
        """


class PictureDrawing:
    """A model of pictures; may be asked from several threads, of which the model answers one at a time."""

    def __init__(self, model: Model, title: str, backend: str = "auto") -> None:
        self._model, self._title, self._backend = model, title, backend
        self._lock = threading.Lock()

    def description(self) -> dict[str, Any]:
        """As `Shows.description`."""
        return {
            "title": self._title,
            "kind": "picture",
            "sliders": [slider_of(parameter) for parameter in self._model.parameters],
            "fields": [],
            "view": [],
            "colors": {},
            "background": BACKGROUND,
            "turned": turned_by(self._model.parameters),
        }

    def draw(self, values: dict[str, Any], look: dict[str, Any], size: Any) -> tuple[str, bytes]:
        """As `Draws.draw`; a picture has one size and nothing to choose."""
        from hyperinr.filters.readers.picture_files import encoded

        theta = self._model.theta({name: number_of(name, value) for name, value in values.items()}, clamp=True)
        with self._lock:
            pixels = to_bytes(self._model.generate(theta, self._backend).sample_grid()[0])
        kind = "PNG" if pixels.shape[-1] == 4 else "JPEG"
        return f"image/{kind.lower()}", encoded(pixels, kind, JPEG_QUALITY)


def turned_by(parameters: Sequence[Parameter]) -> list | None:
    """Which sliders dragging the picture moves, where it was taken from two angles: names, and the second one's sign."""
    names = {parameter.role: parameter.name for parameter in parameters}
    if "view_azimuth" in names and "view_elevation" in names:
        return [names["view_azimuth"], names["view_elevation"], 1]
    if "view_azimuth" in names and "view_polar" in names:
        return [names["view_azimuth"], names["view_polar"], -1]
    return None


def slider_of(parameter: Parameter) -> dict[str, Any]:
    """A parameter as the page offers it."""
    low, high = parameter.bounds
    units = {"deg": "°"}.get(parameter.units, parameter.units)
    item = item_of(parameter.name, parameter.name, low, high, (low + high) / 2, units)
    return {**item, "role": parameter.role, "marks": sorted(set(parameter.values))}


def item_of(name: str, label: str, low: float, high: float, value: float, units: str = "") -> dict[str, Any]:
    """A number as the page offers it."""
    return {"name": name, "label": label, "min": low, "max": high, "value": value, "units": units}


def number_of(name: str, value: Any, most: float = LARGEST) -> float:
    """What the page sent as a number.

    Raises
    ------
    ParameterError for what is none, or beyond the largest.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= most:
        raise ParameterError(f"{name} is {value!r:.40}; expected a finite number")
    return float(value)
