"""What the studies share: a series of turbulence, variants trained on every fifth step, a table and a figure.

Every study is one command and writes NAME.json, NAME.md and NAME.png into benchmarks/results. What the JSON file holds is not
trained again. A CPU takes a reduced size, `--full` the paper's (128^3, 100 steps), for a GPU, whose name their names then have.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for gpu.turbulence

from hyperinr.plugin.demo import turbulence
from hyperinr_core.measure.metrics import psnr, ssim
from hyperinr_core.training.gpu import choose_device
from hyperinr_core.training.students import Distilled
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.volume import Grid, VolumeSeries

RESULTS = Path(__file__).resolve().parents[1] / "results"

FIELD, EVERY = "vorticity", 5

#: Held-out steps of the paper's size that are measured, evenly spread.
MOST_MEASURED = 20


@dataclass
class Variant:
    """One line of a study's table.

    Attributes
    ----------
    method : a name of hyperinr_core.training.teachers.
    settings : parts of HyperINR's settings to change, as `RunConfig.replace` takes them.
    attributes : attributes to set on the method before it is fitted.
    samples : points drawn, relative to the study's.
    """

    method: str
    settings: dict = field(default_factory=dict)
    attributes: dict = field(default_factory=dict)
    samples: float = 1.0

    def make(self, series: VolumeSeries) -> Teacher:
        """The method, not yet fitted."""
        method = create(self.method, series, FIELD)
        if self.settings:
            method.config = method.config.replace(**self.settings)
        for name, value in self.attributes.items():
            setattr(method, name, value)
        return method


def run(name: str, title: str, variants: Callable[[int], dict[str, Variant]]) -> None:
    """The command line of a study.

    Parameters
    ----------
    variants : from the number of training steps to variants by label.
    """
    options = _options(title)
    n, n_steps = (128, 101) if options.full else (32, 41)
    samples = options.samples or (200_000_000 if options.full else 4_000_000)
    device = choose_device("auto")
    setup = {"n": n, "n_steps": n_steps, "samples": samples, "every": EVERY}
    card = f"_{_card().lower().replace(' ', '_')}" if options.full and device == "cuda" else ""
    path, begun = options.output / f"{name}{card}.json", time.monotonic()
    results = _read(path, setup)
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = list(variants((n_steps - 1) // EVERY + 1))
    for seed in range(options.seeds):
        missing = [label for label in labels if f"{label}/{seed}" not in results]
        series = turbulence_series(n, n_steps, seed, device) if missing else None
        with tempfile.TemporaryDirectory() as folder:
            for label in missing:
                if time.monotonic() - begun > options.seconds:
                    print(f"no time is left for {label}, seed {seed}", flush=True)
                    continue
                variant = variants((n_steps - 1) // EVERY + 1)[label]
                results[f"{label}/{seed}"] = _measure(
                    variant, series, samples, seed, device, Path(folder) / "teacher", options.full
                )
                path.write_text(json.dumps({"setup": setup, "results": results}, indent=1))
                print(f"{label}, seed {seed}: {results[f'{label}/{seed}']['psnr']:.2f} dB", flush=True)
    found = [label for label in labels if f"{label}/0" in results]
    if not found:
        return
    table = _table(title, found, results, setup, _card() if card else "")
    path.with_suffix(".md").write_text(table)
    _draw(title, found, results, path.with_suffix(".png"))
    print(table)


def _options(title: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--full", action="store_true", help="the paper's size, for a GPU")
    parser.add_argument("--seeds", type=int, default=3, help="simulations and initialisations (default 3)")
    parser.add_argument("--samples", type=int, help="points drawn for each variant")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="no variant begins after so many seconds")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder for the results")
    return parser.parse_args()


def _read(path: Path, setup: dict) -> dict:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document["results"] if document["setup"] == setup else {}


def _card() -> str:
    import torch

    return torch.cuda.get_device_name()


def turbulence_series(n: int, n_steps: int, seed: int, device: str = "cpu") -> VolumeSeries:
    """Forced turbulence in memory; seeds from 100 on, none of which settings were tuned on."""
    if device == "cuda":
        import torch
        from gpu.turbulence import simulate

        steps = simulate(n, n_steps, torch.device(device), 100 + seed)
        times, arrays = zip(*((time, flow.vorticity().square().sum(0).sqrt().cpu().numpy()) for time, flow in steps))
    else:
        times, volumes = zip(*turbulence.simulate("forced", n, n_steps, 100 + seed))
        arrays = tuple(fields[FIELD] for fields in volumes)
    return VolumeSeries(
        Grid((n, n, n)),
        times,
        {FIELD: 1},
        lambda step, name, z_range: arrays[step][slice(*(z_range or (0, n)))],
        f"forced turbulence {seed}",
    )


def _measure(
    variant: Variant, series: VolumeSeries, samples: int, seed: int, device: str, folder: Path, full: bool
) -> dict[str, float]:
    """Means over the held-out steps; teachers leave their volumes in a folder."""
    volumes = [series.read(step, [FIELD]) for step in range(len(series))]
    limits = (float(min(v.min() for v in volumes)), float(max(v.max() for v in volumes)))
    method = variant.make(series.select(range(0, len(series), EVERY)))
    if isinstance(method, Distilled) and method.taught_by == "flow":
        method.folder = folder
    started = time.monotonic()
    method.fit(FitSettings(samples=int(samples * variant.samples), seed=seed, device=device))
    train_s = time.monotonic() - started
    held_out = [step for step in range(len(series)) if step % EVERY]
    if full:
        held_out = [held_out[i] for i in np.linspace(0, len(held_out) - 1, MOST_MEASURED).round().astype(int)]
    values = [method.evaluate(series.thetas[step]) for step in held_out]
    truths = [volumes[step] for step in held_out]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        decibel = list(pool.map(lambda pair: psnr(*pair, limits), zip(values, truths)))
        similar = list(pool.map(lambda pair: ssim(*pair, limits), zip(values, truths)))
    return {
        "psnr": float(np.mean(decibel)),
        "ssim": float(np.mean(similar)),
        "train_s": train_s,
        "bytes": method.n_bytes,
    }


def _seeds(label: str, results: dict) -> list[dict]:
    """A variant's results, seed by seed."""
    return [entry for key, entry in results.items() if key.rsplit("/", 1)[0] == label]


