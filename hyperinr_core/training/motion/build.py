"""The motion of a whole series, as a model stores it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from hyperinr_core.motion.motion import BYTE, Motion
from hyperinr_core.training.motion.evidence import Evidence
from hyperinr_core.training.motion.pairs import Pairs

#: Points. Offsets are stored in steps of it, or larger ones where they would not fit.
PATH_STEP = 1 / 32

#: The largest stored offset, in steps.
MOST_STEPS = 32000


def build(fields: Mapping[str, tuple[Pairs, Evidence]], progress: Callable[[int, int], object] | None = None) -> Motion:
    """Find the motion of every gap.

    Parameters
    ----------
    fields : of each field the pairs of its whole series, all of them on one lattice, and what leaving steps out has shown.
    progress : called with how many of how many gaps are done.
    """
    first = next(iter(fields.values()))[0]
    n_gaps, shape = len(first.times) - 1, first.nodes.coefficient_shape
    nodes = first.nodes
    ends = np.zeros((len(fields), n_gaps, 2, 3, *shape), np.float32)
    trust = np.zeros((len(fields), n_gaps, *shape), np.uint8)
    for number, (pairs, evidence) in enumerate(fields.values()):
        for gap in range(n_gaps):
            if evidence.trust > 0:
                ends[number, gap], match = pairs.blended(gap, gap + 1, evidence.ways)
                believed = evidence.trust_at_ends if gap in (0, n_gaps - 1) else evidence.trust
                trust[number, gap] = np.rint(np.clip(believed * match, 0, 1) * BYTE)
            pairs.forget()
            if progress:
                progress(number * n_gaps + gap + 1, len(fields) * n_gaps)
    step = max(PATH_STEP, float(abs(ends).max(initial=0)) / MOST_STEPS)
    errors = [_errors(pairs, evidence) for pairs, evidence in fields.values()]
    largest = [float(error.max(initial=0)) for error in errors]
    return Motion(
        shape=first.series.grid.shape,
        periodic=first.periodic,
        nodes=nodes.counts,
        times=first.times.copy(),
        paths=np.rint(ends / step).astype(np.int16),
        path_step=step,
        anchored=tuple(evidence.anchored for _, evidence in fields.values()),
        owners=tuple(range(len(fields))),
        trust=trust,
        error=np.stack([np.rint(e * (BYTE / (most or 1))).astype(np.uint8) for e, most in zip(errors, largest)]),
        largest_error=tuple(largest),
        bend=tuple(evidence.bend for _, evidence in fields.values()),
    )


def _errors(pairs: Pairs, evidence: Evidence) -> np.ndarray:
    """(gaps, cz, cy, cx) root mean squared error of predicting the steps at a gap's ends, or those nearest to it, left out."""
    n_gaps, steps = len(pairs.times) - 1, np.array(sorted(evidence.error))
    found = np.zeros((n_gaps, *pairs.nodes.coefficient_shape), np.float32)
    if not len(steps):
        return found
    made = {}
    for step in steps.tolist():
        squares = evidence.error[step]
        if squares.shape == pairs.lattice.shape:
            made[step] = np.maximum(pairs.nodes.fit(squares), 0)
        else:  # of a block alone
            made[step] = np.full(pairs.nodes.coefficient_shape, squares.mean(), np.float32)
    for gap in range(n_gaps):
        ends = [steps[np.argmin(abs(steps - end))] for end in (gap, gap + 1)]
        found[gap] = np.sqrt(np.mean([made[int(end)] for end in ends], axis=0))
    return found
