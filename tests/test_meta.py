"""Meta-SparseINR: an initialisation that is learned fits sooner, and sparsity is as asked."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.meta import (
    MetaConfig,
    Signals,
    all_kept,
    fit,
    learn,
    meta_sparse,
    n_kept,
    prune,
    prune_randomly,
    siren,
)


@pytest.fixture(scope="module")
def waves():
    """Waves of one direction and many phases, on a plane."""
    axis = torch.linspace(-1, 1, 24)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    phases = torch.from_numpy(np.random.default_rng(0).uniform(0, 6.28, (12, 1)).astype(np.float32))
    return Signals(points, torch.sin(8 * points[:, 0] + 3 * points[:, 1] + phases)[..., None])


def few_steps(network, masks, waves):
    other = torch.sin(8 * waves.points[:, 0] + 3 * waves.points[:, 1] + 1.234)[:, None]
    return fit(copy.deepcopy(network), masks, waves.points, other, 10, 1e-3)


@pytest.mark.parametrize(("method", "inner_steps"), [("maml", 2), ("reptile", 8)])
def test_a_learned_start_fits_a_new_signal_sooner(waves, method, inner_steps):
    network = siren(2, 1, 24, 2, 0)
    masks = all_kept(network)
    before = few_steps(network, masks, waves)
    config = MetaConfig(method=method, inner_steps=inner_steps, outer_steps=120, outer_rate=1e-3, points=300)
    learn(network, masks, waves, config)
    assert few_steps(network, masks, waves) > before + 2


def test_equal_seeds_learn_equal_weights(waves):
    found = []
    for _ in range(2):
        network = siren(2, 1, 16, 1, 3)
        learn(network, all_kept(network), waves, MetaConfig(outer_steps=5))
        found.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*found)


def test_pruning_takes_the_smallest_of_all_layers():
    network = siren(2, 1, 16, 1, 0)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    masks = prune(network, all_kept(network), 0.5)
    kept = torch.cat([before[n][m > 0].abs() for n, m in masks.items()])
    gone = torch.cat([before[n][m == 0].abs() for n, m in masks.items()])
    assert kept.min() >= gone.max() and len(gone) == round(0.5 * (len(kept) + len(gone)))
    assert all((p[masks[n] == 0] == 0).all() for n, p in network.named_parameters() if n in masks)
    again = prune(network, masks, 0.5)
    assert sum(int(m.sum()) for m in again.values()) == len(kept) - round(0.5 * len(kept))
    assert n_kept(network, again) == sum(int(m.sum()) for m in again.values()) + 16 + 16 + 1  # and the biases
    randomly = prune_randomly(network, all_kept(network), 0.5, 1)
    assert sum(int(m.sum()) for m in randomly.values()) == len(kept)


def test_rounds_of_pruning_end_where_they_should_and_pruned_weights_stay_zero(waves):
    config = MetaConfig(outer_steps=20, points=200)
    found = list(meta_sparse(siren(2, 1, 24, 2, 0), waves, config, 4, retrain=5))
    for number, (_, masks) in enumerate(found):
        share = sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())
        assert share == pytest.approx(0.8**number, abs=0.01)
    network, masks = found[-1]
    few_steps(network, masks, waves)
    assert all((p[masks[n] == 0] == 0).all() for n, p in network.named_parameters() if n in masks)
    with pytest.raises(ParameterError, match="share is 1"):
        next(meta_sparse(network, waves, config, 1, share=1.0))
