"""What leaving steps out may promise."""

from __future__ import annotations

import numpy as np

from hyperinr_core.training.teachers.choice import _per_gap, _per_gap_promise


def test_noise_promises_nothing():
    scores = dict(zip("abcd", 30 + np.random.default_rng(0).standard_normal((4, 400))))
    best = max(values.mean() for values in scores.values())
    assert abs(_per_gap_promise(scores) - best) < 0.2
    assert np.max(list(scores.values()), axis=0).mean() > best + 0.9, "what choosing on the step itself would promise"


def test_a_candidate_that_is_better_in_one_half_promises_what_it_holds():
    halves = np.repeat([40.0, 30.0], 10)
    scores = {"early": halves, "late": halves[::-1]}
    assert 39 < _per_gap_promise(scores) <= 40
    assert _per_gap(scores) == ("early",) * 11 + ("late",) * 10
