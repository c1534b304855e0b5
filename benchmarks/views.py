"""Radiance fields and pictures over angles: what they show of views that were held out, what they cost, and a picture's time.

    .venv/bin/python benchmarks/views.py DATABASE [--seed 3] [--presets fast,default] [--pictures] --output views.md

Half of the views are held out. Beside the models stand the training pictures blended by inverse distance. Seconds are those of
the processors, all together, and on the clock, of the whole command.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hyperinr.plugin.commands.bench import machine
from hyperinr_core.radiance import file

#: Elevation in degrees beyond which a view looks from above or below.
STEEP = 60.0

#: Pictures whose median time is taken.
N_TIMED = 20


def main() -> None:
    """Train, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database", type=Path)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--presets", default="fast,default", help="of the radiance fields")
    parser.add_argument("--pictures", action="store_true", help="train a HyperINR over the angles, too")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    asked = [("radiance", preset) for preset in arguments.presets.split(",")]
    asked += [("pictures", "default")] if arguments.pictures else []
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, preset in asked:
            model = Path(folder) / f"{kind}-{preset}.hinr"
            options = ["--holdout", "0.5", "--seed", arguments.seed, "--representation", kind, "--preset", preset]
            clock, processors = run("train-views", arguments.database, "-o", model, *options)
            report = json.loads(said("evaluate-views", model, arguments.database, "--json"))
            if not rows:
                rows.append(["inverse distance", *figures(report, "interpolation"), "", "", "", ""])
            picture = f"{1000 * picture_seconds(model):.0f} ms" if kind == "radiance" else ""
            megabytes = f"{model.stat().st_size / 1e6:.1f} MB"
            costs = [f"{clock:.0f} s", f"{processors:.0f} s", megabytes, picture]
            rows.append([f"{kind}, `{preset}`", *figures(report, "model"), *costs])
            print(rows[-1], flush=True)
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else float("nan")
    on = ", ".join(f"{key} {value}" for key, value in machine().items())
    arguments.output.write_text(
        f"`{arguments.database.name}`, seed {arguments.seed}, {len(report['pictures'])} held-out views; {on}, load "
        f"{load:.1f}.\n\n| | PSNR | worst | SSIM | steep views | on the clock | processors | model | a picture |\n"
        f"|---|---|---|---|---|---|---|---|---|\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows),
        encoding="utf-8",
    )


def run(*arguments: object) -> tuple[float, float]:
    """Seconds on the clock and of the processors that a command takes."""
    before, began = os.times(), time.monotonic()
    said(*arguments)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, spent


def said(*arguments: object) -> str:
    """What a command of ours prints."""
    command = [sys.executable, "-c", "from hyperinr.plugin.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def figures(report: dict, method: str) -> list[str]:
    """PSNR, the worst, SSIM and PSNR of views from above and below."""
    numbers = [picture[method]["psnr"] for picture in report["pictures"]]
    steep = [picture[method]["psnr"] for picture in report["pictures"] if abs(picture["theta"]) > STEEP]
    mean = report["held_out"][method]
    seen = f"{np.mean(steep):.2f} dB of {len(steep)}" if steep else ""
    return [f"{mean['psnr']:.2f} dB", f"{min(numbers):.2f} dB", f"{mean['ssim']:.3f}", seen]


def picture_seconds(path: Path) -> float:
    """Median time from a view to the bytes of its picture."""
    model = file.load(path)
    theta = np.array([np.mean(parameter.bounds) for parameter in model.parameters])
    model.picture(theta)
    taken = []
    for k in range(N_TIMED):
        began = time.perf_counter()
        model.picture(theta + np.where(np.arange(len(theta)) == 0, 17.0 * k, 0.0))
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


if __name__ == "__main__":
    main()
