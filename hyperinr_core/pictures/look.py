"""How a field is shown: colours, opacity and camera, for ParaView's window, `hyperinr render` and the page alike.

A volume is clear where its values are common and opaque where they are rare: what fills the box hides what lives in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from hyperinr_core.model import Model
    from hyperinr_core.volume import Field, Parameter

#: Behind everything; dark, since the colour maps begin dark.
BACKGROUND = (0.075, 0.078, 0.095)

#: Edges of the data's box.
OUTLINE = (0.38, 0.4, 0.46)

#: Where the camera stands, seen from the middle of the box: a corner, a little from above. z is up.
CAMERA = (1.0, -1.7, 0.85)

#: Unit distances across the diagonal of a volume: what opacities hold for.
UNITS_ACROSS = 45.0

#: Colours of values that grow from nothing, of values whose small ones are the rare ones, and of values on both sides of zero.
RISING, FALLING, SIGNED = "Inferno (matplotlib)", "Viridis (matplotlib)", "Cool to Warm"

#: Opacity at fractions of the way from the last common value to the rarest.
OPACITY = ((0.0, 0.0), (0.25, 0.1), (0.6, 0.45), (1.0, 0.9))

#: Values that count: few extreme ones, at whatever time, would leave every picture dark. In per cent.
ENDS = (0.5, 99.8)

#: The share of a signed range that its smaller side has at least.
BOTH_SIDES = 0.25

#: Points along an axis of the grid, and thetas, at which a model is asked.
N_POINTS, N_THETAS = 40, 3


@dataclass(frozen=True)
class Look:
    """How one field is shown.

    Attributes
    ----------
    colors : name of a colour map in `transfer.COLOR_MAPS`, as ParaView 5 calls it.
    low, high : values that the colours run over.
    opacities : (value, opacity of one unit distance) points, values not decreasing.
    """

    colors: str
    low: float
    high: float
    opacities: tuple[tuple[float, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, entry: dict[str, Any]) -> Look:
        """What `to_dict` gave."""
        return cls(**{**entry, "opacities": tuple(map(tuple, entry["opacities"]))})


def look_of(values: np.ndarray) -> Look:
    """The look of scalars that are like these.

    Parameters
    ----------
    values : any shape; what is not finite does not count.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return look_between(0.0, 1.0)
    low, median, high = (float(v) for v in np.percentile(values, [ENDS[0], 50.0, ENDS[1]]))
    if is_signed(low, high):
        return signed_look(max(-low, high))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low:
        return look_between(low, low + max(abs(low), 1.0))
    falls = median - low > 0.65 * (high - low)
    common = float(np.percentile(values, 40.0 if falls else 60.0))
    return look_between(low, high, common, falls)


def look_between(low: float, high: float, common: float | None = None, falls: bool = False) -> Look:
    """The look of values from low to high.

    Parameters
    ----------
    common : up to where values are common, and clear; a tenth of the range is clear at least, half of it at most.
    falls : whether the rare values are the small ones.
    """
    span, clear = high - low, 0.2
    if common is not None:
        clear = min(max((high - common if falls else common - low) / span, 0.1), 0.5)
    points = ((0.0, 0.0), *((clear + (1 - clear) * share, alpha) for share, alpha in OPACITY))
    if falls:
        points = tuple((1 - x, alpha) for x, alpha in reversed(points))
    return Look(FALLING if falls else RISING, low, high, tuple((low + x * span, alpha) for x, alpha in points))


def signed_look(largest: float) -> Look:
    """The look of values on both sides of zero: two colours, opaque at both ends, clear in the middle."""
    side = [(0.2 + 0.8 * share, alpha) for share, alpha in OPACITY]
    points = (*((-x, alpha) for x, alpha in reversed(side)), *side)
    return Look(SIGNED, -largest, largest, tuple((x * largest, alpha) for x, alpha in points))


def is_signed(low: float, high: float) -> bool:
    """Whether zero lies well between two values."""
    return low < 0 < high and min(-low, high) >= BOTH_SIDES * max(-low, high)


def looks_of(model: Model, backend: str = "auto") -> dict[str, Look]:
    """The look of every field of a model, by name; of the magnitude where a field has components.

    One look for all thetas, so that pictures of different times compare: values come from a few thetas across the bounds.
    """
    shares = (np.arange(N_THETAS) + 0.5) / N_THETAS
    low, high = model.theta_bounds.T
    parts: dict[str, list[np.ndarray]] = {field.name: [] for field in model.fields}
    for share in shares:
        for part in model.typical():
            inr = part.generate(low + share * (high - low), backend)
            coarse = part.grid.with_dims([min(n, N_POINTS) for n in part.grid.dims])
            for name, values in inr.split(inr.sample_grid(coarse)).items():
                parts[name].append(magnitude(values))
    return {name: look_of(np.concatenate(values, axis=None)) for name, values in parts.items()}


def magnitude(values: np.ndarray) -> np.ndarray:
    """(nz, ny, nx) scalars as they are, vectors (nz, ny, nx, C) as their length: what ParaView colours by."""
    return np.linalg.norm(values, axis=-1) if values.ndim == 4 else values


def time_format(time: Parameter) -> str:
    """What a time is written by, with four digits of the whole: `time {time:.3f} s`."""
    span = time.bounds[1] - time.bounds[0]
    decimals = min(max(3 - math.floor(math.log10(span)), 0), 12) if span > 0 else 3
    return f"{time.name} {{time:.{decimals}f}} {time.units}".strip()


def title_of(field: Field) -> str:
    """Name and unit, for legends."""
    return f"{field.name} [{field.units}]" if field.units else field.name


def camera_at(bounds: Sequence[float]) -> tuple[list[float], list[float]]:
    """Position and focal point of a camera that has a box in view.

    Parameters
    ----------
    bounds : (6,) x0, x1, y0, y1, z0, z1.
    """
    middle = [(low + high) / 2 for low, high in zip(bounds[0::2], bounds[1::2])]
    diagonal = float(np.linalg.norm(np.subtract(bounds[1::2], bounds[0::2]))) or 1.0
    towards = np.array(CAMERA) / np.linalg.norm(CAMERA)
    return [m + 1.9 * diagonal * t for m, t in zip(middle, towards)], middle
