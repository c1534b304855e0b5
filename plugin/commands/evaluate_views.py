"""`hyperinr evaluate-views`: predicted pictures beside interpolated ones, at views that training did not see."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr_core.errors import DataError, HyperINRError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim
from hyperinr_core.pictures.picture_set import RANGE, PictureSet, is_picture, to_bytes
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.nearest import Nearest
from hyperinr_core.spaces.space import Space

METHODS = {"model": "HyperINR", "interpolation": "inverse distance"}

#: Pictures in a strip.
STRIP_VIEWS = 5


@click.command(name="evaluate-views")
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("database", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every picture.")
@click.option(
    "--plot", type=click.Path(dir_okay=False, path_type=Path), help="Scatter and density plots: .png, .svg, .pdf."
)
@click.option("--strip", type=click.Path(dir_okay=False, path_type=Path), help="Pictures beside the true ones: .png.")
@click.option("--backend", default="auto", show_default=True)
def evaluate_views(
    model: str, database: str, as_json: bool, plot: Path | None, strip: Path | None, backend: str
) -> None:
    """Compare MODEL to the pictures of DATABASE that it was not trained on.

    Beside it stand the training pictures interpolated by inverse distance. A one-sample t-test says whether the
    differences in PSNR could be chance; --plot draws them.
    """
    from hyperinr.filters.readers.cinema import open_pictures
    from hyperinr.plugin.commands.evaluate import progress_bar
    from hyperinr_core import hinr

    network = hinr.load(model)
    pictures = open_pictures(database, {parameter.name: parameter.role for parameter in network.parameters})
    held_out, training = _parts(network, pictures, model)
    interpolate = Interpolation(training)
    with progress_bar() as progress:
        report = compare(network, held_out, interpolate, backend, progress)
    report["model_bytes"] = Path(model).stat().st_size
    report["training_image_bytes"] = sum(file.stat().st_size for file in training.files)
    if plot:
        draw_plots(report, plot)
    if strip:
        draw_strip(network, held_out, interpolate, backend, strip)
    if as_json:
        click.echo(json.dumps(report))
    else:
        print_table(report)


def _parts(model: HyperINR, pictures: PictureSet, path: str) -> tuple[PictureSet, PictureSet]:
    """The pictures that were held out and those that were trained on, as the model remembers them."""
    if not is_picture(model.grid, model.fields) or "held_out" not in model.provenance:
        raise ParameterError(f"{path} is no model of pictures; expected one made by `hyperinr train-views`")
    names = tuple(parameter.name for parameter in model.parameters)
    if pictures.parameters != names or pictures.grid.dims != model.grid.dims:
        raise DataError(
            f"{pictures.source} has {pictures.grid.dims[:2]} pixels over {', '.join(pictures.parameters)}; "
            f"expected {model.grid.dims[:2]} over {', '.join(names)}, the database that the model was trained on"
        )
    held_out = {tuple(theta) for theta in model.provenance["held_out"]}
    if not held_out:
        raise DataError(f"{path} was trained on every picture; expected some held out, train with --holdout 0.5")
    trained = set(zip(*(parameter.values for parameter in model.parameters)))
    out = [step for step, theta in enumerate(pictures.thetas.tolist()) if tuple(theta) in held_out]
    kept = [step for step, theta in enumerate(pictures.thetas.tolist()) if tuple(theta) in trained]
    if len(out) != len(held_out) or len(kept) != len(trained):
        raise DataError(
            f"{pictures.source} has {len(out)} of the {len(held_out)} held-out and {len(kept)} of the {len(trained)} training "
            "pictures; expected the database that the model was trained on"
        )
    return pictures.select(out), pictures.select(kept)


class Interpolation:
    """Training pictures blended by inverse distance: between views as encoders are, linearly in other parameters."""

    def __init__(self, training: PictureSet) -> None:
        self._training = training
        self._space = _space_of_pictures(training)

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """(ny, nx, C) uint8 at theta (P,)."""
        indices, weights = self._space.weights(theta, "idw")
        blended = sum(
            np.float32(weight) * self._training.picture(int(index)) for index, weight in zip(indices, weights)
        )
        return to_bytes(blended)


def _space_of_pictures(training: PictureSet) -> Space:
    """The pictures' space; that of the nearest where it knows no inverse distance."""
    space = space_of(training.roles, training.thetas)
    return space if "idw" in space.kinds else Nearest(space.roles, space.positions, space.bounds)


