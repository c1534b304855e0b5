"""How tables and the network are stepped, and that a run which was cut off ends with the same bytes."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch
from series import moving_blob
from small import SMALL, at_iteration, with_training

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.training import watch
from hyperinr_core.training.distributed import World
from hyperinr_core.training.gpu import choose_device
from hyperinr_core.training.run import train
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.training.watch import Interrupted


class Recorded:
    """The steps of every array, by its place in memory: (count, rate) one after the other."""

    def __init__(self, trainer):
        self.steps, self._step = {}, trainer.evaluator.adam_step
        trainer.evaluator.adam_step = self

    def __call__(self, params, grad, m, v, adam, *scale):
        self.steps.setdefault(params.data_ptr(), []).append((adam.step, adam.lr))
        self._step(params, grad, m, v, adam, *scale)


@pytest.fixture
def trained(tmp_path):
    """A trainer of 60 iterations on one of five steps each, and what it asked Adam for."""
    series, config = moving_blob(), with_training(samples=6000, batch_steps=1, batch_points=100)
    task = Volumes(series, ["density"])
    trainer = Trainer(task.learn(config, Context(tmp_path / "teacher", "cpu", World(), Tell())))
    recorded = Recorded(trainer)
    for _ in range(trainer.n_iterations):
        trainer.step()
    tables = [recorded.steps[table.data_ptr()] for table in trainer._tables]
    return trainer, tables, recorded.steps[trainer._mlp.data_ptr()]


def test_each_table_counts_the_steps_that_it_took_part_in(trained):
    _, tables, network = trained
    counts = [[count for count, _ in steps] for steps in tables]
    assert all(found == list(range(1, len(found) + 1)) for found in counts)
    assert len({len(found) for found in counts}) > 1 and sum(map(len, counts)) == 60
    assert [count for count, _ in network] == list(range(1, 61))


def test_rates_fall_to_zero_along_a_cosine(trained):
    trainer, tables, network = trained
    training = trainer.config.training
    share = (1 + np.cos(np.pi * np.arange(60) / 60)) / 2
    np.testing.assert_allclose([rate for _, rate in network], training.lr_network * share)
    rates = sorted((rate for steps in tables for _, rate in steps), reverse=True)
    np.testing.assert_allclose(rates, training.lr_encoding * share)
    assert all(torch.isfinite(table).all() for table in trainer._tables)


@pytest.mark.parametrize("cut", [1, 60, 199])
def test_interrupted_run_continues_to_the_same_bytes(tmp_path, monkeypatch, cut):
    series = moving_blob()
    train(Volumes(series, ["density"]), tmp_path / "whole.hinr", SMALL)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        at_iteration(patch, cut, lambda trainer: signal.raise_signal(signal.SIGINT))
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", SMALL)
    assert not (tmp_path / "cut.hinr").exists()
    with pytest.raises(ParameterError, match="--resume"):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", SMALL)
    with pytest.raises(DataError, match="other data or settings"):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", with_training(seed=1), resume=True)
    train(Volumes(series, ["density"]), tmp_path / "cut.hinr", SMALL, resume=True)
    assert (tmp_path / "cut.hinr").read_bytes() == (tmp_path / "whole.hinr").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["cut.hinr", "whole.hinr"]


def test_killed_run_continues_from_its_last_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "CHECKPOINT_SECONDS", 0.0)
    series = moving_blob()
    config = with_training(samples=40_000)
    train(Volumes(series, ["density"]), tmp_path / "whole.hinr", config)

    def die(trainer):
        raise RuntimeError("killed")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        at_iteration(patch, 13, die)
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config)
    train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config, resume=True)
    assert (tmp_path / "cut.hinr").read_bytes() == (tmp_path / "whole.hinr").read_bytes()


def test_named_device_must_be_there():
    with pytest.raises(ParameterError, match="expected auto, cpu or cuda"):
        choose_device("tpu")
