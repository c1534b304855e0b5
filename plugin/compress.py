"""`hyperinr compress`: the same model in fewer bytes."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np

from hyperinr_core import hinr
from hyperinr_core.encoding import hash_grid
from hyperinr_core.encodings import MOST_STEPS, TableCoding, encode_best, rounded
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.metrics import PSNR_CAP, psnr

#: What compression may lose by itself of the PSNR that a model has on its training data, in dB.
MOST_LOST = 0.2

#: PSNR in dB against the model itself that is asked for where a model does not know its quality.
UNKNOWN_QUALITY = 60.0

#: Training thetas and points along an axis that the loss is measured on, at most.
N_THETAS, MOST_POINTS = 6, 64

#: Halvings of the range of steps, and zstandard's level while steps are tried.
N_TRIALS, QUICK = 9, 3


@click.command()
@click.argument("model", type=click.Path(dir_okay=False))
@click.option(
    "--target-psnr", type=float, help="dB against MODEL's own values.  [default: what loses 0.2 dB of the truth]"
)
@click.option("--max-bytes", type=click.IntRange(1), help="Largest size of the file, in place of a PSNR.")
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The .hinr to write."
)
def compress(model: str, target_psnr: float | None, max_bytes: int | None, output: Path) -> None:
    """Write MODEL with its tables rounded and entropy-coded.

    The new file opens like any other. Its tables are decoded when it is opened: evaluating it is as quick as before.
    """
    if target_psnr is not None and max_bytes is not None:
        raise ParameterError("both --target-psnr and --max-bytes are given; expected one of them")
    network = hinr.load(model)
    measure = Measure(network)
    if max_bytes is not None:
        other = os.path.getsize(model) - network.encoder_params.nbytes  # what is not tables stays as it is
        step = finest_within(network, max_bytes - max(other, 0), max_bytes)
    else:
        step = coarsest_above(network, measure, tolerable(network) if target_psnr is None else target_psnr)
    hinr.save(network, output, coded(network, step))
    begin = time.perf_counter()
    hinr.load(output)
    opening = time.perf_counter() - begin
    before, after = os.path.getsize(model), os.path.getsize(output)
    found = measure(step)
    click.echo(
        f"{output}: {after / 1e6:.2f} MB, {after / before:.2f} of {model}; {found:.1f} dB PSNR against its values, opens in "
        f"{1000 * opening:.0f} ms"
    )


def tolerable(model: HyperINR) -> float:
    """PSNR in dB against the model's own values at which MOST_LOST dB of its PSNR on the training data are lost.

    Errors of training and of rounding are independent, so that their squares add up.
    """
    known = [
        value for values in model.quality.get("training_psnr_db", {}).values() for value in values if value is not None
    ]
    if not known:
        return UNKNOWN_QUALITY
    return float(np.mean(known)) - 10 * np.log10(10 ** (MOST_LOST / 10) - 1)


class Measure:
    """PSNR of coded tables against a model's own, over the fields' ranges, at some training thetas."""

    def __init__(self, model: HyperINR) -> None:
        self._model = model
        positions = model.encoder_positions
        rows = np.unique(np.linspace(0, len(positions) - 1, N_THETAS).round().astype(int))
        self._thetas = np.clip(positions[rows], *model.theta_bounds.T)
        self._grid = model.grid.with_dims(tuple(min(n, MOST_POINTS) for n in model.grid.dims))
        self._truths = [self._values(model, theta) for theta in self._thetas]

    def __call__(self, step: float) -> float:
        """dB for tables of multiples of a step, means over thetas and components."""
        model = self._model
        tables = rounded(model.encoder_params, hash_grid(model.encoding), [step] * model.encoding.n_levels)
        parts = {field.name: getattr(model, field.name) for field in dataclasses.fields(model)}
        other = HyperINR(**{**parts, "encoder_params": tables})
        return float(np.mean([self._psnr(self._values(other, t), v) for t, v in zip(self._thetas, self._truths)]))

    def _values(self, model: HyperINR, theta: np.ndarray) -> np.ndarray:
        return model.generate(theta).sample_grid(self._grid)

    def _psnr(self, found: np.ndarray, truth: np.ndarray) -> float:
        ranges = [limits for field in self._model.fields for limits in field.value_range]
        parts = [psnr(found[..., c], truth[..., c], limits) for c, limits in enumerate(ranges) if limits[1] > limits[0]]
        return float(np.mean(np.minimum(parts, PSNR_CAP))) if parts else PSNR_CAP


def coarsest_above(model: HyperINR, measure: Measure, target: float) -> float:
    """The largest step that stays above a PSNR in dB; ParameterError when not even the finest does."""
    fine, _ = _bisect(model, lambda step: measure(step) >= target)
    if fine is None:
        raise ParameterError(f"target-psnr is {target:.1f} dB, which coded tables do not hold; expected less")
    return fine


def finest_within(model: HyperINR, room: int, max_bytes: int) -> float:
    """The smallest step whose codes take at most `room` bytes; ParameterError when none does."""
    _, coarse = _bisect(model, lambda step: len(coded(model, step, QUICK)[1]) > room)
    if coarse is None:
        raise ParameterError(
            f"max-bytes is {max_bytes}, of which {max(room, 0)} are left for the tables; expected more, or empty ones remain"
        )
    return coarse


def coded(model: HyperINR, step: float, *effort: int) -> tuple[TableCoding, np.ndarray]:
    """A model's tables rounded to multiples of a step, as `hinr.save` takes them."""
    steps = [step] * model.encoding.n_levels
    return encode_best(model.encoder_params, hash_grid(model.encoding), steps, len(model.parameters) == 1, *effort)


def _bisect(model: HyperINR, is_fine: Callable[[float], bool]) -> tuple[float | None, float | None]:
    """The largest step found for which `is_fine` is true, and the smallest for which it is not."""
    largest = float(abs(model.encoder_params).max()) or 1.0
    fine = coarse = None
    low, high = np.log2(largest / MOST_STEPS), np.log2(largest)
    for _ in range(N_TRIALS):
        step = 2.0 ** ((low + high) / 2)
        if is_fine(step):
            fine, low = step, np.log2(step)
        else:
            coarse, high = step, np.log2(step)
    return fine, coarse
