"""A model over time beside interpolation of its training volumes, on every true step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.baselines import Baseline
from hyperinr_core.measure.report import Entry, Progress, Report, Scores, means, scores
from hyperinr_core.model import Model
from hyperinr_core.shift import Shifts, shifted_series, shifts_of
from hyperinr_core.volume import VolumeSeries

#: What is compared, as the report names it.
METHODS = ("model", "linear", "catmull_rom")

#: Threads that compare volumes, while the main one reads and decodes the next.
N_SCORERS = 2

#: Lowest and highest value by field.
Ranges = dict[str, tuple[float, float]]


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
    progress : called with the finished steps and their total.

    Returns
    -------
    For each field {"held_out": means, "trained": means, "steps": [{"theta", "trained", "model", "linear", "catmull_rom"}]}
    with {"psnr", "ssim"} for each method; means of no steps are None.

    Raises
    ------
    ParameterError for a model of several parameters or an unknown field; DataError when the series is not the model's.
    """
    _check_match(model, series, names)
    shifts = shifts_of(model.fields)
    series = shifted_series(series, shifts)
    trained = steps_at(series, np.array(model.parameters[0].values))
    low, high = model.theta_bounds[0]
    steps = [step for step, (theta,) in enumerate(series.thetas) if low <= theta <= high]
    ranges = {name: value_range(series, name, steps) for name in names}
    baseline = Baseline(series.select(trained), tuple(names))
    entries: dict[str, list[Entry]] = {name: [] for name in names}
    for done, found in enumerate(_scores(model, shifts, series, steps, ranges, baseline, backend), start=1):
        step = steps[done - 1]
        for name in names:
            entries[name].append({"theta": float(series.thetas[step, 0]), "trained": step in trained, **found[name]})
        if progress:
            progress(done, len(steps))
    return {name: _report(entries[name]) for name in names}


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
    volumes = (series.read(step, [name]).ravel() for step in steps)
    lows, highs = zip(*((float(np.fmin.reduce(volume)), float(np.fmax.reduce(volume))) for volume in volumes))
    return min(lows), max(highs)


def _check_match(model: Model, series: VolumeSeries, names: Sequence[str]) -> None:
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


def _scores(
    model: Model,
    shifts: Shifts,
    series: VolumeSeries,
    steps: Sequence[int],
    ranges: Ranges,
    baseline: Baseline,
    backend: str,
) -> Iterator[dict[str, dict[str, Scores]]]:
    """{field: {method: {"psnr", "ssim"}}} of each step in turn, with few volumes in memory at a time."""
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(N_SCORERS) as pool:
        for step in steps:
            theta = float(series.thetas[step, 0])
            inr = model.generate(theta, backend)
            arrays = inr.split(inr.sample_grid(), list(ranges))
            shifted = {name: shifts[name].applied(array) if name in shifts else array for name, array in arrays.items()}
            values = {"model": shifted}
            for kind in ("linear", "catmull_rom"):
                values[kind] = _split(series, baseline(theta, kind), list(ranges))
            truth = _split(series, series.read(step, list(ranges)), list(ranges))
            pending.append(pool.submit(_score, values, truth, ranges))
            if len(pending) > N_SCORERS:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _split(series: VolumeSeries, values: np.ndarray, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Values (nz, ny, nx, C) by field, scalars as (nz, ny, nx)."""
    ends = np.cumsum([series.field_info[name] for name in names])[:-1]
    parts = dict(zip(names, np.split(values, ends, axis=-1)))
    return {name: part[..., 0] if part.shape[-1] == 1 else part for name, part in parts.items()}


def _score(
    values: dict[str, dict[str, np.ndarray]], truth: dict[str, np.ndarray], ranges: Ranges
) -> dict[str, dict[str, Scores]]:
    return {
        name: {method: scores(fields[name], truth[name], limits) for method, fields in values.items()}
        for name, limits in ranges.items()
    }


def _report(entries: list[Entry]) -> Report:
    return {
        "held_out": means([entry for entry in entries if not entry["trained"]], METHODS),
        "trained": means([entry for entry in entries if entry["trained"]], METHODS),
        "steps": entries,
    }
