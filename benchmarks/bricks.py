"""One series whole, and cut into 1, 8 and 64 bricks: bytes, processor time of each worker, dB, and what shows at the seams.

    .venv/bin/python benchmarks/bricks.py --data FOLDER        # a quarter of an hour on two cores

Forced turbulence on 64^3, the run of benchmarks/size.py: every fifth of its first 21 steps is trained on. Every value is drawn as
often whatever the cut, in as many steps of Adam, and tables have entries in proportion to the points of a brick, so that what
differs is the cut alone. A brick is one worker's work; they are trained one after the other, and each one's processor time
is measured. Those of the finest cut are trained once more all at once, a process each, as the array of a batch system would.
Records are kept in bricks.json, and what is there is not measured again.

At a plane between two points where bricks meet, errors of values, of their steps from point to point and of the changes of these
are compared with those everywhere else: 1 means that nothing shows. "put together" is the same without the blending: each point
from the brick that it lies in.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from size import FIELD, RESULTS, data, series_of

from hyperinr.plugin.commands.bench import machine
from hyperinr_core import hinr
from hyperinr_core.cuts import Cuts
from hyperinr_core.files import replacing
from hyperinr_core.joining import brick_path, folder_of, join
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import RunConfig, preset
from hyperinr_core.training.volumes.brick import OVERLAP, Brick, largest
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Grid, VolumeSeries

#: Steps that are trained on, those that are compared, how often a value is drawn, and the cuts.
TRAINED, HELD_OUT, PER_VALUE = range(0, 21, 5), (2, 13), 10
CUTS = ((1, 1, 1), (2, 2, 2), (4, 4, 4))

#: Entries of a level's table of the whole grid.
LOG2_WHOLE = 15

Record = dict[str, Any]


def settings(grid: Grid, whole: Grid, n_steps: int) -> RunConfig:
    """The default preset's, but for points, batches and tables in proportion to the grid: as many steps of Adam for all."""
    share = grid.n_points / whole.n_points
    config = preset("default", grid, "cpu", n_steps)
    return config.replace(
        encoding={"log2_hashmap_size": LOG2_WHOLE + round(math.log2(share))},
        training={
            "samples": PER_VALUE * grid.n_points * n_steps,
            "batch_points": max(round(config.training.batch_points * share), 1),
        },
    )


def trained(series: VolumeSeries, cuts: Cuts | None, output: Path) -> list[float]:
    """Train a model, or its bricks: seconds of processor time of each."""
    whole = series.grid
    grid = whole if cuts is None else largest(whole, cuts)
    config, seconds = settings(grid, whole, len(series)), []
    folder_of(output).mkdir()
    for number in range(1 if cuts is None else len(cuts)):
        task = Volumes(series) if cuts is None else Brick(series, cuts, number)
        begun = time.process_time()
        train(task, output if cuts is None else brick_path(output, number), config)
        seconds.append(time.process_time() - begun)
        print(f"{output.stem}: {number + 1}, {seconds[-1]:.1f} s", flush=True)
    if cuts is not None:
        join(output)
    return seconds


def trained_at_once(folder: Path, counts: tuple[int, int, int], output: Path) -> list[float]:
    """The same with a process for each brick, all of which are there from the beginning."""
    folder_of(output).mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hyperinr_core.training.run"])
    with context.Pool(math.prod(counts)) as pool:
        seconds = pool.map(partial(_one, folder, counts, output), range(math.prod(counts)), chunksize=1)
    join(output)
    return seconds


def _one(folder: Path, counts: tuple[int, int, int], output: Path, number: int) -> float:
    series = series_of(folder, TRAINED)
    cuts = Cuts(series.grid.dims, counts, OVERLAP)
    config = settings(largest(series.grid, cuts), series.grid, len(series))
    begun = time.process_time()
    train(Brick(series, cuts, number), brick_path(output, number), config)
    return time.process_time() - begun


