"""What the page of `hyperinr view` gets of volumes and planes: voxels in 16 bits, and the light that arrives at them in 8.

The browser draws them. It asks again for another time, field or light, not for another camera, colour or opacity.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperinr.plugin.drawing import LARGEST, item_of, number_of, slider_of
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hinr_document import MAX_VALUE
from hyperinr_core.light.shadow import SKY_GAIN, ambient_occlusion, transmittance
from hyperinr_core.model import Model
from hyperinr_core.pictures.look import BACKGROUND, CAMERA, OUTLINE, UNITS_ACROSS, Look, camera_at, looks_of, magnitude
from hyperinr_core.pictures.transfer import COLOR_MAPS, TransferFunction, extinction
from hyperinr_core.shift import is_coarse
from hyperinr_core.spaces.sphere import light_directions
from hyperinr_core.tracing.medium import Medium, medium_of
from hyperinr_core.volume import Field, Grid

#: Volumes kept, so that another light does not evaluate one again.
N_KEPT = 4

#: Points along the longest axis of a volume and of a plane, at most.
MOST_POINTS, MOST_PLANE_POINTS = 96, 1024

#: Code of the largest value; 1 is that of the smallest, 0 says that a point is masked.
TOP = 65535

#: Where an isosurface begins, from one end of the colours to the other.
LEVEL = 0.5

#: Light that the server computes: from a direction, and from all around, both in the volume's own shadow.
SWEPT = ("shadow", "occlusion")

#: How a volume is lit: besides, not at all, or from the camera.
LIGHTS = ("none", "camera", *SWEPT)

#: Of the density's slider, at least: a volume that is not there has none.
THINNEST = 1e-6

#: What a light is asked for with besides the opacities.
LIGHT_NUMBERS = ("azimuth", "elevation", "low", "high", "density")


class VoxelDrawing:
    """A model of volumes or planes as the page gets it; may be asked from several threads.

    Parameters
    ----------
    points : along the longest axis of a volume, at most.
    shadow : a shadow model of the volume, which answers for the light; None for the exact sweep.

    Raises
    ------
    DataError for a shadow model of another box, or of something that is no shadow.
    """

    def __init__(
        self,
        model: Model,
        title: str,
        points: int = MOST_POINTS,
        backend: str = "auto",
        shadow: Model | None = None,
    ) -> None:
        self._model, self._title, self._backend, self._shadow = model, title, backend, shadow
        self.kind = "plane" if model.grid.dims[2] == 1 else "volume"
        self.grid = _coarse(model.grid, MOST_PLANE_POINTS if self.kind == "plane" else points)
        if shadow is not None:
            _check_shadow(shadow, self.grid)
        looks = looks_of(model, backend)
        self._fields = [_shown_field(field, looks[field.name], self.kind == "volume") for field in model.fields]
        sides = np.multiply(self.grid.spacing, np.subtract(self.grid.dims, 1))
        self._unit = float(np.linalg.norm(sides)) / UNITS_ACROSS
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[float, ...], dict[str, np.ndarray]] = OrderedDict()

    def description(self) -> dict[str, Any]:
        """What the page shows besides voxels.

        Returns
        -------
        As `drawing.Draws.description`, and "grid": dims, origin, spacing and axes (9,) one after the other; "unit": the length
        that opacities hold for; "masked": whether there may be points without values; "camera": position and focal point;
        "outline": the colour of the box's edges. A field has a "range", the values that codes 1 and 65535 stand for.
        """
        position, middle = camera_at(_bounds(self.grid))
        return {
            "title": self._title,
            "kind": self.kind,
            "sliders": [slider_of(parameter) for parameter in self._model.parameters],
            "fields": self._fields,
            "view": _view_items() if self.kind == "volume" else [],
            "colors": COLOR_MAPS,
            "background": BACKGROUND,
            "outline": OUTLINE,
            "turned": None,
            "grid": _as_vtk(self.grid),
            "unit": self._unit,
            "masked": self._model.is_masked,
            "camera": [position, middle],
        }

    def voxels(self, values: dict[str, Any], field: Any) -> bytes:
        """(nz, ny, nx) little-endian 16 bits: codes of a field, or of its magnitude, at values by parameter.

        Raises
        ------
        ParameterError for values or a field that are none.
        """
        number = self._number(field)
        scalars = self._scalars(self._theta(values))[self._fields[number]["name"]]
        low, high = self._fields[number]["range"]
        codes = (scalars - low) * ((TOP - 1) / (high - low))
        codes += 1.5  # what is cut off below is rounded
        np.clip(codes, 1, TOP, out=codes)
        np.nan_to_num(codes, copy=False, nan=0.0)
        return codes.astype("<u2").tobytes()

    def light(self, values: dict[str, Any], field: Any, light: Any) -> bytes:
        """(nz, ny, nx) bytes: the share of the light that arrives at each point, 255 all of it.

        Parameters
        ----------
        light : "kind", one of `SWEPT`; "azimuth" and "elevation" in degrees; and what casts the shadow: "low" and "high" of the
            colours, "density" and "opacities", (x, opacity) points, x from 0 at low to 1 at high.

        Raises
        ------
        ParameterError for values, a field or a light that are none.
        """
        number = self._number(field)
        theta, numbers, points = self._theta(values), *self._checked(number, light, SWEPT)
        angles = np.array([numbers["azimuth"], 90.0 - numbers["elevation"]])
        if light["kind"] == "shadow" and self._shadow is not None:
            share = self._predicted(self._shadow, angles)
        else:
            scalars = self._scalars(theta)[self._fields[number]["name"]]
            tau = self._extinction(scalars, numbers, points)
            if light["kind"] == "shadow":
                share = transmittance(tau, self.grid, light_directions(angles))
            else:
                share = SKY_GAIN * ambient_occlusion(tau, self.grid)
        return (np.clip(share, 0, 1) * 255 + 0.5).astype(np.uint8).tobytes()

    def medium(self, values: dict[str, Any], field: Any, light: Any, colors: Any) -> Medium:
        """The volume as paths of light meet it.

        Parameters
        ----------
        light : as `light` has it, of any of `LIGHTS`. colors : name of a colour map.

        Raises
        ------
        ParameterError for values, a field, a light or colours that are none.
        """
        number = self._number(field)
        theta, numbers, points = self._theta(values), *self._checked(number, light, LIGHTS)
        if colors not in tuple(COLOR_MAPS):
            raise ParameterError(f"the colours are {colors!r:.40}; expected one of {', '.join(COLOR_MAPS)}")
        places = _places(self._scalars(theta)[self._fields[number]["name"]], numbers)
        function = TransferFunction(COLOR_MAPS[colors], points)
        return medium_of(places, self.grid, function, self._unit / max(numbers["density"], THINNEST))

    def _predicted(self, shadow: Model, angles: np.ndarray) -> np.ndarray:
        """(nz, ny, nx) a shadow model's answer for azimuth and polar angle."""
        of = {"light_azimuth": angles[0] % 360.0, "light_polar": angles[1]}
        theta = shadow.theta([of[parameter.role] for parameter in shadow.parameters], clamp=True)
        return shadow.generate(theta, self._backend).sample_grid(shadow.grid.with_dims(self.grid.dims))[..., 0]

    def _extinction(
        self, scalars: np.ndarray, numbers: dict[str, float], points: Sequence[tuple[float, float]]
    ) -> np.ndarray:
        function = TransferFunction(((0, 0, 0, 0), (1, 1, 1, 1)), tuple(points))
        unit = self._unit / max(numbers["density"], THINNEST)
        return extinction(_places(scalars, numbers), function, unit, check=False)

    def _theta(self, values: dict[str, Any]) -> np.ndarray:
        return self._model.theta({name: number_of(name, value) for name, value in values.items()}, clamp=True)

    def _number(self, field: Any) -> int:
        names = [shown["name"] for shown in self._fields]
        if field not in names:
            raise ParameterError(f"the field is {field!r:.40}; expected one of {', '.join(names)}")
        return names.index(field)

    def _checked(
        self, number: int, light: Any, kinds: Sequence[str]
    ) -> tuple[dict[str, float], tuple[tuple[float, float], ...]]:
        if not isinstance(light, dict) or set(light) != {"kind", *LIGHT_NUMBERS, "opacities"}:
            raise ParameterError(f"the light is {light!r:.40}; expected kind, {', '.join(LIGHT_NUMBERS)} and opacities")
        if light["kind"] not in kinds:
            raise ParameterError(f"the light's kind is {light['kind']!r:.40}; expected {' or '.join(kinds)}")
        most = MAX_VALUE if is_coarse(self._model.fields[number].value_range) else LARGEST
        numbers = {name: number_of(name, light[name], most) for name in LIGHT_NUMBERS}
        try:
            points = tuple((number_of("x", x), number_of("opacity", alpha)) for x, alpha in light["opacities"])
        except (TypeError, ValueError):
            raise ParameterError(f"opacities are {light['opacities']!r:.40}; expected pairs of numbers") from None
        return numbers, points

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


