"""What lies between the steps of a series: every way to say it, on series of many kinds, with wider and wider gaps.

    .venv/bin/python benchmarks/between.py --reduced                     # 32^3, minutes
    .venv/bin/python benchmarks/between.py --data FOLDER --seeds 2       # 64^3, a night

Every 2nd, 4th, 8th or 16th step is given, and what is said of those in between is compared to them. Each series, gap and method
is a record in between.json, written as soon as it is measured; what is there is not measured again. The table and the figure
show what every method gains or loses over linear interpolation, at its worst step too.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from hyperinr.plugin.commands.bench import machine
from hyperinr_core.files import replacing
from hyperinr_core.measure.report import scores
from hyperinr_core.measure.series import value_range
from hyperinr_core.motion.kernel import carry
from hyperinr_core.motion.steps import Step
from hyperinr_core.training.motion.evidence import carried
from hyperinr_core.training.motion.pairs import Pairs
from hyperinr_core.training.motion.velocity import Velocity, scales
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import preset
from hyperinr_core.training.task import Tell
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.lattice import periodic_axes
from hyperinr_core.training.volumes.carry import find_carry
from hyperinr_core.training.volumes.survey import survey
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import VolumeSeries

sys.path.insert(0, str(Path(__file__).parent))
from between_series import MADE, PLACES, READ, VALUE, VELOCITY

RESULTS = Path(__file__).resolve().parent / "results"

#: Points along an axis, steps, gaps, and points drawn for each model.
FULL = {"n": 64, "n_steps": 65, "gaps": (2, 4, 8, 16), "samples": 30_000_000}
REDUCED = {"n": 32, "n_steps": 25, "gaps": (4, 8), "samples": 8_000_000}

#: Gaps of series that have few steps, of whatever size.
FEW_STEPS = {"nemo_u": (2, 4), "nemo_v": (2, 4)}

#: Held-out steps measured at most, evenly spread.
MOST_STEPS = 12

#: dB below linear interpolation from which on a mean is called a loss.
LOSS = 0.1

#: dB, of the figure's axis, whose scale is linear between -1 and 1 and logarithmic beyond.
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10, 30)

#: What a method makes of a series of training steps: values at a theta, bytes, and what is worth saying of it.
Made = tuple[Callable[[float], np.ndarray], int, str]

#: What was measured of a method; a series and a gap; all figures by series, gap and method, None where there are none.
Figures = dict[str, Any]
Row = tuple[str, int]
Cells = dict[tuple[str, int, str], Optional[Figures]]

#: What a model would carry, had it learned its training steps without a fault.
TRUE_STEPS = "motion of the true steps"


def teacher(name: str, series: VolumeSeries, samples: int, seed: int) -> Made:
    """One of the teachers that learn nothing."""
    made = create(name, survey(series, [VALUE], 1 << 32).series, VALUE)
    made.fit(FitSettings(seed=seed))
    return lambda theta: made.evaluate(np.array([theta])), made.n_bytes, ""


def velocity(series: VolumeSeries, samples: int, seed: int) -> Made:
    """Training steps along the paths of the saved velocity, believed everywhere."""
    found, times = survey(series, [VALUE, VELOCITY], 1 << 32).series, series.thetas[:, 0]
    periodic = periodic_axes([found.read(step, [VALUE]) for step in (0, len(series) - 1)])
    traced = Velocity(found, [VELOCITY], next(scales(series.grid, times)), periodic)
    pairs, ends = Pairs(found, VALUE, periodic, traced), {}

    def at(theta: float) -> np.ndarray:
        gap = int(np.searchsorted(times, theta)) - 1
        if gap not in ends:
            ends[gap] = pairs.nodes.fit(traced.ends(gap, gap + 1, pairs.nodes))
        return carried(pairs, [gap, gap + 1], 0, theta, ends[gap], [None, None], True)

    return at, 16 * series.grid.n_points * len(series), ""


def motion(series: VolumeSeries, samples: int, seed: int) -> Made:
    """The motion that a model would store, on the training steps themselves: what is lost without a network."""
    names = [VALUE, *(name for name in series.field_info if name == VELOCITY)]
    found = survey(series, names, 1 << 32)
    found, config = replace(found, fields=found.fields[:1]), preset("fast", series.grid)
    chosen = find_carry(found, names[1:], config, Tell())
    if chosen is None:  # a model would learn from a teacher
        chosen = find_carry(found, names[1:], config.replace(motion={"carry": "always"}), Tell())
    moving, trust = chosen.motion, chosen.motion.trust.max() / 255
    steps = [Step.of(found.series.read(step, [VALUE]), moving.periodic) for step in range(len(series))]
    axes = [np.arange(n, dtype=np.float32) for n in series.grid.shape]

    def at(theta: float) -> np.ndarray:
        moment = moving.moment(0, theta)
        return carry(moment, [steps[step] for step in moment.steps], axes)

    said = f"{chosen.choices[VALUE].reason}; trust to {trust:.2f}, bend {moving.bend[0]:.2f}"
    return at, 4 * series.grid.n_points * len(series) + moving.n_bytes, said


def model(settings: dict[str, dict], series: VolumeSeries, samples: int, seed: int) -> Made:
    """What `hyperinr train` makes."""
    config = preset("fast", series.grid).replace(training={"samples": samples, "seed": seed}, **settings)
    said: list[str] = []
    tell = Tell(
        chosen=lambda name, choice: said.append(f"{choice.teacher}: {choice.reason}"),
        based=lambda base, names: said.append("splines as a base"),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.hinr"
        made = train(Volumes(series, [VALUE]), path, config, tell=tell)
        n_bytes = os.path.getsize(path)
    return lambda theta: made.generate(theta).sample_grid(), n_bytes, "; ".join(said)


METHODS: dict[str, Callable[..., Made]] = {
    "linear": lambda *given: teacher("linear", *given),
    "Catmull-Rom": lambda *given: teacher("catmull_rom", *given),
    "flow": lambda *given: teacher("flow", *given),
    "velocity": velocity,
    TRUE_STEPS: motion,
    "ours": lambda *given: model({}, *given),
    "distilled": lambda *given: model({"motion": {"carry": "never"}}, *given),
    "steps alone": lambda *given: model({"motion": {"carry": "never"}, "distillation": {"teacher": "none"}}, *given),
}


def measured(method: str, series: VolumeSeries, gap: int, samples: int, seed: int) -> Figures:
    """Figures of the held-out steps; PSNR and SSIM are over the range of the whole series, and masked points do not count."""
    training = series.select(range(0, len(series), gap))
    steps = held_out(len(series), gap)
    limits = value_range(series, VALUE, range(len(series)))
    started = time.monotonic()
    at, n_bytes, said = METHODS[method](training, samples, seed)
    prepared = time.monotonic() - started
    found = [scores(at(float(series.thetas[step, 0])), series.read(step, [VALUE]), limits) for step in steps]
    decibel, similar = ([each[metric] for each in found] for metric in ("psnr", "ssim"))
    return {
        "psnr": float(np.mean(decibel)), "ssim": float(np.mean(similar)), "psnr_by_step": decibel, "steps": steps,
        "prepare_s": prepared, "evaluate_s": time.monotonic() - started - prepared, "bytes": n_bytes, "said": said,
    }  # fmt: skip


def held_out(n_steps: int, gap: int) -> list[int]:
    """Steps between the first and the last that is trained on, evenly spread, not always at the same place of a gap."""
    steps = [step for step in range((n_steps - 1) // gap * gap) if step % gap]
    chosen = np.linspace(0, len(steps) - 1, min(MOST_STEPS, len(steps))).round().astype(int)
    return [steps[i] for i in chosen]


class Records:
    """What is measured, in a file: {"machine", "records": {key: figures}}."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.records = json.loads(path.read_text())["records"]
        except (OSError, ValueError, KeyError):
            self.records = {}

    def add(self, key: str, figures: Figures) -> None:
        """Write it at once."""
        self.records[key] = figures
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.path) as part:
            part.write_text(json.dumps({"machine": machine(), "records": self.records}, indent=1))


