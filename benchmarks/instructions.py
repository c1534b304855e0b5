"""How many instructions the units of NEON and AVX2 execute for a point, under QEMU.

    .venv/bin/python benchmarks/instructions.py --output benchmarks/results/cpu_neon_instructions.md

The figure is no time: no processor of ARM's was at hand.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.config import EncodingConfig, NetworkConfig

sys.path.insert(0, str(Path(__file__).resolve().parent / "emulated"))
import emulated

#: What is counted: how often to blend, decode, sample and train.
WORK = {
    "blend, 8 encoders, a number of the table": (1, 0, 0, 0),
    "decode, rows of a grid": (0, 1, 0, 0),
    "decode, scattered points": (0, 0, 1, 0),
    "training, loss and gradients": (0, 0, 0, 1),
}
GRID = (48, 10, 5)
#: Lanes of float32.
WIDTHS = {"neon": 4, "avx2": 8}
MODELS = {
    "8 levels of 4 features, 4 layers of 64": Architecture(EncodingConfig(log2_hashmap_size=12), NetworkConfig(), 1),
    "16 levels of 2 features, 2 layers of 64": Architecture(
        EncodingConfig(n_levels=16, n_features_per_level=2, per_level_scale=1.4, log2_hashmap_size=12),
        NetworkConfig(64, 2),
        1,
    ),
}
TITLE = "# Instructions of NEON's unit and of AVX2's, for a point"
MEANING = """Executed instructions of one thread, all of the library's and not the vectors' alone, counted by a plugin of QEMU's
user emulation (`benchmarks/emulated/count.c`), the same for both processors: a program that does the work twice less one that
does it once, over its points (of the blend, over the numbers of the table). Both are compiled by GCC as CMakeLists.txt says.

NEON's vectors hold four floats and AVX2's eight, so twice as many instructions would be as good a use of each vector. The last
column is for 128 bits of width: NEON's instructions times four floats over AVX2's times eight.

Counts are no times: AVX2 folds loads into arithmetic, NEON multiplies by a lane, and no processor of ARM's was at hand."""


def job(architecture: Architecture, n_points: int = 2400) -> emulated.Job:
    """Random numbers for a model, and a grid of 48 x 10 x 5 points."""
    rng = np.random.default_rng(0)
    encoders = rng.uniform(-1, 1, (8, architecture.n_table))
    mlp = np.concatenate([rng.normal(size=o * i) * np.sqrt(2 / i) for o, i in architecture.layer_shapes])
    points = rng.random((n_points, architecture.encoding.n_pos_dims))
    targets = rng.random((n_points, architecture.n_outputs))
    axes = tuple(np.linspace(0, 1, n) for n in GRID)
    return emulated.Job(architecture, encoders, rng.random(8), mlp, points, targets, axes)


def per_item(isa: str, drivers: dict[str, Path], counter: Path, folder: Path, task: emulated.Job) -> dict[str, float]:
    """Instructions for a point (for a blend, a number of the table) of each kind of work: those of twice less those of once."""
    found, items = {}, (task.encoders.shape[1], int(np.prod(GRID)), len(task.points), len(task.points))
    for name, times in WORK.items():
        twice = tuple(2 * n for n in times)
        counts = [emulated.count(drivers[isa], isa, task, folder, counter, often) for often in (times, twice)]
        found[name] = (counts[1] - counts[0]) / items[times.index(1)]
    return found


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """A table by model, work and unit: instructions, and the ratio."""
    lines = ["| model | work | NEON | AVX2 | NEON / AVX2 | for 128 bits of width |", "|---|---|---|---|---|---|"]
    for model, units in found.items():
        for work in WORK:
            neon, avx2 = units["neon"][work], units["avx2"][work]
            ratio = neon / avx2
            width = ratio * WIDTHS["neon"] / WIDTHS["avx2"]
            lines.append(f"| {model} | {work} | {neon:.1f} | {avx2:.1f} | {ratio:.2f} | {width:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Builds both, counts, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path)
    output = parser.parse_args().output
    with tempfile.TemporaryDirectory() as name:
        folder, found = Path(name), {}
        drivers = {isa: emulated.build(isa, folder) for isa in emulated.PROCESSORS}
        counter = emulated.build_counter(folder)
        for model, architecture in MODELS.items():
            task = job(architecture)
            found[model] = {isa: per_item(isa, drivers, counter, folder, task) for isa in drivers}
    text = table(found)
    print(text)
    if output:
        output.write_text(f"{TITLE}\n\n{text}\n\n{MEANING}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