def _shown_field(field: Field, look: Look, clear: bool) -> dict[str, Any]:
    """A field as the page offers it, with its look's colours and range; sliders reach over the training data's values.

    Parameters
    ----------
    clear : whether it has opacities.
    """
    # how long vectors get is not known
    ends = field.value_range[0] if field.n_components == 1 else (0.0, 1.5 * look.high)
    low, high = _outward(min(look.low, ends[0]), max(look.high, ends[1]))
    opacities = [((value - look.low) / (look.high - look.low), alpha) for value, alpha in look.opacities]
    return {
        "name": field.name,
        "label": field.name if field.n_components == 1 else f"{field.name} (magnitude)",
        "units": field.units,
        "range": [low, high],
        "items": [
            {"name": "colors", "label": "colours", "choices": list(COLOR_MAPS), "value": look.colors},
            {**item_of("low", "from", low, high, look.low), "open": True},
            {**item_of("high", "to", low, high, look.high), "open": True},
            *(
                [
                    {"name": "opacities", "label": "opacity", "points": opacities},
                    item_of(
                        "level", "isosurface at", low, high, look.low + LEVEL * (look.high - look.low), field.units
                    ),
                ]
                if clear
                else []
            ),
        ],
    }


def _places(scalars: np.ndarray, numbers: dict[str, float]) -> np.ndarray:
    """Where values lie between the colours' ends, 0 to 1."""
    extent = (numbers["high"] - numbers["low"]) or 1.0
    return ((scalars - numbers["low"]) / extent).astype(np.float32)


