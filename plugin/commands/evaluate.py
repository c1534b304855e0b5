"""`hyperinr evaluate`: a model beside interpolation of its training volumes, measured on every true step."""

from __future__ import annotations

import contextlib
import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr_core.errors import DataError, HyperINRError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.baselines import Baseline
from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim
from hyperinr_core.volume import VolumeSeries

#: What is compared: key in the JSON -> name for people, colour in the plot.
METHODS = {
    "model": ("HyperINR", "#0072b2"),
    "linear": ("linear", "#d55e00"),
    "catmull_rom": ("Catmull-Rom", "#009e73"),
}

#: Threads that compare volumes, while the main one reads and decodes the next.
N_SCORERS = 2

#: One field's comparison, as `--json` prints it.
Report = dict[str, Any]


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("series", nargs=-1, required=True)
@click.option("--field", help="Compare this field only.  [default: every field; with --json and --plot the first]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every step.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw PSNR over the parameter: .png, .svg, .pdf."
)
@click.option("--backend", default="auto", show_default=True)
@click.option("--dims", nargs=3, type=click.IntRange(1), help="nx ny nz of .raw data.")
@click.option("--dtype", help="NumPy type of .raw data, such as uint8 or <f4.")
def evaluate(
    model: str,
    series: tuple[str, ...],
    field: str | None,
    as_json: bool,
    plot: Path | None,
    backend: str,
    dims: tuple[int, int, int] | None,
    dtype: str | None,
) -> None:
    """Compare MODEL to the true steps of SERIES, and to interpolating the volumes that it was trained on.

    PSNR in dB and SSIM are taken over the field's range in all of SERIES. Steps before the first and after the last training
    step are left out. In JSON a perfect match, which linear interpolation is on training steps, has a PSNR of 150.
    """
    from hyperinr.filters.readers.series import open_series
    from hyperinr_core import hinr

    network = hinr.load(model)
    names = [field] if field else [each.name for each in network.fields]
    if as_json:
        names = names[:1]
    paths = series[0] if len(series) == 1 else list(series)
    truth = open_series(paths, dims=dims, dtype=dtype, fields=names)
    with progress_bar() as progress:
        reports = compare(network, truth, names, backend, progress)
    if plot:
        draw(reports[names[0]], names[0], network.parameters[0].name, plot)
    if as_json:
        click.echo(json.dumps(reports[names[0]]))
    else:
        print_tables(reports, n_outside=len(truth) - len(reports[names[0]]["steps"]))


def compare(
    model: HyperINR,
    series: VolumeSeries,
    names: Sequence[str],
    backend: str = "auto",
    progress: Callable[[int, int], Any] | None = None,
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
    trained = steps_at(series, np.array(model.parameters[0].values))
    low, high = model.theta_bounds[0]
    steps = [step for step, (theta,) in enumerate(series.thetas) if low <= theta <= high]
    ranges = {name: _range_of(series, name, steps) for name in names}
    baseline = Baseline(series.select(trained), tuple(names))
    scored: dict[str, list[dict]] = {name: [] for name in names}
    for done, scores in enumerate(_scores(model, series, steps, ranges, baseline, backend), start=1):
        step = steps[done - 1]
        for name in names:
            entry = {"theta": float(series.thetas[step, 0]), "trained": step in trained}
            scored[name].append({**entry, **scores[name]})
        if progress:
            progress(done, len(steps))
    return {name: _report(entries) for name, entries in scored.items()}


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


def _check_match(model: HyperINR, series: VolumeSeries, names: Sequence[str]) -> None:
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


def _range_of(series: VolumeSeries, name: str, steps: Sequence[int]) -> tuple[float, float]:
    """Lowest and highest value of a field over the steps, which SSIM must know before the first one."""
    volumes = (series.read(step, [name]) for step in steps)
    lows, highs = zip(*((float(volume.min()), float(volume.max())) for volume in volumes))
    return min(lows), max(highs)


def _scores(
    model: HyperINR,
    series: VolumeSeries,
    steps: Sequence[int],
    ranges: dict[str, tuple[float, float]],
    baseline: Baseline,
    backend: str,
) -> Iterator[dict[str, dict]]:
    """{field: {method: {"psnr", "ssim"}}} of each step in turn, with few volumes in memory at a time."""
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(N_SCORERS) as pool:
        for step in steps:
            theta = float(series.thetas[step, 0])
            inr = model.generate(theta, backend)
            found = {"model": inr.split(inr.sample_grid(), list(ranges))}
            for kind in ("linear", "catmull_rom"):
                found[kind] = _split(series, baseline(theta, kind), ranges)
            truth = _split(series, series.read(step, list(ranges)), ranges)
            pending.append(pool.submit(_score, found, truth, ranges))
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
    found: dict[str, dict], truth: dict[str, np.ndarray], ranges: dict[str, tuple[float, float]]
) -> dict[str, dict]:
    return {
        name: {
            method: {
                "psnr": min(psnr(values[name], truth[name], limits), PSNR_CAP),
                "ssim": ssim(values[name], truth[name], limits),
            }
            for method, values in found.items()
        }
        for name, limits in ranges.items()
    }


