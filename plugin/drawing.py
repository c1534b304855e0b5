"""What `hyperinr view` draws: a model at any values of its parameters, as the bytes of a picture."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.hinr_document import MAX_VALUE
from hyperinr_core.model import Model
from hyperinr_core.pictures.compositing import Ramp, picture, step_length
from hyperinr_core.pictures.look import BACKGROUND, CAMERA, UNITS_ACROSS, Look, looks_of, magnitude
from hyperinr_core.pictures.picture_set import is_picture, to_bytes
from hyperinr_core.pictures.transfer import COLOR_MAPS
from hyperinr_core.shift import is_coarse
from hyperinr_core.spaces.sphere import angles_of
from hyperinr_core.volume import Field, Grid, Parameter

#: Pixels of a side of a volume's picture, at least and at most.
SIZES = (256, 1024)

#: Volumes kept, so that turning one does not evaluate it again, and points along an axis at most.
N_KEPT, MOST_POINTS = 4, 96

JPEG_QUALITY = 90

#: Of all numbers that the page may send: fields are drawn in single precision, but for those that need more.
LARGEST = float(np.finfo(np.float32).max)


class Draws(Protocol):
    """What a page shows."""

    def description(self) -> dict[str, Any]:
        """See `Drawing`."""

    def draw(self, values: dict[str, Any], look: dict[str, Any], size: Any) -> tuple[str, bytes]:
        """See `Drawing`."""


class Drawing:
    """A model and how it is drawn; may be asked from several threads.

    Parameters
    ----------
    points : along the longest axis of a volume, at most.
    """

    def __init__(self, model: Model, title: str, points: int = MOST_POINTS, backend: str = "auto") -> None:
        self._model, self._title, self._backend = model, title, backend
        flat = model.grid.dims[2] == 1
        self.kind = "picture" if is_picture(model.grid, model.fields) else "plane" if flat else "volume"
        self.grid = _coarse(model.grid, SIZES[1] if flat else points)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[float, ...], dict[str, np.ndarray]] = OrderedDict()
        self._looks = {} if self.kind == "picture" else looks_of(model, backend)
        self._fields = [_shown_field(field, self._looks[field.name]) for field in model.fields if self._looks]
        self._view = _view_items() if self.kind == "volume" else []

    def description(self) -> dict[str, Any]:
        """What the page shows besides the picture.

        Returns
        -------
        {"title", "kind", "background", "colors": points of each colour map, "sliders": items of the parameters, "fields": what
        can be shown, each with items of its own, "view": items of all fields, "turned": what dragging turns}; an item is a
        choice or a number.
        """
        return {
            "title": self._title,
            "kind": self.kind,
            "sliders": [slider_of(parameter) for parameter in self._model.parameters],
            "fields": self._fields,
            "view": self._view,
            "colors": COLOR_MAPS,
            "background": BACKGROUND,
            "turned": self._turned(),
        }

    def draw(self, values: dict[str, Any], look: dict[str, Any], size: Any) -> tuple[str, bytes]:
        """Media type and bytes of the picture at values by parameter, drawn as `look` says.

        Parameters
        ----------
        look : the field's name as "field", and a value for each of its items and of the view's; empty for pictures.
        size : width and height of a volume's picture in pixels, each moved into `SIZES`.

        Raises
        ------
        ParameterError for values, looks or sizes that are none.
        """
        from hyperinr.filters.readers.picture_files import encoded

        theta = self._model.theta({name: number_of(name, value) for name, value in values.items()}, clamp=True)
        pixels = self._pixels(theta, look, _size(size))
        kind = "PNG" if pixels.shape[-1] == 4 else "JPEG"
        return f"image/{kind.lower()}", encoded(pixels, kind, JPEG_QUALITY)

    def _pixels(self, theta: np.ndarray, look: dict[str, Any], size: tuple[int, int]) -> np.ndarray:
        if self.kind == "picture":
            with self._lock:
                return to_bytes(self._model.generate(theta, self._backend).sample_grid()[0])
        look = self._checked(look)
        scalars = self._scalars(theta)[look["field"]]
        opacities = _over_range(self._looks[look["field"]])
        ramp = Ramp(COLOR_MAPS[look["colors"]], opacities, look["low"], look["high"])
        if self.kind == "plane":
            colors = np.where(np.isnan(scalars[0])[..., None], BACKGROUND, ramp.colors[ramp.index(scalars[0])])
            return to_bytes(255 * colors)
        view = np.array([look["azimuth"], look["elevation"]])
        unit = np.linalg.norm(np.multiply(self.grid.spacing, np.subtract(self.grid.dims, 1))) / UNITS_ACROSS
        rgba = ramp.rgba(scalars, look["density"] * step_length(self.grid, view) / unit)
        return picture(rgba, self.grid, view, size, BACKGROUND, look["zoom"])

    def _checked(self, look: dict[str, Any]) -> dict[str, Any]:
        """The look with numbers as floats."""
        names = [field["name"] for field in self._fields]
        if look.get("field") not in names:
            raise ParameterError(f"the field is {look.get('field')!r:.40}; expected one of {', '.join(names)}")
        number = names.index(look["field"])
        items, most = self._fields[number]["items"], LARGEST
        if is_coarse(self._model.fields[number].value_range):
            most = MAX_VALUE
        names = [item["name"] for item in (*items, *self._view)]
        if set(look) != {"field", *names} or look["colors"] not in list(COLOR_MAPS):
            raise ParameterError(
                f"the look is {sorted(look)}; expected field, {', '.join(names)}, with colors of {', '.join(COLOR_MAPS)}"
            )
        numbers = {name: number_of(name, look[name], most) for name in names if name != "colors"}
        bounded = {item["name"]: float(np.clip(numbers[item["name"]], item["min"], item["max"])) for item in self._view}
        return {**look, **numbers, **bounded}

    def _scalars(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """(nz, ny, nx) each field at theta, or its magnitude."""
        key = tuple(theta.tolist())
        with self._lock:
            if key not in self._kept:
                inr = self._model.generate(theta, self._backend)
                arrays = inr.split(inr.sample_grid(self.grid))
                self._kept[key] = {name: magnitude(array) for name, array in arrays.items()}
                while len(self._kept) > N_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _turned(self) -> list | None:
        """Whose two angles dragging the picture changes, the view's or the parameters', their names and the second's sign."""
        if self.kind == "volume":
            return ["view", "azimuth", "elevation", 1]
        return turned_by(self._model.parameters)


