"""What the choices in the HyperINR Source's panel mean for a model: its grid, the extent to sample, and theta."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Extent, Grid, Parameter

#: More than any machine holds; beyond it sizes overflow in places that have no words for it.
MAX_POINTS = 1 << 40

#: Of an axis: positions that differ by less are one.
TOLERANCE = 1e-9

#: What ParaView can be told of time: steps with others between them, the training steps alone, or only where it begins and ends.
BETWEEN, TRAINED, CONTINUOUS = "between training steps", "training steps", "continuous"

#: Digits of the whole time that steps between are rounded to, so that 0.69 is not 0.6900000000000001 in a window's time box.
DIGITS = 12

#: Time steps in all where nobody says how many, and parts of each interval then, so that they fall on round shares of it.
N_STEPS, PARTS = 200, (2, 4, 5, 10, 20, 25, 40, 50, 100, 200)


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


def output_extent(grid: Grid, corner: Sequence[float], size: Sequence[float]) -> Extent:
    """The points of the cells that a box touches.

    Parameters
    ----------
    corner, size : (3,) smallest x, y, z of the box, and its lengths along x, y, z, in the data's length unit. Where the grid
        is turned in space, the smallest part of it that holds what lies in the box.

    Raises
    ------
    ParameterError for a box outside the grid.
    """
    ends = np.sort(np.stack([corner, np.add(corner, size)]), axis=0)
    corners = np.array(np.meshgrid(*ends.T)).reshape(3, -1)
    places = np.linalg.inv(_index_to_space(grid)) @ (corners - np.reshape(grid.origin, (3, 1)))
    lows, highs = places.min(axis=1), places.max(axis=1)
    extent: list[int] = []
    for axis, n in enumerate(grid.dims):
        if highs[axis] < -TOLERANCE * n or lows[axis] > n - 1 + TOLERANCE * n:
            box, data = (
                ", ".join(f"{low:g} to {high:g}" for low, high in pairs) for pairs in (ends.T, space_bounds(grid))
            )
            raise ParameterError(
                f"the region of interest spans {box} along x, y, z; expected one that meets the data's {data}"
            )
        extent += _cover(lows[axis], highs[axis], n)
    x0, x1, y0, y1, z0, z1 = extent
    return x0, x1, y0, y1, z0, z1


def _index_to_space(grid: Grid) -> np.ndarray:
    """(3, 3) what turns steps along the grid's axes into steps in space."""
    return np.reshape(grid.direction, (3, 3)) * np.array(grid.spacing)


def space_bounds(grid: Grid) -> np.ndarray:
    """(3, 2) smallest and largest x, y and z of the grid's points."""
    last = _index_to_space(grid) * (np.array(grid.dims) - 1)
    return np.array(grid.origin)[:, None] + np.stack([np.minimum(last, 0), np.maximum(last, 0)], axis=-1).sum(axis=1)


def _cover(low: float, high: float, n: int) -> tuple[int, int]:
    """First and last of n points around low to high, in point indices; at least one cell where there is one."""
    tolerance = TOLERANCE * n  # so that a bound on a point, off by rounding, takes no further cell
    first = min(max(math.floor(low + tolerance), 0), max(n - 2, 0))
    last = max(min(math.ceil(high - tolerance), n - 1), min(first + 1, n - 1))
    return first, last


def time_steps(parameter: Parameter, choice: str, n_between: int) -> list[float]:
    """The times that ParaView shall know as time steps, increasing; none when time is continuous.

    Parameters
    ----------
    choice : BETWEEN, TRAINED or CONTINUOUS.
    n_between : steps between each two training steps; 0 for about `N_STEPS` in all, evenly spread over time.
    """
    trained = sorted(set(parameter.values)) or list(parameter.bounds)
    if choice == CONTINUOUS:
        return []
    if choice == TRAINED:
        return trained
    lengths = np.diff(trained)
    parts = [n_between + 1] * len(lengths) if n_between else _parts(lengths)
    decimals = DIGITS - math.floor(math.log10(trained[-1] - trained[0])) if len(trained) > 1 else 0
    steps = []
    for start, end, n in zip(trained, trained[1:], parts):
        steps += [start, *(round(start + (end - start) * part / n, decimals) for part in range(1, n))]
    return [*steps, trained[-1]]


def _parts(lengths: np.ndarray) -> list[int]:
    """Into how many parts intervals of these lengths are divided: about equal parts, at least two an interval."""
    wanted = lengths * N_STEPS / lengths.sum()
    return [min(PARTS, key=lambda n: abs(math.log(n / want))) for want in wanted]


def steps_in_words(parameter: Parameter, steps: Sequence[float]) -> str:
    """How many time steps there are, and how many of them were trained on."""
    trained = sorted(set(parameter.values)) or list(parameter.bounds)
    low, high = trained[0], trained[-1]
    if not steps:
        return f"any time from {low:g} to {high:g}"
    return f"{len(steps)} steps, {len(trained)} trained"


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
