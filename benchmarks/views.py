"""Radiance fields and pictures over angles: what they show of views that were held out, what they cost, and a picture's time.

    .venv/bin/python benchmarks/views.py DATABASE [--seed 3] [--presets fast,default] [--pictures] [--every 2] --output views.md
    .venv/bin/python benchmarks/views.py DATABASE --time [--presets fast] --output views_time.md

Half of the views are held out, or all but every Nth. Beside the models stand the training pictures blended by inverse distance.
With --time the middle one of its times is left out instead; beside the model stand the pictures of the times around it, from the
same views. Seconds are those of the processors, all together, and on the clock, of the whole command.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hyperinr.filters.readers.cinema import open_pictures, write_table
from hyperinr.plugin.commands.bench import machine
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.pictures.picture_set import RANGE, PictureSet
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
    parser.add_argument("--every", type=int, help="train on every Nth view in place of half of them")
    parser.add_argument("--time", action="store_true", help="leave a time out instead of views")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows, titles, n_pictures = time_rows(arguments) if arguments.time else view_rows(arguments)
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else float("nan")
    on = ", ".join(f"{key} {value}" for key, value in machine().items())
    arguments.output.write_text(
        f"`{arguments.database.name}`, seed {arguments.seed}, {n_pictures} held-out views; {on}, load {load:.1f}.\n\n"
        f"| | {' | '.join(titles)} |\n|{'---|' * (len(titles) + 1)}\n"
        + "".join(f"| {' | '.join(row)} |\n" for row in rows),
        encoding="utf-8",
    )


def view_rows(arguments: argparse.Namespace) -> tuple[list[list[str]], list[str], int]:
    """Rows of views that are held out, their columns, and how many views these are."""
    asked = [("radiance", preset) for preset in arguments.presets.split(",")]
    asked += [("pictures", "default")] if arguments.pictures else []
    held_out = ["--every", arguments.every] if arguments.every else ["--holdout", "0.5"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for kind, preset in asked:
            model = Path(folder) / f"{kind}-{preset}.hinr"
            options = [*held_out, "--seed", arguments.seed, "--representation", kind, "--preset", preset]
            clock, processors = run("train-views", arguments.database, "-o", model, *options)
            report = json.loads(said("evaluate-views", model, arguments.database, "--json"))
            if not rows:
                rows.append(["inverse distance", *figures(report, "interpolation"), "", "", "", ""])
            picture = f"{1000 * picture_seconds(model):.0f} ms" if kind == "radiance" else ""
            rows.append([f"{kind}, `{preset}`", *figures(report, "model"), *costs(clock, processors, model), picture])
            print(rows[-1], flush=True)
    titles = ["PSNR", "worst", "SSIM", "steep views", "on the clock", "processors", "model", "a picture"]
    return rows, titles, len(report["pictures"])


def time_rows(arguments: argparse.Namespace) -> tuple[list[list[str]], list[str], int]:
    """Rows of a time that is left out, their columns, and how many views it has."""
    pictures = open_pictures(str(arguments.database), {})
    column = pictures.roles.index("time")
    times = np.unique(pictures.thetas[:, column])
    middle = len(times) // 2
    before, out, after = (steps_at(pictures, time, column) for time in times[middle - 1 : middle + 2])
    ends = [[pictures.picture(step).astype(np.float32) for step in steps] for steps in (before, after)]
    share = (times[middle] - times[middle - 1]) / (times[middle + 1] - times[middle - 1])
    nearest = ends[int(share > 0.5)]
    blends = [(1 - share) * first + share * last for first, last in zip(*ends)]
    truths = [pictures.picture(step) for step in out]
    rows = [
        ["the nearest time", *means(nearest, truths), "", "", ""],
        ["blended times", *means(blends, truths), "", "", ""],
    ]
    with tempfile.TemporaryDirectory() as folder:
        kept = np.setdiff1d(np.arange(len(pictures)), out)
        database = Path(folder) / "kept.cdb"
        database.mkdir()
        write_table(database, pictures.parameters, pictures.thetas[kept], [str(pictures.files[i]) for i in kept])
        shutil.copy(arguments.database / "camera.json", database)
        for preset in arguments.presets.split(","):
            model = Path(folder) / f"{preset}.hinr"
            options = ["--seed", arguments.seed, "--representation", "radiance", "--preset", preset]
            clock, processors = run("train-views", database, "-o", model, *options)
            fitted = file.load(model)
            for name, one in (("in place", dataclasses.replace(fitted, paths=None)), ("carried", fitted)):
                seen = [one.picture(pictures.thetas[step]) for step in out]
                rows.append([f"radiance, `{preset}`, {name}", *means(seen, truths), *costs(clock, processors, model)])
                print(rows[-1], flush=True)
    return rows, ["PSNR", "worst", "on the clock", "processors", "model"], len(out)


def steps_at(pictures: PictureSet, time: float, column: int) -> np.ndarray:
    """The pictures of a time, in the order of their views."""
    steps = np.flatnonzero(pictures.thetas[:, column] == time)
    views = np.delete(pictures.thetas[steps], column, axis=1)
    return steps[np.lexsort(views.T)]


def means(pictures: list[np.ndarray], truths: list[np.ndarray]) -> list[str]:
    """PSNR and the worst."""
    numbers = [psnr(picture, truth, RANGE) for picture, truth in zip(pictures, truths)]
    return [f"{np.mean(numbers):.2f} dB", f"{min(numbers):.2f} dB"]


def costs(clock: float, processors: float, model: Path) -> list[str]:
    """Seconds and megabytes."""
    return [f"{clock:.0f} s", f"{processors:.0f} s", f"{model.stat().st_size / 1e6:.1f} MB"]


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
