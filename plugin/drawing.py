"""What `hyperinr view` draws: a model at any values of its parameters, as the bytes of a picture."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np

from hyperinr_core.compositing import Ramp, picture, step_length
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.pictures import is_picture, to_bytes
from hyperinr_core.transfer import PRESETS
from hyperinr_core.volume import Grid, Parameter

#: Pixels of a volume's picture along each side, and its colours behind.
SIZE, BACKGROUND = 448, (0.13, 0.13, 0.16)

#: Volumes kept, so that turning one does not evaluate it again, and points along an axis at most.
N_KEPT, MOST_POINTS = 4, 96

#: Points along an axis of the grid that values are looked at on for the sliders' ranges.
RANGE_POINTS = 40

#: Unit distances across the diagonal of a volume: what opacities hold for.
UNITS_ACROSS = 60.0

JPEG_QUALITY = 90


class Drawing:
    """A model and how it is drawn; may be asked from several threads.

    Parameters
    ----------
    points : along the longest axis of a volume, at most.
    """

    def __init__(self, model: HyperINR, title: str, points: int = MOST_POINTS, backend: str = "auto") -> None:
        self._model, self._title, self._backend = model, title, backend
        self.grid = _coarse(model.grid, points)
        self.kind = (
            "picture" if is_picture(model.grid, model.fields) else "plane" if self.grid.dims[2] == 1 else "volume"
        )
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[float, ...], np.ndarray] = OrderedDict()
        if self.kind != "picture":
            self._range = self._values_range()

    def description(self) -> dict[str, Any]:
        """What the page shows besides the picture: {"title", "kind", "sliders", "look", "turned"}."""
        sliders = [_slider(parameter) for parameter in self._model.parameters]
        return {
            "title": self._title,
            "kind": self.kind,
            "sliders": sliders,
            "look": self._look(),
            "turned": self._turned(),
        }

    def draw(self, values: dict[str, Any], look: dict[str, Any]) -> tuple[str, bytes]:
        """Media type and bytes of the picture at values by parameter, drawn as `look` says.

        Raises
        ------
        ParameterError for values or looks that are none.
        """
        from hyperinr.filters.cinema import encoded

        theta = self._model.theta({name: _number(name, value) for name, value in values.items()}, clamp=True)
        pixels = self._pixels(theta, look)
        kind = "PNG" if pixels.shape[-1] == 4 else "JPEG"
        return f"image/{kind.lower()}", encoded(pixels, kind, JPEG_QUALITY)

    def _pixels(self, theta: np.ndarray, look: dict[str, Any]) -> np.ndarray:
        if self.kind == "picture":
            with self._lock:
                return to_bytes(self._model.generate(theta, self._backend).sample_grid()[0])
        if set(look) != {item["name"] for item in self._look()} or look["colors"] not in PRESETS:
            raise ParameterError(f"the look is {sorted(look)}; expected colors of {', '.join(PRESETS)} and numbers")
        numbers = {name: _number(name, value) for name, value in look.items() if name != "colors"}
        scalars = self._scalars(theta)
        ramp = Ramp(PRESETS[look["colors"]], numbers["from"], numbers["to"], numbers["opacity"])
        if self.kind == "plane":
            return to_bytes(255 * ramp.colors[ramp.index(scalars[0])])
        view = np.array([numbers["azimuth "], numbers["elevation "]])
        unit = np.linalg.norm(np.multiply(self.grid.spacing, np.subtract(self.grid.dims, 1))) / UNITS_ACROSS
        rgba = ramp.rgba(scalars, step_length(self.grid, view) / unit)
        return picture(rgba, self.grid, view, SIZE, BACKGROUND)

    def _scalars(self, theta: np.ndarray) -> np.ndarray:
        """(nz, ny, nx) the first field at theta, or its magnitude."""
        key = tuple(theta.tolist())
        with self._lock:
            if key not in self._kept:
                inr = self._model.generate(theta, self._backend)
                field = inr.split(inr.sample_grid(self.grid))[self._model.fields[0].name]
                self._kept[key] = np.linalg.norm(field, axis=-1) if field.ndim == 4 else field
                while len(self._kept) > N_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def _values_range(self) -> tuple[float, float, float, float]:
        """Lowest value, the ends of what is neither common nor an outlier, highest value, in the middle of the bounds."""
        inr = self._model.generate(self._model.theta_bounds.mean(axis=1), self._backend)
        field = inr.split(inr.sample_grid(_coarse(self.grid, RANGE_POINTS)))[self._model.fields[0].name]
        field = np.linalg.norm(field, axis=-1) if field.ndim == 4 else field
        low, start, end, high = (float(v) for v in np.percentile(field, [0, 20, 99.8, 100]))
        return low, start, end if end > start else start + 1.0, max(high, low + 1e-6)

    def _look(self) -> list[dict[str, Any]]:
        if self.kind == "picture":
            return []
        low, start, end, high = self._range
        items = [
            {"name": "colors", "label": "colours", "choices": list(PRESETS), "value": "Inferno (matplotlib)"},
            _range_item("from", "colours from", low, high, start),
            _range_item("to", "colours to", low, high, end),
            _range_item("opacity", "opacity", 0.0, 1.0, 0.6),
        ]
        if self.kind == "volume":
            # the blanks keep them apart from a light's parameters of the same name
            items.append(_range_item("azimuth ", "camera azimuth", 0.0, 360.0, 30.0, "°"))
            items.append(_range_item("elevation ", "camera elevation", -90.0, 90.0, 25.0, "°"))
        return items

    def _turned(self) -> list | None:
        """Names of the two angles that dragging the picture changes, and the sign of the second."""
        if self.kind == "volume":
            return ["azimuth ", "elevation ", 1]
        names = {parameter.role: parameter.name for parameter in self._model.parameters}
        if "view_azimuth" in names and "view_elevation" in names:
            return [names["view_azimuth"], names["view_elevation"], 1]
        if "view_azimuth" in names and "view_polar" in names:
            return [names["view_azimuth"], names["view_polar"], -1]
        return None


def _slider(parameter: Parameter) -> dict[str, Any]:
    low, high = parameter.bounds
    units = {"deg": "°"}.get(parameter.units, parameter.units)
    return {**_range_item(parameter.name, parameter.name, low, high, (low + high) / 2, units), "role": parameter.role}


def _range_item(name: str, label: str, low: float, high: float, value: float, units: str = "") -> dict[str, Any]:
    return {"name": name, "label": label, "min": low, "max": high, "value": value, "units": units}


def _coarse(grid: Grid, points: int) -> Grid:
    """The same box with at most so many points along its longest axis."""
    share = (points - 1) / max(max(grid.dims) - 1, points - 1)
    return grid.with_dims([max(round((n - 1) * share) + 1, 2) if n > 1 else 1 for n in grid.dims])


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not np.isfinite(value):
        raise ParameterError(f"{name} is {value!r:.40}; expected a finite number")
    return float(value)