def turned_by(parameters: Sequence[Parameter]) -> list | None:
    """Which sliders dragging the picture moves, where it was taken from two angles, as `Drawing.description` has it."""
    names = {parameter.role: parameter.name for parameter in parameters}
    if "view_azimuth" in names and "view_elevation" in names:
        return ["sliders", names["view_azimuth"], names["view_elevation"], 1]
    if "view_azimuth" in names and "view_polar" in names:
        return ["sliders", names["view_azimuth"], names["view_polar"], -1]
    return None


def _shown_field(field: Field, look: Look) -> dict[str, Any]:
    """A field as the page offers it, with its look's colours and range; sliders reach over the training data's values."""
    # how long vectors get is not known
    ends = field.value_range[0] if field.n_components == 1 else (0.0, 1.5 * look.high)
    low, high = _outward(min(look.low, ends[0]), max(look.high, ends[1]))
    return {
        "name": field.name,
        "label": field.name if field.n_components == 1 else f"{field.name} (magnitude)",
        "units": field.units,
        "items": [
            {"name": "colors", "label": "colours", "choices": list(COLOR_MAPS), "value": look.colors},
            {**item_of("low", "from", low, high, look.low), "open": True},
            {**item_of("high", "to", low, high, look.high), "open": True},
        ],
    }


def _outward(low: float, high: float) -> tuple[float, float]:
    """A range that holds another, with ends that are short to write."""
    digits = 2 - math.floor(math.log10(high - low))
    unit = 10.0**-digits
    return round(math.floor(low / unit) * unit, digits), round(math.ceil(high / unit) * unit, digits)


def _over_range(look: Look) -> list[tuple[float, float]]:
    """The look's opacity points over 0 to 1: they go where the colours' ends are moved."""
    return [((value - look.low) / (look.high - look.low), alpha) for value, alpha in look.opacities]


def _view_items() -> list[dict[str, Any]]:
    azimuth, elevation = angles_of(np.array(CAMERA))
    return [
        item_of("density", "opacity", 0.0, 4.0, 1.0),
        item_of("azimuth", "camera azimuth", 0.0, 360.0, round(azimuth), "°"),
        item_of("elevation", "camera elevation", -90.0, 90.0, round(elevation), "°"),
        item_of("zoom", "zoom", 0.5, 8.0, 1.0),
    ]


def slider_of(parameter: Parameter) -> dict[str, Any]:
    low, high = parameter.bounds
    units = {"deg": "°"}.get(parameter.units, parameter.units)
    item = item_of(parameter.name, parameter.name, low, high, (low + high) / 2, units)
    return {**item, "role": parameter.role, "marks": sorted(set(parameter.values))}


def item_of(name: str, label: str, low: float, high: float, value: float, units: str = "") -> dict[str, Any]:
    return {"name": name, "label": label, "min": low, "max": high, "value": value, "units": units}


def _coarse(grid: Grid, points: int) -> Grid:
    """The same box with at most so many points along its longest axis."""
    share = (points - 1) / max(max(grid.dims) - 1, points - 1)
    return grid.with_dims([max(round((n - 1) * share) + 1, 2) if n > 1 else 1 for n in grid.dims])


def _size(size: Any) -> tuple[int, int]:
    if not isinstance(size, list) or len(size) != 2:
        raise ParameterError(f"the size is {size!r:.40}; expected width and height")
    width, height = (int(np.clip(number_of("size", side), *SIZES)) for side in size)
    return width, height


def number_of(name: str, value: Any, most: float = LARGEST) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= most:
        raise ParameterError(f"{name} is {value!r:.40}; expected a finite number")
    return float(value)