def run(options: argparse.Namespace, size: dict[str, Any], records: Records) -> list[Row]:
    """Measure what is missing; (series, gap) of all that was asked for, in their order."""
    rows = []
    for name in options.series:
        for seed in range(options.seeds):
            series = None
            for gap in options.gaps or FEW_STEPS.get(name, size["gaps"]):
                for method in options.methods:
                    key = _key(name, size, gap, method, seed)
                    if key in records.records:
                        continue
                    series = series or _made(name, options, size, seed)
                    if not held_out(len(series), gap) or (method == "velocity" and VELOCITY not in series.field_info):
                        continue
                    records.add(key, measured(method, series, gap, size["samples"], seed))
                    print(f"{key}: {records.records[key]['psnr']:.2f} dB", flush=True)
                rows.append((name, gap))
    return list(dict.fromkeys(rows))


def _key(name: str, size: dict[str, Any], gap: int, method: str, seed: int) -> str:
    budget = f"/{size['samples']}" if method in ("ours", "distilled", "steps alone") else ""
    return f"{name}/{size['n']}/{size['n_steps']}/{gap}/{method}{budget}/{seed}"


def _made(name: str, options: argparse.Namespace, size: dict[str, Any], seed: int) -> VolumeSeries:
    if name in MADE:
        return MADE[name](size["n"], size["n_steps"], seed)
    return READ[name](options.data, size["n"] < FULL["n"])


