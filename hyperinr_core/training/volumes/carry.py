"""Whether a model of a series carries its training steps along a motion, and along which."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.motion.motion import Motion
from hyperinr_core.training.motion.build import HALO, build, expected_seconds
from hyperinr_core.training.motion.evidence import WORTH, Evidence, examine, unexamined
from hyperinr_core.training.motion.pairs import MOST_AT_ONCE, WINDOWS, Pairs
from hyperinr_core.training.motion.velocity import Velocity, matching
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.task import Tell
from hyperinr_core.training.teachers import CHEAP
from hyperinr_core.training.teachers.choice import Choice, choose
from hyperinr_core.training.teachers.lattice import periodic_axes
from hyperinr_core.training.volumes.survey import Survey
from hyperinr_core.volume import Field, VolumeSeries

#: dB that carrying may promise less than the best teacher: a model keeps more of its own steps than of a teacher's volumes.
LESS = 1.0

#: Points along an axis that motion can be found in, at least.
FEWEST = 4

#: Share of --minutes that may go by before the training.
LONGEST_SEARCH = 0.75

#: Pairs of steps that a velocity is tried on.
N_TRIED = 4


@dataclass(frozen=True)
class Carry:
    """A motion, and for each field what speaks for it."""

    motion: Motion
    choices: dict[str, Choice]


def possible(series: VolumeSeries, config: RunConfig) -> str:
    """Why a model cannot carry; "" where it can."""
    encoders = config.encoders
    if len(series.parameters) != 1:
        return f"it has the parameters {', '.join(series.parameters)}, and motion is along one"
    if len(series) < 2:
        return "it has one step"
    if encoders.count not in (0, len(series)) or encoders.poisson or encoders.gaussian:
        return "its encoders are not to lie at the training steps"
    if max(series.grid.dims) < FEWEST or any(1 < n < FEWEST for n in series.grid.dims):
        return f"its grid has dims {series.grid.dims}, and motion needs {FEWEST} points along an axis"
    return ""


def find_carry(found: Survey, velocity: Sequence[str], config: RunConfig, tell: Tell) -> Carry | None:
    """The motion that a model gets; None where teachers promise more, or none can be had.

    Parameters
    ----------
    found : of the training steps, with the velocity's fields among those of its series.
    velocity : its fields.

    Raises
    ------
    ParameterError where a motion was asked for and none can be had.
    """
    use, teacher = config.motion.carry, config.distillation.teacher
    if not config.tries_motion:
        return None
    hindrance = possible(found.series, config)
    if use == "always" and teacher not in ("auto", "none"):
        hindrance = f"--teacher is {teacher}, whose volumes it is to learn"
    if hindrance:
        if use == "always":
            raise ParameterError(
                f"{found.series.source} cannot be carried along a motion: {hindrance}; leave --carry out"
            )
        return None
    series, block, counted, inner = _where(found)
    traced = _velocity(block, velocity, found.fields, tell)
    evidence: dict[str, Evidence] = {}
    choices: dict[str, Choice] = {}
    kept: dict[str, Pairs] = {}
    for field in found.fields:
        periodic = _periodic(block, found.fields)
        kept[field.name], evidence[field.name] = _searched(
            partial(Pairs, block, field.name, periodic, traced, counted, config.training.memory_bytes),
            _spacings(series, config),
            partial(_evidence, field=field, use=use, tell=tell),
        )
        choices[field.name] = _choice(block, field, kept[field.name], evidence[field.name])
    if use == "auto" and not _is_worth(choices):
        return None
    if block is not series:
        periodic = _periodic(series, found.fields)
        whole = traced and Velocity(series, traced.fields, traced.scale, periodic)
        memory_bytes = config.training.memory_bytes
        kept = {
            name: Pairs(series, name, periodic, whole, inner, memory_bytes, pairs.every) for name, pairs in kept.items()
        }
    if config.budget.minutes:
        _check_minutes(sum(expected_seconds(kept[name], evidence[name]) for name in kept), config, series)
    motion = build(
        {name: (pairs, evidence[name]) for name, pairs in kept.items()},
        lambda done, total: tell.progress("finding the motion", done, total),
    )
    return Carry(motion, choices)


def _check_minutes(seconds: float, config: RunConfig, series: VolumeSeries) -> None:
    """Raise ParameterError where finding the motion leaves nothing of the minutes for the training."""
    minutes = config.budget.minutes
    if seconds > LONGEST_SEARCH * 60 * minutes:
        raise ParameterError(
            f"minutes is {minutes:g}, and finding the motion of {series.source} would take about {seconds / 60:.0f} of them; "
            f"expected {seconds / 60 / LONGEST_SEARCH:.0f} at least, --bricks, or --carry never --teacher none"
        )


#: Box z, y, x.
_Box = tuple[slice, ...]


def _where(found: Survey) -> tuple[VolumeSeries, VolumeSeries, _Box | None, _Box | None]:
    """The series whose motion is found, the block of it that steps are left out of, and the box of each that matters.

    Of a brick's surroundings what moves is seen whole within a block that was cut out, not near its ends.
    """
    around = found.around
    if around is None:
        return found.series, found.block, None, None
    series, block, inner = around.series, around.block, around.inner
    if block is series:
        return series, block, inner, inner
    counted = []
    for axis, (n, full) in enumerate(zip(block.grid.shape, series.grid.shape)):
        edge = min(HALO, n // 4) if n < full else 0
        counted.append(inner[axis] if n == full else slice(edge, n - edge))
    return series, block, tuple(counted), inner


def _spacings(series: VolumeSeries, config: RunConfig) -> tuple[int, ...]:
    """Whether motion may be searched at every point, every second, or both are to be tried; the cheapest first."""
    if config.motion.points != "auto":
        return (1,) if config.motion.points == "all" else (2,)
    return (2, 1) if series.grid.n_points > MOST_AT_ONCE and len(series) > 2 else (1,)


def _searched(
    pairs_of: Callable[..., Pairs], spacings: Sequence[int], evidence_of: Callable[[Pairs], Evidence]
) -> tuple[Pairs, Evidence]:
    """Motion at the points that are cheapest to search, unless steps left out are predicted better from more of them."""
    tried = []
    for every in spacings:
        pairs = pairs_of(every=every)
        tried.append((pairs, evidence_of(pairs)))
        if pairs.every == 1:
            break
    first, last = tried[0], tried[-1]
    promised = [float(np.mean(evidence.psnr["carried"])) if evidence.psnr else 0.0 for _, evidence in (first, last)]
    return last if promised[1] > promised[0] + WORTH else first


def _evidence(pairs: Pairs, field: Field, use: str, tell: Tell) -> Evidence:
    if len(pairs.times) == 2:
        return unexamined(pairs, 1.0 if use == "always" or pairs.velocity is not None else 0.0)
    return examine(
        pairs,
        field.whole_range,
        lambda done, total: tell.progress(f"leaving steps of {field.name} out", done, total),
    )


def _choice(block: VolumeSeries, field: Field, pairs: Pairs, evidence: Evidence) -> Choice:
    """What is said of a field that is carried, beside what teachers that cost little would do."""
    reason = _reason(pairs, evidence)
    if not evidence.psnr:
        return Choice("carry", reason)
    kinds = [kind for kind in CHEAP if kind != "flow"]
    others = choose(block, field.name, kinds, field.whole_range, n_workers=os.cpu_count() or 1)
    psnr = {**others.psnr, "carry": float(np.mean(evidence.psnr["carried"]))}
    return replace(others, teacher="carry", reason=reason, psnr=psnr, per_gap=(), made={})


def _reason(pairs: Pairs, evidence: Evidence) -> str:
    velocity = pairs.velocity
    if evidence.trust == 0:
        nothing = "nothing that moves was found" if evidence.psnr else "two steps leave none to check a motion with"
        return f"{nothing}, so training steps are interpolated"
    along = []
    if velocity is not None and evidence.ways[-1] > 0:
        along.append(f"{', '.join(velocity.fields)} ({velocity.scale.meaning})")
    if any(evidence.ways[: len(WINDOWS)]):
        along.append("the optical flow")
    unchecked = "" if evidence.psnr else "; two steps leave none to check it with"
    searched = ", searched at every second point" if pairs.every > 1 else ""
    return f"training steps are carried along {' and '.join(along)}{searched}{unchecked}"


def _is_worth(choices: dict[str, Choice]) -> bool:
    """Whether carrying promises as much as the best teacher, in the mean over the fields."""
    gains = [
        choice.psnr["carry"] - max(value for kind, value in choice.psnr.items() if kind != "carry")
        for choice in choices.values()
        if choice.psnr
    ]
    return not gains or float(np.mean(gains)) > -LESS


def _velocity(block: VolumeSeries, names: Sequence[str], fields: Sequence[Field], tell: Tell) -> Velocity | None:
    if not names:
        return None
    tried = np.unique(np.linspace(0, len(block) - 2, N_TRIED).round().astype(int)).tolist()
    moved = next((field.name for field in fields if field.name not in names), fields[0].name)
    velocity, share = matching(block, names, moved, _periodic(block, fields), tried)
    tell.traced(names, velocity.scale.meaning if velocity else "", share)
    return velocity


def _periodic(series: VolumeSeries, fields: Sequence[Field]) -> tuple[bool, bool, bool]:
    """Axes that go on at their other end in all fields."""
    found = np.ones(3, bool)
    for field in fields:
        found &= periodic_axes([series.read(step, [field.name]) for step in (0, len(series) - 1)])
    z, y, x = found.tolist()
    return z, y, x
