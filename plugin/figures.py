"""What the measuring commands show people: tables on the terminal, and figures drawn with matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import HyperINRError
from hyperinr_core.files import replacing
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.lights import ShadowTruth
from hyperinr_core.measure.metrics import PSNR_CAP
from hyperinr_core.measure.report import RIVALS, Report
from hyperinr_core.measure.series import METHODS
from hyperinr_core.pictures.picture_set import PictureSet
from hyperinr_core.pictures.transfer import TransferFunction
from hyperinr_core.radiance.model import RadianceModel

#: A method's values at theta (P,).
Method = Callable[[np.ndarray], np.ndarray]

#: What methods are called, by their names in a report.
LABELS = {
    "model": "HyperINR",
    "linear": "linear",
    "catmull_rom": "Catmull-Rom",
    "interpolation": "inverse distance",
}

#: Okabe and Ito's colours, then greys.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000", "0.4", "0.6", "0.75")

#: Azimuths and the polar angle of a strip of shadows, where the camera stands, and the light that is everywhere.
STRIP_AZIMUTHS, STRIP_POLAR = (200.0, 245.0, 335.0, 20.0), 55.0
STRIP_VIEW, STRIP_AMBIENT = (300.0, 30.0), 0.15

#: Pictures in a strip of views.
STRIP_VIEWS = 5


def print_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> None:
    """Print rows under headings, numbers to the right; of the terminal's width unless one is given."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title, "table.title"))  # names of fields are no markup: U:mag: is no magnifying glass
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=width).print(table)


def say(text: str) -> None:
    """Print a sentence below a table, wrapped as the table is."""
    from rich.console import Console

    Console().print(text)


def print_series(reports: dict[str, Report], n_outside: int) -> None:
    """Print a table of means for each field, and how many steps no model of this series can answer for."""
    headings = ("", "PSNR held out", "SSIM held out", "PSNR trained", "SSIM trained")
    for name, report in reports.items():
        n_trained = sum(entry["trained"] for entry in report["steps"])
        title = f"{name}: means over {len(report['steps']) - n_trained} held-out and {n_trained} trained steps"
        rows = [
            (LABELS[method], *(cell for part in ("held_out", "trained") for cell in _cells(report[part][method])))
            for method in METHODS
        ]
        print_table(title, headings, rows)
    if n_outside:
        say(f"{n_outside} steps before the first or after the last training step are left out.")


def _cells(mean: dict[str, float | None]) -> tuple[str, str]:
    if mean["psnr"] is None:
        return "-", "-"
    decibel = "exact" if mean["psnr"] == PSNR_CAP else f"{mean['psnr']:.2f} dB"
    return decibel, f"{mean['ssim']:.4f}"


def print_duel(report: Report, what: str, model: str = LABELS["model"]) -> None:
    """Print means of a model, by what it is called, and its rival, and each one's worst entry."""
    rows, labels = [], {**LABELS, "model": model}
    for method in RIVALS:
        mean, worst = report["held_out"][method], min(entry[method]["psnr"] for entry in report[what])
        rows.append((labels[method], f"{mean['psnr']:.2f} dB", f"{worst:.2f} dB", f"{mean['ssim']:.4f}"))
    print_table(f"means over {len(report[what])} held-out {what}", ("", "PSNR", "worst", "SSIM"), rows)


