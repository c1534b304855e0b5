"""Training's GPU kernels equal torch's autograd: interpreted on the CPU here, compiled where there is a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import gradients, random_inputs

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.triton import INTERPRETED, kernel_device
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.evaluators import triton as module
from hyperinr_core.training.evaluators.base import Adam
from hyperinr_core.training.evaluators.torch import TorchEvaluator
from hyperinr_core.training.evaluators.triton import TritonEvaluator

#: Models for training; padding of levels, neurons and outputs, one hidden layer and many.
CONFIGS = {
    "default": Architecture(EncodingConfig(), NetworkConfig(), 1),
    "plane": Architecture(EncodingConfig(n_pos_dims=2, n_levels=5, n_features_per_level=2), NetworkConfig(32, 2), 3),
    "one layer": Architecture(
        EncodingConfig(n_levels=3, n_features_per_level=8, log2_hashmap_size=6), NetworkConfig(48, 1), 16
    ),
    "deep": Architecture(
        EncodingConfig(n_levels=5, n_features_per_level=1, log2_hashmap_size=4), NetworkConfig(128, 8), 5
    ),
}


KERNEL_DEVICE = kernel_device()


def assert_close(found, expected, tolerance):
    for got, want in zip(found, expected):
        assert torch.isfinite(got).all()
        assert (got - want).norm() <= tolerance * want.norm()


def precision_and_tolerance(config):
    """Compiled, eight layers of 128 neurons take minutes in float32; of three TF32 numbers a product loses a little."""
    if INTERPRETED:
        return "float32", 2e-5
    return ("float16", 3e-2) if config == "deep" else ("float32", 3e-5)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_loss_and_gradients_equal_torch(config, kind):
    architecture = CONFIGS[config]
    precision, tolerance = precision_and_tolerance(config)
    tables, mlp, points, targets, weights = random_inputs(architecture, n_points=23, device=KERNEL_DEVICE)
    found = TritonEvaluator(architecture, precision).loss(tables, mlp, points, targets, weights, kind)
    twins = [part.detach().cpu().requires_grad_() for part in (tables, mlp)]
    others = [part.cpu() for part in (points, targets, weights)]
    expected = TorchEvaluator(architecture).loss(*twins, *others, kind)
    assert abs(found.item() - expected.item()) <= tolerance / 2 * abs(expected.item())
    found = [part.cpu() for part in gradients(3 * found, tables, mlp)]
    assert_close(found, gradients(3 * expected, *twins), tolerance)


@pytest.mark.parametrize("held", [0, 1 << 20])
def test_large_batches_add_to_copies_and_programs_take_several_tiles(held, monkeypatch):
    architecture = CONFIGS["plane"]
    monkeypatch.setattr(module, "COPY_POINTS", 32)
    monkeypatch.setattr(module, "HELD", held)
    evaluator = TritonEvaluator(architecture, "float32")
    parts = random_inputs(architecture, n_points=101, device=KERNEL_DEVICE)
    found = evaluator.gradients(*parts, "l2", 2.0)
    expected = TorchEvaluator(architecture).gradients(*(part.detach().cpu() for part in parts), "l2", 2.0)
    assert_close([part.cpu() for part in found], expected, 3e-5)
    assert not any(part.requires_grad for part in found)


def test_adam_on_rows_equals_torch_s_evaluator():
    architecture = Architecture(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1)
    generator = torch.Generator().manual_seed(1)
    tables, grad = torch.randn((4, 1030), generator=generator), torch.randn((2, 1040), generator=generator)
    mixing, adams = np.array([[0.25, 0.75], [1, 0]]), [Adam(step, 5e-3, 0.9, 0.99, 1e-15) for step in (1, 7)]
    states = []
    for kind, device in ((TritonEvaluator, KERNEL_DEVICE), (TorchEvaluator, "cpu")):
        state = [
            tables.to(device, copy=True),
            torch.zeros_like(tables, device=device),
            torch.zeros_like(tables, device=device),
        ]
        for _ in range(2):
            kind(architecture).adam_rows(state[0], [3, 0], mixing, grad.to(device)[:, :1030], *state[1:], adams)
        states.append([part.cpu() for part in state])
    torch.testing.assert_close(*states, rtol=2e-6, atol=2e-6)
    assert (states[0][0][0] != tables[0]).all() and torch.equal(states[0][0][1:3], tables[1:3])


@pytest.mark.parametrize("n_guide", [0, 8**3 * 4])
def test_a_blend_equals_torch_s_evaluator(n_guide):
    encoding = EncodingConfig(
        n_levels=3, n_features_per_level=4, log2_hashmap_size=9, guide_resolution=8 if n_guide else 0
    )
    architecture = Architecture(encoding, NetworkConfig(16, 1), 1)
    generator = torch.Generator().manual_seed(1)
    tables = torch.randn((6, architecture.n_table), generator=generator)
    levels = np.linspace(-1, 1, 3 * n_guide, dtype=np.float32).reshape(3, -1) if n_guide else None
    rows, mixing = [0, 2, 5], np.array([[0, 1, 0], [0.25, 0, 0.75], [-0.1, 0.6, 0.5]])
    found = TritonEvaluator(architecture).blend(tables.to(KERNEL_DEVICE), rows, mixing, levels).cpu()
    assert found.shape == (3, architecture.hash_grid.table_length)
    torch.testing.assert_close(
        found, TorchEvaluator(architecture).blend(tables, rows, mixing, levels), rtol=1e-6, atol=1e-6
    )
    by_hand = torch.from_numpy(mixing).float() @ tables[rows]
    torch.testing.assert_close(found[:, : architecture.n_table], by_hand, rtol=1e-5, atol=1e-6)
    if n_guide:
        torch.testing.assert_close(found[:, architecture.n_table :], torch.from_numpy(levels))


def test_a_guide_is_read_and_not_learnt():
    architecture = Architecture(EncodingConfig(n_levels=3, guide_resolution=8), NetworkConfig(16, 1), 1)
    tables, *others = random_inputs(architecture, n_points=40, device=KERNEL_DEVICE)
    guide = torch.linspace(-1, 1, architecture.hash_grid.table_length - architecture.n_table, device=KERNEL_DEVICE)
    parts = [torch.cat([tables.detach(), guide.expand(2, -1)], dim=1), *others]
    found = [part.cpu() for part in TritonEvaluator(architecture, "float32").gradients(*parts, "l2")]
    expected = TorchEvaluator(architecture).gradients(*(part.detach().cpu() for part in parts), "l2")
    learnt = slice(architecture.n_table)
    assert_close([found[0], found[1][:, learnt], found[2]], [expected[0], expected[1][:, learnt], expected[2]], 3e-5)
    assert not found[1][:, architecture.n_table :].any()


@pytest.mark.skipif(
    not {"kwargs", "do_not_specialize"} & set(vars(module.kernels.encode_kernel)),
    reason="interpreted kernels of Triton before 3.5 know nothing of what they are specialised for",
)
def test_what_training_launches_is_compiled_by_the_trial(monkeypatch):
    """A launch compiles for the types of its arguments, and for those that are 1 or divide by 16 unless they are exempt."""
    seen = []
    for name in (
        "encode_kernel",
        "network_kernel",
        "scatter_kernel",
        "adam_kernel",
        "adam_rows_kernel",
        "blend_rows_kernel",
    ):
        monkeypatch.setattr(module.kernels, name, Recorder(getattr(module.kernels, name), seen))
    architecture = Architecture(EncodingConfig(n_levels=4, log2_hashmap_size=6), NetworkConfig(16, 2), 1)
    evaluator = TritonEvaluator(architecture)
    monkeypatch.setattr(module, "COPY_POINTS", 16)
    evaluator.try_once()
    tried = set(seen)
    tables, *others = random_inputs(architecture, n_points=48, device=KERNEL_DEVICE)
    seen.clear()
    for kind in ("l1", "l2"):
        _, *grads = evaluator.gradients(tables, *others, kind)
    evaluator.blend(tables.detach(), [0, 1], np.array([[0.5, 0.5], [1, 0]]), None)
    tables, adam = tables.detach(), Adam(3, 5e-3, 0.9, 0.99, 1e-15)
    evaluator.adam_rows(tables, [1, 0], np.ones((2, 2)), grads[0], tables * 0, tables * 0, [adam, adam])
    mlp = others[0].detach()
    evaluator.adam_step(mlp, grads[1], mlp * 0, mlp * 0, adam)
    assert {name for name, *_ in seen} == {name for name, *_ in tried} and set(seen) <= tried


class Recorder:
    """A kernel that keeps what its launches are specialised for."""

    def __init__(self, kernel, seen):
        self._kernel, self._seen = kernel, seen
        self.arg_names = kernel.arg_names

    def __getitem__(self, grid):
        def launch(*arguments, **options):
            names = zip(self.arg_names, arguments)
            key = [special(argument) for name, argument in names if name not in module.kernels.VARYING]
            self._seen.append((self._kernel.fn.__name__, *key, *sorted(options.items())))
            return self._kernel[grid](*arguments, **options)

        return launch


def special(argument):
    if isinstance(argument, torch.Tensor):
        return argument.dtype, argument.data_ptr() % 16 == 0
    return type(argument), isinstance(argument, int) and (argument == 1, argument % 16 == 0)


@pytest.mark.parametrize("config", ["plane", "one layer"])
def test_values_and_their_gradients_equal_torch(config):
    architecture = CONFIGS[config]
    tables, mlp, points, targets, _ = random_inputs(architecture, n_points=23, device=KERNEL_DEVICE)
    found = TritonEvaluator(architecture, "float32").values(tables, mlp, points)
    twins = [part.detach().cpu().requires_grad_() for part in (tables, mlp)]
    expected = TorchEvaluator(architecture).values(*twins, points.cpu())
    assert_close([found.cpu()], [expected], 1e-5)
    # derivatives far smaller than half precision holds must survive
    tiny = 1e-9 * targets
    assert_close(
        [part.cpu() for part in gradients((found * tiny).sum(), tables, mlp)],
        gradients((expected * tiny.cpu()).sum(), *twins),
        2e-5,
    )


def test_half_precision_gradients_point_the_same_way():
    architecture = Architecture(EncodingConfig(log2_hashmap_size=9), NetworkConfig(), 1)
    tables, mlp, *data = random_inputs(architecture, n_points=100, device=KERNEL_DEVICE)
    results = []
    for precision in ("float16", "float32"):
        loss = TritonEvaluator(architecture, precision).loss(tables, mlp, *data, "l1")
        results.append(gradients(loss, tables, mlp))
    for half, single in zip(*results):
        assert torch.nn.functional.cosine_similarity(half.ravel(), single.ravel(), dim=0) > 0.995
        assert abs(half.norm() / single.norm() - 1) < 0.02


def test_adam_equals_torch_s_evaluator():
    ours = TritonEvaluator(Architecture(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1))
    theirs = TorchEvaluator(Architecture(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1))
    generator = torch.Generator().manual_seed(1)
    params = torch.randn(1003, generator=generator).to(KERNEL_DEVICE)
    states = [[params.clone(), torch.zeros_like(params), torch.zeros_like(params)] for _ in range(2)]
    for step in (1, 2, 3):
        grad = torch.randn(1003, generator=generator).to(KERNEL_DEVICE)
        grad[::3] = 0
        for evaluator, (p, m, v) in zip((ours, theirs), states):
            evaluator.adam_step(p, grad, m, v, Adam(step, 5e-3, 0.9, 0.99, 1e-15), 0.4)
    torch.testing.assert_close(*states, rtol=2e-6, atol=2e-6)


def test_wrong_inputs_are_refused():
    evaluator = TritonEvaluator(CONFIGS["plane"])
    tables, mlp, points, targets, weights = random_inputs(CONFIGS["plane"], n_points=4, device=KERNEL_DEVICE)
    with pytest.raises(ParameterError, match="tables is"):
        evaluator.loss(tables[:, :-1], mlp, points, targets, weights, "l1")
    with pytest.raises(ParameterError, match="points is"):
        evaluator.loss(tables, mlp, points.double(), targets, weights, "l1")
    with pytest.raises(ParameterError, match="targets is"):
        evaluator.loss(tables, mlp, points, targets[:1], weights, "l1")
    with pytest.raises(ParameterError, match="the loss is"):
        evaluator.loss(tables, mlp, points, targets, weights, "l3")
