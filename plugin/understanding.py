"""What was understood of a series before anything is trained on it: its grid, fields, times, and what is odd about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hyperinr_core.hinr_document import check_limits
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

#: Steps that are looked at for the ranges of fields, spread evenly.
N_SEEN = 3

#: Values of a step that are looked at, at most; of more, planes spread evenly: training reads all of them anyway.
MOST_VALUES = 1 << 21

#: Points along z that are read at once, where not all are.
N_PLANES = 8


@dataclass(frozen=True)
class SeenField:
    """A field, as a few steps show it.

    Attributes
    ----------
    value_range : smallest and largest finite value; None where there is none.
    masked : share of values that are no data.
    """

    name: str
    n_components: int
    value_range: tuple[float, float] | None
    units: str
    masked: float


@dataclass(frozen=True)
class Understood:
    """What a series is.

    Attributes
    ----------
    n_seen : steps that the fields' ranges and masks are of; `partly` where not all planes of these were read.
    """

    source: str
    n_steps: int
    grid: Grid
    fields: tuple[SeenField, ...]
    n_seen: int
    partly: bool
    parameter: str
    values: tuple[float, float]
    unit: str
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """For people: the source, the grid, the fields, the times, and a line for each note."""
        grid = self.grid
        turned = "" if np.allclose(np.reshape(grid.direction, (3, 3)), np.eye(3)) else ", turned"
        dims = " x ".join(map(str, grid.dims))
        where = "in " + ("parts of " if self.partly else "") + f"{self.n_seen} of {self.n_steps} steps"
        is_all = self.n_seen == self.n_steps and not self.partly
        return [
            f"{self.source}: {self.n_steps} step{'s' if self.n_steps > 1 else ''} of {dims}",
            f"grid: spacing {_numbers(grid.spacing)}, from {_numbers(grid.origin)}{turned}",
            f"fields{'' if is_all else f' ({where})'}: {'; '.join(_in_words(field) for field in self.fields)}",
            f"{self.parameter}: {_times(self)}",
            *(f"note: {note}" for note in self.notes),
        ]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "source": self.source,
            "steps": self.n_steps,
            "grid": {
                "dims": list(self.grid.dims),
                "origin": list(self.grid.origin),
                "spacing": list(self.grid.spacing),
                "direction": list(self.grid.direction),
            },
            "fields": [
                {
                    "name": field.name,
                    "n_components": field.n_components,
                    "value_range": None if field.value_range is None else list(field.value_range),
                    "units": field.units,
                    "masked_share": field.masked,
                }
                for field in self.fields
            ],
            "seen_steps": self.n_seen,
            "seen_in_part": self.partly,
            "parameter": {"name": self.parameter, "bounds": list(self.values), "units": self.unit},
            "notes": list(self.notes),
        }


def understood(series: VolumeSeries, names: Sequence[str] | None = None) -> Understood:
    """Look at a few steps of a series.

    Raises
    ------
    DataError for a step that cannot be read, and for what no .hinr file can hold.
    """
    names = list(names or series.field_info)
    plain = [Field(name, n, ((0.0, 1.0),) * n) for name, n in series.field_info.items() if name in names]
    bounds = [(float(column.min()), float(column.max())) for column in series.thetas.T]
    kinds = zip(series.parameters, series.roles, bounds)
    check_limits([Parameter(*each, series.units.get(each[0], "")) for each in kinds], series.grid, plain)
    steps = sorted(set(np.linspace(0, len(series) - 1, N_SEEN).round().astype(int).tolist()))
    seen = [_seen(series, field, steps) for field in plain]
    first = series.parameters[0]
    partly = any(len(_planes(series, field.n_components)) > 1 for field in plain)
    return Understood(
        series.source, len(series), series.grid, tuple(seen), len(steps), partly, first, bounds[0],
        series.units.get(first, ""), series.notes,
    )  # fmt: skip


def _planes(series: VolumeSeries, n_components: int) -> list[tuple[int, int] | None]:
    """The ranges of planes to look at; None for all of them."""
    depth = series.grid.dims[2]
    per_plane = n_components * series.grid.n_points // depth
    if per_plane * depth <= MOST_VALUES or depth <= N_PLANES:
        return [None]
    return [(int(z), int(z) + 1) for z in np.linspace(0, depth - 1, N_PLANES)]


def _seen(series: VolumeSeries, field: Field, steps: Sequence[int]) -> SeenField:
    low, high, n_masked, n = np.inf, -np.inf, 0, 0
    for step in steps:
        for planes in _planes(series, field.n_components):
            values = np.asarray(series.loader(step, field.name, planes))
            is_data = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
            n, n_masked = n + values.size, n_masked + values.size - int(is_data.sum())
            if is_data.any():
                low, high = min(low, float(values[is_data].min())), max(high, float(values[is_data].max()))
    found = (low, high) if low <= high else None
    return SeenField(field.name, field.n_components, found, series.units.get(field.name, ""), n_masked / max(n, 1))


def _in_words(field: SeenField) -> str:
    components = f" ({field.n_components} components)" if field.n_components > 1 else ""
    unit = f" {field.units}" if field.units else ""
    masked = f", {_percent(field.masked)} without data" if field.masked else ""
    if field.value_range is None:
        return f"{field.name}{components} holds no data"
    return f"{field.name}{components} {range_in_words(*field.value_range)}{unit}{masked}"


def range_in_words(low: float, high: float, digits: int = 5) -> str:
    """Both ends, with more digits than asked for where these do not tell how far apart they are."""
    while digits < 17 and any(abs(float(f"{end:.{digits}g}") - end) > 0.05 * (high - low) > 0 for end in (low, high)):
        digits += 1
    return f"{low:.{digits}g} to {high:.{digits}g}"


def _percent(share: float) -> str:
    return "less than 0.1 %" if share < 1e-3 else f"{100 * share:.1f} %"


def _times(told: Understood) -> str:
    low, high = told.values
    unit = f" {told.unit}" if told.unit else ", no unit is given"
    return f"{low:.9g}{unit}" if low == high else f"{low:.9g} to {high:.9g}{unit}"


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in values) + ")"
