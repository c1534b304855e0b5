"""Fields whose values float32 does not tell apart: they are learned, sampled and measured as multiples of a unit from an offset.

Everything between a series and a model's values is float32. Pressure of 101325 that varies by 0.01, time stamps, or numbers
beyond 1e38 come in and go out in float64; in between there is what `Shift` makes of them, which is of the size of 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hyperinr_core.volume import LARGE, Field, VolumeSeries

#: The least number that float32 holds in full precision.
TINY = float(np.finfo(np.float32).tiny)

#: Extent of a field's values over their magnitude from which on float32 resolves them well.
COARSE = 1e-5

#: Steps that are looked at for what a field needs, and planes of each, at most; spread evenly.
N_STEPS, N_PLANES = 3, 8

#: Lowest and highest value of a component.
Limits = tuple[float, float]


@dataclass(frozen=True)
class Shift:
    """Values are offset + scale * numbers.

    Attributes
    ----------
    offset : one for each component. scale : the same for all of them, so that they keep their sizes to each other.
    """

    offset: tuple[float, ...]
    scale: float

    def applied(self, values: np.ndarray) -> np.ndarray:
        """Numbers float32 of values (..., c), or of (...) for one component."""
        offset = self.offset[0] if len(self.offset) == 1 else np.array(self.offset)
        return ((np.asarray(values, np.float64) - offset) / self.scale).astype(np.float32)

    def undone(self, number: float) -> float:
        """The value of a number of one component."""
        return self.offset[0] + self.scale * number


#: By field name; those alone that need one.
Shifts = Mapping[str, Shift]


def is_coarse(limits: Sequence[Limits]) -> bool:
    """Whether float32 tells the values of one of a field's components badly apart, or has no room for them."""
    return any(_is_coarse(low, high) for low, high in limits)


def _is_coarse(low: float, high: float) -> bool:
    largest, extent = max(abs(low), abs(high)), high - low
    return largest > 0 and (largest < TINY or max(largest, extent) > LARGE or 0 < extent < COARSE * largest)


def shift_over(limits: Sequence[Limits]) -> Shift:
    """What brings a field's largest extent to 0 to 1; one of a single value to 0, in units of that value."""
    extent = max(high - low for low, high in limits) or max(abs(low) for low, _ in limits)
    return Shift(tuple(low for low, _ in limits), extent or 1.0)


def shifts_of(fields: Sequence[Field]) -> Shifts:
    """Those of a model's fields."""
    return {field.name: shift_over(field.value_range) for field in fields if is_coarse(field.value_range)}


def shifts_for(series: VolumeSeries, names: Sequence[str]) -> Shifts:
    """Those that fields of a series need to be learned, by what a few planes of a few steps show.

    Numbers that float32 has all of are learned as they are. A field of a single value gets one, since it may vary in others.
    """
    shifts = {}
    for name in names:
        kind = np.asarray(series.loader(0, name, (0, 1))).dtype if name in series.field_info else np.dtype(bool)
        if np.can_cast(kind, np.float32):
            continue
        limits = _seen(series, name)
        is_still = all(low == high for low, high in limits) and any(low for low, _ in limits)
        if is_coarse(limits) or is_still:
            shifts[name] = shift_over(limits)
    return shifts


def _seen(series: VolumeSeries, name: str) -> list[Limits]:
    """The limits of each component in some steps; nothing where one shows no number."""
    n, depth = series.field_info[name], series.grid.dims[2]
    lows, highs = [], []
    for step in np.unique(np.linspace(0, len(series) - 1, N_STEPS).round().astype(int)):
        for z in np.unique(np.linspace(0, depth - 1, N_PLANES).round().astype(int)):
            values = np.asarray(series.loader(int(step), name, (int(z), int(z) + 1)), np.float64).reshape(-1, n)
            lows.append(np.fmin.reduce(values))
            highs.append(np.fmax.reduce(values))
    low, high = np.fmin.reduce(lows), np.fmax.reduce(highs)
    return list(zip(low.tolist(), high.tolist())) if np.isfinite([low, high]).all() else []


def shifted_series(series: VolumeSeries, shifts: Shifts) -> VolumeSeries:
    """The series of numbers; itself where no field needs it."""
    if not shifts:
        return series

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        values = series.loader(step, name, z_range)
        return shifts[name].applied(values) if name in shifts else values

    return replace(series, loader=load)


def shifted_model(model: Any, shifts: Shifts) -> Any:
    """A model, whose values are numbers then; itself where no field needs it."""
    return _moved(model, shifts, lambda values, offset, scale: (values - offset) / scale, lambda x, scale: x / scale)


def restored_model(model: Any, shifts: Shifts) -> Any:
    """A model of numbers, whose values are then those of the data; itself where no field needs it."""
    return _moved(model, shifts, lambda numbers, offset, scale: numbers * scale + offset, lambda x, scale: x * scale)


def _moved(model: Any, shifts: Shifts, move: Any, stretch: Any) -> Any:
    """A model with other ranges: what they stand for is moved, and only stretched where it is added to a base."""
    if not shifts:
        return model
    offset, scale = columns(model.fields, shifts)
    fields, start = [], 0
    for field in model.fields:
        part = slice(start, start + field.n_components)
        limits = move(np.array(field.value_range), offset[part, None], scale[part, None])
        is_moved = field.name in shifts
        fields.append(replace(field, value_range=tuple(map(tuple, limits.tolist()))) if is_moved else field)
        start = part.stop
    base = model.base
    if base is not None:
        own = list(base.components)
        offset, scale = offset[own, None], scale[own, None]
        base = replace(base, limits=move(base.limits, offset, scale), residual=stretch(base.residual, scale))
    return replace(model, fields=tuple(fields), base=base)


def columns(fields: Sequence[Field], shifts: Shifts) -> tuple[np.ndarray, np.ndarray]:
    """Offset and scale of every component of fields, (C,) float64; 0 and 1 of those that are not shifted."""
    offsets: list[float] = []
    scales: list[float] = []
    for field in fields:
        shift = shifts.get(field.name, Shift((0.0,) * field.n_components, 1.0))
        offsets += shift.offset
        scales += [shift.scale] * field.n_components
    return np.array(offsets), np.array(scales)
