"""Training for bytes: what tables cost, when that is known, and what it is worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from models import random_model
from series import moving_blob
from small import with_training

from hyperinr_core import hinr
from hyperinr_core.compression import Compression
from hyperinr_core.config import EncodingConfig
from hyperinr_core.table_coding import rounded
from hyperinr_core.training.rate import BEGIN, MEASURED, Cost, Rate
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.task import Volumes

MODEL = random_model((16, 14, 12), encoding=EncodingConfig(n_levels=4, log2_hashmap_size=9), n_encoders=5)
GRID = MODEL.architecture.hash_grid


@pytest.mark.parametrize("target", [30.0, 45.0])
def test_steps_for_a_target_come_to_it(target):
    compression = Compression(MODEL)
    assert compression.psnr(compression.steps_at(target)) == pytest.approx(target, abs=1.0)


def test_nothing_costs_anything_without_a_target():
    rate, tables = Rate(0.0, 100, GRID), torch.from_numpy(MODEL.encoder_params.astype(np.float32))
    for iteration in range(1, 101):
        rate.look(iteration, tables, lambda: MODEL)
        assert rate.cost == Cost() and rate.left(iteration) > 10**9
    assert rate.rounded(tables) is tables and rate.gradient(tables) is None


def test_costs_change_when_they_are_due_and_are_kept():
    rate, tables = Rate(30.0, 1000, GRID), torch.from_numpy(MODEL.encoder_params.astype(np.float32))
    assert rate.left(0) == round(BEGIN * 1000) + 1
    iteration = 0
    while rate.left(iteration) < 1000 and rate.cost.steps is None:
        iteration += rate.left(iteration)
        rate.look(iteration, tables, lambda: MODEL)
        assert rate.cost.rates is not None
    assert iteration == round(MEASURED[0] * 1000) + 1
    steps = Compression(MODEL).steps_at(30.0)
    np.testing.assert_allclose(rate.rounded(tables), rounded(MODEL.encoder_params, GRID, steps), atol=1e-3)
    other = Rate(30.0, 1000, GRID)
    other.resume(other.state)
    assert other.cost == Cost()
    other.resume(rate.state)
    for found, expected in zip(other.cost, rate.cost):
        np.testing.assert_array_equal(found, expected)


def test_a_number_pays_for_its_size_by_its_level():
    rate, tables = Rate(30.0, 1000, GRID), torch.from_numpy(MODEL.encoder_params.astype(np.float32))
    rate.look(round(BEGIN * 1000) + 1, tables, lambda: MODEL)
    price = rate.gradient(tables)
    assert torch.equal(torch.sign(price), torch.sign(tables))
    bit = 2 * np.log(2) * 1e-3 / GRID.n_params
    paid = float((price * tables).sum()) / len(tables) / GRID.n_params  # one over ln 2 bits a number, in the mean
    assert paid == pytest.approx(bit / np.log(2), rel=1e-3)


def test_a_model_that_is_learned_for_bytes_takes_fewer_at_equal_quality(tmp_path):
    settings = with_training(samples=400_000, batch_steps=1, batch_points=400)
    task = Volumes(moving_blob(), ("density",))
    plain = train(task, tmp_path / "plain.hinr", settings)
    small = train(task, tmp_path / "small.hinr", settings.replace(training={"rate": 30.0}))

    def quality(model):
        return np.mean(model.quality["training_psnr_db"]["density"])

    document, grid = hinr.read_header(tmp_path / "small.hinr"), small.architecture.hash_grid
    assert document["version"] == 6
    np.testing.assert_array_equal(
        small.encoder_params, rounded(small.encoder_params, grid, document["tables"]["steps"])
    )
    compression = Compression(plain)
    lost = compression.coarsest_above(compression.tolerable(quality(plain) - quality(small)))
    _, codes = compression.coded(lost)
    assert 30 < quality(small) < quality(plain)
    assert sum(document["tables"]["sizes"]) < 0.8 * len(codes)
