"""Transfer functions: which value shows how, as ParaView keeps and exports it.

Shadows depend on opacity alone; colours are carried along for whoever draws.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import DataError, ParameterError

#: Colour maps that need no file, over 0 to 1: (x, red, green, blue) points, straight lines in RGB between them.
COLOR_MAPS: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "Grayscale": ((0, 0, 0, 0), (1, 1, 1, 1)),
    "X Ray": ((0, 1, 1, 1), (1, 0, 0, 0)),
    "Bone": ((0, 0.32, 0.2, 0.16), (0.35, 0.76, 0.57, 0.42), (0.65, 0.95, 0.88, 0.76), (1, 1, 1, 0.98)),
    "Cool to Warm": ((0, 0.23, 0.299, 0.754), (0.5, 0.865, 0.865, 0.865), (1, 0.706, 0.016, 0.15)),
    "Black-Body Radiation": ((0, 0, 0, 0), (0.4, 0.9, 0, 0), (0.8, 0.9, 0.9, 0), (1, 1, 1, 1)),
    "Inferno (matplotlib)": (
        (0, 0.001, 0, 0.014), (0.25, 0.342, 0.062, 0.429), (0.5, 0.736, 0.216, 0.33),
        (0.75, 0.978, 0.558, 0.035), (1, 0.988, 0.998, 0.645),
    ),
    "Viridis (matplotlib)": (
        (0, 0.267, 0.005, 0.329), (0.25, 0.23, 0.322, 0.546), (0.5, 0.128, 0.567, 0.551),
        (0.75, 0.369, 0.789, 0.383), (1, 0.993, 0.906, 0.144),
    ),
}  # fmt: skip

logger = logging.getLogger("hyperinr")

#: Share of the wider of two ranges, a file's and the data's, that both must have for the file to be meant for the data.
LEAST_SHARED = 0.1

#: Opacity of a value that one unit of length can have at most: light must come through something.
MAX_OPACITY = 0.9999


@dataclass(frozen=True)
class TransferFunction:
    """Colour and opacity over a value, linear between points and constant beyond them.

    Attributes
    ----------
    colors : (x, red, green, blue) points, x increasing.
    opacities : (x, opacity) points, x not decreasing; the opacity of one unit distance of the value.
    color_space : what ParaView interpolates colours in.
    name : for messages.
    """

    colors: tuple[tuple[float, ...], ...]
    opacities: tuple[tuple[float, float], ...]
    color_space: str = "RGB"
    name: str = ""

    def __post_init__(self) -> None:
        for kind, points, width in (("colour", self.colors, 4), ("opacity", self.opacities, 2)):
            array = np.array(points, np.float64)
            if array.ndim != 2 or array.shape[1] != width or not np.isfinite(array).all():
                raise DataError(
                    f"{self._label} has {kind} points {points!r:.80}; expected rows of {width} finite numbers"
                )
            if (np.diff(array[:, 0]) < 0).any():
                raise DataError(f"{self._label} has {kind} points that go back; expected them in increasing order")
            if array[:, 1:].min() < 0 or array[:, 1:].max() > 1:
                raise DataError(f"{self._label} has {kind} points beyond 0 to 1; expected fractions")
            object.__setattr__(self, "colors" if width == 4 else "opacities", tuple(map(tuple, array.tolist())))

    @property
    def _label(self) -> str:
        return f"the transfer function {self.name!r}" if self.name else "the transfer function"

    @property
    def digest(self) -> str:
        """Twelve digits that change when the opacity does: what tells whether a shadow model fits."""
        # six figures: ParaView's files and its functions in memory differ in the last ones
        text = " ".join(f"{x:.6g}:{alpha:.6g}" for x, alpha in self.opacities)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def opacity(self, values: np.ndarray) -> np.ndarray:
        """Opacity of one unit distance of values, same shape, float32."""
        x, alpha = np.array(self.opacities).T
        return np.interp(values, x, alpha).astype(np.float32)

    def with_opacity(self, points: Sequence[tuple[float, float]]) -> TransferFunction:
        """The same colours with other opacity points."""
        return dataclasses.replace(self, opacities=tuple(points))

    def to_dict(self) -> dict[str, Any]:
        """As ParaView's JSON colour maps write it."""
        return {
            "Name": self.name,
            "ColorSpace": self.color_space,
            "RGBPoints": [number for point in self.colors for number in point],
            "Points": [number for x, alpha in self.opacities for number in (x, alpha, 0.5, 0.0)],
        }


def load(source: str | os.PathLike, value_range: tuple[float, float]) -> TransferFunction:
    """A transfer function by the name of a preset or from ParaView's JSON.

    A preset is stretched over the value range, as is a file that is plainly for other data; else a file holds the values it
    is for. Where a file has no opacity, and in a preset, opacity rises linearly over the colours' range.

    Parameters
    ----------
    source : a name in `COLOR_MAPS`, or the path of a JSON file that ParaView exported.
    value_range : lowest and highest value of the field.

    Raises
    ------
    DataError for a file that is no colour map, ParameterError for a name that is no preset.

    Examples
    --------
    >>> function = load("Bone", (0.0, 255.0)).with_opacity(parse_opacity("0:0,255:0.5"))
    >>> function.opacity(np.array([0.0, 127.5, 255.0])).tolist()
    [0.0, 0.25, 0.5]
    """
    if str(source) in COLOR_MAPS:
        low, high = value_range
        colors = tuple((low + x * (high - low), *rgb) for x, *rgb in COLOR_MAPS[str(source)])
        return TransferFunction(colors, ((low, 0.0), (high, 1.0)), name=str(source))
    if not Path(source).is_file():
        raise ParameterError(
            f"{source} is no file and no preset; expected a JSON colour map exported by ParaView, "
            f"or one of {', '.join(COLOR_MAPS)}"
        )
    try:
        document = json.loads(Path(source).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{source} is no readable JSON ({error}); expected a colour map exported by ParaView"
        ) from error
    return _fitted(from_document(document, str(source)), value_range)


