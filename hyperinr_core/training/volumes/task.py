"""Before the training: a teacher is chosen for each field, fitted, and asked for its volumes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core.spaces.line import Line
from hyperinr_core.spline_base import Base
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.teachers import CHEAP, create
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.volumes.choice import Choice, PerGap, choose
from hyperinr_core.training.volumes.distillation import DistillationSet
from hyperinr_core.training.volumes.smooth import fit_base
from hyperinr_core.volume import VolumeSeries


@dataclass
class Lesson:
    """What wants to be told while teachers are at work.

    Attributes
    ----------
    chosen : called with a field's name and its `Choice`.
    based : called with the model's base, if it gets one, and the names of the fields that it is for.
    progress : called with what is being done, how much of it is finished, and how much there is.
    """

    chosen: Callable[[str, Choice], Any] = lambda name, choice: None
    based: Callable[[Base, Sequence[str]], Any] = lambda base, names: None
    progress: Callable[[str, float, float], Any] = lambda what, done, total: None


@dataclass
class Taught:
    """What a model is trained on.

    Attributes
    ----------
    series : training steps and teacher volumes, by theta.
    is_truth : (n,) which of them are training steps.
    weights : (n,) float32 how much each counts in the loss.
    interpolation : how encoders blend; None for the default.
    base : what the model adds to, if anything.
    """

    series: VolumeSeries
    is_truth: np.ndarray
    weights: np.ndarray
    interpolation: str | None
    base: Base | None
    choices: dict[str, Choice] = field(default_factory=dict)
    remove: Callable[[], None] = lambda: None


def teach(
    series: VolumeSeries, names: Sequence[str], config: RunConfig, folder: Path, device: str, lesson: Lesson
) -> Taught:
    """Choose, fit and question the teachers that the settings ask for.

    Parameters
    ----------
    folder : where teachers keep what an interrupted run goes on from.
    """
    choices = {name: _choice(series, name, config.distillation.teacher, lesson) for name in names}
    for name, choice in choices.items():
        lesson.chosen(name, choice)
    memory, seed = config.training.memory_mb << 20, config.training.seed
    base = fit_base(series, names, config.training.base, choices, memory)
    if base is not None:
        owners = [name for name in names for _ in range(series.field_info[name])]
        lesson.based(base, list(dict.fromkeys(owners[component] for component in base.components)))
    if all(choice.teacher == "none" for choice in choices.values()):
        n, interpolations = len(series), {choice.interpolation for choice in choices.values()}
        interpolation = interpolations.pop() if len(series.parameters) == 1 and len(interpolations) == 1 else None
        return Taught(series, np.ones(n, bool), np.ones(n, np.float32), interpolation, base, choices)
    teachers = _fitted(series, choices, config, folder, device, lesson)
    distilled = DistillationSet(series, teachers, config.distillation, folder, memory, seed)
    distilled.precompute(os.cpu_count() or 1, lambda done, total: lesson.progress("asking the teacher", done, total))
    weights = np.where(distilled.is_truth, 1, config.distillation.weight).astype(np.float32)
    # linear weights: a taught model bends in time as its teacher does; cubic ones learn 0.15 dB less, at twice the tables

    def remove() -> None:
        for state in folder.glob("state_*.safetensors"):
            state.unlink()
        distilled.remove()

    return Taught(distilled.series, distilled.is_truth, weights, None, base, choices, remove)


def _choice(series: VolumeSeries, name: str, teacher: str, lesson: Lesson) -> Choice:
    if teacher not in ("auto", "none"):
        return Choice(teacher, "asked for")
    choice = choose(
        series,
        name,
        CHEAP if teacher == "auto" else tuple(Line.kinds),
        n_workers=os.cpu_count() or 1,
        progress=lambda done, total: lesson.progress(f"choosing a teacher for {name}", done, total),
    )
    return choice if teacher == "auto" else replace(choice, teacher="none", reason="asked for", per_gap=(), made={})


def _fitted(
    series: VolumeSeries, choices: dict[str, Choice], config: RunConfig, folder: Path, device: str, lesson: Lesson
) -> dict[str, Teacher]:
    """A teacher for each field; one that is not worth having is replaced by the plainest, since all fields share a set."""
    teachers: dict[str, Teacher] = {}
    for number, (name, choice) in enumerate(choices.items()):
        if choice.per_gap:
            teachers[name] = PerGap(series, name, choice.per_gap, choice.made)
            continue
        kind = "linear" if choice.teacher == "none" else choice.teacher
        teachers[name] = choice.made.get(kind) or create(kind, series, name)
        teachers[name].fit(
            FitSettings(
                samples=config.distillation.teacher_samples,
                seed=config.training.seed,
                state=folder / f"state_{number}.safetensors",
                memory_bytes=config.training.memory_mb << 20,
                device=device,
                progress=lambda done, name=name: lesson.progress(f"fitting the teacher of {name}", done, 1.0),
            )
        )
    return teachers
