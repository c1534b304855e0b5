"""Meta-SparseINR (Lee et al., 2021): SIRENs of few weights that fit a signal of a family in few steps of training.

Signals are the steps of one simulation of forced turbulence, and steps of another one are fitted; or they are reduced crops of
photographs, and crops of others are fitted. Writes sparse_inr.json, .md and .png into benchmarks/results, a part for each setup,
and goes on from what the JSON file holds.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

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

#: Share of the weights that are left that each round of pruning takes, and outer steps after it by those before the first.
SHARE, RETRAIN = 0.2, 0.2

#: Steps of Adam in which a signal is fitted and their rate, the second one the paper's; the third for pictures alone.
FITS = ((100, 1e-3), (100, 1e-4), (1000, 1e-4))

#: Rate of the meta-learning, where the paper's 1e-5 is for 150 000 steps, and of the two steps within it.
OUTER_RATE, INNER_RATE = 5e-4, 1e-2

#: Sine layers after the first, and signals that are learned from and fitted.
N_HIDDEN, N_LEARNED, N_FITTED = 3, 41, 2

SPARSE, NARROW, BRIEF = "Meta-SparseINR", "dense and narrow", "dense and narrow, no more steps"
METHODS = (SPARSE, NARROW, BRIEF, "pruned at once", "random pruning", "from scratch")

#: Photographs that scikit-image's wheel holds: of those that are learned from, and of those that are fitted.
LEARNED_PHOTOGRAPHS = ("astronaut", "camera", "coffee", "moon", "rocket")
FITTED_PHOTOGRAPHS = ("coins", "chelsea")


def main(arguments: list[str] | None = None) -> None:
    options = _options(arguments)
    name = f"{options.signals}, {options.outer_steps} outer steps"
    name += f", inner rate {options.inner_rate:g}" if options.inner_rate != INNER_RATE else ""
    setup = {key: getattr(options, key) for key in ("signals", "n", "width", "outer_steps", "inner_rate", "points")}
    path = options.output / "sparse_inr.json"
    document = json.loads(path.read_text()) if path.exists() else {}
    if document.get(name, {}).get("setup") != setup:
        document[name] = {"setup": setup, "results": {}}
    results = document[name]["results"]
    for seed in range(options.seeds):
        wanted = (
            (m, rounds) for rounds in options.rounds for m in options.methods if rounds or m not in (NARROW, BRIEF)
        )
        if all(f"{method}/{rounds}/{seed}" in results for method, rounds in wanted):
            continue
        fitted = _signals(options.signals, options.n, seed, True)
        started = time.monotonic()
        for method, rounds, network, masks, n_steps in _networks(options, seed):
            scores = _fit(network, masks, fitted, FITS if options.signals == "pictures" else FITS[:2])
            entry = {"params": n_kept(network, masks), "outer_steps": n_steps, "psnr": scores}
            results[f"{method}/{rounds}/{seed}"] = entry
            path.write_text(json.dumps(document, indent=1) + "\n")
            took = time.monotonic() - started
            print(f"{name}, {method}, {rounds} rounds, seed {seed}: {entry}, {took:.0f} s", flush=True)
    table = "# Meta-SparseINR beside other ways to few weights\n" + "".join(_table(*item) for item in document.items())
    path.with_suffix(".md").write_text(table)
    _draw(document, path.with_suffix(".png"))
    print(table)


def _networks(options: argparse.Namespace, seed: int) -> Iterator[tuple[str, int, torch.nn.Module, Weights, int]]:
    """Every method's initialisation, masks and outer steps, after each number of rounds."""
    signals = _signals(options.signals, options.n, seed, False)
    n_inputs, n_outputs = signals.points.shape[1], signals.values.shape[2]
    steps, retrain = options.outer_steps, round(RETRAIN * options.outer_steps)
    config = MetaConfig(
        outer_steps=steps, outer_rate=OUTER_RATE, inner_rate=options.inner_rate, points=options.points, seed=seed
    )
    dense = siren(n_inputs, n_outputs, options.width, N_HIDDEN, seed)
    pairs = meta_sparse(copy.deepcopy(dense), signals, config, max(options.rounds), SHARE, retrain)
    for rounds, (network, masks) in enumerate(pairs):
        if rounds == 0:
            learned = copy.deepcopy(network)
        if rounds not in options.rounds:
            continue
        share, more = 1 - (1 - SHARE) ** rounds, rounds * retrain
        yield SPARSE, rounds, network, masks, steps + more
        if "pruned at once" in options.methods:
            at_once = copy.deepcopy(learned)
            yield "pruned at once", rounds, at_once, prune(at_once, all_kept(at_once), share), steps
        if "from scratch" in options.methods:
            yield "from scratch", rounds, siren(n_inputs, n_outputs, options.width, N_HIDDEN, seed + 1), masks, 0
        if "random pruning" in options.methods:
            drawn = copy.deepcopy(dense)
            kept = prune_randomly(drawn, all_kept(drawn), share, seed)
            learn(drawn, kept, signals, config.replace(outer_steps=steps + more))
            yield "random pruning", rounds, drawn, kept, steps + more
        if rounds and {NARROW, BRIEF} & set(options.methods):
            width = _width(n_inputs, n_outputs, N_HIDDEN, n_kept(network, masks))
            narrow = siren(n_inputs, n_outputs, width, N_HIDDEN, seed)
            kept = all_kept(narrow)
            learn(narrow, kept, signals, config)
            yield BRIEF, rounds, narrow, kept, steps
            learn(narrow, kept, signals, config.replace(outer_steps=more, seed=seed + 1))
            yield NARROW, rounds, narrow, kept, steps + more


