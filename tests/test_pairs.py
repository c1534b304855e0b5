"""Motion between two steps: what is known is found, how well it matches, and one field of all ways."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drifts import SPEED, drift

from hyperinr_core.training.motion.pairs import WINDOWS, Pairs
from hyperinr_core.training.motion.velocity import Velocity, scales

AROUND = (True, True, True)
EXPECTED = np.array(SPEED[::-1])


def pairs_of(series, periodic=AROUND, traced=False, every=1):
    velocity = Velocity(series, ["U"], next(scales(series.grid, series.thetas[:, 0])), periodic) if traced else None
    return Pairs(series, "c", periodic, velocity, every=every)


def where_it_moves(pairs, a):
    values = pairs.latest(a)[..., 0]
    return values > 0.3 * values.max()


@pytest.mark.parametrize("traced", [False, True])
def test_every_way_finds_what_moves(traced):
    pairs = pairs_of(drift(), traced=traced)
    ways = list(pairs.ways(1, 2))
    assert len(ways) == pairs.n_ways == len(WINDOWS) + traced
    for first, last in ways:
        middle = where_it_moves(pairs, 1) & where_it_moves(pairs, 2)
        found = np.median((last - first)[:, middle], axis=1)
        np.testing.assert_allclose(found, EXPECTED, atol=0.25)
        np.testing.assert_allclose(first, -last, atol=1e-3)


def test_of_a_plane():
    pairs = pairs_of(drift(dims=(32, 28, 1)), (False, True, True), traced=True)
    for first, last in pairs.ways(0, 1):
        assert abs(first[0]).max() == abs(last[0]).max() == 0, "nothing leaves the plane"
        middle = where_it_moves(pairs, 0) & where_it_moves(pairs, 1)
        np.testing.assert_allclose(np.median((last - first)[1:, middle], axis=1), EXPECTED[1:], atol=0.25)


def test_the_right_motion_matches_and_a_wrong_one_does_not():
    pairs = pairs_of(drift())
    half = np.broadcast_to(0.5 * EXPECTED[:, None, None, None], (3, *pairs.lattice.shape)).astype(np.float32)
    right, wrong = pairs.match(1, 2, np.stack([-half, half])), pairs.match(1, 2, np.stack([half, -half]))
    still = pairs.match(1, 2, np.zeros((2, 3, *pairs.lattice.shape), np.float32))
    middle = where_it_moves(pairs, 1)
    assert right[middle].min() > 0.98 and wrong[middle].mean() < 0.3 and still[middle].max() < 1e-3


def test_what_all_ways_give_is_one_coarse_motion_that_still_matches():
    pairs = pairs_of(drift(), traced=True)
    ends, match = pairs.blended(1, 2, (1.0, 1.0, 1.0), False)
    assert ends.shape == (2, 3, *pairs.nodes.coefficient_shape) and match.shape == pairs.nodes.coefficient_shape
    assert match.min() >= 0 and match.max() <= 1
    fine = pairs.fine(match[None])[0]
    assert fine[where_it_moves(pairs, 1)].min() > 0.9
    alone, _ = pairs_of(drift(), traced=True).blended(1, 2, (0.0, 0.0, 1.0), False)
    assert abs(pairs.fine(alone[1])[2] - EXPECTED[2] / 2).max() < abs(pairs.fine(ends[1])[2] - EXPECTED[2] / 2).max()


@pytest.mark.parametrize("options", [{"speed": (0, 0, 0)}, {}])
def test_where_nothing_changes_nothing_moves(options):
    series = drift(**options)
    if not options:  # a constant field
        series = dataclasses.replace(series, loader=lambda *_: np.full(series.grid.shape, 7.0, np.float32))
    pairs = pairs_of(series)
    ends, match = pairs.blended(0, 1, (1.0, 1.0), False)
    assert abs(ends).max() < 0.02 and np.isfinite(match).all()


def test_steps_are_kept_and_flows_forgotten():
    pairs = pairs_of(drift(n_steps=9, dims=(12, 12, 12)))
    assert pairs.step(0) is pairs.step(0)
    for step in range(8):
        pairs.step(step)
    assert len(pairs._steps) <= 6
    pairs.blended(0, 1, (1.0, 1.0), False)
    pairs.forget()
    assert (
        len(pairs._flows) == 0
        and pairs.blended(0, 1, (1.0, 1.0), False)[0] is pairs.blended(0, 1, (1.0, 1.0), False)[0]
    )


def test_numbers_at_masked_points_do_not_count_as_a_match():
    pairs = pairs_of(drift(dims=(40, 12, 12)))
    ends = np.stack([np.zeros_like(pairs.lattice.points), np.full_like(pairs.lattice.points, 3.0)])
    every = pairs.match(1, 2, ends)
    pairs.valid = lambda *steps: np.broadcast_to(np.arange(40) < 10, pairs.lattice.shape)
    found = pairs.match(1, 2, ends)
    assert every[..., 25].min() < 0.9 and found[..., 25].min() == 1, "nothing differs so far from what is valid"


#: A grid of which every second point is searched, along two axes.
MANY = {"dims": (40, 33, 20)}


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("periodic", [AROUND, (False, False, True)])
def test_at_every_second_point_what_moves_is_found_where_it_is(periodic, traced):
    pairs = pairs_of(drift(**MANY), periodic, traced, every=2)
    assert pairs.searched.shape == (20, 17, 20) == pairs.places.shape[1:]
    middle = pairs.seen(where_it_moves(pairs, 1) & where_it_moves(pairs, 2))
    for first, last in pairs.ways(1, 2):
        np.testing.assert_allclose(np.median((last - first)[:, middle], axis=1), EXPECTED, atol=0.25)
    for finish in (False, True):
        ends, match = pairs.blended(1, 2, (1.0,) * pairs.n_ways, finish)
        assert ends.shape == (2, 3, *pairs.nodes.coefficient_shape) and match.shape == pairs.nodes.coefficient_shape
        inside = where_it_moves(pairs, 1) & where_it_moves(pairs, 2)
        moved = pairs.fine(ends[1] - ends[0])[:, inside]
        np.testing.assert_allclose(np.median(moved, axis=1), EXPECTED, atol=0.25)
        assert np.median(pairs.fine(match[None])[0][inside]) > 0.95


def test_a_field_of_places_is_the_same_at_every_second_point():
    pairs = pairs_of(drift(**MANY), (False,) * 3, every=2)
    smooth = np.stack([np.sin(axis / 9) for axis in pairs.places])
    np.testing.assert_allclose(pairs.everywhere(smooth), np.sin(pairs.lattice.points / 9), atol=0.02)
    assert pairs.seen(pairs.lattice.points[2])[0, 0].tolist() == list(range(0, 40, 2))


def test_grids_of_few_points_are_searched_at_all_of_them():
    one, two = (pairs_of(drift(), every=every) for every in (1, 2))
    assert two.every == 1
    for first, second in zip(one.blended(1, 2, (1.0, 1.0), True), two.blended(1, 2, (1.0, 1.0), True)):
        np.testing.assert_array_equal(first, second)


def test_masked_points_do_not_count_at_every_second_point_either():
    pairs = pairs_of(drift(dims=(40, 12, 12)), every=2)
    ends = np.stack([np.zeros_like(pairs.places), np.full_like(pairs.places, 3.0)])
    every = pairs.match(1, 2, ends)
    pairs.valid = lambda *steps: np.broadcast_to(np.arange(40) < 10, pairs.lattice.shape)
    found = pairs.match(1, 2, ends)
    assert every[..., 13].min() < 0.9 and found[..., 13].min() == 1, "nothing differs so far from what is valid"