def _outward(low: float, high: float) -> tuple[float, float]:
    """A range that holds another, with ends that are short to write."""
    digits = 2 - math.floor(math.log10(high - low))
    unit = 10.0**-digits
    return round(math.floor(low / unit) * unit, digits), round(math.ceil(high / unit) * unit, digits)


def _view_items() -> list[dict[str, Any]]:
    """How dense a volume is and how it is lit, the light beside the camera that one begins with."""
    azimuth = math.degrees(math.atan2(CAMERA[1], CAMERA[0])) - 40.0
    return [
        item_of("density", "density", 0.0, 4.0, 1.0),
        {"name": "light", "label": "light", "choices": list(LIGHTS), "value": "none"},
        item_of("azimuth", "light azimuth", 0.0, 360.0, float(round(azimuth % 360.0)), "°"),
        item_of("elevation", "light elevation", -90.0, 90.0, 50.0, "°"),
    ]


def _coarse(grid: Grid, points: int) -> Grid:
    """The same box with at most so many points along its longest axis."""
    share = (points - 1) / max(max(grid.dims) - 1, points - 1)
    return grid.with_dims([max(round((n - 1) * share) + 1, 2) if n > 1 else 1 for n in grid.dims])


def _as_vtk(grid: Grid) -> dict[str, Any]:
    """The grid as vtk.js has it: spacing above 0, and the axes' directions one after the other."""
    axes = np.reshape(grid.direction, (3, 3)) * np.sign(grid.spacing)
    return {
        "dims": grid.dims,
        "origin": grid.origin,
        "spacing": np.abs(grid.spacing).tolist(),
        "axes": axes.T.ravel().tolist(),
    }


def _corners(grid: Grid) -> np.ndarray:
    """(8, 3) of the box."""
    ends = np.array(np.meshgrid(*[(0.0, step * (n - 1)) for step, n in zip(grid.spacing, grid.dims)], indexing="ij"))
    return grid.origin + ends.reshape(3, -1).T @ np.reshape(grid.direction, (3, 3)).T


def _bounds(grid: Grid) -> list[float]:
    corners = _corners(grid)
    return np.stack([corners.min(axis=0), corners.max(axis=0)], axis=1).ravel().tolist()


def _check_shadow(shadow: Model, grid: Grid) -> None:
    roles = sorted(parameter.role for parameter in shadow.parameters)
    if roles != ["light_azimuth", "light_polar"]:
        raise DataError(
            f"the shadow model has parameters for {roles}; expected a light, made by `hyperinr train-shadow`"
        )
    corners = _corners(grid)
    if not np.allclose(_corners(shadow.grid), corners, atol=1e-4 * np.ptp(corners)):
        raise DataError(
            f"the shadow model's box is {_bounds(shadow.grid)} and the model's {_bounds(grid)}; expected the same box"
        )
