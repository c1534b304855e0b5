"""What the choices in the HyperINR Source's panel mean for a model: its grid, the extent to sample, and theta."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Extent, Grid, Parameter

#: More than any machine holds; beyond it sizes overflow in places that have no words for it.
MAX_POINTS = 1 << 40


def output_grid(trained: Grid, dims: Sequence[int]) -> Grid:
    """The training grid, or the same box at other dims.

    Parameters
    ----------
    dims : (nx, ny, nz), 0 taking the training grid's.

    Raises
    ------
    ParameterError for dims that have no spacing, or more than one point across a plane.
    """
    chosen = tuple(new or old for new, old in zip(dims, trained.dims))
    for axis, new, old in zip("xyz", chosen, trained.dims):
        if new < min(old, 2) or (old == 1 and new != 1):
            raise ParameterError(
                f"Dims has {new} points along {axis}; expected {'at least 2' if old > 1 else '1, the data is flat'}, "
                f"or 0 for the {old} of the training grid"
            )
    if math.prod(chosen) > MAX_POINTS:
        raise ParameterError(
            f"Dims asks for {math.prod(chosen):.3g} points; expected at most {MAX_POINTS:.3g}, lower it"
        )
    return trained if chosen == trained.dims else trained.with_dims(chosen)


def output_extent(grid: Grid, bounds: Sequence[float]) -> Extent:
    """The points of the cells that a box touches.

    Parameters
    ----------
    bounds : (6,) x0, x1, y0, y1, z0, z1 of the box along the grid's axes, in its length unit.

    Raises
    ------
    ParameterError for a box outside the grid.
    """
    extent = []
    for axis, name in enumerate("xyz"):
        low, high = bounds[2 * axis : 2 * axis + 2]
        first, last = axis_bounds(grid, axis)
        if low > high or high < min(first, last) or low > max(first, last):
            raise ParameterError(
                f"the region of interest spans {low:g} to {high:g} along {name}; "
                f"expected a range that meets the data's {first:g} to {last:g}"
            )
        ends = sorted((value - first) / grid.spacing[axis] for value in (low, high))
        extent += _cover(*ends, grid.dims[axis])
    return tuple(extent)


def axis_bounds(grid: Grid, axis: int) -> tuple[float, float]:
    """Positions of the first and the last point along an axis of the grid."""
    first = grid.origin[axis]
    return first, first + grid.spacing[axis] * (grid.dims[axis] - 1)


def _cover(low: float, high: float, n: int) -> tuple[int, int]:
    """First and last of n points around low to high, in point indices; at least one cell where there is one."""
    tolerance = 1e-9 * n  # so that a bound on a point, off by rounding, takes no further cell
    first = min(max(math.floor(low + tolerance), 0), max(n - 2, 0))
    last = max(min(math.ceil(high - tolerance), n - 1), min(first + 1, n - 1))
    return first, last


def clamped_theta(
    parameters: Sequence[Parameter], time: float | None, sliders: Sequence[float]
) -> tuple[list[float], dict[str, str]]:
    """Theta from the requested time and the sliders, moved into the bounds.

    Parameters
    ----------
    time : the time that is asked for; the first one when None.
    sliders : values of the parameters that are not time, in their order; the middle where there is no slider.

    Returns
    -------
    (P,) theta, and a sentence for every parameter whose value is not the one that was asked for.
    """
    theta, moved = [], {}
    remaining = iter(sliders)
    for parameter in parameters:
        low, high = parameter.bounds
        value = time if parameter.role == "time" else next(remaining, None)
        if value is None:
            theta.append(low if parameter.role == "time" else (low + high) / 2)
        else:
            theta.append(min(max(value, low), high))
        if value is None and parameter.role != "time":
            moved[parameter.name] = f"{parameter.name} has no slider, there are {len(sliders)}; {theta[-1]:g} is shown"
        elif value not in (None, theta[-1]):
            moved[parameter.name] = (
                f"{parameter.name} {value:g} is outside the model's {low:g} to {high:g}; {theta[-1]:g} is shown, "
                "and the nearest bound for every other value outside"
            )
    return theta, moved