def new_figure(size: tuple[float, float], asks: str, dpi: int = 120) -> Any:
    """A figure of so many inches on white.

    Raises HyperINRError without matplotlib, which names what asks for the figure.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HyperINRError(f"{asks} matplotlib, which is not installed; run `pip install matplotlib`") from None
    return Figure(figsize=size, dpi=dpi, layout="constrained", facecolor="white")


def save_figure(figure: Any, path: Path, what: str = "", expected: str = ".png, .svg or .pdf") -> None:
    """Write a figure; the name says the format. HyperINRError says what cannot be written, and what was expected."""
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise HyperINRError(f"{what}{path} cannot be written ({error}); expected {expected}") from None


def draw_series(report: Report, field: str, parameter: str, path: Path) -> None:
    """Draw PSNR of the held-out steps for each method; the model's training steps are marked.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    figure = new_figure((9, 4.5), "--plot needs", dpi=150)
    axes = figure.add_subplot()
    thetas = np.array([entry["theta"] for entry in report["steps"]])
    trained = np.array([entry["trained"] for entry in report["steps"]])
    for method, color in zip(METHODS, COLORS):
        decibel = np.array([entry[method]["psnr"] for entry in report["steps"]])
        mean = report["held_out"][method]["psnr"]
        label = LABELS[method] + ("" if mean is None else f": {mean:.1f} dB")
        # interpolation repeats the training volumes, so its lines are open where the model was trained
        shown = decibel if method == "model" else np.where(trained, np.nan, decibel)
        axes.plot(thetas, shown, "-o", color=color, markersize=3, linewidth=1.4, label=label)
    mark_training(axes, thetas[trained], parameter)
    heading = f"{field}: distance to the true steps, with the mean of the held-out steps"
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(METHODS), title=heading)
    save_figure(figure, path, "the plot ", "a folder that exists and .png, .svg or .pdf")


def mark_training(axes: Any, thetas: np.ndarray, parameter: str) -> None:
    """Name the axes of PSNR over a parameter, with grey lines at thetas (n,) of training steps."""
    for theta in thetas:
        axes.axvline(theta, color="0.88", linewidth=0.8, zorder=0)
    axes.set(xlabel=f"{parameter} (grey lines: training steps)", ylabel="PSNR [dB]")
    axes.spines[["top", "right"]].set_visible(False)


def draw_gains(report: Report, path: Path, name: str) -> None:
    """Draw PSNR of the model, by its name, over that of the interpolation, and the density of their differences.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    figure = new_figure((8.0, 3.6), "--plot needs")
    scatter, density = figure.subplots(1, 2)
    model, other = (np.array([entry[method]["psnr"] for entry in report["pictures"]]) for method in RIVALS)
    ends = [min(model.min(), other.min()) - 0.5, max(model.max(), other.max()) + 0.5]
    scatter.plot(ends, ends, color="0.6", linewidth=1)
    scatter.scatter(other, model, s=14, color="C0", alpha=0.7, linewidth=0)
    scatter.set(xlim=ends, ylim=ends, aspect="equal", xlabel="inverse distance, PSNR [dB]", ylabel=f"{name}, PSNR [dB]")
    gains = model - other
    density.hist(gains, bins=20, density=True, color="C0", alpha=0.35)
    if len(gains) > 2 and np.ptp(gains) > 0:
        from scipy.stats import gaussian_kde

        x = np.linspace(min(gains.min(), 0) - 0.5, max(gains.max(), 0) + 0.5, 200)
        density.plot(x, gaussian_kde(gains)(x), color="C0")
    density.axvline(0, color="0.6", linewidth=1)
    p = "" if report["p_value"] is None else f", p = {report['p_value']:.1g}"
    density.set(xlabel=f"{name} less inverse distance [dB]", ylabel="density", title=f"mean {gains.mean():+.2f} dB{p}")
    save_figure(figure, path, expected=".png, .svg or .pdf in a folder of yours")


def draw_views(
    model: HyperINR | RadianceModel, held_out: PictureSet, interpolate: Method, backend: str, path: Path, name: str
) -> None:
    """Draw held-out pictures: rows truth, model, by its name, interpolation.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    from hyperinr_core.measure.views import predicted

    steps = np.unique(np.linspace(0, len(held_out) - 1, STRIP_VIEWS + 2).astype(int)[1:-1])
    ratio = held_out.grid.dims[1] / held_out.grid.dims[0]
    figure = new_figure((2.1 * len(steps) + 0.3, 3 * 2.1 * ratio + 0.3), "--strip needs")
    axes = figure.subplots(3, len(steps), squeeze=False)
    for column, step in zip(axes.T, steps):
        theta = held_out.thetas[step]
        pictures = held_out.picture(step), predicted(model, held_out, step, backend), interpolate(theta)
        for cell, label, picture in zip(column, ("truth", name, LABELS["interpolation"]), pictures):
            cell.imshow(picture, origin="lower", interpolation="antialiased")
            cell.set(xticks=[], yticks=[])
            if step == steps[0]:
                cell.set_ylabel(label)
            for side in cell.spines.values():
                side.set_visible(False)
    save_figure(figure, path, expected=".png, .svg or .pdf in a folder of yours")


