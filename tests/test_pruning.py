"""Models that are as sparse as asked, where it costs least."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from series import moving_blob
from small import SMALL, at_iteration, with_training

from hyperinr_core import hinr
from hyperinr_core.config import EncodingConfig
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.table_coding import levels
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.pruning import Pruning
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.task import Volumes, measure_quality
from hyperinr_core.training.watch import Interrupted


@pytest.mark.parametrize("cut", [45, 90])
def test_a_sparse_model_is_as_sparse_as_asked_and_resumes_to_the_same_bytes(tmp_path, monkeypatch, cut):
    series, config = moving_blob(), with_training(sparsity=0.7)
    whole = train(Volumes(series, ["density"]), tmp_path / "whole.hinr", config)
    assert np.mean(whole.encoder_params == 0) >= 0.7
    assert min(whole.quality["training_psnr_db"]["density"]) > 30
    assert sum(hinr.read_header(tmp_path / "whole.hinr")["tables"]["sizes"]) < 0.4 * whole.encoder_params.nbytes
    dense = train(Volumes(series, ["density"]), tmp_path / "dense.hinr", SMALL)
    assert np.mean(dense.encoder_params == 0) < 0.1
    again = hinr.load(tmp_path / "whole.hinr")
    np.testing.assert_array_equal(again.encoder_params, whole.encoder_params)
    np.testing.assert_array_equal(again.generate(0.6).sample_grid(), whole.generate(0.6).sample_grid())
    stored = {**again.quality, "teacher_psnr_db": {}}
    assert again.quality == whole.quality and stored == {**measure_quality(again, series), "teacher_psnr_db": {}}

    def stop(trainer):  # within the rounds of pruning
        trainer.save_state(checkpoint_path(tmp_path / "cut.hinr"))
        raise Interrupted

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        at_iteration(patch, cut, stop)
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config)
    train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config, resume=True)
    assert (tmp_path / "cut.hinr").read_bytes() == (tmp_path / "whole.hinr").read_bytes()


def test_pruning_spares_coarse_levels():
    grid = hash_grid(EncodingConfig(n_levels=2, n_features_per_level=2, log2_hashmap_size=10, per_level_scale=4))
    tables = torch.rand((3, grid.n_params), generator=torch.Generator().manual_seed(0)) + 0.5
    moments = torch.ones_like(tables)
    pruning = Pruning(0.5, 100, grid)
    for iteration in range(1, 101):
        pruning.prune(iteration, tables, [moments])
    coarse, fine = ((tables[:, part] == 0).float().mean() for part in levels(grid))
    assert coarse == 0 and 0.5 < fine < 0.6  # all alike in size, and the fine level has 8 times as many
    assert torch.equal(tables == 0, moments == 0)
