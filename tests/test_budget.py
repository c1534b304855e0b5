"""Minutes, bytes and dB that a run is given, and what it promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from series import moving_blob
from small import SMALL

from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.training import budget, checkpoint
from hyperinr_core.training.distributed import World
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import PER_VALUE, PRESETS, preset, samples_for, table_size_for
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.training.watch import Interrupted
from hyperinr_core.volume import Grid

LONG = SMALL.replace(training={"samples": 3_000_000}, motion={"carry": "never"})


def run(tmp_path, config, name="a.hinr", n_steps=5, **options):
    """The model, and what was promised of it."""
    heard = []
    model = train(
        Volumes(moving_blob(n_steps=n_steps), ["density"]),
        tmp_path / name,
        config,
        tell=Tell(planned=heard.append),
        **options,
    )
    return model, heard[0]


def reached(model):
    return float(np.mean(model.quality["training_psnr_db"]["density"]))


def test_points_and_tables_grow_with_the_data_and_tiny_data_ends_early():
    small, usual, large = (Grid((n, n, n)) for n in (16, 64, 128))
    assert preset("default", usual, n_steps=13).training.samples == PRESETS["default"]
    assert preset("default", large, n_steps=13).training.samples == PER_VALUE[0] * 13 * 128**3
    assert preset("default", small, n_steps=5).training.samples == PER_VALUE[1] * 5 * 16**3
    for n_values in (5 * 16**3, 13 * 128**3):
        few, many = samples_for("fast", n_values), samples_for("default", n_values)
        assert few == pytest.approx(many * PRESETS["fast"] / PRESETS["default"], rel=1e-3)
    assert [table_size_for(Grid((n, n, n))) for n in (16, 64, 128, 256, 512)] == [15, 15, 17, 19, 21]
    assert preset("fast", large).encoding.log2_hashmap_size == 17
    batches = [preset("default", Grid((n, n, n))).training.batch_points for n in (64, 128, 256, 512)]
    assert batches == [2400, 2400, 9600, 38400]


def test_a_promise_is_near_what_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FEWEST_LOOKED_AT", 500)
    model, plan = run(tmp_path, LONG, n_steps=20)
    assert plan.psnr == pytest.approx(reached(model), abs=4)
    assert plan.samples == LONG.training.samples and plan.seconds > 0
    assert plan.n_bytes == pytest.approx((tmp_path / "a.hinr").stat().st_size, rel=0.3, abs=budget.DOCUMENT)


def test_a_promise_of_few_points_is_near_what_comes_too(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FEWEST_LOOKED_AT", 500)
    few = LONG.replace(training={"base": "never", "samples": 1_000_000})
    model, plan = run(tmp_path, few, n_steps=20)
    assert plan.psnr == pytest.approx(reached(model), abs=4)


def test_a_short_run_is_not_looked_at(tmp_path):
    assert run(tmp_path, SMALL.replace(training={"samples": 20_000}))[1].psnr is None


def test_a_run_shorter_than_a_tick_of_the_clock_has_a_pace(monkeypatch):
    """time.monotonic of Windows moves on in steps of 16 ms."""
    monkeypatch.setattr(budget.time, "monotonic", lambda: 0.0)
    assert 0 < budget.pace(a_lesson(SMALL.replace(training={"samples": 20_000})), "cpu") < 1e12


def test_a_target_takes_no_more_points_than_it_needs(tmp_path):
    model, plan = run(tmp_path, LONG.replace(budget={"target_psnr": 30.0}))
    assert plan.samples in [tried * 5 * moving_blob().grid.n_points for tried in budget.TRIED[:-1]]
    assert plan.psnr >= 30 + budget.MARGIN and reached(model) > 29


def test_a_target_out_of_reach_is_refused_with_what_is_in_reach(tmp_path):
    with pytest.raises(ParameterError, match=r"target-psnr is 110 dB.*promises .* expected .* at most"):
        run(tmp_path, LONG.replace(budget={"target_psnr": 110.0}))
    assert not list(tmp_path.iterdir())


def test_larger_tables_are_tried_for_a_target(monkeypatch):
    seen = []

    def look(lesson, per_value, device):
        seen.append((per_value, lesson.config.encoding.log2_hashmap_size))
        return 40.0 if seen[-1][1] > 10 else 20.0

    monkeypatch.setattr(budget, "look", look)
    lesson, psnr = budget._reaching(a_lesson(LONG), 35.0, "cpu")
    assert [each[0] for each in seen[:-1]] == list(budget.TRIED) and seen[-1] == (budget.TRIED[-1], 11)
    assert lesson.config.encoding.log2_hashmap_size == 11 and psnr == 40.0
    with pytest.raises(ParameterError, match="within max-bytes"):
        budget._reaching(a_lesson(LONG.replace(budget={"max_bytes": 10**6})), 35.0, "cpu")


@pytest.mark.parametrize("share, sparsity", [(0.9, 0.0), (0.3, 0.0), (0.2, 0.0), (0.2, 0.5)])
def test_a_file_is_no_larger_than_it_may_be(tmp_path, share, sparsity):
    config = SMALL.replace(training={"samples": 60_000, "sparsity": sparsity})
    whole, _ = run(tmp_path, config.replace(training={"sparsity": 0.0}), "whole.hinr")
    most = int(share * (2 * whole.encoder_params.size + budget.DOCUMENT)) + budget.DOCUMENT
    model, plan = run(tmp_path, config.replace(budget={"max_bytes": most}))
    size = (tmp_path / "a.hinr").stat().st_size
    assert 0.1 * most < size <= most and plan.n_bytes <= most
    again = hinr.load(tmp_path / "a.hinr")
    assert np.array_equal(again.encoder_params, model.encoder_params) and again.encoder_params.any()
    assert again.quality == model.quality


def test_what_is_not_tables_must_fit_too(tmp_path):
    with pytest.raises(ParameterError, match=r"max-bytes is 500; expected [0-9]+ at least: [0-9]+ bytes are for what"):
        run(tmp_path, SMALL.replace(budget={"max_bytes": 500}))


def test_minutes_decide_the_points_and_a_continued_run_keeps_them(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "pace", lambda lesson, device: 1e6)
    config = SMALL.replace(budget={"minutes": 0.02})
    expected = 60 * 0.02 * (1 - budget.CLOSING) * 1e6

    _, plan = run(tmp_path, config)
    assert 0.3 * expected < plan.samples < expected
    with monkeypatch.context() as patch:
        patch.setattr("hyperinr_core.training.trainer.Trainer.run", stopped)
        with pytest.raises(Interrupted):
            run(tmp_path, config, "b.hinr")
    begun = checkpoint.read_total(tmp_path / "b.hinr.checkpoint")
    monkeypatch.setattr(budget, "pace", lambda lesson, device: 1e3)
    assert run(tmp_path, config, "b.hinr", resume=True)[1].samples == begun > 0.3 * expected


def stopped(trainer, path, report):
    """A run that is interrupted at once."""
    trainer.save_state(path)
    raise Interrupted


def test_minutes_that_are_over_before_the_training_are_refused():
    with pytest.raises(
        ParameterError, match=r"minutes is 0\.1, and 0\.5 went by before the training; expected 1\.1 at least"
    ):
        budget.planned(a_lesson(SMALL.replace(budget={"minutes": 0.1})), "cpu", 30.0)


def a_lesson(config):
    """What a run would learn from."""
    return Volumes(moving_blob(), ["density"]).learn(config, Context(Path("nowhere"), "cpu", World(), Tell()))
