"""What a ParaView user waits for: opening a model, and a new field when the time slider moves. Run after `make demo`.

    .venv/bin/python benchmarks/viewing.py demo/turbulence.hinr --output benchmarks/results/viewing.md

Every figure is measured through a real pvpython, ratios and differences within this one run. With --large those of models with
up to 512^3 points and tables of up to 2^19 entries follow, whose numbers are random: what they show means nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hyperinr.plugin import launch
from hyperinr.plugin.commands.bench import machine
from hyperinr_core import hinr
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.native import NativeBackend, supported_isas
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.settings import preset

REPEATS = 7

#: Points that are decoded to tell what one costs.
N_DECODED = 1 << 20

OPEN = """
from paraview.simple import *
source = OpenDataFile({model!r})
source.UpdatePipeline({time})
assert source.GetDataInformation().GetNumberOfPoints() > 1
"""

#: Prints the milliseconds from the request for a time to its image data, for several times in turn.
SLIDER = """
import json, time
from paraview.simple import *
source = OpenDataFile({model!r})
source.Dims = [{n}] * 3
source.UpdatePipeline({times}[0])
found = []
for moment in {times}[1:]:
    start = time.perf_counter()
    source.UpdatePipeline(moment)
    found.append(1000 * (time.perf_counter() - start))
