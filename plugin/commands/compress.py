"""`hyperinr compress`: the same model in fewer bytes."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import click

from hyperinr.plugin.options import model_argument, output_option
from hyperinr_core import hinr
from hyperinr_core.compression import N_THETAS, Compression
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.lean import LEAN_PSNR, lean
from hyperinr_core.measure.metrics import PSNR_CAP

#: What compression may lose by itself of the PSNR that a model has on its training data, in dB.
MOST_LOST = 0.2


@click.command()
@model_argument
@click.option(
    "--target-psnr", type=float, help="dB against MODEL's own values.  [default: what loses 0.2 dB of the truth]"
)
@click.option("--max-bytes", type=click.IntRange(1), help="Largest size of the file, in place of a PSNR.")
@output_option("The .hinr to write.")
def compress(model: str, target_psnr: float | None, max_bytes: int | None, output: Path) -> None:
    """Write MODEL with its tables and its motion rounded and entropy-coded.

    The new file opens like any other. Its tables are decoded when it is opened: evaluating it is as quick as before.
    """
    if target_psnr is not None and max_bytes is not None:
        raise ParameterError("both --target-psnr and --max-bytes are given; expected one of them")
    network = hinr.load_one(model)
    compression = Compression(network)
    if max_bytes is not None:
        told = {field.name: [PSNR_CAP] * N_THETAS for field in network.fields}
        other = hinr.bytes_beside(_described(lean(network, LEAN_PSNR), told))
        steps = compression.finest_within(max_bytes - max(other, 0))
        if steps is None:
            raise ParameterError(
                f"max-bytes is {max_bytes}, of which {max(max_bytes - other, 0)} are left for the tables; expected more, or "
                "empty ones remain"
            )
    else:
        steps = compression.coarsest_above(compression.tolerable(MOST_LOST) if target_psnr is None else target_psnr)
    reached = compression.psnr(steps)
    network = lean(network, reached if max_bytes is None else min(reached, LEAN_PSNR))
    hinr.save(_described(network, compression.psnr_by_field(steps)), output, compression.coded(steps))
    begin = time.perf_counter()
    hinr.load_one(output)
    opening = time.perf_counter() - begin
    before, after = os.path.getsize(model), os.path.getsize(output)
    click.echo(
        f"{output}: {after / 1e6:.2f} MB, {after / before:.2f} of {model}; {reached:.1f} dB PSNR against its "
        f"values, opens in {1000 * opening:.0f} ms"
    )


def _described(original: HyperINR, psnr_db: dict[str, list[float]]) -> HyperINR:
    """The model with the quality that is known of it now: what its training data says is true of the original alone."""
    before = {"quality": original.quality}
    if "original" in original.provenance:
        before["original"] = original.provenance["original"]
    return dataclasses.replace(
        original, quality={"original_psnr_db": psnr_db}, provenance={**original.provenance, "original": before}
    )
