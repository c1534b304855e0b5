"""How far a motion is to be believed: every step left out in turn, predicted from the others, and weighed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.motion.kernel import carry
from hyperinr_core.motion.motion import Gap
from hyperinr_core.spaces.line import catmull_rom_weights
from hyperinr_core.training.motion.pairs import LEAST_MATCH, SIGMA, WINDOWS, Pairs
from hyperinr_core.training.threads import in_order

#: dB of gain on one left-out step at which half of the weights is believed; less with more steps.
EVIDENCE = 0.5

#: Steps left out at most, evenly spread.
MOST_STEPS = 12

#: Fewer of steps of so many points: the motion between all of them is in memory.
MOST_STEPS_OF_LARGE, LARGE = 8, 1 << 19

#: How much carried values may count, at most, before it is seen how well they match: weights of gaps twice as wide are
#: too small where motion is large, rather than too large.
MOST_TRUST = 1.25

#: dB that a refined motion must gain more, to be taken.
WORTH = 0.1

#: Ridge of the least squares, of the mean of their diagonal.
RIDGE = 1e-3


@dataclass(frozen=True)
class Equations:
    """Normal equations of what linear interpolation misses, over what the candidates have beyond it."""

    matrix: np.ndarray
    right: np.ndarray
    error: float

    @classmethod
    def of(cls, linear: np.ndarray, parts: Sequence[np.ndarray], truth: np.ndarray, valid: np.ndarray) -> Equations:
        rows = np.stack([part[valid].ravel() for part in parts]).astype(np.float64)
        error = (truth - linear)[valid].ravel().astype(np.float64)
        n = max(len(error), 1)
        return cls(rows @ rows.T / n, rows @ error / n, float(error @ error / n))

    def only(self, *which: int) -> Equations:
        """Those of some of the candidates."""
        chosen = list(which)
        return Equations(self.matrix[np.ix_(chosen, chosen)], self.right[chosen], self.error)


def weigh(equations: Sequence[Equations]) -> tuple[np.ndarray, float]:
    """Weights of the candidates, at least 0, shrunk by what they gained where they were fitted; that gain in dB."""
    from scipy.optimize import nnls

    matrix, right, error = (sum(getattr(each, part) for each in equations) for part in ("matrix", "right", "error"))
    n = len(right)
    if error <= 0 or not np.trace(matrix) > 0:
        return np.zeros(n), 0.0
    factor = np.linalg.cholesky(matrix + (RIDGE * np.trace(matrix) / n) * np.eye(n))
    found = nnls(factor.T, np.linalg.solve(factor, right))[0]
    left = max(error - 2 * found @ right + found @ matrix @ found, 1e-10 * error)
    gain = max(10 * np.log10(error / left), 0.0)
    return found * gain / (gain + EVIDENCE / len(equations)), gain


@dataclass(frozen=True)
class Evidence:
    """What leaving steps out has shown of a field.

    Attributes
    ----------
    ways : (K,) what each way to find a motion is worth.
    trust, bend : how much carried values and Catmull-Rom in place replace linear interpolation.
    trust_at_ends : the trust in the first and the last gap.
    anchored : as of `Motion`.
    refined : whether the motion is to be finished by `refine`.
    psnr : dB of the steps left out, with linear interpolation and with what was found; empty where none could be.
    error : step left out -> (nz, ny, nx) mean squared error around each point, in the field's units.
    """

    ways: tuple[float, ...]
    trust: float
    trust_at_ends: float
    bend: float
    anchored: bool
    refined: bool
    psnr: dict[str, list[float]]
    error: dict[int, np.ndarray]


def unexamined(pairs: Pairs, trust: float) -> Evidence:
    """What is said of a series of two steps, which leave none out: a saved velocity counts most."""
    traced = pairs.velocity is not None
    ways = [0.0] * pairs.n_ways if traced else [1.0] * pairs.n_ways
    if traced:
        ways[-1] = 1.0
    return Evidence(tuple(ways), trust, trust, 0.0, traced, False, {}, {})


def examine(
    pairs: Pairs, limits: tuple[float, float], progress: Callable[[int, int], object] | None = None
) -> Evidence:
    """Leave steps out, predict them from the others in every way, and weigh the ways.

    Parameters
    ----------
    limits : the range that PSNR is over.
    progress : called with how many of how many predictions are made.
    """
    n = len(pairs.times)
    inner = np.arange(1, n - 1)
    most = MOST_STEPS if pairs.series.grid.n_points < LARGE else MOST_STEPS_OF_LARGE
    if len(inner) > most:
        inner = inner[np.linspace(0, len(inner) - 1, most).round().astype(int)]
    steps = inner.tolist()
    traced = pairs.velocity is not None
    total, done = (2 + (5 if traced else 2)) * len(steps), 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    equations = []
    for found in in_order(partial(_ways, pairs), steps, pairs.n_workers):
        equations.append(found)
        tell()
    tried = [
        _Trial.of(pairs, steps, ways, anchored, False, tell) for ways, anchored in _worth_trying(equations, traced)
    ]
    best = max(tried, key=lambda trial: trial.gain)
    finished = _Trial.of(pairs, steps, best.ways, best.anchored, True, tell)
    best = finished if finished.gain > best.gain + WORTH else best
    pairs.forget()
    psnr: dict[str, list[float]] = {"linear": [], "carried": []}
    error = {}
    for step, (decibel, square) in zip(steps, in_order(partial(_judged, pairs, best, limits), steps, pairs.n_workers)):
        for name, value in decibel.items():
            psnr[name].append(value)
        error[step] = square
    return Evidence(best.ways, best.trust, best.trust_at_ends, best.bend, best.anchored, best.refined, psnr, error)


def _judged(pairs: Pairs, best: _Trial, limits: tuple[float, float], step: int) -> tuple[dict[str, float], np.ndarray]:
    """Of a step left out dB by name, as `Evidence.psnr`, and what `Evidence.error` has."""
    linear, curve = in_place(pairs, _without(len(pairs.times), step), pairs.times[step])
    values = linear + np.float32(best.bend) * (curve - linear)
    values += np.float32(best.trust) * (_one(pairs, best.ways, best.anchored, best.refined, step) - linear)
    truth, valid, judged = pairs.latest(step), pairs.valid(step)[..., None], pairs.judged(step)[..., None]
    decibel = {name: _psnr(found, truth, judged, limits) for name, found in (("linear", linear), ("carried", values))}
    return decibel, pairs.lattice.smooth(((values - truth) ** 2 * valid).mean(axis=-1), SIGMA)


def _worth_trying(equations: Sequence[Equations], traced: bool) -> Iterator[tuple[tuple[float, ...], bool]]:
    """What ways are worth, and whether paths are anchored: a motion of all ways may be worse than the best or than flow."""
    n_ways = len(equations[0].right) - 1
    alone = [weigh([each.only(0, way) for each in equations])[1] for way in range(1, n_ways + 1)]
    single = np.zeros(n_ways)
    single[int(np.argmax(alone))] = 1.0
    for ways in (weigh(equations)[0][1:], single):  # the first is Catmull-Rom in place, which is weighed again
        for anchored in (False, True)[: 1 + traced]:
            yield tuple(ways.tolist()), anchored
    if traced:
        flows, _ = weigh([each.only(*range(n_ways)) for each in equations])
        yield (*flows[1:].tolist(), 0.0), False


@dataclass(frozen=True)
class _Trial:
    """What one motion was worth on the steps left out.

    Attributes
    ----------
    gain : dB.
    trust_at_ends : trust in the first and the last gap, where only the steps beside them speak.
    """

    ways: tuple[float, ...]
    anchored: bool
    refined: bool
    bend: float
    trust: float
    trust_at_ends: float
    gain: float

    @classmethod
    def of(
        cls,
        pairs: Pairs,
        steps: Sequence[int],
        ways: tuple[float, ...],
        anchored: bool,
        finish: bool,
        tell: Callable[[], None],
    ) -> _Trial:
        equations = []
        for found in in_order(partial(_tried, pairs, ways, anchored, finish), steps, pairs.n_workers):
            equations.append(found)
            tell()
        (bend, trust), gain = weigh(equations)
        # nothing bends there, so what is carried is weighed alone
        at_ends = weigh([equations[end].only(1) for end in sorted({0, len(equations) - 1})])[0][0]
        bend, trust = float(min(bend, 1.0)), float(min(trust, MOST_TRUST))
        return cls(ways, anchored, finish, bend, trust, float(min(trust, at_ends)), gain)


def in_place(pairs: Pairs, steps: Sequence[int], time: float) -> tuple[np.ndarray, np.ndarray]:
    """(nz, ny, nx, c) linear and Catmull-Rom interpolation of some steps at a time, the latter within what they have."""
    times = pairs.times[list(steps)]
    chosen, weights = catmull_rom_weights(times, time)
    values = np.stack([pairs.latest(steps[i]) for i in chosen])
    right = int(np.searchsorted(times, time))
    a, b = (pairs.latest(steps[i]) for i in (right - 1, right))
    share = np.float32((time - times[right - 1]) / (times[right] - times[right - 1]))
    curve = np.clip(np.tensordot(weights.astype(np.float32), values, axes=1), values.min(axis=0), values.max(axis=0))
    return (1 - share) * a + share * b, curve


def carried(
    pairs: Pairs,
    steps: Sequence[int],
    gap: int,
    time: float,
    ends: np.ndarray,
    beside: Sequence[np.ndarray | None],
    anchored: bool,
) -> np.ndarray:
    """(nz, ny, nx, c) values at a time in a gap of some steps, wholly carried."""
    ones = np.ones(pairs.nodes.coefficient_shape, np.float32)
    paths = Gap.of(pairs.nodes, pairs.times[list(steps)], gap, ends, beside, ones, 0 * ones, anchored, 0.0)
    places = [np.arange(n, dtype=np.float32) for n in pairs.lattice.shape]
    return carry(paths.at(time), [pairs.step(steps[i]) for i in paths.steps], places)


def _ways(pairs: Pairs, step: int) -> Equations:
    """Of a step left out: Catmull-Rom in place, then each way between the steps beside it, by how well that matches."""
    time, a, b = pairs.times[step], step - 1, step + 1
    linear, curve = in_place(pairs, _without(len(pairs.times), step), time)
    parts = [curve - linear]
    for number, ends in enumerate(pairs.ways(a, b)):
        match = pairs.match(a, b, ends)
        traced = number >= len(WINDOWS)
        match = np.maximum(match, LEAST_MATCH) if traced else match
        found = carried(pairs, [a, b], 0, time, pairs.searched_nodes.fit(ends), [None, None], traced)
        parts.append(pairs.everywhere(match)[..., None] * (found - linear))
    return _equations(pairs, step, linear, parts)


def _tried(pairs: Pairs, ways: Sequence[float], anchored: bool, finish: bool, step: int) -> Equations:
    """Of a step left out: Catmull-Rom in place, and one motion of all ways."""
    linear, curve = in_place(pairs, _without(len(pairs.times), step), pairs.times[step])
    part = _one(pairs, ways, anchored, finish, step) - linear
    return _equations(pairs, step, linear, [curve - linear, part])


def _one(pairs: Pairs, ways: Sequence[float], anchored: bool, finish: bool, step: int) -> np.ndarray:
    """Of a step left out: linear interpolation, and as far as it matches what one motion of all ways carries."""
    n = len(pairs.times)
    rest, time = _without(n, step), pairs.times[step]
    ends, match = pairs.blended(step - 1, step + 1, ways, finish)
    before = pairs.blended(step - 2, step - 1, ways, finish)[0] if step > 1 else None
    after = pairs.blended(step + 1, step + 2, ways, finish)[0] if step + 2 < n else None
    linear, _ = in_place(pairs, rest, time)
    values = carried(pairs, rest, step - 1, time, ends, [before, after], anchored)
    return linear + np.clip(pairs.fine(match[None])[0], 0, 1)[..., None] * (values - linear)


def _equations(pairs: Pairs, step: int, linear: np.ndarray, parts: Sequence[np.ndarray]) -> Equations:
    return Equations.of(linear, parts, pairs.latest(step), pairs.judged(step - 1, step, step + 1))


def _without(n: int, step: int) -> list[int]:
    return [i for i in range(n) if i != step]


def _psnr(values: np.ndarray, truth: np.ndarray, valid: np.ndarray, limits: tuple[float, float]) -> float:
    truth = np.where(valid, truth, np.float32(np.nan))
    return min(float(psnr(values, truth, limits)), PSNR_CAP)
