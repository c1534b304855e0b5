"""Everything that is claimed of a GPU, measured in one run: checked against the reference first, then timed.

    .venv/bin/python benchmarks/gpu/measure.py                    # writes benchmarks/results/gpu_<name of the card>.md and .json
    .venv/bin/python benchmarks/gpu/measure.py --only decode      # the parts whose names begin so; may be given several times
    .venv/bin/python benchmarks/gpu/measure.py --paper            # the paper's table, row by row, and no kernels
    .venv/bin/python benchmarks/gpu/measure.py --dry -o /tmp/dry  # no GPU: tiny sizes, interpreted, and figures without meaning

Times are medians: `ms` as called, one run after the other, `device_ms` of the device alone. Ratios are of `device_ms`, within
one run. Both files are written after each part; a part that fails, takes too long or would begin after --seconds is a line.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

if "--dry" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is imported
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from gpu.data import Data
from gpu.guard import NO_TIME, Run
from gpu.iterations import Iterations
from gpu.paper import ROWS, Paper
from gpu.parts import DRY, Parts, Sizes
from gpu.report import to_markdown

RESULTS = Path(__file__).parents[1] / "results"

#: Ways whose kernels are others'.
RIVALS = ("torch", "tcnn jit", "tcnn")

#: Seconds that a part may take whose kernels are compiled at their first use.
COMPILING = 60.0

OTHERS = ("preset", "guide", "plane", "five values", "deep")


def measure(run: Run, parts: Parts, iterations: Iterations, data: Data) -> None:
    """What is claimed first, rivals and the rest later."""
    sizes = parts.sizes

    def decode(way: str) -> None:
        for n in sizes.slow_grids if way == "torch" else sizes.grids:
            run.part(f"decode {way} {n}^3", partial(parts.decode, way, n), COMPILING)

    def training(way: str) -> None:
        for n_steps, n_points in sizes.batches:
            run.part(
                f"training {way} {n_steps} x {n_points}", partial(parts.training, way, n_steps, n_points), COMPILING
            )

    run.part("limits", parts.limits)
    decode("triton")
    for n_encoders, n_used in sizes.blends:
        run.part(f"blend {n_used} of {n_encoders}", partial(parts.blend, n_encoders, n_used))
    run.part("host", parts.to_host)
    for n in sizes.carried:
        run.part(f"carried {n}^3", partial(parts.carried, n), COMPILING)
    training("triton")
    for n_steps, n_points in sizes.batches:
        run.part(f"iterations {n_steps} x {n_points}", partial(iterations.measure, n_steps, n_points), COMPILING)
    run.part("coordnet", parts.coordnet)
    for way in RIVALS:
        decode(way)
        training(way)
    decode("triton by points")
    run.part("data", data.measure, 90)
    decode("triton float32")
    for name in OTHERS:
        run.part(f"other {name}", partial(parts.decode_other, name), COMPILING)


def machine(device: torch.device) -> dict[str, str]:
    """What is measured on."""
    found = {
        "device": "no GPU: Triton's interpreter, tiny sizes",
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processors": str(os.cpu_count()),
    }
    if device.type == "cuda":
        import triton

        found.update(device=torch.cuda.get_device_name(), triton=triton.__version__)
        query = ["nvidia-smi", "--query-gpu=driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.limit,memory.total"]
        try:
            state = subprocess.run([*query, "--format=csv,noheader"], capture_output=True, text=True, timeout=30)
            found["state"] = state.stdout.strip()
        except (OSError, subprocess.SubprocessError) as error:
            found["state"] = str(error)
    return found


def commit() -> str:
    """What is measured, in a packed folder as in a checkout."""
    root = Path(__file__).resolve().parents[2]
    packed = root / "commit.txt"
    if packed.exists():
        return packed.read_text().strip()
    asked = subprocess.run(["git", "-C", str(root), "describe", "--always", "--dirty"], capture_output=True, text=True)
    return asked.stdout.strip()


def usable() -> bool:
    """Whether the device answers: after a wild access to its memory it does nothing more for this process."""
    try:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
    except RuntimeError:
        return False
    return True


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="tiny sizes on the CPU, to try the script")
    parser.add_argument("--paper", action="store_true", help="the paper's table in place of the kernels")
    parser.add_argument("--only", action="append", default=[], metavar="PART", help="how wanted parts' names begin")
    parser.add_argument("--seconds", type=float, default=3600.0, help="no part begins after so many seconds")
    parser.add_argument("--resume", action="store_true", help="go on with the parts that the file lacks")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder for the results")
    options = parser.parse_args()
    if not options.dry and not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device; use --dry to try the script on the CPU")
    start, device = time.monotonic(), torch.device("cpu" if options.dry else "cuda")
    name = "dry" if options.dry else torch.cuda.get_device_name().lower().replace(" ", "_")
    file = options.output / f"gpu_{name}{'_paper' if options.paper else ''}.json"
    options.output.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = json.loads(file.read_text()) if options.resume and file.exists() else {}
    report.setdefault("commit", commit())
    report.setdefault("machine", machine(device))
    parts = Parts(DRY if options.dry else Sizes(), device, report)

    def write() -> None:
        report["ratios"] = parts.ratios()
        file.write_text(json.dumps(report, indent=2) + "\n")
        file.with_suffix(".md").write_text(to_markdown(report))

    def restart() -> None:
        left = options.seconds - (time.monotonic() - start)
        print("going on in a new process", flush=True)
        os.execv(sys.executable, [sys.executable, *sys.argv, "--resume", "--seconds", str(left)])

    run = Run(report, options.seconds, options.only, write, usable if device.type == "cuda" else lambda: True, restart)
    if options.paper:
        paper = Paper(options.dry, report)
        run.part("paper simulation", paper.simulate, 120)
        for row, limit in ROWS.items():
            run.part(f"paper {row}", partial(paper.row, row), limit)
    else:
        iterations = Iterations(options.dry, parts.sizes.seconds / 2, report)
        measure(run, parts, iterations, Data(options.dry, report))
        report["complete"] = not options.only and all(part["state"] != NO_TIME for part in report["parts"].values())
        write()
    print(to_markdown(report))


if __name__ == "__main__":
    main()
