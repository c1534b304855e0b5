"""Bricks together: every brick's motion carries from the training steps of all."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brick_models import bricked
from moving_models import moving_model

from hyperinr_core import hinr
from hyperinr_core.joined import decoded
from hyperinr_core.joining import brick_path, join
from hyperinr_core.motion.kernel import carry
from hyperinr_core.motion.steps import Step, Steps

#: Bricks of 16 and 16 points along x, 20 along y and 18 along z, of 26 x 20 x 18 that goes on along x where bricks say so.
DIMS, COUNTS = (26, 20, 18), (2, 1, 1)
BEFORE, BEHIND = slice(0, 10), slice(16, 26)


@pytest.fixture(scope="module", params=[False, True], ids=["box", "periodic"])
def model(request, tmp_path_factory):
    """And whether x goes on at its other end."""
    path = tmp_path_factory.mktemp("joined") / "m.hinr"
    bricked(path, DIMS, COUNTS, change=moving_model)
    for number in range(2):
        brick = hinr.load(brick_path(path, number))
        told = {**brick.provenance["brick"], "periodic": [request.param, False, False]}
        hinr.save(dataclasses.replace(brick, provenance={**brick.provenance, "brick": told}), brick_path(path, number))
    join(path)
    return hinr.load(path), request.param


def steps_of(model):
    """(nz, ny, nx, C) of every training step, as bricks blend."""
    times = model.brick(0).encoder_positions[:, 0]
    return [model.generate(time, interpolation="linear").sample_grid() for time in times]


@pytest.mark.parametrize("number", [0, 1])
def test_what_a_path_reaches_beyond_a_brick_is_its_neighbours(model, number):
    """Carried by hand from whole steps, far enough from the overlap that the other brick does not count."""
    model, periodic = model
    brick, start, alone = model.brick(number), (0, 10)[number], (BEFORE, BEHIND)[number]
    moment = brick.motion.moment(0, 0.6)
    around = 20  # points that go on at the other end
    steps = []
    for step in moment.steps:
        values = steps_of(model)[step]
        if periodic:
            values = np.take(values, np.arange(-around, DIMS[0] + around), axis=2, mode="wrap")
        steps.append(Step.of(values, (False,) * 3).seen_from((0, 0, start + (around if periodic else 0))))
    places = [np.arange(n, dtype=np.float32) for n in brick.motion.shape]
    places[2] = places[2][alone.start - start : alone.stop - start]
    expected = carry(moment, steps, places)
    found = model.generate(0.6).sample_grid()[:, :, alone]
    np.testing.assert_allclose(found, expected, atol=2e-5)
    apart = brick.generate(0.6).sample_grid()[:, :, alone.start - start : alone.stop - start]
    assert abs(apart - expected).max() > 0.01  # the border's own values instead


def test_a_region_is_the_whole_there(model):
    model, _ = model
    whole = model.generate(0.6).sample_grid()
    for x0, x1 in ((0, 3), (9, 15), (20, 25)):
        part = model.generate(0.6).sample_grid(region=(x0, x1, 2, 12, 3, 9))
        np.testing.assert_allclose(part, whole[3:10, 2:13, x0 : x1 + 1], atol=2e-5)
    points = np.random.default_rng(0).integers(0, DIMS, (50, 3))
    values = model.generate(0.6).sample((points / (np.array(DIMS) - 1)).astype(np.float32))
    np.testing.assert_allclose(values, whole[points[:, 2], points[:, 1], points[:, 0]], atol=2e-5)


@pytest.mark.parametrize("periodic", [False, True], ids=["box", "periodic"])
@pytest.mark.parametrize(("n", "region"), [(200, (10, 199)), (200, (0, 90)), (400, (150, 230)), (400, (310, 399))])
def test_a_part_of_a_long_grid_is_the_whole_there(tmp_path, periodic, n, region):
    """Where steps are decoded on boxes that are no whole axis."""
    path = tmp_path / "long.hinr"
    bricked(path, (n, 8, 8), (3, 1, 1), change=moving_model)
    for number in range(3):
        brick = hinr.load(brick_path(path, number))
        told = {**brick.provenance["brick"], "periodic": [periodic, False, False]}
        hinr.save(dataclasses.replace(brick, provenance={**brick.provenance, "brick": told}), brick_path(path, number))
    join(path)
    whole, model = hinr.load(path).generate(0.6).sample_grid(), hinr.load(path)
    boxes, get = [], Steps.get
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Steps, "get", lambda steps, numbers, box, *rest: (boxes.append(box), get(steps, numbers, box, *rest))[1]
        )
        part = model.generate(0.6).sample_grid(region=(*region, 0, 7, 0, 7))
    np.testing.assert_allclose(part, whole[:, :, region[0] : region[1] + 1], atol=5e-5)
    assert n == 200 or all(box[2][1] - box[2][0] < n - 1 for box in boxes)


def test_of_points_far_apart_nothing_between_is_decoded(tmp_path):
    path = tmp_path / "long.hinr"
    model = bricked(path, (400, 8, 8), (8, 1, 1), change=moving_model)
    ends = np.array([[0.01, 0.5, 0.5], [0.99, 0.5, 0.5]], np.float32)
    found = model.generate(0.6).sample(ends)
    assert len(model._opened) <= 4, "bricks between the points were opened"
    apart = [hinr.load(path).generate(0.6).sample(point[None]) for point in ends]
    np.testing.assert_allclose(found, np.concatenate(apart), atol=2e-5)


def test_steps_go_on_around_the_grid(model):
    model, _ = model
    found = decoded(model, "auto", 1, ((0, 4), (3, 9), (-3, 30)), None)
    whole = steps_of(model)[1]
    np.testing.assert_allclose(found, np.take(whole, np.arange(-3, 31), axis=2, mode="wrap")[:5, 3:10], atol=1e-6)


def test_a_step_is_decoded_once_for_all_bricks(model, monkeypatch):
    model, _ = model
    path, asked = model._path, []
    fresh = hinr.load(path)
    one = type(model.brick(0)).decoded
    monkeypatch.setattr(type(model.brick(0)), "decoded", lambda self, *a: asked.append((self, a[1])) or one(self, *a))
    fresh.generate(0.6).sample_grid()
    fresh.generate(0.7).sample_grid()
    assert len(asked) == len(set(asked)) == 2 * len(fresh.brick(0).motion.moment(0, 0.6).steps)


def test_beside_a_missing_brick_paths_reach_what_is_there(tmp_path):
    path = tmp_path / "m.hinr"
    whole = bricked(path, DIMS, COUNTS, change=moving_model).generate(0.6).sample_grid()
    brick_path(path, 1).unlink()
    join(path, partial=True)
    found = hinr.load(path).generate(0.6).sample_grid()
    assert np.isnan(found[:, :, 15:]).all() and np.isfinite(found[:, :, :15]).all()
    assert abs(found[:, :, :15]).max() < 2 * abs(whole).max()
