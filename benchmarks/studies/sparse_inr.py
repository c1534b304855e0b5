"""Meta-SparseINR (Lee et al., 2021): SIRENs of few weights that fit a step of a simulation in few steps of training.

Signals are the steps of one simulation of forced turbulence; what is fitted are steps of another one. Writes sparse_inr.json,
.md and .png into benchmarks/results, and goes on from what the JSON file holds.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from study import FIELD, RESULTS, turbulence_series

from hyperinr_core.training.meta import (
    MetaConfig,
    Signals,
    Weights,
    all_kept,
    fit,
    learn,
    meta_sparse,
    n_kept,
    prune,
    prune_randomly,
    siren,
)

#: Rounds of pruning after which is measured; each takes a fifth of the weights that are left.
ROUNDS, SHARE = (0, 3, 7, 10, 14), 0.2

#: Steps of Adam, and their rate, in which a signal is fitted.
FIT_STEPS, FIT_RATE = 100, 1e-3

#: Rate of the meta-learning; the paper's 1e-5 is for a hundred times as many steps.
OUTER_RATE = 5e-4

#: Steps of the other simulation that are fitted.
N_FITTED = 2

METHODS = ("Meta-SparseINR", "MAML, pruned at once", "random pruning, MAML", "dense and narrow, MAML", "from scratch")


def main() -> None:
    options = _options()
    n, width, n_hidden = (64, 256, 3) if options.full else (32, 64, 3)
    steps = options.outer_steps or (20_000 if options.full else 200)
    setup = {"n": n, "width": width, "n_hidden": n_hidden, "outer_steps": steps, "fit_steps": FIT_STEPS}
    path = RESULTS / "sparse_inr.json"
    results = _read(path, setup)
    for seed in range(options.seeds):
        if all(f"{method}/{rounds}/{seed}" in results for method in METHODS for rounds in ROUNDS):
            continue
        signals, fitted = _signals(n, 41, seed), _signals(n, N_FITTED, 50 + seed)
        config = MetaConfig(outer_steps=steps, outer_rate=OUTER_RATE, points=1024, seed=seed)
        for method, rounds, network, masks in _networks(signals, config, width, n_hidden, seed):
            started = time.monotonic()
            scores = [
                fit(copy.deepcopy(network), masks, fitted.points, values, FIT_STEPS, FIT_RATE)
                for values in fitted.values
            ]
            entry = {"psnr": float(np.mean(scores)), "params": n_kept(network, masks)}
            results[f"{method}/{rounds}/{seed}"] = entry
            path.write_text(json.dumps({"setup": setup, "results": results}, indent=1))
            took = time.monotonic() - started
            print(f"{method}, {entry['params']} numbers, seed {seed}: {entry['psnr']:.2f} dB, {took:.0f} s", flush=True)
    table = _table(results, options.seeds, setup)
    path.with_suffix(".md").write_text(table)
    _draw(results, options.seeds)
    print(table)


def _networks(
    signals: Signals, config: MetaConfig, width: int, n_hidden: int, seed: int
) -> Iterator[tuple[str, int, torch.nn.Module, Weights]]:
    """Every method's initialisation and masks, after each number of rounds."""
    n_inputs, n_outputs = signals.points.shape[1], signals.values.shape[2]
    retrain = config.outer_steps // 4
    pairs = meta_sparse(siren(n_inputs, n_outputs, width, n_hidden, seed), signals, config, max(ROUNDS), SHARE, retrain)
    for rounds, (network, masks) in enumerate(pairs):
        if rounds == 0:
            dense = copy.deepcopy(network)
        if rounds not in ROUNDS:
            continue
        share = 1 - (1 - SHARE) ** rounds
        yield "Meta-SparseINR", rounds, network, masks
        at_once = copy.deepcopy(dense)
        yield "MAML, pruned at once", rounds, at_once, prune(at_once, all_kept(at_once), share)
        scratch = siren(n_inputs, n_outputs, width, n_hidden, seed + 1)
        yield "from scratch", rounds, scratch, masks
        # the same number of outer steps as Meta-SparseINR had by now
        longer = config.replace(outer_steps=config.outer_steps + rounds * retrain)
        drawn = siren(n_inputs, n_outputs, width, n_hidden, seed)
        kept = prune_randomly(drawn, all_kept(drawn), share, seed)
        learn(drawn, kept, signals, longer)
        yield "random pruning, MAML", rounds, drawn, kept
        narrow = siren(
            n_inputs, n_outputs, _width(n_inputs, n_outputs, n_hidden, n_kept(network, masks)), n_hidden, seed
        )
        learn(narrow, all_kept(narrow), signals, longer)
        yield "dense and narrow, MAML", rounds, narrow, all_kept(narrow)


