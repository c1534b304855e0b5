"""The pictures of `hyperinr compare`: its table, PSNR over the parameter, and slices with their differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.plugin.commands.compare import HEADINGS, ranking, table_rows
from hyperinr_core.errors import HyperINRError

#: Okabe and Ito's colours, then greys.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000", "0.4", "0.6", "0.75")


def draw_table(comparison: Any, path: Path) -> None:
    """The table, best method first."""
    rows = table_rows(comparison.methods, ranking(comparison.methods))
    figure = _figure((11, 0.6 + 0.32 * (len(rows) + 1)))
    axes = figure.add_subplot()
    axes.axis("off")
    table = axes.table(rows, colLabels=HEADINGS, loc="center", cellLoc="right")
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.4)
    for (row, column), cell in table.get_celld().items():
        cell.set_linewidth(0.3)
        if row == 0:
            cell.set_text_props(weight="bold")
        if column == 0:
            cell.set_text_props(ha="left")
    axes.set_title(f"{comparison.field}: means over {len(comparison.steps)} steps that no method was trained on")
    _save(figure, path)


def draw_curves(comparison: Any, path: Path) -> None:
    """PSNR of each method over the parameter; training steps as grey lines."""
    figure = _figure((9, 4.5))
    axes = figure.add_subplot()
    thetas = comparison.series.thetas[comparison.steps, 0]
    for place, name in enumerate(ranking(comparison.methods)):
        entry = comparison.methods[name]
        style = {"color": COLORS[place % len(COLORS)], "markersize": 3, "linewidth": 1.3}
        axes.plot(thetas, entry["psnr_by_step"], "-o", label=f"{name}: {entry['psnr']:.1f} dB", **style)
    for theta in comparison.training.thetas[:, 0]:
        axes.axvline(theta, color="0.88", linewidth=0.8, zorder=0)
    axes.set(xlabel=f"{comparison.series.parameters[0]} (grey lines: training steps)", ylabel="PSNR [dB]")
    axes.set_title(f"{comparison.field}: distance to the true steps")
    axes.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left")
    axes.spines[["top", "right"]].set_visible(False)
    _save(figure, path)


def draw_differences(comparison: Any, path: Path) -> None:
    """The middle slice at the step that is hardest to interpolate: truth and methods above, what they miss below."""
    step, names = comparison.hardest, ranking(comparison.methods)
    truth = _slice(comparison.series.read(step, [comparison.field]))
    slices = {name: _slice(comparison.volume(name)) for name in names}
    largest = max(float(abs(values - truth).max()) for values in slices.values()) or 1.0
    figure = _figure((2.2 * (len(names) + 1), 4.8))
    limits = {"vmin": float(truth.min()), "vmax": float(truth.max()), "cmap": "viridis", "origin": "lower"}
    rows = figure.subplots(2, len(names) + 1, squeeze=False)
    rows[0, 0].imshow(truth, **limits)
    rows[0, 0].set_title("truth", fontsize=9)
    for place, name in enumerate(names, start=1):
        rows[0, place].imshow(slices[name], **limits)
        rows[0, place].set_title(f"{name}\n{comparison.methods[name]['psnr']:.1f} dB", fontsize=9)
        difference = slices[name] - truth
        rows[1, place].imshow(difference, vmin=-largest, vmax=largest, cmap="RdBu_r", origin="lower")
    for axes in rows.flat:
        axes.axis("off")
    theta = comparison.series.thetas[step, 0]
    figure.suptitle(f"{comparison.field} at {comparison.series.parameters[0]} {theta:g}; below: method minus truth")
    _save(figure, path)


def _slice(values: np.ndarray) -> np.ndarray:
    """(ny, nx) of the middle plane; vectors by their magnitude."""
    plane = values[len(values) // 2]
    return plane[..., 0] if plane.shape[-1] == 1 else np.linalg.norm(plane, axis=-1)


def _figure(size: tuple[float, float]) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HyperINRError(
            "the pictures need matplotlib, which is not installed; run `pip install matplotlib`"
        ) from None
    return Figure(figsize=size, dpi=130, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path)
    except OSError as error:
        raise HyperINRError(f"the picture {path} cannot be written ({error}); expected a folder with room") from None
