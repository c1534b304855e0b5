"""The motion of a series as it is stored: every gap's paths, believed as the evidence says, in whole steps that fit."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drifts import SPEED, drift
from test_pairs import pairs_of

from hyperinr_core.measure.metrics import psnr
from hyperinr_core.motion.kernel import carry
from hyperinr_core.training.motion import build as module
from hyperinr_core.training.motion.build import MOST_STEPS, PATH_STEP, build
from hyperinr_core.training.motion.evidence import examine, unexamined
from hyperinr_core.training.motion.pairs import Pairs

LIMITS = (0.0, 3.0)


def made(traced=False, **options):
    pairs = pairs_of(drift(**options), traced=traced)
    return pairs, examine(pairs, LIMITS) if len(pairs.times) > 2 else unexamined(pairs, 1.0)


def test_every_gap_has_its_paths():
    heard = []
    pairs, evidence = made()
    motion = build({"c": (pairs, evidence)}, lambda *part: heard.append(part))
    assert motion.paths.shape == (1, 5, 2, 3, *pairs.nodes.coefficient_shape) and motion.paths.dtype == np.int16
    assert motion.path_step == PATH_STEP and motion.owners == (0,) and motion.anchored == (evidence.anchored,)
    assert heard == [(gap + 1, 5) for gap in range(5)]
    np.testing.assert_array_equal(motion.times, pairs.times)
    peak = np.unravel_index(pairs.latest(2)[..., 0].argmax(), pairs.lattice.shape)
    moment = motion.moment(0, 2.5)
    offsets = motion.lattice.at(moment.coefficients, np.array(peak, np.float32)[:, None])[:, 0]
    first, last = offsets.reshape(-1, 4)[moment.gap.first :, :3][:2]
    np.testing.assert_allclose(last - first, SPEED[::-1], atol=0.3)


HELD_OUT = {
    "what moves": {"speed": (1.5, 0.5, -0.75)},
    "nothing moves": {"speed": (0, 0, 0)},
    "noise over what stays": {"speed": (0, 0, 0), "noise": 0.3},
    "noise that hides what moves": {"noise": 2.0},
    "one thing after the other": {"appear": True},
}


@pytest.mark.parametrize("n_steps", [5, 9])
@pytest.mark.parametrize("case", HELD_OUT)
def test_steps_that_nobody_saw_are_never_worse_than_linear(case, n_steps):
    """Every second of a series, of which three or five are known."""
    series = drift(n_steps=n_steps, **HELD_OUT[case])
    pairs = pairs_of(series.select(range(0, n_steps, 2)))
    motion = build({"c": (pairs, examine(pairs, LIMITS))})
    places, gains = [np.arange(n, dtype=np.float32) for n in series.grid.shape], []
    for step in range(1, n_steps, 2):
        moment = motion.moment(0, series.thetas[step, 0])
        values = carry(moment, [pairs.step(i) for i in moment.steps], places)
        linear = 0.5 * (series.read(step - 1, ["c"]) + series.read(step + 1, ["c"]))
        truth = series.read(step, ["c"])
        gains.append(float(psnr(values, truth, LIMITS) - psnr(linear, truth, LIMITS)) if (linear != truth).any() else 0)
    # of things that have nothing to do with each other a single step may be below by chance
    found = np.mean(gains) if case == "one thing after the other" else min(gains)
    assert found > (8 if case == "what moves" else -0.1)


@pytest.mark.parametrize("periodic", [(True, True, True), (False, False, False)])
def test_a_search_at_every_second_point_predicts_as_well(periodic):
    """Held-out steps of what moves, 36 points along each axis: against the search at all points, and linear interpolation."""
    series = drift(n_steps=9, dims=(36, 36, 36), speed=(1.5, 0.5, -0.75))
    known, scores = series.select(range(0, 9, 2)), []
    places = [np.arange(n, dtype=np.float32) for n in series.grid.shape]
    for every in (1, 2):
        pairs = pairs_of(known, periodic, every=every)
        motion = build({"c": (pairs, examine(pairs, LIMITS))})
        moments = [motion.moment(0, series.thetas[step, 0]) for step in (3, 5)]
        found = [carry(moment, [pairs.step(i) for i in moment.steps], places) for moment in moments]
        scores.append([float(psnr(v, series.read(step, ["c"]), LIMITS)) for v, step in zip(found, (3, 5))])
    linear = [0.5 * (series.read(step - 1, ["c"]) + series.read(step + 1, ["c"])) for step in (3, 5)]
    plain = [float(psnr(v, series.read(step, ["c"]), LIMITS)) for v, step in zip(linear, (3, 5))]
    assert min(np.subtract(scores[1], plain)) > (8 if all(periodic) else 4)
    assert np.mean(scores[1]) > np.mean(scores[0]) - 0.8


def test_what_is_expected_to_be_wrong_is_near_what_is():
    pairs, evidence = made(noise=0.2)
    motion = build({"c": (pairs, evidence)})
    rms = np.sqrt(np.mean([error.mean() for error in evidence.error.values()]))
    stored = motion.error * (motion.largest_error[0] / 255)
    assert np.sqrt((stored**2).mean()) == pytest.approx(rms, rel=0.2)


def test_nothing_is_stored_that_is_not_believed():
    pairs, evidence = made(speed=(0, 0, 0), noise=0.3)
    motion = build({"c": (pairs, dataclasses.replace(evidence, trust=0.0))})
    assert not motion.paths.any() and not motion.trust.any()
    assert motion.path_step == PATH_STEP


def test_fields_have_motions_of_their_own():
    fields = {"c": made(), "d": made(noise=0.5)}
    motion = build(fields)
    assert motion.owners == (0, 1) and len(motion.anchored) == len(motion.largest_error) == len(motion.bend) == 2
    assert motion.trust.shape[0] == 2 and not np.array_equal(motion.paths[0], motion.paths[1])


def test_two_steps_are_one_gap_without_an_error():
    motion = build({"c": made(n_steps=2, traced=True)})
    assert motion.paths.shape[1] == 1 and motion.anchored == (True,)
    assert not motion.error.any() and motion.largest_error == (0.0,)
    assert motion.trust.max() > 200


def test_large_offsets_get_larger_steps(monkeypatch):
    monkeypatch.setattr(module, "MOST_STEPS", 20)
    pairs, evidence = made()
    motion = build({"c": (pairs, evidence)})
    assert motion.path_step > PATH_STEP and abs(motion.paths).max() == 20 < MOST_STEPS
    monkeypatch.undo()
    finer = build({"c": (pairs, evidence)})
    difference = motion.paths * motion.path_step - finer.paths * finer.path_step
    assert abs(difference).max() <= motion.path_step


def test_the_same_series_gives_the_same_numbers():
    first, second = (build({"c": made(noise=0.1)}) for _ in range(2))
    for attribute in dataclasses.fields(first):
        np.testing.assert_array_equal(getattr(first, attribute.name), getattr(second, attribute.name))


@pytest.mark.parametrize(
    "traced, finish, every", [(False, False, 1), (True, False, 1), (True, True, 1), (False, True, 2)]
)
def test_a_large_grid_s_motion_is_found_by_blocks(monkeypatch, traced, finish, every):
    pairs, seen = pairs_of(drift(dims=(48, 40, 36)), traced=traced, every=every), []
    ways = [0.5] * pairs.n_ways
    ends, match = module._found(pairs, 1, ways, finish)
    for name, value in (("MOST_AT_ONCE", 1000), ("LONGEST", 24), ("HALO", 10)):
        monkeypatch.setattr(module, name, value)
    within = Pairs.within
    monkeypatch.setattr(Pairs, "within", lambda *given: seen.append(given) or within(*given))
    again, match_again = module._found(pairs, 1, ways, finish)
    assert len(seen) == 2 * 2**3
    assert abs(again - ends).mean() < 0.08 * abs(ends).mean() and abs(match_again - match).mean() < 0.03


def test_blocks_own_every_point_once():
    shape, periodic = (300, 130, 1), (True, False, False)
    owned = np.zeros(shape, int)
    for block in module.blocks(shape, periodic):
        starts = [around.start + inner.start for around, inner in zip(block.around, block.inner)]
        assert tuple(starts) == block.start
        owned[tuple(slice(s, s + i.stop - i.start) for s, i in zip(starts, block.inner))] += 1
    assert (owned == 1).all()
