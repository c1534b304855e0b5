"""Every way to fill the gaps between training steps, measured on steps that none of them saw."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.errors import HyperINRError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.measure.report import scores
from hyperinr_core.measure.series import value_range
from hyperinr_core.shift import shifted_series, shifts_for
from hyperinr_core.training.teachers import CHEAP, STUDENTS, create, teachers_of
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.volumes.survey import survey
from hyperinr_core.volume import VolumeSeries

#: What is compared unless methods are named: the neural rivals take long on a CPU and are asked for.
DEFAULT_METHODS = (*CHEAP, "hyperinr_direct", "hyperinr")

#: Held-out steps measured at most unless a number is given, evenly spread.
MOST_STEPS = 20

#: One method's figures.
Figures = dict[str, Any]

#: Called with what is worked on, what is done and the total.
Progress = Callable[[str, float, float], Any]


def chosen_methods(text: str) -> list[str]:
    """Names from a list with commas; ParameterError for one that is not known."""
    known = [*teachers_of("volumes"), *STUDENTS]
    names = known if text == "all" else [part.strip() for part in text.split(",") if part.strip()]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        found = f"{unknown[0]!r}, which is no method" if unknown else "no names"
        raise ParameterError(f"--methods has {found}; expected all, or some of {', '.join(known)}")
    return list(dict.fromkeys(names))


def ranking(methods: dict[str, Figures]) -> list[str]:
    """Names, the best mean PSNR first."""
    return sorted(methods, key=lambda name: -methods[name]["psnr"])


class Comparison:
    """Methods measured on one field of one series, kept in a folder as they are finished.

    Parameters
    ----------
    every : each so many-th step is trained on.
    n_steps : held-out steps measured, at most.
    budget : seconds of training for each method that learns.
    folder : is made with the first method that is measured; one that holds a comparison with other parameters starts anew.

    Attributes
    ----------
    steps : the held-out steps that are measured.
    methods : {"psnr", "ssim", "psnr_worst", "ssim_worst", "decode_ms", "psnr_by_step", "train_s", "bytes"} by name.

    Raises
    ------
    ParameterError when no step lies between the training steps.
    """

    def __init__(
        self,
        series: VolumeSeries,
        field: str,
        folder: Path,
        every: int = 5,
        n_steps: int = MOST_STEPS,
        budget: float = 60.0,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        trained = range(0, len(series), every)
        held_out = [step for step in range(trained[-1]) if step % every]
        if len(trained) < 2 or not held_out:
            raise ParameterError(
                f"{series.source} has {len(series)} steps, of which --every {every} leaves {len(held_out)} between the "
                "training steps; expected at least one"
            )
        shifts = shifts_for(series, [field])
        series = shifted_series(series, shifts)
        self.series, self.field, self.folder = series, field, folder
        self.training = _numbers(series.select(trained), field)
        spread = np.linspace(0, len(held_out) - 1, min(n_steps, len(held_out))).round().astype(int)
        self.steps = [held_out[i] for i in spread]
        self.value_range = value_range(series, field, range(len(series)))
        self._budget, self._seed, self._device = budget, seed, device
        self._setup = {
            "source": series.source,
            "field": field,
            "every": every,
            "steps": self.steps,
            "budget_s": budget,
            "seed": seed,
            "value_range": [shifts[field].undone(end) if field in shifts else end for end in self.value_range],
        }
        self._spent: dict[str, float] = {}  # seconds of training that were interrupted
        self.methods = self._read()

    @functools.cached_property
    def hardest(self) -> int:
        """The measured step that linear interpolation misses most, whether or not it is one of the methods."""
        linear = create("linear", self.training, self.field)
        curve = [
            psnr(linear.evaluate(self.series.thetas[step]), self.series.read(step, [self.field]), self.value_range)
            for step in self.steps
        ]
        return self.steps[int(np.argmin(curve))]

    def run(self, name: str, progress: Progress = lambda what, done, total: None) -> None:
        """Fit and measure one method, unless the folder holds it already; one that was interrupted goes on where it was."""
        if name in self.methods:
            return
        self._make_folder()
        state = self.folder / f"{name}.state"
        before, started = self._spent.get(name, 0.0), time.perf_counter()
        method = create(name, self.training, self.field)
        try:
            method.fit(
                FitSettings(
                    seconds=self._budget, seed=self._seed, state=state, device=self._device,
                    progress=lambda done: progress(f"fitting {name}", done, 1.0),
                )
            )  # fmt: skip
        finally:
            train_s = self._spent[name] = before + time.perf_counter() - started
            self._write()
        self.methods[name] = {**self._measure(name, method, progress), "train_s": train_s, "bytes": method.n_bytes}
        self._write()
        state.unlink(missing_ok=True)

    def volume(self, name: str) -> np.ndarray:
        """(nz, ny, nx, c) a method's values at the hardest step."""
        return np.load(self.folder / f"{name}.npy")

    def _measure(self, name: str, method: Teacher, progress: Progress) -> Figures:
        found, seconds = [], []
        for done, step in enumerate(self.steps, start=1):
            started = time.perf_counter()
            values = method.evaluate(self.series.thetas[step])
            seconds.append(time.perf_counter() - started)
            found.append(scores(values, self.series.read(step, [self.field]), self.value_range))
            if step == self.hardest:
                np.save(self.folder / f"{name}.npy", values)
            progress(f"measuring {name}", done, len(self.steps))
        decibel, similar = ([each[metric] for each in found] for metric in ("psnr", "ssim"))
        return {
            "psnr": float(np.mean(decibel)),
            "ssim": float(np.mean(similar)),
            "psnr_worst": min(decibel),
            "ssim_worst": min(similar),
            # the first evaluations prepare what later ones share
            "decode_ms": 1000 * float(np.median(seconds)),
            "psnr_by_step": decibel,
        }

    def _read(self) -> dict[str, Figures]:
        try:
            document = json.loads((self.folder / "comparison.json").read_text(encoding="utf-8"))
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
            part.write_text(json.dumps(document, indent=1), encoding="utf-8")

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HyperINRError(
                f"{self.folder} cannot be made ({error}); give a folder that can be written to"
            ) from None


def _numbers(series: VolumeSeries, field: str) -> VolumeSeries:
    """The series, where points are masked with numbers there, as teachers need it."""
    found = survey(series, [field], FitSettings().memory_bytes).series
    return series if found.mask is None else found
