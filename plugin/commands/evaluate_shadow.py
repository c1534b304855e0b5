"""`hyperinr evaluate-shadow`: a shadow model beside interpolation of its training lights' volumes, on lights it never saw."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr_core.errors import DataError, HyperINRError, ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.lights import ShadowTruth, poisson_lights
from hyperinr_core.measure.metrics import paired_psnr, ssim
from hyperinr_core.pictures.transfer import TransferFunction, extinction, from_document
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.sphere import LIGHT_ROLES
from hyperinr_core.volume import Grid

METHODS = {"model": "HyperINR", "interpolation": "inverse distance"}

#: Azimuths and the polar angle of the strip (the paper's figure 15).
STRIP_AZIMUTHS, STRIP_POLAR = (132.0, 144.0, 156.0, 168.0, 180.0), 60.0

#: Random paths from each point in each of the two truths of light that scatters. Their noise is not in the PSNR, see `_score`.
TRUTH_PATHS = 8

#: Shadows are shares of light.
RANGE = (0.0, 1.0)


@click.command(name="evaluate-shadow")
@click.argument("model", type=click.Path(dir_okay=False))
@click.argument("volume", type=click.Path(dir_okay=False))
@click.option("--field", help="Scalar that casts the shadow.  [default: the first]")
@click.option("--lights", default=115, show_default=True, type=click.IntRange(1), help="Held-out lights.")
@click.option("--seed", default=1000, show_default=True, type=click.IntRange(0), help="Which held-out lights.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every light.")
@click.option(
    "--strip", type=click.Path(dir_okay=False, path_type=Path), help="Draw the light going round: .png, .svg, .pdf."
)
@click.option("--backend", default="auto", show_default=True)
def evaluate_shadow(
    model: str,
    volume: str,
    field: str | None,
    lights: int,
    seed: int,
    as_json: bool,
    strip: Path | None,
    backend: str,
) -> None:
    """Compare MODEL to the true shadows of VOLUME for lights that it was not trained on.

    Beside it stands interpolation of the training lights' shadow volumes by inverse distance on the sphere, with the
    weights that the paper blends encoders with.
    """
    from hyperinr.plugin.commands.evaluate import progress_bar
    from hyperinr.plugin.commands.train_shadow import read_volume
    from hyperinr_core import hinr

    network = hinr.load(model)
    values, _, _ = read_volume(volume, field, network.grid.dims)
    truth, function = truth_for(network, values, model)
    interpolate = Interpolation(network, truth)
    with progress_bar() as progress:
        report = compare(network, truth, interpolate, poisson_lights(lights, seed), backend, progress)
    if strip:
        draw_strip(network, truth, interpolate, values, function, backend, strip)
    if as_json:
        click.echo(json.dumps(report))
    else:
        print_table(report)


def truth_for(model: HyperINR, values: np.ndarray, path: str) -> tuple[ShadowTruth, TransferFunction]:
    """What the model was trained on: its provenance holds the transfer function and the kind of shadows.

    Raises ParameterError for a model that is no shadow model.
    """
    made = model.provenance
    if [p.role for p in model.parameters] != list(LIGHT_ROLES) or not {"shadow", "transfer_function"} <= set(made):
        raise ParameterError(f"{path} is no shadow model; expected one made by `hyperinr train-shadow`")
    settings = made["shadow"]
    function = from_document(made["transfer_function"], path)
    tau = extinction(values, function, settings["unit_distance"])
    numbers = [settings[name] for name in ("kind", "diameter", "albedo", "g")]
    return ShadowTruth(tau, model.grid, *numbers, TRUTH_PATHS), function


class Interpolation:
    """Shadow volumes of the training lights, blended by inverse distance on the sphere; computed when they are needed."""

    def __init__(self, model: HyperINR, truth: ShadowTruth) -> None:
        lights = np.array([parameter.values for parameter in model.parameters]).T
        if not len(lights):
            raise DataError("the model does not say which lights it was trained on; expected one made by train-shadow")
        self._space = space_of(LIGHT_ROLES, lights)
        self._volume = functools.cache(lambda number: twice(truth, lights[number], 2 + 2 * number))

    def __call__(self, light: np.ndarray) -> np.ndarray:
        """(nz, ny, nx) for a light (2,)."""
        return sum(self.twice(light)) / 2

    def twice(self, light: np.ndarray) -> list[np.ndarray]:
        """Two volumes (nz, ny, nx) whose noise is independent."""
        indices, weights = self._space.weights(light, "idw")
        parts = [(np.float32(weight), self._volume(int(index))) for index, weight in zip(indices, weights)]
        return [sum(weight * volumes[half] for weight, volumes in parts) for half in range(2)]


def twice(truth: ShadowTruth, light: np.ndarray, seed: int) -> list[np.ndarray]:
    """The truth (nz, ny, nx) two times: for light that scatters with independent noise, else the same."""
    return [values.reshape(truth.grid.shape) for values in truth.twice(light, seed)]


def compare(
    model: HyperINR,
    truth: ShadowTruth,
    interpolate: Interpolation,
    lights: np.ndarray,
    backend: str = "auto",
    progress: Callable[[int, int], Any] | None = None,
) -> dict[str, Any]:
    """Measure the model and the interpolation on lights (n, 2).

    Returns
    -------
    {"held_out": {method: {"psnr", "ssim"}}, "wins": share of the lights on which the model's PSNR is higher,
    "lights": [{"azimuth", "polar", method: {"psnr", "ssim"}}]}
    """
    entries = []
    for done, light in enumerate(lights, start=1):
        expected = twice(truth, light, 0)
        predicted = model.generate(light, backend).sample_grid()[..., 0]
        found = {"model": [predicted] * 2, "interpolation": interpolate.twice(light)}
        scores = {method: _score(values, expected) for method, values in found.items()}
        entries.append({"azimuth": float(light[0]), "polar": float(light[1]), **scores})
        if progress:
            progress(done, len(lights))
    means = {
        method: {metric: float(np.mean([e[method][metric] for e in entries])) for metric in ("psnr", "ssim")}
        for method in METHODS
    }
    wins = float(np.mean([e["model"]["psnr"] > e["interpolation"]["psnr"] for e in entries]))
    return {"held_out": means, "wins": wins, "lights": entries}


def _score(values: list[np.ndarray], truth: list[np.ndarray]) -> dict[str, float]:
    """PSNR and SSIM of values against truth, each given twice with independent noise. Noise lowers the SSIM."""
    return {"psnr": paired_psnr(values, truth), "ssim": ssim(sum(values) / 2, sum(truth) / 2, RANGE)}


def print_table(report: dict[str, Any]) -> None:
    """Print means and the worst light of each method."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"means over {len(report['lights'])} held-out lights")
    for heading in ("", "PSNR", "worst", "SSIM"):
        table.add_column(heading, justify="right" if heading else "left")
    for method, label in METHODS.items():
        mean = report["held_out"][method]
        worst = min(entry[method]["psnr"] for entry in report["lights"])
        table.add_row(label, f"{mean['psnr']:.2f} dB", f"{worst:.2f} dB", f"{mean['ssim']:.4f}")
    console = Console()
    console.print(table)
    console.print(f"HyperINR is nearer to the truth on {100 * report['wins']:.0f} % of the lights.")