def _report(entries: list[dict]) -> Report:
    return {
        "held_out": _means([entry for entry in entries if not entry["trained"]]),
        "trained": _means([entry for entry in entries if entry["trained"]]),
        "steps": entries,
    }


def _means(entries: list[dict]) -> dict[str, dict[str, float | None]]:
    return {
        method: {
            metric: float(np.mean([entry[method][metric] for entry in entries])) if entries else None
            for metric in ("psnr", "ssim")
        }
        for method in METHODS
    }


def print_tables(reports: dict[str, Report], n_outside: int) -> None:
    """Print a table of means for each field, and how many steps no model of this series can answer for."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for name, report in reports.items():
        n_trained = sum(entry["trained"] for entry in report["steps"])
        table = Table(
            title=f"{name}: means over {len(report['steps']) - n_trained} held-out and {n_trained} trained steps"
        )
        table.add_column("")
        for heading in ("PSNR held out", "SSIM held out", "PSNR trained", "SSIM trained"):
            table.add_column(heading, justify="right")
        for method, (label, _) in METHODS.items():
            table.add_row(label, *(cell for part in ("held_out", "trained") for cell in _cells(report[part][method])))
        console.print(table)
    if n_outside:
        console.print(f"{n_outside} steps before the first or after the last training step are left out.")


def _cells(mean: dict[str, float | None]) -> tuple[str, str]:
    if mean["psnr"] is None:
        return "-", "-"
    decibel = "exact" if mean["psnr"] == PSNR_CAP else f"{mean['psnr']:.2f} dB"
    return decibel, f"{mean['ssim']:.4f}"


def draw(report: Report, field: str, parameter: str, path: Path) -> None:
    """Draw PSNR of the held-out steps for each method; the model's training steps are marked.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HyperINRError("--plot needs matplotlib, which is not installed; run `pip install matplotlib`") from None
    figure = Figure(figsize=(9, 4.5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    thetas = np.array([entry["theta"] for entry in report["steps"]])
    trained = np.array([entry["trained"] for entry in report["steps"]])
    for method, (label, color) in METHODS.items():
        decibel = np.array([entry[method]["psnr"] for entry in report["steps"]])
        mean = report["held_out"][method]["psnr"]
        label += "" if mean is None else f": {mean:.1f} dB"
        # interpolation repeats the training volumes, so its lines are open where the model was trained
        shown = decibel if method == "model" else np.where(trained, np.nan, decibel)
        axes.plot(thetas, shown, "-o", color=color, markersize=3, linewidth=1.4, label=label)
    for theta in thetas[trained]:
        axes.axvline(theta, color="0.88", linewidth=0.8, zorder=0)
    axes.set(xlabel=f"{parameter} (grey lines: training steps)", ylabel="PSNR [dB]")
    heading = f"{field}: distance to the true steps, with the mean of the held-out steps"
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(METHODS), title=heading)
    axes.spines[["top", "right"]].set_visible(False)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise HyperINRError(
            f"the plot {path} cannot be written ({error}); expected a folder that exists and .png, .svg or .pdf"
        ) from None


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[int, int], Any]]:
    """A callback for `compare` that draws a bar on a terminal and nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("evaluating", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
