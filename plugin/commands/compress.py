"""`hyperinr compress`: the same model in fewer bytes."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from hyperinr.plugin.options import model_argument, open_steps, output_option, promise_options, reading_options
from hyperinr.plugin.training import say_bound
from hyperinr_core import hinr
from hyperinr_core.bounding import CARRIED_PSNR, PREVIEW_PSNR, Promise, bounded
from hyperinr_core.compression import N_THETAS, Compression
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.lean import LEAN_PSNR, lean
from hyperinr_core.measure.metrics import PSNR_CAP
from hyperinr_core.volume import VolumeSeries

#: What compression may lose by itself of the PSNR that a model has on its training data, in dB.
MOST_LOST = 0.2


@click.command()
@model_argument
@click.argument("series", nargs=-1)
@click.option(
    "--target-psnr",
    type=float,
    help="dB of the tables against MODEL's.  [default: what loses 0.2 dB of the truth, 25 where a motion carries stored steps]",
)
@click.option("--max-bytes", type=click.IntRange(1), help="Largest size of the file, in place of a PSNR.")
@promise_options
@reading_options
@output_option("The .hinr to write.")
def compress(
    model: str,
    series: tuple[str, ...],
    target_psnr: float | None,
    max_bytes: int | None,
    promise: Callable[[VolumeSeries], Promise] | None,
    reading: dict[str, Any],
    output: Path,
) -> None:
    """Write MODEL with its tables and its motion rounded and entropy-coded, and with --max-error SERIES within a bound.

    The new file opens like any other, and evaluating it is as quick as before.
    """
    if target_psnr is not None and max_bytes is not None:
        raise ParameterError("both --target-psnr and --max-bytes are given; expected one of them")
    if (promise is None) == bool(series):
        found, missing = (
            ("a series", "--max-error") if series else ("--max-error", "the series that MODEL was trained on")
        )
        raise ParameterError(f"{found} is given without {missing}; expected both or none")
    network = hinr.load_one(model)
    compression = Compression(network)
    if promise is not None:
        network = bounded(network, promise(open_steps(series, fields=[f.name for f in network.fields], **reading)))
    if max_bytes is not None:
        told = {field.name: [PSNR_CAP] * N_THETAS for field in network.fields}
        other = hinr.bytes_beside(_described(lean(network, _least_carried(network, LEAN_PSNR)), told))
        steps = compression.finest_within(max_bytes - other)
        if steps is None:
            raise ParameterError(
                f"max-bytes is {max_bytes}, of which {max(max_bytes - other, 0)} are left for the tables; expected more, or "
                "empty ones remain"
            )
    else:
        steps = compression.coarsest_above(_least_psnr(network, compression) if target_psnr is None else target_psnr)
    reached = compression.psnr(steps)
    network = lean(network, _least_carried(network, reached if max_bytes is None else min(reached, LEAN_PSNR)))
    hinr.save(_described(network, compression.psnr_by_field(steps)), output, compression.coded(steps))
    begin = time.perf_counter()
    hinr.load_one(output)
    opening = time.perf_counter() - begin
    before, after = os.path.getsize(model), os.path.getsize(output)
    say_bound(network)
    click.echo(
        f"{output}: {after / 1e6:.2f} MB, {after / before:.2f} of {model}; {reached:.1f} dB PSNR against its "
        f"{'values' if network.bound is None else 'encoders'}, opens in {1000 * opening:.0f} ms"
    )


def _least_psnr(network: HyperINR, compression: Compression) -> float:
    """dB against the model's own values that its encoders need."""
    shows_previews = network.bound is not None and network.motion is not None
    return PREVIEW_PSNR if shows_previews else compression.tolerable(MOST_LOST)


def _least_carried(network: HyperINR, tables: float) -> float:
    """dB that a motion's rounding may come to, beside that of tables: stored steps that it carries deserve better."""
    return tables if network.bound is None else max(tables, CARRIED_PSNR)


def _described(original: HyperINR, psnr_db: Mapping[str, Sequence[float | None]]) -> HyperINR:
    """The model with the quality that is known of it now: what its training data says is true of the original alone.

    Of stored steps it stays true.
    """
    before = {"quality": original.quality}
    if "original" in original.provenance:
        before["original"] = original.provenance["original"]
    kept = {"training_psnr_db"} & original.quality.keys() if original.bound is not None else set()
    quality = {**{key: original.quality[key] for key in kept}, "original_psnr_db": psnr_db}
    return dataclasses.replace(original, quality=quality, provenance={**original.provenance, "original": before})