def compare(
    model: HyperINR,
    held_out: PictureSet,
    interpolate: Interpolation,
    backend: str = "auto",
    progress: Callable[[int, int], Any] | None = None,
) -> dict[str, Any]:
    """Measure the model and the interpolation on held-out pictures.

    Returns
    -------
    {"held_out": {method: {"psnr", "ssim"}}, "difference": mean of PSNR differences in dB, "p_value": of a one-sample t-test
    that they are 0, None for a single picture, "wins": share of the pictures on which the model is nearer,
    "pictures": [{parameter: value, method: {"psnr", "ssim"}}]}
    """
    from scipy.stats import ttest_1samp

    entries = []
    for step, theta in enumerate(held_out.thetas):
        truth = held_out.picture(step)
        found = {
            "model": to_bytes(model.generate(theta, backend).sample_grid()[0]),
            "interpolation": interpolate(theta),
        }
        scores = {method: _score(values, truth) for method, values in found.items()}
        entries.append({**dict(zip(held_out.parameters, theta.tolist())), **scores})
        if progress:
            progress(step + 1, len(held_out))
    gains = np.array([entry["model"]["psnr"] - entry["interpolation"]["psnr"] for entry in entries])
    means = {
        method: {metric: float(np.mean([e[method][metric] for e in entries])) for metric in ("psnr", "ssim")}
        for method in METHODS
    }
    p_value = float(ttest_1samp(gains, 0.0).pvalue) if len(gains) > 1 and np.ptp(gains) > 0 else None
    return {
        "held_out": means,
        "difference": float(gains.mean()),
        "p_value": p_value,
        "wins": float((gains > 0).mean()),
        "pictures": entries,
    }


def _score(values: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    return {"psnr": min(psnr(values, truth, RANGE), PSNR_CAP), "ssim": ssim(values[None], truth[None], RANGE)}


def print_table(report: dict[str, Any]) -> None:
    """Print means, the worst picture of each method, the test and the sizes."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"means over {len(report['pictures'])} held-out pictures")
    for heading in ("", "PSNR", "worst", "SSIM"):
        table.add_column(heading, justify="right" if heading else "left")
    for method, label in METHODS.items():
        mean = report["held_out"][method]
        worst = min(entry[method]["psnr"] for entry in report["pictures"])
        table.add_row(label, f"{mean['psnr']:.2f} dB", f"{worst:.2f} dB", f"{mean['ssim']:.4f}")
    console = Console()
    console.print(table)
    p = "" if report["p_value"] is None else f", p = {report['p_value']:.2g} (one-sample t-test)"
    console.print(
        f"HyperINR is nearer to the truth in {100 * report['wins']:.0f} % of the pictures, by {report['difference']:+.2f} dB "
        f"in the mean{p}."
    )
    console.print(
        f"The model has {report['model_bytes'] / 1e6:.1f} MB, the training pictures' files "
        f"{report['training_image_bytes'] / 1e6:.1f} MB."
    )


def draw_plots(report: dict[str, Any], path: Path) -> None:
    """Draw PSNR of the model over that of the interpolation, and the density of their differences.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    figure = _figure((8.0, 3.6), "--plot")
    scatter, density = figure.subplots(1, 2)
    found, other = (np.array([entry[method]["psnr"] for entry in report["pictures"]]) for method in METHODS)
    ends = [min(found.min(), other.min()) - 0.5, max(found.max(), other.max()) + 0.5]
    scatter.plot(ends, ends, color="0.6", linewidth=1)
    scatter.scatter(other, found, s=14, color="C0", alpha=0.7, linewidth=0)
    scatter.set(
        xlim=ends, ylim=ends, aspect="equal", xlabel="inverse distance, PSNR [dB]", ylabel="HyperINR, PSNR [dB]"
    )
    gains = found - other
    density.hist(gains, bins=20, density=True, color="C0", alpha=0.35)
    if len(gains) > 2 and np.ptp(gains) > 0:
        from scipy.stats import gaussian_kde

        x = np.linspace(min(gains.min(), 0) - 0.5, max(gains.max(), 0) + 0.5, 200)
        density.plot(x, gaussian_kde(gains)(x), color="C0")
    density.axvline(0, color="0.6", linewidth=1)
    p = "" if report["p_value"] is None else f", p = {report['p_value']:.1g}"
    density.set(xlabel="HyperINR less inverse distance [dB]", ylabel="density", title=f"mean {gains.mean():+.2f} dB{p}")
    _save(figure, path)


def draw_strip(model: HyperINR, held_out: PictureSet, interpolate: Interpolation, backend: str, path: Path) -> None:
    """Draw held-out pictures: rows truth, model, interpolation."""
    steps = np.unique(np.linspace(0, len(held_out) - 1, STRIP_VIEWS + 2).astype(int)[1:-1])
    ratio = held_out.grid.dims[1] / held_out.grid.dims[0]
    figure = _figure((2.1 * len(steps) + 0.3, 3 * 2.1 * ratio + 0.3), "--strip")
    axes = figure.subplots(3, len(steps), squeeze=False)
    for column, step in zip(axes.T, steps):
        theta = held_out.thetas[step]
        shown = {
            "truth": held_out.picture(step),
            "HyperINR": to_bytes(model.generate(theta, backend).sample_grid()[0]),
            "inverse distance": interpolate(theta),
        }
        for cell, (label, picture) in zip(column, shown.items()):
            cell.imshow(picture, origin="lower", interpolation="antialiased")
            cell.set(xticks=[], yticks=[])
            if step == steps[0]:
                cell.set_ylabel(label)
            for side in cell.spines.values():
                side.set_visible(False)
    _save(figure, path)


def _figure(size: tuple[float, float], option: str) -> Any:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HyperINRError(
            f"{option} needs matplotlib, which is not installed; run `pip install matplotlib`"
        ) from None
    return Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")


def _save(figure: Any, path: Path) -> None:
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise HyperINRError(
            f"{path} cannot be written ({error}); expected .png, .svg or .pdf in a folder of yours"
        ) from None