def _fitted(function: TransferFunction, value_range: tuple[float, float]) -> TransferFunction:
    """The function, stretched over the values as ParaView does on applying it where it is for others."""
    low, high = value_range
    start, stop = function.colors[0][0], function.colors[-1][0]
    shared = min(stop, high) - max(start, low)
    if high <= low or stop <= start or shared >= LEAST_SHARED * max(stop - start, high - low):
        return function
    logger.warning(
        "%s is for values of %g to %g, the data has %g to %g: stretched over the data",
        function.name, start, stop, low, high,
    )  # fmt: skip
    scale = (high - low) / (stop - start)
    colors = tuple((low + (x - start) * scale, *rgb) for x, *rgb in function.colors)
    opacities = tuple((low + (x - start) * scale, alpha) for x, alpha in function.opacities)
    return dataclasses.replace(function, colors=colors, opacities=opacities)


def from_document(document: Any, source: str) -> TransferFunction:
    """The first colour map of a JSON document as ParaView exports it."""
    entry = document[0] if isinstance(document, list) and document else document
    try:
        flat = [float(number) for number in entry["RGBPoints"]]
        colors = tuple(tuple(flat[i : i + 4]) for i in range(0, len(flat), 4))
        points = entry.get("Points") or []
        nodes = [tuple(float(number) for number in points[i : i + 4]) for i in range(0, len(points), 4)]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise DataError(f"{source} has no colour map ({error}); expected RGBPoints as ParaView exports them") from None
    ramp = ((colors[0][0], 0.0), (colors[-1][0], 1.0)) if colors and len(colors[-1]) == 4 else ()
    opacities = _with_midpoints(nodes, source) if nodes else ramp
    return TransferFunction(colors, opacities, str(entry.get("ColorSpace", "RGB")), str(entry.get("Name", source)))


def check_finite(values: np.ndarray) -> None:
    """Raise DataError for infinity, which would darken everything behind it; NaN says that a point is masked."""
    if not np.isfinite(np.sum(values, dtype=np.float64)) and np.isinf(values).any():
        raise DataError("the scalar holds infinity; expected finite numbers, or NaN where there is no value")


def parse_opacity(text: str) -> tuple[tuple[float, float], ...]:
    """Opacity points from "value:opacity,value:opacity"."""
    try:
        points = tuple((float(x), float(alpha)) for x, alpha in (pair.split(":") for pair in text.split(",")))
    except ValueError:
        raise ParameterError(f"opacity is {text!r}; expected value:opacity pairs such as 0:0,120:0.4,255:0.9") from None
    return points


def _with_midpoints(nodes: list[tuple[float, ...]], source: str) -> tuple[tuple[float, float], ...]:
    """Straight pieces that equal VTK's: a midpoint is where a piece reaches half its rise."""
    points: list[tuple[float, float]] = []
    for (x, alpha, middle, sharpness), (next_x, next_alpha, *_) in zip(nodes, nodes[1:]):
        if sharpness:
            raise DataError(f"{source} has an opacity point with sharpness {sharpness:g}; expected 0, straight lines")
        points.append((x, alpha))
        if middle != 0.5:
            points.append((x + middle * (next_x - x), (alpha + next_alpha) / 2))
    x, alpha, *_ = nodes[-1]
    return (*points, (x, alpha))


def extinction(values: np.ndarray, function: TransferFunction, unit_distance: float, check: bool = True) -> np.ndarray:
    """Extinction per length unit, float32: what makes a way of `unit_distance` through a value as opaque as its opacity.

    Parameters
    ----------
    values : (nz, ny, nx) numbers; NaN, which says that a point is masked, casts no shadow.
    unit_distance : length in the grid's unit, ParaView's scalar opacity unit distance.
    check : whether a volume that is clear or black everywhere is an error.

    Raises
    ------
    DataError for infinity, and for a transfer function that lets nothing or everything through.
    """
    check_finite(values)
    alpha = np.minimum(function.opacity(values), np.float32(MAX_OPACITY))
    alpha[np.isnan(values)] = 0
    if check and (alpha.max() == 0 or alpha.min() == np.float32(MAX_OPACITY)):
        kind = "clear" if alpha.max() == 0 else "opaque"
        raise DataError(
            f"the transfer function is {kind} for all values of the data, {np.nanmin(values):g} to {np.nanmax(values):g}; "
            "expected opacity in some places and none in others, so that there is light and shadow"
        )
    return np.ascontiguousarray(-np.log1p(-alpha) / np.float32(unit_distance), np.float32)
