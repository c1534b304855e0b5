"""Points are drawn where a model errs, as often as its errors say, and a continued run draws what an unbroken one would."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from masked import masked_blob, wall
from series import moving_blob
from small import with_training

from hyperinr_core.training import focus
from hyperinr_core.training.distributed import World
from hyperinr_core.training.drawing import RUN, even, placed
from hyperinr_core.training.focus import LEAST, Focus, shares
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes

LARGE = (16, 16, 24)  # twelve bricks


def lesson_of(series, tmp_path, **training):
    settings = with_training(**{"samples": 40_000, "batch_points": 500, **training})
    return Volumes(series, ["density"]).learn(settings, Context(tmp_path, "cpu", World(), Tell()))


def test_runs_are_drawn_as_often_as_they_err():
    n_values = 3 * RUN + 100
    runs = np.arange(0, n_values, 7) // RUN
    bounds = shares(np.array([0.0, 1.0, 4.0, 0.0])[runs], runs, n_values)
    assert bounds[0] == 0 and bounds[-1] == 1
    density = np.diff(bounds) / np.diff(even(n_values))
    np.testing.assert_allclose(density[[0, 3]], LEAST)
    assert (density[2] - LEAST) / (density[1] - LEAST) == pytest.approx(2)
    fine = np.random.default_rng(0).integers(0, 1 << 31, 200_000)
    drawn = placed(bounds, n_values, fine)
    assert drawn.min() == 0 and drawn.max() == n_values - 1
    np.testing.assert_allclose(np.bincount(drawn // RUN) / len(fine), np.diff(bounds), atol=1e-4)
    of_a_run = np.bincount(drawn[drawn // RUN == 1] - RUN, minlength=RUN)
    assert of_a_run.min() > 0.6 * of_a_run.mean(), "values of a run are drawn alike"


def test_no_error_at_all_or_none_that_is_a_number_draws_evenly():
    runs = np.arange(2 * RUN) // RUN
    for squares in (np.zeros(2 * RUN), np.full(2 * RUN, np.nan)):
        np.testing.assert_array_equal(shares(squares, runs, 2 * RUN), even(2 * RUN))


def test_a_look_finds_where_a_model_errs(tmp_path):
    lesson = lesson_of(moving_blob(dims=LARGE), tmp_path)
    looked = Focus(lesson.stream, focus.N_PARTS)
    corner = 1.0 * (lesson.stream.every(0, 0, 1)[1] < 0.3).all(axis=1)
    assert looked.left(0) == 1 and looked.left(focus.N_PARTS) > 10**9

    def values(theta, points):
        _, everywhere, targets, _ = lesson.stream.every(
            lesson.stream.series.thetas[:, 0].tolist().index(theta[0]), 1, 61
        )
        assert (points == everywhere).all()
        return targets + 0.1 * (points < 0.3).all(axis=1, keepdims=True)

    looked.look(1, values)
    batch = lesson.stream.draw(3)
    assert (batch.points < 0.3).all(axis=2).mean() > 5 * corner.mean()
    Focus(lesson.stream, focus.N_PARTS)
    again = lesson.stream.draw(3)
    assert (again.points < 0.3).all(axis=2).mean() == pytest.approx(corner.mean(), rel=0.3), "a new run begins evenly"


def test_a_continued_run_draws_what_an_unbroken_one_would(tmp_path):
    lesson = lesson_of(moving_blob(dims=LARGE), tmp_path / "whole")
    unbroken = Trainer(lesson)
    while unbroken.iteration < 25:
        unbroken.advance(25 - unbroken.iteration)
    unbroken.save_state(tmp_path / "state")
    drawn = lesson.stream.draw(26)
    assert any((bounds != even(RUN * 12)).any() for bounds in lesson.stream.all_bounds())
    other = lesson_of(moving_blob(dims=LARGE), tmp_path / "other")
    continued = Trainer(other)
    continued.load_state(tmp_path / "state")
    np.testing.assert_array_equal(other.stream.draw(26).points, drawn.points)
    for trainer in (unbroken, continued):
        while trainer.iteration < trainer.n_iterations:
            trainer.advance()
    assert torch.equal(unbroken._tables, continued._tables)


@pytest.mark.parametrize("options", [{"memory_mb": 1}, {}], ids=["larger than memory", "masked"])
def test_what_can_be_looked_at_is(tmp_path, options):
    """A series that does not fit is drawn evenly; masked points are neither looked at nor drawn."""
    series = masked_blob(wall, dims=(24, 20, 16)) if not options else moving_blob(dims=(40, 40, 40))
    lesson = lesson_of(series, tmp_path, **options)
    trainer = Trainer(lesson)
    while trainer.iteration < trainer.n_iterations:
        trainer.advance()
    changed = [(bounds != even(len(values))).any() for values, _, bounds in lesson.stream._resident.values()]
    assert changed and all(found == (not options) for found in changed)
