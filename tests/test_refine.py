"""A motion is finished: nearer to the true one than what it starts from, and nowhere where nothing shows it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drifts import SPEED, drift
from test_pairs import AROUND, pairs_of, where_it_moves

from hyperinr_core.training.motion.refine import refined

CASES = {
    "around": ({}, AROUND),
    "borders": ({"speed": (1.0, 0.5, -1.0)}, (False, False, False)),
    "a plane": ({"dims": (32, 28, 1)}, (False, True, True)),
}


def too_short(pairs, speed, share):
    """Coefficients of paths that are too short by a share."""
    half = (0.5 * share * np.array(speed[::-1]) * (np.array(pairs.lattice.shape) > 1)).astype(np.float32)
    ends = np.stack([-half, half])[:, :, None, None, None]
    return np.broadcast_to(ends, (2, 3, *pairs.nodes.coefficient_shape))


@pytest.mark.parametrize("options, periodic", CASES.values(), ids=list(CASES))
def test_paths_that_are_too_short_grow(options, periodic):
    pairs, speed = pairs_of(drift(**options), periodic), options.get("speed", SPEED)
    start = too_short(pairs, speed, 0.8)
    found = refined(pairs, 1, 2, start)
    near = where_it_moves(pairs, 1) & where_it_moves(pairs, 2)
    true = pairs.nodes.at_points(too_short(pairs, speed, 1.0))
    before, after = (abs(pairs.nodes.at_points(ends) - true)[:, :, near].mean() for ends in (start, found))
    assert after < 0.4 * before
    np.testing.assert_allclose(found.sum(axis=0), start.sum(axis=0), atol=1e-5, err_msg="the middle moved")
    assert periodic[0] or pairs.lattice.shape[0] > 1 or not found[:, 0].any(), "nothing leaves the plane"


def test_nothing_moves_where_nothing_shows_it():
    series = drift()
    even = dataclasses.replace(series, loader=lambda *_: np.full(series.grid.shape, 7.0, np.float32))
    pairs = pairs_of(even)
    start = too_short(pairs, SPEED, 0.8)
    np.testing.assert_array_equal(refined(pairs, 1, 2, start), start)


def test_masked_points_pull_at_no_path():
    series = drift(speed=(0.0, 0.0, 0.0))
    hidden = np.zeros(series.grid.shape, bool)
    hidden[:, :, 12:] = True

    def load(step, name, z_range):
        values = series.loader(step, name, z_range)
        return np.where(hidden[slice(*(z_range or (None,)))], np.roll(values, 2 * step, 0), values)

    pairs = pairs_of(dataclasses.replace(series, loader=load))
    still = np.zeros((2, 3, *pairs.nodes.coefficient_shape), np.float32)
    moved = refined(pairs, 1, 2, still)
    pairs.valid = lambda *steps: ~hidden
    assert abs(refined(pairs, 1, 2, still)).max() < 0.05 * abs(moved).max()
