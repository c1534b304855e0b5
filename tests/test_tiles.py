"""Products by tiles of bfloat16 (AMX) in the CPU kernel, against the same rounding in NumPy: training in mixed precision.

Where the processor has none, the build of `make sanitize` has their model in plain C++, and runs these tests. test_native.py
tells that decoding by tiles equals the reference, with every other way.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import gradients, random_inputs, with_training

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import native
from hyperinr_core.backends.native import NativeBackend, supported_isas
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError
from hyperinr_core.training.evaluators import make_evaluator
from hyperinr_core.training.evaluators.native import NativeEvaluator

CONFIGS = [
    Architecture(EncodingConfig(), NetworkConfig(), 1),
    Architecture(EncodingConfig(n_pos_dims=2, n_levels=5, n_features_per_level=2), NetworkConfig(32, 2), 3),
    Architecture(EncodingConfig(n_levels=3, n_features_per_level=8, log2_hashmap_size=6), NetworkConfig(48, 1), 16),
    Architecture(EncodingConfig(n_levels=5, n_features_per_level=1, log2_hashmap_size=4), NetworkConfig(128, 8), 5),
    Architecture(EncodingConfig(n_levels=16, n_features_per_level=8, log2_hashmap_size=6), NetworkConfig(16, 3), 2),
]

with_tiles = pytest.mark.skipif("amx_bf16" not in supported_isas(), reason="neither processor nor build has tiles")


@pytest.fixture
def tiles(monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", "amx_bf16")


def rounded(numbers):
    """To bfloat16, to the nearest even."""
    return torch.from_numpy(np.asarray(numbers, np.float32)).bfloat16().double().numpy()


def layers(architecture, mlp):
    """The matrices (outputs, inputs), float64."""
    found, start = [], 0
    for rows, columns in architecture.layer_shapes:
        found.append(mlp[start : start + rows * columns].reshape(rows, columns).astype(np.float64))
        start += rows * columns
    return found


def network_gradient(architecture, mlp, features, targets, weights):
    """Loss and gradients by features and matrices of the squared error, with what hidden layers multiply rounded to bfloat16."""
    *hidden, last = layers(architecture, mlp)
    inputs = [rounded(features)]
    for number, matrix in enumerate(hidden):
        out = np.maximum(inputs[-1] @ rounded(matrix).T, 0)
        inputs.append(rounded(out) if number + 1 < len(hidden) else out)
    error = inputs[-1] @ last.T - targets
    slope = 2 * error * weights[:, None] / targets.size
    grads = [slope.T @ inputs[-1]]
    slope = (slope @ last) * (inputs[-1] > 0)
    for number, matrix in reversed(list(enumerate(hidden))):
        slope = rounded(slope)
        grads.insert(0, slope.T @ inputs[number])
        slope = slope @ rounded(matrix)
        if number:
            slope = slope * (inputs[number] > 0)
    return (weights[:, None] * error**2).mean(), slope, np.concatenate([grad.ravel() for grad in grads])


def features_of(architecture, tables, points):
    """(S, B, features) float64, through networks that pass one feature on at a time."""
    encoding = architecture.encoding
    n = encoding.n_levels * encoding.n_features_per_level
    found = []
    for sign in (1, -1):  # a ReLU lets one sign through
        parts = []
        for first in range(0, n, 16):
            passing = Architecture(encoding, NetworkConfig(16, 1), 16)
            take = np.zeros((16, n), np.float32)
            take[np.arange(min(16, n - first)), np.arange(first, min(first + 16, n))] = sign
            mlp = torch.from_numpy(np.concatenate([take.ravel(), np.eye(16, dtype=np.float32).ravel()]))
            parts.append(NativeEvaluator(passing).values(tables, mlp, points).detach().numpy()[..., : n - first])
        found.append(np.concatenate(parts, axis=-1))
    return (found[0] - found[1]).astype(np.float64)


@with_tiles
@pytest.mark.parametrize("n_points", [96, 203, 1])
@pytest.mark.parametrize("config", CONFIGS)
def test_mixed_training_rounds_what_hidden_layers_multiply_and_nothing_else(config, n_points, tiles):
    tables, mlp, points, targets, weights = random_inputs(config, n_points=max(n_points, 2))
    points, targets = points[:, :n_points].contiguous(), targets[:, :n_points].contiguous()
    features = features_of(config, tables.detach(), points).reshape(2 * n_points, -1)
    wanted, slope, grad = network_gradient(
        config,
        mlp.detach().numpy(),
        features,
        targets.numpy().astype(np.float64).reshape(2 * n_points, -1),
        np.repeat(weights.numpy().astype(np.float64), n_points),
    )
    loss = NativeEvaluator(config, "mixed").loss(tables, mlp, points, targets, weights, "l2")
    grad_tables, grad_mlp = gradients(loss, tables, mlp)
    assert abs(loss.item() - wanted) <= 2e-3 * wanted
    # a sum in another order may round the other way: one part in 256 of one number
    assert np.abs(grad_mlp.numpy() - grad).max() <= 4e-3 * np.abs(grad).max()
    # the tables' gradient is that of the features, spread as the float32 kernel spreads it
    total = float(np.abs(slope).sum())
    assert abs(float(grad_tables.sum()) - slope.sum()) <= 4e-3 * total


@with_tiles
@pytest.mark.parametrize("config", CONFIGS)
def test_mixed_gradients_are_near_those_of_float32(config, tiles):
    """Of the tables too, entry by entry; eight bits through eight layers let some ReLU pass what did not."""
    tables, mlp, points, targets, weights = random_inputs(config)
    found, wanted = [
        gradients(NativeEvaluator(config, name).loss(tables, mlp, points, targets, weights, "l2"), tables, mlp)
        for name in ("mixed", "float32")
    ]
    for got, want in zip(found, wanted):
        assert torch.isfinite(got).all() and not torch.equal(got, want)
        assert (got - want).norm() <= 0.15 * want.norm()


@with_tiles
def test_mixed_gradients_do_not_depend_on_the_number_of_threads(monkeypatch, tiles):
    config = CONFIGS[0]
    tables, mlp, points, targets, weights = random_inputs(config, n_points=5000)
    results = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        loss = NativeEvaluator(config, "mixed").loss(tables, mlp, points, targets, weights, "l1")
        results.append((loss.detach(), *gradients(loss, tables, mlp)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


@with_tiles
@pytest.mark.parametrize("precision", ["bfloat16", "mixed"])
def test_a_value_does_not_depend_on_its_neighbours(precision, tiles):
    """Blocks that are not full, and samples before and after it."""
    config, rng = CONFIGS[0], np.random.default_rng(0)
    tables = rng.uniform(-1, 1, (1, config.n_table)).astype(np.float16)
    kernel = NativeBackend(config, tables, rng.normal(size=config.n_mlp).astype(np.float32), precision)
    table, points = kernel.blend(np.array([0]), np.array([1.0])), rng.random((200, 3), np.float32)
    whole = kernel.sample(table, points)
    for first, last in ((0, 1), (95, 97), (31, 200), (7, 40)):
        np.testing.assert_array_equal(kernel.sample(table, points[first:last]), whole[first:last])


@with_tiles
def test_not_a_number_stays_where_it_is(tiles):
    """In values and, over samples that follow a block that is not full, in gradients."""
    config = CONFIGS[0]
    tables, mlp, points, targets, weights = random_inputs(config, n_points=100)
    spoilt = targets.clone()
    spoilt[0, 99] = float("nan")
    evaluator = NativeEvaluator(config, "mixed")
    bad = gradients(evaluator.loss(tables, mlp, points, spoilt, weights, "l2"), tables, mlp)
    assert torch.isnan(bad[1]).any()
    good = gradients(evaluator.loss(tables, mlp, points, targets, weights, "l2"), tables, mlp)
    again = gradients(evaluator.loss(tables, mlp, points, targets, weights, "l2"), tables, mlp)
    assert all(torch.isfinite(a).all() and torch.equal(a, b) for a, b in zip(good, again))


def test_mixed_precision_without_tiles_is_one_sentence(monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", "generic")
    config = CONFIGS[0]
    with pytest.raises(
        BackendError, match=r"^precision 'mixed' needs tiles for bfloat16 \(amx_bf16\), and the kernel has none"
    ):
        make_evaluator(config, "cpu", "mixed")
    with pytest.raises(BackendError, match="use 'float32'"):
        NativeBackend(config, np.zeros((1, config.n_table), np.float16), np.zeros(config.n_mlp, np.float32), "mixed")
    kernel = native.library()
    assert kernel.hinr_isa_supported(native.ISAS.index("amx_bf16")) == ("amx_bf16" in supported_isas())
    assert with_training(precision="mixed").training.precision == "mixed"
