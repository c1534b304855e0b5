"""What light meets: a field on a grid, with the share of light that each value scatters and how soon it does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.light.shadow import default_unit_distance
from hyperinr_core.pictures.transfer import MAX_OPACITY, TransferFunction, check_finite
from hyperinr_core.tracing import path_native
from hyperinr_core.tracing.tone import to_linear
from hyperinr_core.volume import Grid

#: Rows of the tables that a transfer function becomes.
N_ROWS = 4096

#: Optical thickness of a point's own length at most: what is denser is as opaque, and holds every path up.
MOST_PER_POINT = 50.0

#: Numbers that need double precision are kept in units of the tables' range, up to so many of them.
BEYOND = 1e6

#: Of four points along the shortest spacing, in diagonals of the box, at least: with less rounding counts.
THINNEST = 1e-5


@dataclass(frozen=True)
class Medium:
    """A volume as the path tracer takes it.

    Attributes
    ----------
    values : (nz, ny, nx) float32; where NaN is among the eight neighbours of a place, it is empty.
    grid : of the values, at least 2 points along each axis.
    colors : (n, 3) share of red, green and blue light that is scattered and not absorbed (albedo), linear, 0 to 1.
    extinction : (n,) share of light that is scattered or absorbed per length unit.
    low, high : the values of the first and the last row of the tables; values beyond have those.

    Raises
    ------
    DataError for a field without thickness, or too thin, or with infinity; ParameterError for tables that do not fit.
    """

    values: np.ndarray
    grid: Grid
    colors: np.ndarray
    extinction: np.ndarray
    low: float
    high: float

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape or min(self.grid.dims) < 2:
            raise DataError(
                f"the field has shape {self.values.shape} on a grid of {self.grid.shape}; expected the grid's, with at least "
                "2 points along each axis"
            )
        steps = np.abs(self.grid.spacing)
        if not steps.min() * 4 >= THINNEST * self.diagonal:
            raise DataError(
                f"the grid's spacing is {self.grid.spacing} in a box of diagonal {self.diagonal:g}; expected at least a "
                f"{4 / THINNEST:.0f}th of it along each axis, resample the field"
            )
        check_finite(self.values)
        tables = np.column_stack([self.colors, self.extinction]) if len(self.colors) == len(self.extinction) else None
        if tables is None or tables.shape[1] != 4 or not np.isfinite(tables).all() or tables.min() < 0:
            raise ParameterError(
                f"the tables have shapes {self.colors.shape} and {self.extinction.shape}; expected (n, 3) and (n,) of finite "
                "numbers of at least 0"
            )
        if self.colors.max() > 1 or not math.isfinite(self.high - self.low) or self.high < self.low:
            raise ParameterError(
                f"the tables run from {self.low} to {self.high} with colours up to {self.colors.max():g}; expected two "
                "values in order, and at most 1"
            )

    @cached_property
    def diagonal(self) -> float:
        """The length of the box's."""
        return float(np.linalg.norm(np.multiply(self.grid.spacing, np.subtract(self.grid.dims, 1))))

    @cached_property
    def axes(self) -> np.ndarray:
        """(3, 3) rows: the grid's own axes in space, each the way in which its points go."""
        return np.reshape(self.grid.direction, (3, 3)).T * np.sign(self.grid.spacing)[:, None]

    @cached_property
    def native(self) -> path_native.Medium:
        """As the kernel takes it."""
        rows = len(self.extinction)
        spacing = np.abs(self.grid.spacing) / self.diagonal
        most = MOST_PER_POINT / math.sqrt(spacing.min() * spacing.max())
        extinction = np.minimum(np.asarray(self.extinction, np.float64) * self.diagonal, most)
        scale = (rows - 1) / (self.high - self.low) if self.high > self.low else 0.0
        return path_native.Medium(self.values, spacing, self.colors, extinction, self.low, scale)


def medium_of(
    values: np.ndarray,
    grid: Grid,
    function: TransferFunction,
    unit_distance: float | None = None,
    albedo: float = 1.0,
) -> Medium:
    """A field with ParaView's colours and opacities.

    Parameters
    ----------
    values : (nz, ny, nx) numbers; NaN says that a point is masked.
    function : its colours, as they are seen on a screen, become albedo; its opacities, extinction.
    unit_distance : length that the opacities hold for, in the grid's unit; ParaView's for the box when None.
    albedo : factor of the colours, 0 to 1.

    Raises
    ------
    See `Medium`; ParameterError for a unit distance or an albedo out of range.
    """
    unit = default_unit_distance(grid) if unit_distance is None else unit_distance
    if not (unit > 0 and math.isfinite(unit)) or not 0 <= albedo <= 1:
        raise ParameterError(f"unit distance is {unit:g} and albedo {albedo:g}; expected more than 0, and 0 to 1")
    low, high = _range(values, function)
    x = np.linspace(low, high, N_ROWS)
    places, *channels = np.array(function.colors).T
    colors = np.stack([np.interp(x, places, channel) for channel in channels], axis=1)
    alpha = np.minimum(function.opacity(x).astype(np.float64), MAX_OPACITY)
    if values.dtype == np.float64:  # single precision cannot tell them apart, or not hold them
        check_finite(values)
        values, low, high = np.clip((values - low) / ((high - low) or 1.0), -BEYOND, BEYOND), 0.0, 1.0
    return Medium(
        np.ascontiguousarray(values, np.float32), grid, albedo * to_linear(colors), -np.log1p(-alpha) / unit, low, high
    )


def _range(values: np.ndarray, function: TransferFunction) -> tuple[float, float]:
    """Where the function's values and the field's are both: the tables have no rows for others."""
    x = [point[0] for point in (*function.colors, *function.opacities)]
    finite = values[np.isfinite(values)]
    if not finite.size:
        return min(x), max(x)
    low, high = (float(np.clip(end, min(x), max(x))) for end in (finite.min(), finite.max()))
    return low, high