def draw_strip(
    model: HyperINR,
    truth: ShadowTruth,
    interpolate: Interpolation,
    values: np.ndarray,
    function: TransferFunction,
    backend: str,
    path: Path,
) -> None:
    """Draw the shaded volume, seen along y, for lights that go round: rows by azimuth, columns by method.

    Raises HyperINRError without matplotlib, or when the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise HyperINRError("--strip needs matplotlib, which is not installed; run `pip install matplotlib`") from None
    from hyperinr.filters.shading import Shading

    unit = model.provenance["shadow"]["unit_distance"]
    shading = Shading(values, model.grid, model.grid.extent, function, unit)
    columns = {
        "truth": truth,
        "HyperINR": lambda light: model.generate(light, backend).sample_grid()[..., 0],
        "inverse distance": interpolate,
    }
    figure = Figure(
        figsize=(7.5, (0.25 + 2.4 * _height(model.grid)) * len(STRIP_AZIMUTHS)),
        dpi=120,
        layout="constrained",
        facecolor="white",
    )
    axes = figure.subplots(len(STRIP_AZIMUTHS), len(columns))
    for row, azimuth in zip(axes, STRIP_AZIMUTHS):
        for cell, (label, shadow_of) in zip(row, columns.items()):
            rgba = shading.shaded(shadow_of(np.array([azimuth, STRIP_POLAR])), ambient=0.2, strength=1.0)
            cell.imshow(projected(rgba, model.grid, unit), origin="lower", aspect=_aspect(model.grid))
            cell.set(xticks=[], yticks=[])
            if azimuth == STRIP_AZIMUTHS[0]:
                cell.set_title(label, fontsize=10)
        row[0].set_ylabel(f"azimuth {azimuth:.0f}°")
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise HyperINRError(f"the strip {path} cannot be written ({error}); expected .png, .svg or .pdf") from None


def projected(rgba: np.ndarray, grid: Grid, unit_distance: float) -> np.ndarray:
    """(nz, nx, 3) the volume (nz, ny, nx, 4) seen from the end of y on white, composited front to back."""
    # from the side that is lit
    alpha = 1 - (1 - np.minimum(rgba[..., 3] / 255, 0.9999)) ** (abs(grid.spacing[1]) / unit_distance)
    image, left = np.zeros((rgba.shape[0], rgba.shape[2], 3)), np.ones((rgba.shape[0], rgba.shape[2], 1))
    for y in reversed(range(rgba.shape[1])):
        share = left * alpha[:, y, :, None]
        image += share * rgba[:, y, :, :3] / 255
        left -= share
    return np.clip(image + left, 0, 1)[:, ::-1]


def _height(grid: Grid) -> float:
    """Of the volume, in its widths."""
    return _aspect(grid) * grid.dims[2] / grid.dims[0]


def _aspect(grid: Grid) -> float:
    return abs(grid.spacing[2] / grid.spacing[0])