def seams(error: np.ndarray, cuts: Cuts) -> dict[str, float]:
    """How much larger errors are where bricks meet than elsewhere: of values, of their steps, of the changes of these."""
    found: dict[str, list[tuple[float, float]]] = {"values": [], "steps": [], "changes": []}
    for axis in range(3):
        borders = [part * cuts.dims[axis] // cuts.counts[axis] for part in range(1, cuts.counts[axis])]
        along = np.moveaxis(error, 2 - axis, 0)
        for order, kind in enumerate(found):
            squares = np.mean(np.diff(along, order, axis=0) ** 2, axis=(1, 2))
            here = np.zeros(len(squares), bool)
            for border in borders:  # what reaches across the plane before it; of values those on both sides
                here[border - 1 - order // 2 : border + (order == 0)] = True
            inner = np.zeros(len(squares), bool)
            inner[OVERLAP : -OVERLAP or None] = True
            found[kind].append((float(squares[here].mean()), float(squares[inner & ~here].mean())))
    return {kind: math.sqrt(np.mean([here / there for here, there in pairs])) for kind, pairs in found.items()}


def put_together(path: Path, cuts: Cuts, theta: float) -> np.ndarray:
    """(nz, ny, nx) where each point is of the brick that it lies in."""
    model, values = hinr.load(path), np.empty(cuts.dims[::-1], np.float32)
    for number in range(len(cuts)):
        extent = cuts.extent(number)
        own = model.brick(number).generate(theta).sample_grid()[..., 0]
        core = [
            slice(first + OVERLAP * (first > 0), last + 1 - OVERLAP * (last < n - 1))
            for first, last, n in zip(extent[::2], extent[1::2], cuts.dims)
        ]
        place = tuple(slice(part.start - first, part.stop - first) for part, first in zip(core, extent[::2]))
        values[core[2], core[1], core[0]] = own[place[::-1]]
    return values


def measured(path: Path, truth: VolumeSeries, cuts: Cuts | None) -> Record:
    """dB on steps that were trained on and on others, and what shows at seams there."""
    model = hinr.load(path)
    limits, found = model.fields[0].whole_range, {"trained": [], "held_out": []}
    shown: dict[str, list[dict[str, float]]] = {"blended": [], "put together": []}
    for step, (theta,) in enumerate(truth.thetas):
        true = truth.read(step, [FIELD])[..., 0]
        values = model.generate(theta).sample_grid()[..., 0]
        found["trained" if int(theta) in TRAINED else "held_out"].append(psnr(values, true, limits))
        if cuts is not None and len(cuts) > 1 and int(theta) not in TRAINED:
            shown["blended"].append(seams(values - true, cuts))
            shown["put together"].append(seams(put_together(path, cuts, float(theta)) - true, cuts))
    means = {
        how: {kind: round(float(np.mean([each[kind] for each in every])), 3) for kind in every[0]}
        for how, every in shown.items()
        if every
    }
    return {**{kind: round(float(np.mean(values)), 2) for kind, values in found.items()}, "seams": means}


def table(records: dict[str, Record]) -> str:
    """Markdown."""
    lines = [
        "| cut | bytes | processor time: all, the longest | training steps | held-out steps | at seams, over elsewhere: values, "
        "steps, changes of steps | put together without blending |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in records.items():
        shown = [
            ", ".join(f"{value:.2f}" for value in found["seams"][how].values()) if found["seams"] else "-"
            for how in ("blended", "put together")
        ]
        seconds, db = found["cpu_seconds"], [f"{found[kind]:.2f} dB" for kind in ("trained", "held_out")]
        lines.append(
            f"| {name} | {found['bytes'] / 1e6:.2f} MB | {sum(seconds):.0f} s, {max(seconds):.1f} s | "
            f"{db[0]} | {db[1]} | {shown[0]} | {shown[1]} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data of benchmarks/size.py")
    options = parser.parse_args()
    folder = data(options.data, 64, 11)
    series, truth = series_of(folder, TRAINED), series_of(folder, sorted({*TRAINED, *HELD_OUT}))
    kept = RESULTS / "bricks.json"
    records: dict[str, Record] = json.loads(kept.read_text())["records"] if kept.exists() else {}
    work = Path(tempfile.mkdtemp())
    try:
        for counts, at_once in ((None, False), *((counts, False) for counts in CUTS), (CUTS[-1], True)):
            cuts = None if counts is None else Cuts(series.grid.dims, counts, OVERLAP)
            name = "whole" if cuts is None else f"{len(cuts)} brick{'s' * (len(cuts) > 1)}{', at once' * at_once}"
            if name in records:
                continue
            path = work / f"{name.replace(' ', '_')}.hinr"
            seconds = trained_at_once(folder, counts, path) if at_once else trained(series, cuts, path)
            n_bytes = path.stat().st_size + sum(file.stat().st_size for file in folder_of(path).iterdir())
            records[name] = {"cpu_seconds": seconds, "bytes": n_bytes, **measured(path, truth, cuts)}
            print(table(records), flush=True)
            for file, text in (
                (kept, json.dumps({"machine": machine(), "records": records}, indent=1) + "\n"),
                (kept.with_suffix(".md"), table(records)),
            ):
                with replacing(file) as part:
                    part.write_text(text)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
