"""The table of `hyperinr compare` and its pictures: the table, PSNR over the parameter, and slices with their differences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.plugin.figures import COLORS, mark_training, new_figure, print_table, save_figure
from hyperinr_core.measure.methods import Comparison, Figures, ranking

#: Headings of `table_rows`.
HEADINGS = (
    "method", "PSNR [dB]", "to linear", "worst", "SSIM", "worst", "training [s]", "decoding [ms]", "size [MB]",
)  # fmt: skip


def table_rows(methods: dict[str, Figures], names: Sequence[str]) -> list[list[str]]:
    """What people read of each method."""
    base = methods.get("linear")
    rows = []
    for name in names:
        entry = methods[name]
        gain = "" if base is None or name == "linear" else f"{entry['psnr'] - base['psnr']:+.2f}"
        rows.append(
            [
                name, f"{entry['psnr']:.2f}", gain, f"{entry['psnr_worst']:.2f}", f"{entry['ssim']:.4f}",
                f"{entry['ssim_worst']:.4f}", f"{entry['train_s']:.0f}", f"{entry['decode_ms']:.1f}",
                f"{entry['bytes'] / 1e6:.2f}",
            ]
        )  # fmt: skip
    return rows


def print_comparison(comparison: Comparison) -> None:
    """Print the table, best method first."""
    title = f"{comparison.field}: {len(comparison.steps)} steps that no method was trained on"
    print_table(title, HEADINGS, table_rows(comparison.methods, ranking(comparison.methods)), width=120)


def draw_comparison(comparison: Comparison) -> None:
    """Write table.png, psnr.png and differences.png into the comparison's folder.

    Raises HyperINRError without matplotlib.
    """
    _draw_table(comparison, comparison.folder / "table.png")
    _draw_curves(comparison, comparison.folder / "psnr.png")
    _draw_differences(comparison, comparison.folder / "differences.png")


def _draw_table(comparison: Comparison, path: Path) -> None:
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


def _draw_curves(comparison: Comparison, path: Path) -> None:
    """PSNR of each method over the parameter; training steps as grey lines."""
    figure = _figure((9, 4.5))
    axes = figure.add_subplot()
    thetas = comparison.series.thetas[comparison.steps, 0]
    for place, name in enumerate(ranking(comparison.methods)):
        entry = comparison.methods[name]
        style = {"color": COLORS[place % len(COLORS)], "markersize": 3, "linewidth": 1.3}
        axes.plot(thetas, entry["psnr_by_step"], "-o", label=f"{name}: {entry['psnr']:.1f} dB", **style)
    mark_training(axes, comparison.training.thetas[:, 0], comparison.series.parameters[0])
    axes.set_title(f"{comparison.field}: distance to the true steps")
    axes.legend(frameon=False, bbox_to_anchor=(1.01, 1), loc="upper left")
    _save(figure, path)


def _draw_differences(comparison: Comparison, path: Path) -> None:
    """The middle slice at the step that is hardest to interpolate: truth and methods above, what they miss below."""
    step, names = comparison.hardest, ranking(comparison.methods)
    truth = _slice(comparison.series.read(step, [comparison.field]))
    slices = {name: _slice(comparison.volume(name)) for name in names}
    largest = max(float(np.nanmax(abs(values - truth))) for values in slices.values()) or 1.0
    figure = _figure((2.2 * (len(names) + 1), 4.8))
    limits = {"vmin": float(np.nanmin(truth)), "vmax": float(np.nanmax(truth)), "cmap": "viridis", "origin": "lower"}
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
    return new_figure(size, "the pictures need", dpi=130)


def _save(figure: Any, path: Path) -> None:
    save_figure(figure, path, "the picture ", "a folder with room")