def _table(title: str, labels: list[str], results: dict, setup: dict, card: str) -> str:
    n_seeds = max((len(_seeds(label, results)) for label in labels), default=0)
    lines = [
        f"# {title}",
        "",
        f"Forced turbulence, vorticity, {setup['n']}^3, {setup['n_steps']} steps, every {setup['every']}th trained on; "
        f"{setup['samples'] / 1e6:g} M samples, {n_seeds} seeds; means over held-out steps, +- the seeds' standard deviation"
        f"{f'; {card}, and the host for teachers that need no GPU' if card else ''}.",
        "",
        "| | PSNR [dB] | SSIM | training [s] | size [MB] |",
        "|---|---|---|---|---|",
    ]
    for label in labels:
        rows = _seeds(label, results)
        decibel, similar = [row["psnr"] for row in rows], [row["ssim"] for row in rows]
        lines.append(
            f"| {label} | {np.mean(decibel):.2f} +- {np.std(decibel):.2f} | {np.mean(similar):.4f} +- {np.std(similar):.4f} "
            f"| {np.mean([row['train_s'] for row in rows]):.0f} | {rows[0]['bytes'] / 1e6:.2f} |"
        )
    return "\n".join(lines) + "\n"


def _draw(title: str, labels: list[str], results: dict, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2 + 0.35 * len(labels)), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for place, label in enumerate(labels):
        decibel = [entry["psnr"] for entry in _seeds(label, results)]
        axes.barh(place, np.mean(decibel), xerr=np.std(decibel), color="#56b4e9")
        axes.plot(decibel, [place] * len(decibel), "k.", markersize=4)
    values = [entry["psnr"] for label in labels for entry in _seeds(label, results)]
    axes.set_xlim(min(values) - 2, max(values) + 1)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.set(xlabel="PSNR of held-out steps [dB] (dots: seeds)", title=title)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