print(json.dumps(found))
"""


def pvpython(script: str) -> tuple[float, str]:
    """Seconds that a script takes in a fresh pvpython, and the last line it prints."""
    start = time.perf_counter()
    result = launch.run_program([launch.find_program("pvpython"), "-c", script], timeout=300)
    if result.returncode:
        sys.exit(result.stderr or result.stdout)
    return time.perf_counter() - start, (result.stdout.strip().splitlines() or [""])[-1]


def opening(model: Path, moment: float) -> dict[str, float]:
    """Median seconds of importing paraview.simple alone, and with a model opened and its first grid, taken in turns."""
    plain, opened = [], []
    for _ in range(REPEATS):
        plain.append(pvpython("from paraview.simple import *")[0])
        opened.append(pvpython(OPEN.format(model=str(model), time=moment))[0])
    return {"import_s": statistics.median(plain), "import_and_open_s": statistics.median(opened)}


def slider(model: Path, low: float, high: float, n: int) -> float:
    """Median milliseconds from a request for a new time to its image data of n^3 points."""
    times = np.linspace(low, high, REPEATS + 4)[1:-1].tolist()
    return statistics.median(json.loads(pvpython(SLIDER.format(model=str(model), n=n, times=times))[1]))


#: Prints the seconds from opening a model to a region's image data where ParaView has shown another model before.
REGION = """
import time
from paraview.simple import *
OpenDataFile({warm!r}).UpdatePipeline()
start = time.perf_counter()
source = OpenDataFile({model!r})
source.RegionOfInterest = 1
source.RegionPosition, source.RegionSize = {corner}, {size}
source.UpdatePipeline({time})
print(time.perf_counter() - start)
assert source.GetDataInformation().GetNumberOfPoints() >= 64**3
"""


def random_model(model: HyperINR, n: int, log2_hashmap_size: int) -> HyperINR:
    """One of n^3 points with as many encoders and the same network, of random numbers."""
    grid = model.grid.with_dims((n, n, n))
    levels = preset("default", grid).encoding.replace(log2_hashmap_size=log2_hashmap_size)
    architecture = Architecture.of(levels, model.network, model.fields)
    tables = np.random.default_rng(0).random((len(model.encoder_positions), architecture.n_table), np.float32) - 0.5
    network = np.random.default_rng(1).normal(0, 0.3, architecture.n_mlp).astype(np.float32)
    return dataclasses.replace(
        model, grid=grid, encoding=levels, encoder_params=tables.astype(np.float16), mlp_params=network,
        base=None, mask=None, motion=None, quality={},
    )  # fmt: skip


def region(small: Path, model: HyperINR, moment: float) -> float:
    """Median seconds from opening a model to the image data of 64^3 points of it."""
    corner = [origin + 200.25 * step for origin, step in zip(model.grid.origin, model.grid.spacing)]
    size = [62.5 * step for step in model.grid.spacing]
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/large.hinr"
        hinr.save(model, path)
        script = REGION.format(warm=str(small), model=path, corner=corner, size=size, time=moment)
        return statistics.median(float(pvpython(script)[1]) for _ in range(REPEATS))


def planes(model: HyperINR) -> tuple[int, ...]:
    """The extent of as many planes in the middle of the training grid as have N_DECODED points."""
    nx, ny, nz = model.grid.dims
    n_planes = min(nz, max(1, N_DECODED // (nx * ny)))
    first = (nz - n_planes) // 2
    return 0, nx - 1, 0, ny - 1, first, first + n_planes - 1


def by_point(model: HyperINR, moment: float) -> dict[tuple[int, int], float]:
    """Least nanoseconds of decoding by point, of models with n points along an axis and some table size, taken in turns."""
    sizes = [(n, log2) for log2 in (15, 17, 19) for n in (64, 128, 256, 512)]
    few = dataclasses.replace(model, encoder_positions=model.encoder_positions[[0, -1]])
    models = [random_model(few, *size) for size in sizes]
    cases = [(size, large.generate(moment), planes(large)) for size, large in zip(sizes, models)]
    found = dict.fromkeys(sizes, float("inf"))
    for _ in range(REPEATS):
        for size, inr, box in cases:
            start = time.perf_counter()
            values = inr.sample_grid(region=box)
            found[size] = min(found[size], 1e9 * (time.perf_counter() - start) / values[..., 0].size)
    return found


def large_rows(path: Path, moment: float) -> list[tuple[str, str]]:
    """Rows about models larger than those that are trained for the demo."""
    model = hinr.load(path)
    seconds = region(path, random_model(model, 512, 19), moment)
    rows = [
        ("a region of 64^3 out of 512^3, from opening to image data, in a ParaView that is warm", f"{seconds:.2f} s")
    ]
    costs = by_point(model, moment)
    for (n, log2), cost in costs.items():
        text = f"{cost:.0f} ns a point, {cost / costs[64, log2]:.2f} of 64^3"
        rows.append((f"decoding, {n}^3, tables of 2^{log2}", text))
    return rows


def precision(model: Path) -> float | None:
    """PSNR in dB of bfloat16 decoding against float32 on the training grid, the mean over five thetas between encoders."""
    if not any(isa.endswith("bf16") for isa in supported_isas()):
        return None
    network = hinr.load(model)
    arguments = (network.architecture, network.encoder_params, network.mlp_params)
    ways = [NativeBackend(*arguments, precision=name) for name in ("float32", "bfloat16")]
    axes, one = network.grid.axes(n_pos_dims=network.encoding.n_pos_dims), np.ones(network.n_output_dims, np.float32)
    low, high = network.theta_bounds[0]
    found = []
    for theta in low + (high - low) * np.array([0.11, 0.33, 0.52, 0.71, 0.93]):
        grids = []
        for way in ways:
            out = np.empty((*network.grid.shape, network.n_output_dims), np.float32)
            way.sample_grid(way.blend(*network.interpolation_weights(theta)), axes, out, one, 0 * one)
            grids.append(out)
        found.append(psnr(grids[1], grids[0], (0.0, 1.0)))
    return statistics.mean(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("--output", type=Path, help="write the table to this file too")
    parser.add_argument("--large", action="store_true", help="models of up to 512^3 points, too")
    options = parser.parse_args()
    model = options.model.resolve()
    low, high = hinr.load(model).theta_bounds[0]
    start = opening(model, (low + high) / 2)
    rows = [
        ("import paraview.simple in pvpython", f"{start['import_s']:.2f} s"),
        ("the same, open the model, first grid at the training dims", f"{start['import_and_open_s']:.2f} s"),
        ("difference", f"{start['import_and_open_s'] - start['import_s']:.2f} s"),
    ]
    rows += [(f"time slider to image data, {n}^3", f"{slider(model, low, high, n):.0f} ms") for n in (64, 128, 256)]
    decibel = precision(model)
    if decibel is not None:
        rows.append(("bfloat16 against float32 decoding", f"{decibel:.1f} dB PSNR"))
    if options.large:
        rows += large_rows(model, (low + high) / 2)
    place = machine()
    version = subprocess.run(
        [launch.find_program("pvpython"), "--version"], capture_output=True, text=True, check=False
    )
    text = f"{place['processor']}, {place['threads']} threads, {place['isa']}, {(version.stdout or version.stderr).strip()}\n\n"
    text += f"{model.name}, medians of {REPEATS}.\n\n| what | figure |\n|---|---|\n"
    text += "".join(f"| {name} | {figure} |\n" for name, figure in rows)
    print(text)
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