def _fit(network: torch.nn.Module, masks: Weights, fitted: Signals, fits: tuple) -> dict[str, float]:
    """PSNR in dB by how the signals are fitted, their mean."""
    found = {}
    for steps, rate in fits:
        scores = [fit(copy.deepcopy(network), masks, fitted.points, v, steps, rate) for v in fitted.values]
        found[f"{steps} steps at {rate:g}"] = float(np.mean(scores))
    return found


def _width(n_inputs: int, n_outputs: int, n_hidden: int, n_params: int) -> int:
    """Neurons of a dense SIREN of about so many numbers."""
    a, b, c = n_hidden, n_inputs + 1 + n_hidden + n_outputs, n_outputs - n_params
    return max(1, round((-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)))


def _signals(kind: str, n: int, seed: int, fitted: bool) -> Signals:
    """Signals to learn from or to fit; no simulation or photograph is among both."""
    count = N_FITTED if fitted else N_LEARNED
    if kind == "pictures":
        arrays = _pictures(n, FITTED_PHOTOGRAPHS if fitted else LEARNED_PHOTOGRAPHS, count, seed)
        low, high = np.zeros(1), np.full(1, 255.0)
    else:
        series = turbulence_series(n, count, 50 + seed if fitted else seed)
        arrays = np.stack([series.read(step, [FIELD]).reshape(n, n, n) for step in range(count)])
        low, high = arrays.min(axis=(1, 2, 3)), arrays.max(axis=(1, 2, 3))
    axes = [torch.linspace(-1, 1, n)] * (arrays.ndim - 1)
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(n ** len(axes), -1)
    values = arrays.reshape(count, -1, 1)
    low, high = low.reshape(-1, 1, 1), high.reshape(-1, 1, 1)
    return Signals(points, torch.from_numpy((2 * (values - low) / (high - low) - 1).astype(np.float32)))


def _pictures(n: int, names: tuple[str, ...], count: int, seed: int) -> np.ndarray:
    """Grey crops (count, n, n) of photographs in turn, 0 to 255, each pixel the mean of 4 x 4."""
    try:
        from skimage import data
    except ImportError:
        raise SystemExit(
            "--signals pictures needs the photographs of scikit-image, which is not installed; pip install scikit-image"
        ) from None
    photographs = [getattr(data, name)() for name in names]
    photographs = [p.mean(axis=2) if p.ndim == 3 else p.astype(float) for p in photographs]
    generator, side, crops = np.random.default_rng(seed), 4 * n, []
    for number in range(count):
        photograph = photographs[number % len(names)]
        row, column = (generator.integers(0, size - side, endpoint=True) for size in photograph.shape)
        crops.append(photograph[row : row + side, column : column + side].reshape(n, 4, n, 4).mean(axis=(1, 3)))
    return np.stack(crops)


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--signals", choices=("volumes", "pictures"), default="volumes")
    parser.add_argument("--outer-steps", type=int, default=100, help="of meta-learning before the first pruning (100)")
    parser.add_argument("--inner-rate", type=float, default=INNER_RATE, help="of the steps within one (0.01)")
    parser.add_argument("--rounds", type=int, nargs="+", default=[7], help="of pruning, to be measured after (7)")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS[:3]), help="(the first three)")
    parser.add_argument("--seeds", type=int, default=3, help="families of signals and initialisations (3)")
    parser.add_argument("-n", type=int, help="points along each axis (32, of volumes 16)")
    parser.add_argument("--width", type=int, default=32, help="neurons of a layer before pruning (32)")
    parser.add_argument("--points", type=int, default=256, help="of each signal in a step of meta-learning (256)")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(arguments)
    options.n = options.n or (32 if options.signals == "pictures" else 16)
    return options


