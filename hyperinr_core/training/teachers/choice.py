"""Which teacher for which data: leave each training step out, predict it from the others, compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.training.teachers import CHEAP, create
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.volume import VolumeSeries

#: Steps left out at most, evenly spread.
MOST_STEPS = 32

#: A choice for each gap must promise so many dB more than one choice for all.
PER_GAP_GAIN = 0.1


@dataclass(frozen=True)
class Choice:
    """A teacher for one field and what speaks for it.

    Attributes
    ----------
    teacher : its name; "none" when nothing can be known between the steps.
    per_gap : a name for each gap between training steps, or () when one teacher serves all.
    interpolation : which weights blend the training volumes better, linear or catmull_rom.
    psnr : candidate -> mean PSNR in dB over the steps left out, empty when none could be.
    reason : one sentence for people.
    made : the teachers that were compared, with what they have found out about the series.
    """

    teacher: str
    reason: str
    per_gap: tuple[str, ...] = ()
    interpolation: str = "linear"
    psnr: dict[str, float] = field(default_factory=dict)
    made: dict[str, Teacher] = field(default_factory=dict, repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """For provenance."""
        return {
            "teacher": self.teacher,
            "reason": self.reason,
            "per_gap": list(self.per_gap),
            "interpolation": self.interpolation,
            "leave_one_out_psnr_db": {name: round(value, 3) for name, value in self.psnr.items()},
        }


def choose(
    series: VolumeSeries,
    name: str,
    candidates: Sequence[str] = CHEAP,
    limits: tuple[float, float] | None = None,
    n_workers: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> Choice:
    """The candidate that predicts left-out steps of a field best.

    Parameters
    ----------
    limits : range of the field that PSNR is over; that of these steps when None.
    """
    if len(series.parameters) > 1:
        return Choice("none", "with several parameters no cheap teacher knows more than the training steps")
    if len(series) == 1:
        return Choice("none", "one step has nothing beside it")
    if len(series) == 2:
        return Choice("linear", "two steps leave none to check a teacher with, so the plain one is taken")
    teachers = {kind: create(kind, series, name) for kind in candidates}
    steps, scores = leave_one_out(teachers, limits, n_workers, progress)
    means = {kind: float(np.mean(values)) for kind, values in scores.items()}
    best = max(means, key=means.__getitem__)
    interpolation = "catmull_rom" if means.get("catmull_rom", -1) > means.get("linear", 0) else "linear"
    promised = _per_gap_promise(scores)
    per_gap: tuple[str, ...] = ()
    reason = f"{best} predicts left-out steps best"
    if len(steps) == len(series) - 2 and promised > means[best] + PER_GAP_GAIN:
        per_gap = _per_gap(scores)
        reason = f"the best teacher of each gap promises {promised - means[best]:.1f} dB more than {best} for all"
    return Choice(best, reason, per_gap, interpolation, means, teachers)


def leave_one_out(
    teachers: dict[str, Teacher],
    limits: tuple[float, float] | None = None,
    n_workers: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[list[int], dict[str, list[float]]]:
    """Steps left out, and for each teacher of one field of one series the PSNR in dB of predicting them from the others."""
    first = next(iter(teachers.values()))
    series, name = first.series, first.field
    inner = np.arange(1, len(series) - 1)
    if len(inner) > MOST_STEPS:
        inner = inner[np.linspace(0, len(inner) - 1, MOST_STEPS).round().astype(int)]
    limits = limits or _value_range(series, name)

    def score(step: int) -> list[float]:
        truth = series.read(step, [name])
        values = [teacher.without(step).evaluate(series.thetas[step]) for teacher in teachers.values()]
        return [min(psnr(predicted, truth, limits), PSNR_CAP) for predicted in values]

    rows = []
    with ThreadPoolExecutor(n_workers) as pool:
        for row in pool.map(score, inner.tolist()):
            rows.append(row)
            if progress:
                progress(len(rows), len(inner))
    return inner.tolist(), {kind: [row[i] for row in rows] for i, kind in enumerate(teachers)}


class PerGap(Teacher):
    """Another teacher in each gap.

    Parameters
    ----------
    names : (n - 1) one name for each gap between the steps.
    made : teachers by name; those that are missing are made.
    """

    max_parameters = 1

    def __init__(
        self, series: VolumeSeries, field: str, names: Sequence[str], made: dict[str, Teacher] | None = None
    ) -> None:
        super().__init__(series, field)
        self.names = tuple(names)
        self._teachers = {name: (made or {}).get(name) or create(name, series, field) for name in sorted(set(names))}
        for teacher in self._teachers.values():
            teacher.latest = self.latest

    def fit(self, settings: FitSettings) -> None:
        for teacher in self._teachers.values():
            teacher.fit(settings)

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        gap = int(np.searchsorted(self.series.thetas[:, 0], theta[0], side="right")) - 1
        return self._teachers[self.names[min(max(gap, 0), len(self.names) - 1)]].evaluate(theta)


def _per_gap(scores: dict[str, list[float]]) -> tuple[str, ...]:
    """For each gap the candidate with the best mean over the one or two left-out steps at its ends."""
    kinds, table = list(scores), np.array(list(scores.values()))
    padded = np.concatenate([table[:, :1], table, table[:, -1:]], axis=1)
    return tuple(kinds[i] for i in np.argmax(padded[:, 1:] + padded[:, :-1], axis=0))


def _per_gap_promise(scores: dict[str, list[float]]) -> float:
    """Mean PSNR at each left-out step of the candidate that is best at the steps beside it, not at the step itself."""
    table = np.array(list(scores.values()))
    if table.shape[1] < 3:
        return -np.inf
    padded = np.concatenate([table[:, 1:2], table, table[:, -2:-1]], axis=1)
    chosen = np.argmax(padded[:, 2:] + padded[:, :-2], axis=0)
    return float(table[chosen, np.arange(table.shape[1])].mean())


def _value_range(series: VolumeSeries, name: str) -> tuple[float, float]:
    lows, highs = zip(*((float(v.min()), float(v.max())) for v in (series.read(i, [name]) for i in range(len(series)))))
    return min(lows), max(highs)