def _figures(records: Records, size: dict[str, Any], name: str, gap: int, method: str, seeds: int) -> Figures | None:
    """Means over seeds, and gains over linear interpolation; None where it was not measured."""
    entries = []
    for seed in range(seeds):
        own, linear = (records.records.get(_key(name, size, gap, each, seed)) for each in (method, "linear"))
        if own and linear:
            gains = np.subtract(own["psnr_by_step"], linear["psnr_by_step"])
            entries.append({**own, "gain": float(gains.mean()), "worst": float(gains.min())})
    if not entries:
        return None
    numbers = ("psnr", "ssim", "gain", "prepare_s", "evaluate_s", "bytes")
    means = {number: float(np.mean([entry[number] for entry in entries])) for number in numbers}
    return {**means, "worst": min(entry["worst"] for entry in entries), "said": entries[0]["said"]}


def table(cells: Cells, rows: Sequence[Row], methods: Sequence[str], size: dict[str, Any], seeds: int) -> str:
    """Markdown: gains, SSIM, cost, and every loss of what a model would carry."""
    others = [method for method in methods if method != "linear"]

    def grid(title: str, names: Sequence[str], cell: Callable[[Figures], str]) -> list[str]:
        lines = ["", f"## {title}", "", "| series | gap | " + " | ".join(names) + " |", "|---" * (2 + len(names)) + "|"]
        for name, gap in rows:
            found = [cells[name, gap, method] for method in names]
            lines.append(f"| {name} | {gap} | " + " | ".join(cell(each) if each else "" for each in found) + " |")
        return lines

    lines = [
        "# Between the steps",
        "",
        f"Series of {size['n']}^3 points, those of others {'reduced' if size['n'] < FULL['n'] else 'as they are'}; "
        f"seeds: {seeds}; models of {size['samples'] / 1e6:g} M samples. "
        f"Means over held-out steps, at most {MOST_STEPS}; the range is that of the whole series. "
        "Empty: not measured, or no velocity there. Seconds are of one run, on a machine that may have had other work.",
        "",
        ", ".join(f"{key} {value}" for key, value in machine().items()),
        *grid("PSNR of linear interpolation, dB", ["linear"], lambda each: f"{each['psnr']:.1f}"),
        *grid("Gain over it in dB, mean (worst step); losses are bold", others, _gain),
        *grid("SSIM", methods, lambda each: f"{each['ssim']:.3f}"),
        *grid("Seconds to prepare + to give all held-out steps, MB", methods, _cost),
        *_losses(cells),
    ]
    return "\n".join(lines) + "\n"


def _gain(each: Figures) -> str:
    text = f"{each['gain']:+.1f} ({each['worst']:+.1f})"
    return f"**{text}**" if each["gain"] < -LOSS else text


