"""A model over time beside interpolation of its training volumes, on every true step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.baselines import Baseline
from hyperinr_core.measure.metrics import PSNR_CAP, Comparison, window_of
from hyperinr_core.measure.report import Entry, Progress, Report, Scores, means
from hyperinr_core.model import Model
from hyperinr_core.shift import Shifts, shifted_series, shifts_of
from hyperinr_core.volume import Grid, VolumeSeries

#: What is compared, as the report names it.
METHODS = ("model", "linear", "catmull_rom")

#: Threads that compare volumes, while the main one reads and decodes the next.
N_SCORERS = 2

#: Numbers of a block that is compared at a time, of all fields.
BLOCK_NUMBERS = 1 << 23

#: Lowest and highest value by field; what is known of a block or a step, by field and method.
Ranges = dict[str, tuple[float, float]]
Compared = dict[str, dict[str, Comparison]]


@dataclass(frozen=True)
class Block:
    """Planes of a grid, first and one past the last: those that are compared, and those that windows around them reach."""

    planes: tuple[int, int]
    read: tuple[int, int]

    @property
    def inside(self) -> slice:
        """The planes that are compared, of those that are read."""
        return slice(self.planes[0] - self.read[0], self.planes[1] - self.read[0])


def measure_series(
    model: Model,
    series: VolumeSeries,
    names: Sequence[str],
    backend: str = "auto",
    progress: Progress | None = None,
) -> dict[str, Report]:
    """Measure a model and the baselines on every step of a series that lies within the model's bounds.

    Parameters
    ----------
    series : the whole series, with the steps that the model was trained on.
    names : fields to compare.
    progress : called with the finished steps and their total; large grids are compared in blocks of planes, which count as steps.

    Returns
    -------
    For each field {"held_out": means, "trained": means, "steps": [{"theta", "trained", "model", "linear", "catmull_rom"}]}
    with {"psnr", "ssim"} for each method; means of no steps are None.

    Raises
    ------
    ParameterError for a model of several parameters or an unknown field; DataError when the series is not the model's.
    """
    check_match(model, series, names)
    shifts = shifts_of(model.fields)
    series = shifted_series(series, shifts)
    trained = steps_at(series, np.array(model.parameters[0].values))
    low, high = model.theta_bounds[0]
    steps = [step for step, (theta,) in enumerate(series.thetas) if low <= theta <= high]
    ranges = {name: value_range(series, name, steps) for name in names}
    baseline = Baseline(series.select(trained), tuple(names))
    n_numbers = sum(series.field_info[name] for name in names)
    parts = [(block, step) for block in _blocks(series.grid, n_numbers) for step in steps]
    found: dict[int, Compared] = {}
    for done, compared in enumerate(_comparisons(model, shifts, series, parts, ranges, baseline, backend), start=1):
        step = parts[done - 1][1]
        found[step] = _added(found[step], compared) if step in found else compared
        if progress:
            progress(done, len(parts))
    return {
        name: _report(
            [
                {
                    "theta": float(series.thetas[step, 0]),
                    "trained": step in trained,
                    **_scores(found[step][name], limits),
                }
                for step in steps
            ]
        )
        for name, limits in ranges.items()
    }


def steps_at(series: VolumeSeries, thetas: np.ndarray) -> list[int]:
    """The step of a series of one parameter at each theta (n,), to the rounding of a time written as text.

    Raises DataError for a theta that the series has no step at.
    """
    times = series.thetas[:, 0]
    tolerance = 1e-6 * np.ptp(times) + 1e-12 * abs(times).max()
    steps = []
    for theta in thetas:
        step = int(np.argmin(abs(times - theta)))
        if abs(times[step] - theta) > tolerance:
            raise DataError(
                f"{series.source} has no step at {series.parameters[0]} {theta:g}, which the model was trained on; "
                "expected the series that the model was trained from"
            )
        steps.append(step)
    return steps


def value_range(series: VolumeSeries, name: str, steps: Sequence[int]) -> tuple[float, float]:
    """Lowest and highest value of a field over the steps, which SSIM must know before the first one; NaN does not count."""
    blocks = _blocks(series.grid, series.field_info.get(name, 1))  # reading says that there is none
    volumes = (series.read(step, [name], block.planes).ravel() for step in steps for block in blocks)
    lows, highs = zip(*((float(np.fmin.reduce(volume)), float(np.fmax.reduce(volume))) for volume in volumes))
    return min(lows), max(highs)


def check_match(model: Model, series: VolumeSeries, names: Sequence[str]) -> None:
    """ParameterError for a model of several parameters or without a field; DataError for a series that is not the model's."""
    if len(model.parameters) != 1:
        listed = ", ".join(parameter.name for parameter in model.parameters)
        raise ParameterError(
            f"the model has the parameters {listed}; expected one, evaluate compares along one parameter"
        )
    if model.grid.dims != series.grid.dims:
        raise DataError(
            f"{series.source} has dims {series.grid.dims}; expected the model's {model.grid.dims}, "
            "give the series that the model was trained from"
        )
    known = {field.name: field.n_components for field in model.fields}
    for name in names:
        if name not in known:
            raise ParameterError(f"the model has no field {name!r}; expected one of {', '.join(known)}")
        if series.field_info.get(name, known[name]) != known[name]:
            raise DataError(
                f"{series.source} has {series.field_info[name]} components in {name!r}; expected {known[name]}"
            )


