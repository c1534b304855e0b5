"""`hyperinr compare`: every way to fill the gaps between training steps, measured on steps that none of them saw."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from hyperinr_core.errors import HyperINRError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.training.teachers import CHEAP, STUDENTS, teachers_of

#: What is compared unless methods are named: the neural rivals take long on a CPU and are asked for.
DEFAULT_METHODS = (*CHEAP, "hyperinr_direct", "hyperinr")

#: Held-out steps measured at most unless a number is given, evenly spread.
MOST_STEPS = 20

#: One method's figures.
Entry = dict[str, Any]


@click.command()
@click.argument("series", nargs=-1, required=True)
@click.option(
    "-o", "--output", default="comparison", show_default=True, type=click.Path(file_okay=False, path_type=Path)
)
@click.option("--field", help="Field to compare.  [default: the first]")
@click.option("--every", default=5, show_default=True, type=click.IntRange(2), help="Train on every N-th step.")
@click.option(
    "--methods", default=",".join(DEFAULT_METHODS), show_default=True, help="Names with commas between, or all."
)
@click.option(
    "--budget", default=60.0, show_default=True, type=click.FloatRange(0.1), help="Seconds to train each method."
)
@click.option(
    "--steps", default=MOST_STEPS, show_default=True, type=click.IntRange(1), help="Held-out steps to measure."
)
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]))
@click.option("--dims", nargs=3, type=click.IntRange(1), help="nx ny nz of .raw data.")
@click.option("--dtype", help="NumPy type of .raw data, such as uint8 or <f4.")
def compare(
    series: tuple[str, ...],
    output: Path,
    field: str | None,
    every: int,
    methods: str,
    budget: float,
    steps: int,
    seed: int,
    device: str,
    dims: tuple[int, int, int] | None,
    dtype: str | None,
) -> None:
    """Train every method on every N-th step of SERIES and measure it on the steps between.

    Writes table.png, psnr.png, differences.png and comparison.json into a folder. Methods that the folder holds already,
    measured with the same options, are not trained again; an interrupted one goes on where it was.
    """
    from hyperinr.filters.readers.series import open_series
    from hyperinr.plugin.progress import training_progress
    from hyperinr_core.training.trainer import Interrupted, choose_device

    data = open_series(series[0] if len(series) == 1 else list(series), dims=dims, dtype=dtype)
    name = field or next(iter(data.field_info))
    comparison = Comparison(data, name, every, steps, budget, seed, choose_device(device), output)
    try:
        with training_progress() as progress:
            for method in chosen_methods(methods):
                comparison.run(method, progress.part)
    except (Interrupted, KeyboardInterrupt):
        click.echo(f"\nStopped. What is done is kept in {output}; repeat the command to go on.", err=True)
        sys.exit(130)
    _print_table(comparison)
    comparison.draw()
    click.echo(f"{output}: table.png, psnr.png, differences.png, comparison.json")


def chosen_methods(text: str) -> list[str]:
    """Names from a list with commas; ParameterError for one that is not known."""
    known = [*teachers_of("volumes"), *STUDENTS]
    names = known if text == "all" else [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        found = f"{unknown[0]!r}, which is no method" if unknown else "no names"
        raise ParameterError(f"--methods has {found}; expected all, or some of {', '.join(known)}")
    return list(dict.fromkeys(names))


class Comparison:
    """Methods measured on one field of one series, kept in a folder as they are finished.

    Parameters
    ----------
    every : each so many-th step is trained on.
    n_steps : held-out steps measured, at most.
    budget : seconds of training for each method that learns.
    """

    def __init__(
        self, series: Any, field: str, every: int, n_steps: int, budget: float, seed: int, device: str, folder: Path
    ) -> None:
        trained = range(0, len(series), every)
        held_out = [step for step in range(trained[-1]) if step % every]
        if len(trained) < 2 or not held_out:
            raise ParameterError(
                f"{series.source} has {len(series)} steps, of which --every {every} leaves {len(held_out)} between the "
                "training steps; expected at least one"
            )
        self.series, self.field, self.folder = series, field, folder
        self.training = series.select(trained)
        spread = np.linspace(0, len(held_out) - 1, min(n_steps, len(held_out))).round().astype(int)
        self.steps = [held_out[i] for i in spread]
        self.value_range = _value_range(series, field)
        self._budget, self._seed, self._device = budget, seed, device
        self._setup = {
            "source": series.source,
            "field": field,
            "every": every,
            "steps": self.steps,
            "budget_s": budget,
            "seed": seed,
            "value_range": list(self.value_range),
        }
        self._spent: dict[str, float] = {}  # seconds of training that were interrupted
        self.methods = self._read()

    @property
    def hardest(self) -> int:
        """The measured step that linear interpolation misses most, or the middle one where it was not measured."""
        curve = self.methods.get("linear", {}).get("psnr_by_step")
        return self.steps[int(np.argmin(curve)) if curve else len(self.steps) // 2]

    def run(self, name: str, progress: Callable[[str, float, float], Any]) -> None:
        """Fit and measure one method, unless the folder holds it already."""
        from hyperinr_core.training.teachers import create
        from hyperinr_core.training.teachers.base import FitSettings

        if name in self.methods:
            return
        self._make_folder()
        state = self.folder / f"{name}.state"
        before, started = self._spent.get(name, 0.0), time.monotonic()
        method = create(name, self.training, self.field)
        try:
            method.fit(
                FitSettings(
                    seconds=self._budget, seed=self._seed, state=state, device=self._device,
                    progress=lambda done: progress(f"fitting {name}", done, 1.0),
                )
            )  # fmt: skip
        finally:
            train_s = self._spent[name] = before + time.monotonic() - started
            self._write()
        self.methods[name] = {**self._measure(name, method, progress), "train_s": train_s, "bytes": method.n_bytes}
        self._write()
        state.unlink(missing_ok=True)

    def volume(self, name: str) -> np.ndarray:
        """A method's values at the hardest step."""
        return np.load(self.folder / f"{name}.npy")

    def draw(self) -> None:
        """Write the pictures.

        Raises HyperINRError without matplotlib.
        """
        from hyperinr.plugin.comparison_pictures import draw_curves, draw_differences, draw_table

        draw_table(self, self.folder / "table.png")
        draw_curves(self, self.folder / "psnr.png")
        draw_differences(self, self.folder / "differences.png")

    def _measure(self, name: str, method: Any, progress: Callable[[str, float, float], Any]) -> Entry:
        from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim

        decibel, similar, seconds = [], [], []
        for done, step in enumerate(self.steps, start=1):
            started = time.monotonic()
            values = method.evaluate(self.series.thetas[step])
            seconds.append(time.monotonic() - started)
            truth = self.series.read(step, [self.field])
            decibel.append(min(psnr(values, truth, self.value_range), PSNR_CAP))
            similar.append(ssim(values, truth, self.value_range))
            if step == self.hardest:
                np.save(self.folder / f"{name}.npy", values)
            progress(f"measuring {name}", done, len(self.steps))
        return {
            "psnr": float(np.mean(decibel)),
            "ssim": float(np.mean(similar)),
            "psnr_worst": min(decibel),
            "ssim_worst": min(similar),
            # the first evaluations prepare what later ones share
            "decode_ms": 1000 * float(np.median(seconds)),
            "psnr_by_step": decibel,
        }

    def _read(self) -> dict[str, Entry]:
        try:
            document = json.loads((self.folder / "comparison.json").read_text())
            if document["setup"] != json.loads(json.dumps(self._setup)):
                for state in self.folder.glob("*.state*"):  # of methods that were begun with other options
                    state.unlink()
                return {}
            self._spent = document["spent"]
            return document["methods"]
        except (OSError, ValueError, KeyError):
            return {}

    def _write(self) -> None:
        document = {"setup": self._setup, "methods": self.methods, "spent": self._spent}
        with replacing(self.folder / "comparison.json") as part:
            part.write_text(json.dumps(document, indent=1))

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HyperINRError(
                f"{self.folder} cannot be made ({error}); give a folder that can be written to"
            ) from None