def _cost(each: Figures) -> str:
    return f"{each['prepare_s']:.1f} + {each['evaluate_s']:.1f}, {each['bytes'] / 1e6:.2f}"


def _losses(cells: Cells) -> list[str]:
    lines = ["", f"## Where a model, or its motion, is more than {LOSS} dB below linear interpolation", ""]
    for (name, gap, method), each in cells.items():
        if each and method in ("ours", TRUE_STEPS) and each["gain"] < -LOSS:
            gain = f"{each['gain']:+.2f} dB in the mean, {each['worst']:+.2f} at worst"
            lines.append(f"- {name}, gap {gap}, {method}: {gain} ({each['said']})")
    return lines if lines[-1] else [*lines, "Nowhere."]


def draw(cells: Cells, rows: Sequence[Row], methods: Sequence[str], path: Path) -> None:
    """Gains over linear interpolation: what lies left of the line is a loss."""
    from matplotlib.figure import Figure

    others = [method for method in methods if method != "linear"]
    figure = Figure(figsize=(10, 1.6 + 0.3 * len(rows)), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    for number, method in enumerate(others):
        found = [(place, cells[(*row, method)]) for place, row in enumerate(rows)]
        found = [(place, each) for place, each in found if each]
        axes.plot(
            [each["gain"] for _, each in found], [place for place, _ in found], "osD^vP*"[number % 7],
            markersize=8 if method == "ours" else 5, label=method, zorder=3 if method == "ours" else 2,
            markeredgecolor="black" if method == "ours" else "none",
        )  # fmt: skip
    low, high = axes.get_xlim()
    axes.axvspan(min(low, -LOSS) - 1, -LOSS, color="#d55e00", alpha=0.12, zorder=0)
    axes.axvline(0, color="black", linewidth=1)
    axes.set_xscale("symlog", linthresh=1)
    ticks = [each for each in TICKS if low <= each <= high]
    axes.set_xticks(ticks, [f"{each:g}" for each in ticks])
    axes.set_xlim(min(low, -1), max(high, 1))
    axes.set_yticks(range(len(rows)), [f"{name}, {gap}" for name, gap in rows])
    axes.invert_yaxis()
    axes.grid(axis="y", alpha=0.3)
    axes.set(xlabel="gain over linear interpolation [dB]; shaded: worse", title="Between the steps: series, gap")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    figure.savefig(path)


def main() -> None:
    """The command line."""
    options = _options()
    given = {key: value for key in ("n", "n_steps", "samples") if (value := getattr(options, key))}
    size = {**(REDUCED if options.reduced else FULL), **given}
    path = options.output / ("between_reduced.json" if options.reduced else "between.json")
    records = Records(path)
    rows = run(options, size, records)
    cells = {
        (name, gap, method): _figures(records, size, name, gap, method, options.seeds)
        for name, gap in rows
        for method in options.methods
    }
    rows = [row for row in rows if any(cells[(*row, method)] for method in options.methods)]
    path.with_suffix(".md").write_text(text := table(cells, rows, options.methods, size, options.seeds))
    draw(cells, rows, options.methods, path.with_suffix(".png"))
    print(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    every = [*MADE, *READ]
    parser.add_argument("--reduced", action="store_true", help="32^3, two gaps, small models")
    folders = ", ".join(sorted(set(PLACES.values())))
    parser.add_argument("--data", type=Path, help=f"a folder that holds {folders}")
    parser.add_argument("--series", nargs="+", choices=every, default=every)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--gaps", nargs="+", type=int)
    parser.add_argument("--seeds", type=int, default=1, help="simulations and initialisations (default 1)")
    parser.add_argument("--n", type=int, help="points along an axis")
    parser.add_argument("--n-steps", type=int, help="steps of the series that are made here")
    parser.add_argument("--samples", type=int, help="points drawn for each model")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.methods = [name for name in METHODS if name in ("linear", *options.methods)]  # all else is beside it
    data = options.data
    options.series = [name for name in options.series if name in MADE or (data and (data / PLACES[name]).exists())]
    return options


if __name__ == "__main__":
    main()
