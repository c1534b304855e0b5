"""Gradients of the CPU kernel against torch's autograd, and its Adam against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import gradients, random_inputs

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.native import supported_isas
from hyperinr_core.backends.reference import locate
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.evaluators.base import Adam
from hyperinr_core.training.evaluators.native import NativeEvaluator

CONFIGS = [
    Architecture(EncodingConfig(), NetworkConfig(), 1),
    Architecture(EncodingConfig(n_pos_dims=2, n_levels=5, n_features_per_level=2), NetworkConfig(32, 2), 3),
    Architecture(EncodingConfig(n_levels=3, n_features_per_level=8, log2_hashmap_size=6), NetworkConfig(48, 1), 16),
    Architecture(EncodingConfig(n_levels=5, n_features_per_level=1, log2_hashmap_size=4), NetworkConfig(128, 8), 5),
    Architecture(EncodingConfig(n_levels=2, n_features_per_level=2, base_resolution=1), NetworkConfig(80, 3), 2),
]


@pytest.fixture(params=supported_isas())
def isa(request, monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", request.param)
    return request.param


def autograd_values(architecture, tables, mlp_params, points):
    """The method in differentiable torch, in the precision of its inputs: the slow twin."""
    grid, encoding, results = architecture.hash_grid, architecture.encoding, []
    for table, part in zip(tables, points):
        entries = table.reshape(grid.n_entries, -1)
        features = []
        for level in range(encoding.n_levels):
            corner, fraction = locate(part.numpy(), grid.scales[level])
            fraction, total = torch.from_numpy(fraction).to(table), 0
            for bits in range(1 << encoding.n_pos_dims):
                step = np.array([bits >> axis & 1 for axis in range(encoding.n_pos_dims)])
                weight = torch.where(torch.from_numpy(step) == 1, fraction, 1 - fraction).prod(1)
                total = total + weight[:, None] * entries[torch.from_numpy(grid.entry_indices(level, corner + step))]
            features.append(total)
        hidden, start = torch.cat(features, 1), 0
        shapes = architecture.layer_shapes
        for index, (rows, columns) in enumerate(shapes):
            hidden = hidden @ mlp_params[start : start + rows * columns].reshape(rows, columns).T
            hidden = hidden.relu() if index + 1 < len(shapes) else hidden
            start += rows * columns
        results.append(hidden)
    return torch.stack(results)


def assert_gradients_agree(found, expected):
    for got, want in zip(found, expected):
        assert torch.isfinite(got).all()
        assert (got - want).abs().max() <= 2e-5 * want.abs().max()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_loss_and_gradients_equal_autograd(config, kind, isa):
    tables, mlp, points, targets, weights = random_inputs(config)
    found = NativeEvaluator(config).loss(tables, mlp, points, targets, weights, kind)
    twins = [t.detach().double().requires_grad_() for t in (tables, mlp)]
    error = autograd_values(config, *twins, points) - targets
    expected = (weights[:, None, None] * (error.abs() if kind == "l1" else error**2)).mean()
    assert abs(found.item() - expected.item()) <= 1e-5 * abs(expected.item())
    assert_gradients_agree(gradients(3 * found, tables, mlp), gradients(3 * expected, *twins))


@pytest.mark.parametrize("config", CONFIGS)
def test_values_and_their_gradients_equal_autograd(config, isa):
    tables, mlp, points, targets, _ = random_inputs(config)
    found = NativeEvaluator(config).values(tables, mlp, points)
    twins = [t.detach().double().requires_grad_() for t in (tables, mlp)]
    expected = autograd_values(config, *twins, points)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    assert_gradients_agree(
        gradients((found * targets).sum(), tables, mlp), gradients((expected * targets).sum(), *twins)
    )


def test_gradients_do_not_depend_on_the_number_of_threads(monkeypatch):
    config = CONFIGS[0]
    tables, mlp, points, targets, weights = random_inputs(config, n_points=5000)
    results = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        loss = NativeEvaluator(config).loss(tables, mlp, points, targets, weights, "l1")
        results.append((loss.detach(), *gradients(loss, tables, mlp)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


def test_adam_equals_torch(isa):
    evaluator = NativeEvaluator(Architecture(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1))
    generator = torch.Generator().manual_seed(1)
    params = torch.randn(1003, generator=generator)
    twin = params.clone().requires_grad_()
    optimizer = torch.optim.Adam([twin], lr=5e-3, betas=(0.9, 0.99), eps=1e-15)
    m, v = torch.zeros(1003), torch.zeros(1003)
    for step in range(1, 6):
        grad = torch.randn(1003, generator=generator)
        twin.grad = 0.37 * grad
        optimizer.step()
        evaluator.adam_step(params, grad, m, v, Adam(step, 5e-3, 0.9, 0.99, 1e-15), 0.37)
    torch.testing.assert_close(params, twin.detach(), rtol=2e-6, atol=2e-6)


def test_wrong_inputs_are_refused():
    evaluator = NativeEvaluator(CONFIGS[0])
    tables, mlp, points, targets, weights = random_inputs(CONFIGS[0], n_points=4)
    with pytest.raises(ParameterError, match="tables is"):
        evaluator.loss(tables[:, :-1], mlp, points, targets, weights, "l1")
    with pytest.raises(ParameterError, match="points is"):
        evaluator.loss(tables, mlp, points.double(), targets, weights, "l1")
    with pytest.raises(ParameterError, match="targets is"):
        evaluator.loss(tables, mlp, points, targets[:1], weights, "l1")
    with pytest.raises(ParameterError, match="outside"):
        evaluator.loss(tables, mlp, points + 1, targets, weights, "l1")
    with pytest.raises(ParameterError, match="the loss is"):
        evaluator.loss(tables, mlp, points, targets, weights, "l3")
    with pytest.raises(ParameterError, match="grad is"):
        evaluator.adam_step(mlp.detach(), mlp.detach()[1:], mlp.detach(), mlp.detach(), Adam(1, 0.1, 0.9, 0.99, 1e-8))
