"""How far a motion is believed: much where things move, and nothing where noise would promise anything."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from drifts import drift
from scipy import ndimage
from test_pairs import AROUND, pairs_of

from hyperinr_core.training.motion import evidence
from hyperinr_core.training.motion.evidence import Equations, examine, in_place, unexamined, weigh

LIMITS = (0.0, 3.0)


@pytest.mark.parametrize("options, periodic", [({}, AROUND), ({"dims": (32, 28, 1)}, (False, True, True))])
def test_what_moves_is_carried(options, periodic):
    found = examine(pairs_of(drift(**options), periodic), LIMITS)
    linear, carried = (np.array(found.psnr[name]) for name in ("linear", "carried"))
    assert len(linear) == 4 and (carried > linear + 20).all()
    assert 0.9 < found.trust <= 1.25 and len(found.ways) == 2 and sum(found.ways) == pytest.approx(1, abs=0.02)
    assert sorted(found.error) == [1, 2, 3, 4]
    assert np.mean(found.error[2]) < 1e-4


CALM = {
    "nothing moves": {"speed": (0, 0, 0)},
    "noise over what stays": {"speed": (0, 0, 0), "noise": 0.3},
    "noise that hides what moves": {"noise": 2.0},
    "one thing after the other": {"appear": True},
}


@pytest.mark.parametrize("case", CALM)
def test_it_is_never_worse_than_linear(case):
    found = examine(pairs_of(drift(**CALM[case])), LIMITS)
    assert np.subtract(found.psnr["carried"], found.psnr["linear"]).min() > -0.05
    if case != "one thing after the other":
        assert found.trust < 0.2 and found.bend < 0.2


def test_what_swings_faster_than_curves_follow_gets_no_more_than_a_curve():
    """A file holds no larger bend than 1."""
    series = drift(n_steps=9, speed=(0, 0, 0))

    def load(step, name, z_range):
        return series.loader(step, name, z_range) * np.float32(np.sin(0.9 * step))

    found = examine(pairs_of(dataclasses.replace(series, loader=load)), (-3.0, 3.0))
    assert found.bend == 1 and np.median(np.subtract(found.psnr["carried"], found.psnr["linear"])) > 2


def test_a_saved_velocity_is_one_more_way_and_a_wrong_one_does_little_harm():
    right = examine(pairs_of(drift(noise=0.4), traced=True), LIMITS)
    wrong = examine(pairs_of(drift(noise=0.4, velocity=(-3.0, -1.0, 1.5)), traced=True), LIMITS)
    plain = examine(pairs_of(drift(noise=0.4)), LIMITS)
    assert right.ways[2] > 0.5 > 2 * wrong.ways[2]
    assert np.mean(right.psnr["carried"]) > np.mean(plain.psnr["carried"])
    assert np.mean(wrong.psnr["carried"]) > np.mean(plain.psnr["carried"]) - 0.5


def shear(n_steps=5, n=24):
    """Smooth noise in layers that slide past each other along x, so close that the flow's windows see several at once."""
    rng = np.random.default_rng(2)
    modes = np.fft.rfft(ndimage.gaussian_filter(rng.standard_normal((n, n, n)), 1.5, mode="wrap"), axis=-1)
    speed = 1.2 * np.sin(2 * np.pi * np.arange(n) / 12)[:, None]

    def load(step, name, z_range):
        turned = modes * np.exp(-2j * np.pi * np.arange(n // 2 + 1) / n * speed * step)
        return np.fft.irfft(turned, n=n, axis=-1)[slice(*(z_range or (None,)))].astype(np.float32)

    return dataclasses.replace(drift(n_steps=n_steps, dims=(n, n, n)), loader=load)


def test_a_motion_is_refined_where_steps_left_out_gain_by_it(monkeypatch):
    found, plain = examine(pairs_of(shear()), (-0.5, 0.5)), examine(pairs_of(drift(noise=0.3)), LIMITS)
    assert found.refined and not plain.refined
    monkeypatch.setattr(evidence, "WORTH", np.inf)
    without = examine(pairs_of(shear()), (-0.5, 0.5))
    assert not without.refined and np.mean(found.psnr["carried"]) > np.mean(without.psnr["carried"]) + 0.3


def test_progress_counts_every_pass():
    heard = []
    examine(pairs_of(drift(n_steps=4, dims=(12, 12, 12))), LIMITS, lambda *part: heard.append(part))
    assert heard == [(done + 1, 8) for done in range(8)]
    heard.clear()
    examine(pairs_of(drift(n_steps=4, dims=(12, 12, 12)), traced=True), LIMITS, lambda *part: heard.append(part))
    assert heard == [(done + 1, 14) for done in range(14)], (
        "paths of a velocity may pass their middle, and flow is tried alone"
    )


def test_weights_are_shrunk_by_what_they_gain():
    rng = np.random.default_rng(0)
    part, noise = rng.normal(size=(2, 1, 1, 1000, 1))
    valid, zero = np.ones((1, 1, 1000), bool), np.zeros((1, 1, 1000, 1))
    clear, hidden = (Equations.of(zero, [part], 0.8 * part + a * noise, valid) for a in (0.01, 8.0))
    weights, gain = weigh([clear])
    assert weights[0] == pytest.approx(0.8, rel=0.03) and gain > 20
    weights, gain = weigh([hidden])
    assert 0 <= weights[0] < 0.3 * (hidden.right / hidden.matrix[0])[0] and gain < 0.2
    assert weigh([clear] * 4)[0][0] > weigh([clear])[0][0], "more steps are more evidence"
    opposite = Equations.of(zero, [part], -0.8 * part, valid)
    assert weigh([opposite])[0][0] == 0, "no weight is below 0"
    assert weigh([Equations.of(zero, [part], zero, valid)])[0][0] == 0
    assert weigh([Equations.of(zero, [zero], part, valid)])[0][0] == 0
    assert weigh([Equations.of(zero, [part], part, ~valid)])[0][0] == 0, "all is masked"


def test_in_place_curves_stay_within_what_the_steps_have():
    pairs = pairs_of(drift())
    linear, curve = in_place(pairs, [0, 1, 3, 4], 2.0)
    first, last = pairs.latest(1), pairs.latest(3)
    np.testing.assert_allclose(linear, 0.5 * (first + last), atol=1e-6)
    every = np.stack([pairs.latest(step) for step in (0, 1, 3, 4)])
    assert (curve >= every.min(axis=0)).all() and (curve <= every.max(axis=0)).all()
    assert abs(curve - linear).max() > 0.05


def test_of_two_steps_a_velocity_counts_and_flow_is_as_it_was_asked_for():
    plain, traced = (unexamined(pairs_of(drift(n_steps=2), traced=traced), 1.0) for traced in (False, True))
    assert plain.ways == (1.0, 1.0) and traced.ways == (0.0, 0.0, 1.0)
    assert not plain.anchored and traced.anchored and plain.psnr == traced.psnr == {}