def _blocks(grid: Grid, n_numbers: int) -> list[Block]:
    """The grid in blocks of at most `BLOCK_NUMBERS`, if a plane has so few.

    Parameters
    ----------
    n_numbers : at a point.
    """
    nx, ny, nz = grid.dims
    n_planes = max(BLOCK_NUMBERS // (nx * ny * n_numbers), 1)
    halo = window_of(grid.shape) // 2
    firsts = range(0, nz, n_planes)
    return [
        Block((first, end), (max(first - halo, 0), min(end + halo, nz)))
        for first, end in ((first, min(first + n_planes, nz)) for first in firsts)
    ]


def _comparisons(
    model: Model,
    shifts: Shifts,
    series: VolumeSeries,
    parts: Sequence[tuple[Block, int]],
    ranges: Ranges,
    baseline: Baseline,
    backend: str,
) -> Iterator[Compared]:
    """Of each block and step in turn, with few blocks in memory at a time."""
    names, (nx, ny, _), window = list(ranges), series.grid.dims, window_of(series.grid.shape)
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(N_SCORERS) as pool:
        for block, step in parts:
            theta, (low, high) = float(series.thetas[step, 0]), block.read
            inr = model.generate(theta, backend)
            region = (0, nx - 1, 0, ny - 1, low, high - 1)
            arrays = inr.split(inr.sample_grid(region=region), names)
            shifted = {name: shifts[name].applied(array) if name in shifts else array for name, array in arrays.items()}
            values = {"model": shifted}
            for kind in ("linear", "catmull_rom"):
                values[kind] = _split(series, baseline(theta, kind, block.read), names)
            truth = _split(series, series.read(step, names, block.read), names)
            pending.append(pool.submit(_compared, values, truth, ranges, window, block.inside))
            if len(pending) > N_SCORERS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _split(series: VolumeSeries, values: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Values (nz, ny, nx, C) by field, scalars as (nz, ny, nx)."""
    ends = np.cumsum([series.field_info[name] for name in names])[:-1]
    parts = dict(zip(names, np.split(values, ends, axis=-1)))
    return {name: part[..., 0] if part.shape[-1] == 1 else part for name, part in parts.items()}


def _compared(
    values: dict[str, dict[str, np.ndarray]], truth: dict[str, np.ndarray], ranges: Ranges, window: int, planes: slice
) -> Compared:
    return {
        name: {
            method: Comparison.of(fields[name], truth[name], limits, window, planes)
            for method, fields in values.items()
        }
        for name, limits in ranges.items()
    }


def _added(one: Compared, other: Compared) -> Compared:
    return {
        name: {method: part + other[name][method] for method, part in methods.items()} for name, methods in one.items()
    }


def _scores(methods: dict[str, Comparison], limits: tuple[float, float]) -> dict[str, Scores]:
    return {method: {"psnr": min(each.psnr(limits), PSNR_CAP), "ssim": each.ssim()} for method, each in methods.items()}


def _report(entries: list[Entry]) -> Report:
    return {
        "held_out": means([entry for entry in entries if not entry["trained"]], METHODS),
        "trained": means([entry for entry in entries if entry["trained"]], METHODS),
        "steps": entries,
    }
