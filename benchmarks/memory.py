"""What a brick of a series that is larger than memory takes: training with its motion, joining and export.

    .venv/bin/python benchmarks/memory.py --data FOLDER        # 512^3 x 20, 10.7 GB of disk, ten minutes of a core

A step is the 128^3 turbulence of benchmarks/size.py repeated along each axis and moved on by some points, so that the grid has no
finer structure than 128^3 has. One brick in the middle is trained with few points drawn, as one job of a batch system's array
would; the others are left out of the index, and masked. Each command is a process whose largest resident memory is measured,
the pages of files that it maps among it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from size import MOST_SIMULATED, RESULTS, Record, data

from hyperinr.plugin.commands.bench import machine
from hyperinr_core.files import replacing

#: Points along an axis of a brick without its overlaps; points z, y, x that the flow moves on from step to step.
BRICK, SPEED = 128, (2, 1, -3)


def write_steps(folder: Path, coarse: Path, n: int, n_steps: int) -> list[str]:
    """Files of the steps."""
    first, names = np.load(coarse / "step_00.npy"), []
    repeats = (n // len(first),) * 3
    for step in range(n_steps):
        names.append(str(folder / f"step_{step:02}.npy"))
        moved = np.roll(first, np.multiply(SPEED, step), (0, 1, 2))
        np.save(names[-1], np.tile(moved, repeats))
    return names


def run(*arguments: str) -> Record:
    """Seconds, processor seconds and the largest resident memory of a command."""
    command = [sys.executable, "-c", "from hyperinr.plugin.cli import main; main()", *arguments]
    begin = time.perf_counter()
    with subprocess.Popen(command) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(arguments[:3])} ... failed")
    found = {"seconds": time.perf_counter() - begin, "cpu_seconds": used.ru_utime + used.ru_stime}
    print(arguments[0], {**found, "peak_bytes": 1024 * used.ru_maxrss}, flush=True)
    return {**found, "peak_bytes": 1024 * used.ru_maxrss}


def measured(folder: Path, names: list[str], n: int, samples: int) -> dict[str, Record]:
    """Of one brick in the middle, from its training to a file of one of its steps."""
    model, settings = str(folder / "m.hinr"), folder / "settings.json"
    settings.write_text(json.dumps({"training": {"samples": samples}}))
    count = n // BRICK
    middle = 1 + count // 2 * (1 + count + count**2)
    brick = ["--brick", f"{middle}/{count**3}", "--bricks", "x".join([str(count)] * 3)]
    times = ",".join(str(step) for step in range(len(names)))
    quiet = ["--progress", "none", "--config", str(settings)]
    return {
        "train a brick": run("train", *names, "--times", times, "-o", model, *brick, "--carry", "always", *quiet),
        "join": run("join", model, "--partial"),
        "export": run("export", model, "-o", str(folder / "step.pvd"), "--times", "0.5"),
    }


def table(records: dict[str, Record]) -> str:
    """Markdown."""
    lines = ["| command | largest resident memory | processor time |", "|---|---|---|"]
    for name, each in records.items():
        lines.append(f"| {name} | {each['peak_bytes'] / 1e9:.2f} GB | {each['cpu_seconds']:.0f} s |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data of benchmarks/size.py")
    parser.add_argument("--size", type=int, default=512, help="points along an axis, a multiple of 128 (default 512)")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--samples", type=int, default=2_000_000, help="points drawn (default 2000000)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder of memory.json and memory.md")
    options = parser.parse_args()
    coarse = data(options.data, MOST_SIMULATED, 11)
    work = Path(tempfile.mkdtemp(dir=options.data))
    try:
        names = write_steps(work, coarse, options.size, options.steps)
        records = measured(work, names, options.size, options.samples)
    finally:
        shutil.rmtree(work)
    size = {"size": options.size, "steps": options.steps, "samples": options.samples}
    for file, text in (
        ("memory.json", json.dumps({"machine": machine(), **size, "records": records}, indent=1) + "\n"),
        ("memory.md", table(records)),
    ):
        with replacing(options.output / file) as part:
            part.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
