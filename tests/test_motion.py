"""The motion that a model stores: paths through its gaps, and on through those beside them."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from moving_models import TIMES, random_motion

from hyperinr_core.motion.motion import BYTE, TRUST
from hyperinr_core.spaces.line import catmull_rom_weights

SHAPE = (12, 14, 16)
SPEED = np.array([0.5, -1.0, 2.0])  # z, y, x, points per unit of time


def steady(periodic=(True, True, True), anchored=True, speed=SPEED):
    """Everything moves at one speed."""
    motion = random_motion(SHAPE, periodic, anchored=(anchored,))
    half = 0.5 * np.diff(TIMES)[:, None, None] * [[-1], [1]] * np.asarray(speed)  # (gaps, 2, 3)
    paths = np.broadcast_to(np.rint(half * 32)[None, ..., None, None, None], motion.paths.shape)
    return dataclasses.replace(motion, paths=paths.astype(np.int16))


def points():
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij"))


def offsets(moment):
    """(J, 3, nz, ny, nx) where what is at each point is at each step, less the point."""
    n = len(moment.steps)
    return moment.gap.lattice.at(moment.coefficients, points()).reshape(-1, 4, *SHAPE)[:n, :3]


@pytest.mark.parametrize("anchored", [False, True])
@pytest.mark.parametrize("time", [0.25, 1.0, 1.6, 2.9])
def test_what_moves_at_one_speed_is_at_each_step_where_it_should_be(anchored, time):
    moment = steady(anchored=anchored).moment(0, time)
    if moment.is_at_step:
        assert moment.reach == (0, 0, 0)
        return
    expected = (np.array(TIMES)[list(moment.steps)] - time)[:, None] * SPEED
    found = offsets(moment)
    np.testing.assert_allclose(found, np.broadcast_to(expected[..., None, None, None], found.shape), atol=1e-4)
    assert moment.reach == tuple(np.ceil(abs(expected).max(axis=0) - 1e-4))


def test_steps_are_those_of_the_gap_and_beside_it():
    motion = steady()
    assert [motion.moment(0, t).steps for t in (0.2, 1.7, 2.9)] == [(0, 1, 2), (0, 1, 2, 3), (1, 2, 3)]
    assert [motion.moment(0, t).gap.first for t in (0.2, 1.7, 2.9)] == [0, 1, 1]
    moment = motion.moment(0, 1.7)
    assert moment.share == pytest.approx(0.7 / 1.5)
    np.testing.assert_allclose(moment.weights, catmull_rom_weights(np.array(TIMES), 1.7)[1])
    two = random_motion(SHAPE, times=(0.0, 2.0)).moment(0, 0.5)
    assert two.steps == (0, 1) and two.weights.tolist() == [0.75, 0.25]


def test_beyond_the_steps_nothing_is_extrapolated():
    motion = steady()
    for time, share, step in ((-5.0, 0.0, 0), (99.0, 1.0, 3)):
        moment = motion.moment(0, time)
        assert moment.share == share and moment.is_at_step
        assert moment.steps[moment.gap.first + int(share)] == step


def test_a_path_comes_back_to_its_point():
    """What is at a point now was at a place at a step; from there it comes to the point again."""
    motion = random_motion(SHAPE, (True, True, True), points=0.4, seed=3)
    moment = motion.moment(0, 1.5)
    middle, ends = moment.gap.lattice, motion.gap(0, 1).coefficients
    j = moment.gap.first
    now = points()[:, ::4, ::4, ::4]
    place = now + moment.gap.lattice.at(moment.coefficients, now)[4 * j : 4 * j + 3]
    # the middle whose path is at that place at the gap's first end
    start = place.copy()
    for _ in range(50):
        start = place - middle.at(ends, start)[4 * j : 4 * j + 3]
    found = middle.at(ends, start)
    along = moment.gap._on_path(1.5)
    again = start + sum(along[k] * found[4 * k : 4 * k + 3] for k in range(len(moment.steps)))
    assert abs(again - now).max() < 0.1 < abs(place - now).max()


def test_velocity_trust_and_error_are_known_everywhere():
    motion = steady()
    known = motion.known(0, 1.6)
    velocity, trust, error = known.at(points())
    np.testing.assert_allclose(velocity, np.broadcast_to(SPEED[:, None, None, None], velocity.shape), atol=2e-3)
    assert 0 <= trust.min() < trust.max() <= 1
    assert 0 <= error.min() < error.max() <= 0.75 and error.shape == SHAPE
    still = dataclasses.replace(motion, trust=np.full_like(motion.trust, BYTE), error=np.full_like(motion.error, 51))
    _, trust, error = still.known(0, 1.6).at(points())
    np.testing.assert_allclose(trust, 1, atol=1e-5)
    np.testing.assert_allclose(error, 0.1, rtol=1e-4)


def test_errors_of_fields_that_float32_has_no_room_for():
    motion = dataclasses.replace(steady(), largest_error=(1e200,))
    with np.errstate(all="raise"):
        _, _, error = motion.known(0, 1.6).at(points())
    assert 1e198 < error.max() < 2e200


def test_fields_have_their_own_trust_and_may_share_a_motion():
    motion = random_motion(SHAPE, n_fields=3, anchored=(True, False))
    moments = [motion.moment(field, 1.3) for field in range(3)]
    same = [np.array_equal(moments[0].coefficients[..., :3], other.coefficients[..., :3]) for other in moments[1:]]
    assert motion.owners == (0, 1, 0) and same == [False, True]
    assert not np.array_equal(moments[0].coefficients[..., TRUST], moments[2].coefficients[..., TRUST])


def test_gaps_are_kept_within_bounds_and_threads_do_not_disturb_each_other():
    motion = random_motion((8, 8, 8), times=np.arange(9.0))
    assert motion.gap(0, 3) is motion.gap(0, 3)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: motion.gap(0, i % 8), range(200)))
    for i, gap in enumerate(found):
        assert gap.steps[gap.first] == i % 8
    assert len(motion._gaps) <= 2 + 4


def test_bytes_are_those_of_the_numbers():
    motion = random_motion(SHAPE)
    nodes = np.prod(motion.lattice.coefficient_shape)
    assert motion.n_bytes == 3 * nodes * (6 * 2 + 2)
