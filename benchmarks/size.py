"""One flow on larger and larger grids: what training takes and reaches, and what its model costs to look at.

    .venv/bin/python benchmarks/size.py --data FOLDER --sizes 64 128       # half an hour on two cores, most of it the solver
    .venv/bin/python benchmarks/size.py --data FOLDER --sizes 256 512

Forced turbulence is simulated on 64^3 and 128^3; larger grids hold the run on 128^3 between its points (its Fourier series), so
that they have no finer structures. Every fifth of 61 steps is trained on with `hyperinr train` and nothing else, in a process
whose memory is measured; of the others some are compared. Records are kept in size.json, and what is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft

from hyperinr.plugin.commands.bench import machine
from hyperinr.plugin.demo import turbulence
from hyperinr_core import hinr
from hyperinr_core.files import replacing
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.teachers import create
from hyperinr_core.volume import Grid, VolumeSeries

RESULTS = Path(__file__).resolve().parent / "results"

#: Steps that are simulated, how many lie between those that are trained on, and how many of the others are compared.
N_STEPS, EVERY, N_COMPARED = 61, 5, 6

#: The largest grid that is simulated, and the field that is learned.
MOST_SIMULATED, FIELD = 128, "vorticity"

TRAINED = range(0, N_STEPS, EVERY)
COMPARED = [step for step in np.linspace(2, N_STEPS - 3, N_COMPARED).round().astype(int).tolist() if step % EVERY]

#: What a point costs to look at.
PACED = ("decode", "frame")

Record = dict[str, Any]


def data(folder: Path, n: int, seed: int) -> Path:
    """A folder with step_NN.npy of the steps that are needed, made if it is not there."""
    made = folder / f"forced_{n}_seed{seed}"
    if made.is_dir():
        return made
    part = folder / f"{made.name}.part"
    part.mkdir(parents=True, exist_ok=True)
    wanted = sorted({*TRAINED, *COMPARED})
    if n <= MOST_SIMULATED:
        for step, (_, fields) in enumerate(turbulence.simulate("forced", n, N_STEPS, seed)):
            if step in wanted:
                np.save(part / f"step_{step:02}.npy", fields[FIELD])
            print(f"simulating {n}^3: step {step} of {N_STEPS - 1}", flush=True)
    else:
        coarse = data(folder, MOST_SIMULATED, seed)
        for step in wanted:
            np.save(part / f"step_{step:02}.npy", refined(np.load(coarse / f"step_{step:02}.npy"), n))
    part.rename(made)
    return made


def refined(values: np.ndarray, n: int) -> np.ndarray:
    """A periodic volume on n^3 points, between its own: its Fourier series, the highest wave number left out."""
    for axis in range(3):
        m = values.shape[axis]
        modes = scipy.fft.rfft(values, axis=axis)
        kept = np.moveaxis(modes, axis, 0)
        kept[m // 2] = 0
        values = scipy.fft.irfft(modes, n, axis=axis) * np.float32(n / m)
    return values.astype(np.float32)


def series_of(folder: Path, steps: range) -> VolumeSeries:
    """Some steps of it."""
    first = np.load(folder / f"step_{steps[0]:02}.npy", mmap_mode="r")

    def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        values = np.load(folder / f"step_{steps[step]:02}.npy", mmap_mode="r")
        return np.ascontiguousarray(values[slice(*(z_range or (None,)))])[..., None]

    return VolumeSeries(
        Grid(first.shape[::-1]), np.array(steps, float)[:, None], {FIELD: 1}, load, f"turbulence on {len(first)}^3"
    )


def train(folder: Path, output: Path, options: list[str]) -> Record:
    """Seconds, processor seconds and peak memory of `hyperinr train` on every fifth step, and what it said before and after."""
    names = [str(folder / f"step_{step:02}.npy") for step in TRAINED]
    times = ",".join(map(str, TRAINED))
    command = [sys.executable, "-c", "from hyperinr.plugin.cli import main; main()", "train", *names]
    command += ["--times", times, "-o", str(output), "--progress", "none", *options]
    begin = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(said)
    return {
        "seconds": time.perf_counter() - begin,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": 1024 * used.ru_maxrss,
        "said": [line for line in said.splitlines() if line.startswith(("plan", "costs"))],
    }


def compare(path: Path, folder: Path, flow: bool) -> Record:
    """PSNR in dB on steps that nobody saw, and what showing them takes."""
    model, series = hinr.load(path), series_of(folder, TRAINED)
    limits = model.fields[0].whole_range
    methods = {"linear": create("linear", series, FIELD)}
    if flow:
        methods["flow"] = create("flow", series, FIELD)
    found: dict[str, list[float]] = {"ours": [], **{name: [] for name in methods}}
    frames = []
    for step in COMPARED:
        truth, theta = np.load(folder / f"step_{step:02}.npy"), np.array([float(step)])
        model.generate(theta).sample_grid()  # steps around the gap are decoded, as when time has come into it
        frames.append(core_seconds(lambda theta=theta: model.generate(theta + 1e-3).sample_grid()))
        values = model.generate(theta).sample_grid()[..., 0]
        found["ours"].append(psnr(values, truth, limits))
        for name, method in methods.items():
            found[name].append(psnr(method.evaluate(theta)[..., 0], truth, limits))
    step = model.generate(np.array([float(EVERY)]), interpolation=model.interpolation)
    decoding = min(core_seconds(step.sample_grid) for _ in range(3))
    return {
        "training_psnr_db": float(np.mean(model.quality["training_psnr_db"][model.fields[0].name])),
        "held_out_psnr_db": {name: [round(value, 3) for value in values] for name, values in found.items()},
        "decode_ns_per_point": 1e9 * decoding / truth.size,
        "frame_ns_per_point": 1e9 * float(np.median(frames)) / truth.size,
        "file_bytes": path.stat().st_size,
    }


def core_seconds(run: Callable[[], object]) -> float:
    """Seconds of a core, all threads together, which work beside it does not lengthen much."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def table(records: dict[str, Record]) -> str:
    """Markdown."""
    lines = [
        "| grid | training | core time a point drawn | peak memory | file | training steps | held-out steps: ours, linear, flow "
        "| decode, core time a point | frame in a gap |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, each in records.items():
        pace = [f"{each[f'{what}_ns_per_point']:.0f} ns" if f"{what}_ns_per_point" in each else "-" for what in PACED]
        mean = {method: float(np.mean(values)) for method, values in each["held_out_psnr_db"].items()}
        held_out = ", ".join(f"{mean[method]:.2f}" if method in mean else "-" for method in ("ours", "linear", "flow"))
        lines.append(
            f"| {name} | {each['seconds'] / 60:.1f} min | {1e6 * each['cpu_seconds'] / each['samples']:.2f} us | "
            f"{each['peak_bytes'] / 1e9:.2f} GB | {each['file_bytes'] / 1e6:.1f} MB | {each['training_psnr_db']:.2f} dB | "
            f"{held_out} dB | {' | '.join(pace)} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder for series and models")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128], help="points along an axis (default 64 128)")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--no-flow", action="store_true", help="leave the optical flow on the true steps out")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder of size.json and size.md")
    parser.add_argument(
        "--train", nargs=argparse.REMAINDER, default=[], help="what else `hyperinr train` is told; the last option"
    )
    options = parser.parse_args()
    path = options.output / "size.json"
    records: dict[str, Record] = json.loads(path.read_text()) if path.exists() else {}
    for n in options.sizes:
        name = " ".join([f"{n}^3", *options.train])
        if name in records:
            continue
        folder = data(options.data, n, options.seed)
        model = options.data / f"forced_{n}.hinr"
        record = {"machine": machine(), **train(folder, model, options.train)}
        record["samples"] = hinr.load(model).provenance["training"]["samples"]
        records[name] = {**record, **compare(model, folder, not options.no_flow)}
        options.output.mkdir(parents=True, exist_ok=True)
        for file, text in ((path, json.dumps(records, indent=1)), (path.with_suffix(".md"), table(records))):
            with replacing(file) as part:
                part.write_text(text, encoding="utf-8")
    print(table(records))


if __name__ == "__main__":
    main()