def draw_lights(
    model: HyperINR,
    truth: ShadowTruth,
    interpolate: Method,
    values: np.ndarray,
    function: TransferFunction,
    backend: str,
    path: Path,
) -> None:
    """Draw a volume (nz, ny, nx) from aside in lights that go round: rows by azimuth, columns by method.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    from hyperinr.plugin.lit_view import LitView

    seen = LitView(values, model.grid, function, model.provenance["shadow"]["unit_distance"], STRIP_VIEW, height=480)
    columns: dict[str, Method] = {
        "truth": truth,
        "HyperINR": lambda light: model.generate(light, backend).sample_grid()[..., 0],
        "inverse distance": interpolate,
    }
    frame = seen.frame()
    height, width = np.empty(seen.shape)[frame].shape
    figure = new_figure((7.5, (0.15 + 2.4 * height / width) * len(STRIP_AZIMUTHS) + 0.3), "--strip needs")
    axes = figure.subplots(len(STRIP_AZIMUTHS), len(columns))
    for row, azimuth in zip(axes, STRIP_AZIMUTHS):
        for cell, (label, shadow_of) in zip(row, columns.items()):
            arrives = np.clip(shadow_of(np.array([azimuth, STRIP_POLAR])), 0, 1)
            cell.imshow(seen.picture(STRIP_AMBIENT + (1 - STRIP_AMBIENT) * arrives)[frame], origin="lower")
            cell.set(xticks=[], yticks=[])
            for side in cell.spines.values():
                side.set_visible(False)
            if azimuth == STRIP_AZIMUTHS[0]:
                cell.set_title(label, fontsize=10)
        row[0].set_ylabel(f"azimuth {azimuth:.0f}°")
    save_figure(figure, path, "the strip ")


def draw_sizes(points: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw PSNR of held-out and of all steps against bytes of points of `hyperinr_core.measure.sizes`, without zlib's.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    curves: dict[str, list[dict[str, Any]]] = {}
    for point in points:
        if not point["method"].endswith("zlib"):
            curves.setdefault(point["method"], []).append(point)
    figure = new_figure((11, 5.2), "the picture needs", dpi=130)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    codecs = list(dict.fromkeys(method.split(", ")[-1] for method in curves if not method.startswith("HyperINR")))
    for method, curve in curves.items():
        style = _size_style(method, codecs)
        for axes, steps in zip(panels, ("held_out", "all")):
            places = sorted((p["bytes"] / 1e6, p[f"psnr_{steps}"]) for p in curve if p[f"psnr_{steps}"] is not None)
            axes.plot(*(zip(*places) if places else ((), ())), label=method, **style)
    for axes, what in zip(panels, ("steps held out", "all steps")):
        axes.set(xscale="log", xlabel="MB", title=what)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    ours = [p["psnr_all"] for p in points if p["method"].startswith("HyperINR")]
    panels[0].set(ylabel="PSNR [dB]", ylim=(None, max([*ours, 30.0]) + 8))
    panels[1].legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=8, frameon=False, handlelength=3.5)
    with replacing(path) as part:
        figure.savefig(part, format="png")


def _size_style(method: str, codecs: Sequence[str]) -> dict[str, Any]:
    """The model thick and black, what it is coded from in places alone; a colour a compressor, dashes for key frames."""
    if method.startswith("HyperINR"):
        line = {"linestyle": "none", "marker": "*", "markersize": 11} if method.endswith("file") else {"linewidth": 2.5}
        return {"color": "black", "marker": "s", "markersize": 5, "zorder": 3, **line}
    dashes = ":" if "linear" in method else "--" if "carried" in method else "-"
    return {
        "color": COLORS[codecs.index(method.split(", ")[-1])],
        "linestyle": dashes,
        "marker": "o",
        "markersize": 3.5,
    }
