"""Where a run begins: random numbers by the seed alone, or the network and the mean of the tables of another model."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from series import moving_blob
from small import with_training

from hyperinr_core.training.distributed import World
from hyperinr_core.training.initial import INITIAL, digest_of, initial_model, started_from
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.volumes.task import Volumes


@pytest.fixture
def begun(tmp_path):
    """The first model of a seed."""

    def begin(seed):
        context = Context(tmp_path / "teacher", "cpu", World(), Tell())
        return initial_model(Volumes(moving_blob(), ["density"]).learn(with_training(seed=seed), context))

    return begin


def test_all_encoders_begin_as_one_and_small(begun):
    tables = begun(3).encoder_params
    assert len(tables) > 1 and (tables == tables[0]).all()
    assert 0.99 * INITIAL < abs(tables).max() <= INITIAL and abs(tables.mean()) < 0.05 * INITIAL


def test_matrices_begin_within_the_limits_of_their_sizes(begun):
    model, begin = begun(3), 0
    for rows, columns in model.architecture.layer_shapes:
        matrix = model.mlp_params[begin : begin + rows * columns]
        limit = np.sqrt(6 / (rows + columns))
        assert 0.9 * limit < abs(matrix).max() <= limit * (1 + 1e-6)
        begin += rows * columns
    assert begin == len(model.mlp_params)


def test_seeds_decide_and_nothing_else(begun):
    first, again, other = begun(3), begun(3), begun(4)
    assert digest_of(first) == digest_of(again) != digest_of(other)


def test_another_model_gives_its_network_and_the_mean_of_its_tables(begun):
    cold, other = begun(3), begun(4)
    values = np.arange(1.0, 1.0 + len(cold.encoder_params))
    tables = np.repeat(values[:, None], cold.encoder_params.shape[1], axis=1).astype(np.float16)
    warm = started_from(cold, dataclasses.replace(other, encoder_params=tables))
    np.testing.assert_array_equal(warm.mlp_params, other.mlp_params)
    assert warm.encoder_params.shape == cold.encoder_params.shape and (warm.encoder_params == values.mean()).all()