def _rows(results: dict) -> dict[tuple[int, str], list[dict]]:
    """What the seeds gave, by rounds and method."""
    rows: dict[tuple[int, str], list[dict]] = {}
    for key, entry in results.items():
        method, rounds, _ = key.split("/")
        rows.setdefault((int(rounds), method), []).append(entry)
    return dict(sorted(rows.items(), key=lambda item: (item[0][0], METHODS.index(item[0][1]))))


def _ahead(rows: dict, rounds: int, other: str) -> dict[str, list[float]]:
    """How many dB Meta-SparseINR is ahead of another method, a number a seed, by how signals are fitted."""
    pairs = list(zip(rows[rounds, SPARSE], rows[rounds, other]))
    return {how: [ours["psnr"][how] - theirs["psnr"][how] for ours, theirs in pairs] for how in pairs[0][0]["psnr"]}


def _spread(values: list[float], sign: str = "") -> str:
    return f"{np.mean(values):{sign}.2f}" + (f" +- {np.std(values, ddof=1):.2f}" if len(values) > 1 else "")


def _table(name: str, part: dict) -> str:
    setup, rows = part["setup"], _rows(part["results"])
    n_seeds, dimensions = max(map(len, rows.values())), 2 if setup["signals"] == "pictures" else 3
    fits = next(iter(rows.values()))[0]["psnr"]
    lines = [
        f"\n## {name}\n",
        f"SIRENs of {N_HIDDEN} hidden layers of {setup['width']}, {setup['signals']} of {setup['n']}^{dimensions}; PSNR in dB of "
        f"signals of another family after steps of Adam. {setup['outer_steps']} outer steps of MAML, and {RETRAIN:g} of that "
        f"after each round of pruning; {n_seeds} seeds, +- their standard deviation.\n",
        "| rounds | method | numbers | outer steps | " + " | ".join(fits) + " |",
        "|---" * (4 + len(fits)) + "|",
    ]
    for (rounds, method), entries in rows.items():
        scores = " | ".join(_spread([e["psnr"][how] for e in entries]) for how in fits)
        lines.append(f"| {rounds} | {method} | {entries[0]['params']} | {entries[0]['outer_steps']} | {scores} |")
    for rounds, other in rows:
        if other in (NARROW, BRIEF):
            scores = " | ".join(_spread(values, "+") for values in _ahead(rows, rounds, other).values())
            lines.append(f"| {rounds} | {SPARSE} minus {other} | | | {scores} |")
    return "\n".join(lines) + "\n"


def _draw(document: dict, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), dpi=130, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, other, title in zip(
        panels, (NARROW, BRIEF), ("of as many outer steps", "of the first outer steps alone")
    ):
        found = [
            (f"{name.replace(', ', chr(10))}\n{rounds} rounds", _ahead(rows, rounds, other))
            for name, part in sorted(document.items())
            for rows in [_rows(part["results"])]
            for rounds in sorted({r for r, method in rows if method == other})
        ]
        for number, (steps, rate) in enumerate(FITS):
            how = f"{steps} steps at {rate:g}"
            shown = [(x, ahead[how]) for x, (_, ahead) in enumerate(found) if how in ahead]
            axes.errorbar(
                [x + 0.15 * (number - 1) for x, _ in shown], [np.mean(v) for _, v in shown],
                [np.std(v, ddof=1) if len(v) > 1 else 0 for _, v in shown], fmt="os^"[number], capsize=3, label=how,
            )  # fmt: skip
        axes.axhline(0, color="grey", linewidth=1)
        axes.set_xticks(range(len(found)), [label for label, _ in found], fontsize=6.5)
        axes.set_title(f"beside a dense and narrow one\n{title}", fontsize=9)
    panels[0].set_ylabel("Meta-SparseINR ahead, dB")
    panels[1].legend(title="fitted in", fontsize=8)
    figure.savefig(path)


if __name__ == "__main__":
    main()