def _width(n_inputs: int, n_outputs: int, n_hidden: int, n_params: int) -> int:
    """Neurons of a dense SIREN of about so many numbers."""
    a, b, c = n_hidden, n_inputs + 1 + n_hidden + n_outputs, n_outputs - n_params
    return max(1, round((-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)))


def _signals(n: int, n_steps: int, seed: int) -> Signals:
    series = turbulence_series(n, n_steps, seed)
    volumes = np.stack([series.read(step, [FIELD]).reshape(-1, 1) for step in range(n_steps)])
    low, high = volumes.min(axis=(1, 2), keepdims=True), volumes.max(axis=(1, 2), keepdims=True)
    axis = torch.linspace(-1, 1, n)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    return Signals(points, torch.from_numpy((2 * (volumes - low) / (high - low) - 1).astype(np.float32)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="a size for a night")
    parser.add_argument("--seeds", type=int, default=2, help="simulations and initialisations (default 2)")
    parser.add_argument("--outer-steps", type=int, help="of meta-learning before the first pruning")
    return parser.parse_args()


def _read(path, setup: dict) -> dict:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return document["results"] if document["setup"] == setup else {}


def _table(results: dict, n_seeds: int, setup: dict) -> str:
    spread = f"{n_seeds} seeds, +- their standard deviation" if n_seeds > 1 else "one seed"
    lines = [
        "# Meta-SparseINR beside other ways to few weights",
        "",
        f"SIRENs of {setup['n_hidden']} hidden layers of {setup['width']}, {setup['n']}^3 vorticity of forced turbulence; PSNR "
        f"in dB of steps of another simulation after {FIT_STEPS} steps of Adam. {setup['outer_steps']} outer steps of MAML, "
        f"and a quarter of that after each round of pruning; {spread}.",
        "",
        "| numbers left | " + " | ".join(METHODS) + " |",
        "|---" * (len(METHODS) + 1) + "|",
    ]
    for rounds in ROUNDS:
        cells = []
        for method in METHODS:
            scores = [results[f"{method}/{rounds}/{seed}"]["psnr"] for seed in range(n_seeds)]
            cells.append(f"{np.mean(scores):.2f}" + (f" +- {np.std(scores):.2f}" if n_seeds > 1 else ""))
        lines.append(f"| {results[f'{METHODS[0]}/{rounds}/0']['params']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _draw(results: dict, n_seeds: int) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for method in METHODS:
        entries = [[results[f"{method}/{rounds}/{seed}"] for seed in range(n_seeds)] for rounds in ROUNDS]
        axes.errorbar(
            [row[0]["params"] for row in entries], [np.mean([e["psnr"] for e in row]) for row in entries],
            [np.std([e["psnr"] for e in row]) for row in entries], marker="o", markersize=4, label=method,
        )  # fmt: skip
    axes.set(xscale="log", xlabel="numbers left", ylabel=f"PSNR after {FIT_STEPS} steps, dB")
    axes.legend(fontsize=8)
    figure.savefig(RESULTS / "sparse_inr.png")


if __name__ == "__main__":
    main()