def _value_range(series: Any, field: str) -> tuple[float, float]:
    volumes = (series.read(step, [field]) for step in range(len(series)))
    lows, highs = zip(*((float(volume.min()), float(volume.max())) for volume in volumes))
    return min(lows), max(highs)


def ranking(methods: dict[str, Entry]) -> list[str]:
    """Names, the best mean PSNR first."""
    return sorted(methods, key=lambda name: -methods[name]["psnr"])


def table_rows(methods: dict[str, Entry], names: Sequence[str]) -> list[list[str]]:
    """What people read of each method."""
    base = methods.get("linear")
    rows = []
    for name in names:
        entry = methods[name]
        gain = "" if base is None or name == "linear" else f"{entry['psnr'] - base['psnr']:+.2f}"
        rows.append(
            [
                name, f"{entry['psnr']:.2f}", gain, f"{entry['psnr_worst']:.2f}", f"{entry['ssim']:.4f}",
                f"{entry['ssim_worst']:.4f}", f"{entry['train_s']:.0f}", f"{entry['decode_ms']:.1f}",
                f"{entry['bytes'] / 1e6:.2f}",
            ]
        )  # fmt: skip
    return rows


#: Headings of `table_rows`.
HEADINGS = (
    "method", "PSNR [dB]", "to linear", "worst", "SSIM", "worst", "training [s]", "decoding [ms]", "size [MB]",
)  # fmt: skip


def _print_table(comparison: Comparison) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{comparison.field}: {len(comparison.steps)} steps that no method was trained on")
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if number else "left")
    for row in table_rows(comparison.methods, ranking(comparison.methods)):
        table.add_row(*row)
    Console(width=120).print(table)
