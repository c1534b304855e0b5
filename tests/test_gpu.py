"""What a GPU's absence, age or full memory means, simulated: this needs no GPU. tiny-cuda-nn's layout, and live parity.

Nothing here needs VTK or ParaView, which a machine with a GPU may lack.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import types
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from models import random_model as random_hyperinr
from moving_models import moving_model
from series import moving_blob
from small import SMALL
from test_backends import CASES, random_model
from test_carried import FIELDS

from hyperinr_core import backends, hinr
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda, device, tcnn_layout
from hyperinr_core.backends.reference import ReferenceBackend, encode
from hyperinr_core.backends.torch import TorchBackend
from hyperinr_core.backends.triton import INTERPRETED
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError, ParameterError
from hyperinr_core.training import evaluators
from hyperinr_core.training.gpu import LossScale, choose_device, memory_errors_explained
from hyperinr_core.training.run import train
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes

LIVE = pytest.mark.skipif(
    cuda.obstacle() is not None or not cuda.is_installed("tinycudann"),
    reason="needs a GPU and tiny-cuda-nn's torch bindings; parity with them is not checked here",
)


ROOT = Path(__file__).parent.parent


#: What tiny-cuda-nn gave on a GPU, once.
FROZEN = ROOT / "tests" / "data" / "tcnn_numbers.npz"


TCNN_CASES = ["volume", "plane", "odd growth", "one feature", "eight features"]


@pytest.fixture
def gpu(monkeypatch):
    """A machine on which CUDA seems to work; nothing has been said yet."""
    monkeypatch.setattr(cuda, "driver_is_present", lambda: True)
    monkeypatch.setattr(cuda, "obstacle", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(backends, "_said", set())


#: What looks at the machine when it is imported.
SCREENED = ["hyperinr_core.backends.triton", "hyperinr_core.backends.tcnn"]
SCREENED += ["hyperinr_core.training.evaluators.triton", "hyperinr_core.training.evaluators.tcnn"]


@pytest.fixture
def anew():
    """Modules that look at the machine are imported again, and afterwards are what they were."""
    kept = {name: sys.modules[name] for name in SCREENED if name in sys.modules}
    forget()
    yield
    forget()
    for name, module in kept.items():
        package, _, child = name.rpartition(".")
        sys.modules[name] = module
        setattr(sys.modules[package], child, module)


def forget():
    """No import finds them, neither by its own name nor as what their package knows."""
    for name in SCREENED:
        package, _, child = name.rpartition(".")
        sys.modules.pop(name, None)
        vars(sys.modules[package]).pop(child, None)


def replace_backends(monkeypatch, **others):
    """Backends by name: an exception that making one raises, or a class."""
    real = backends._backend_class

    def chosen(name):
        other = others.get(name, real)
        if isinstance(other, Exception):
            raise other
        return real(name) if other is real else other

    monkeypatch.setattr(backends, "_backend_class", chosen)


class Failing(ReferenceBackend):
    """A backend that works until it is asked for a grid."""

    name = "triton"

    def sample_grid(self, *arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory, for this test")


def test_no_driver_is_found_out_without_torch():
    script = (
        "import sys; from hyperinr_core.backends import cuda; cuda.DRIVER_TRACES = ('/no/such/device',); "
        "print(cuda.obstacle()); assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == "no NVIDIA driver is found on this machine", result.stderr


def test_torch_without_cuda_is_found_out_without_importing_it():
    script = (
        "import sys; from hyperinr_core.backends import cuda; cuda.DRIVER_TRACES = (sys.executable,); "
        "cuda._version = lambda package: '2.2.0+cpu'; "
        "print(cuda.obstacle()); assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout.strip() == "torch 2.2.0+cpu is a build without CUDA", result.stderr


def test_auto_imports_no_torch_without_a_driver(tmp_path):
    hinr.save(random_hyperinr(), tmp_path / "m.hinr")
    script = (
        "import sys; from hyperinr_core import hinr; from hyperinr_core.backends import cuda; cuda.DRIVER_TRACES = (); "
        f"hinr.load({str(tmp_path / 'm.hinr')!r}).generate(0.5).sample_grid(); assert 'torch' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_an_old_driver_is_one_sentence(monkeypatch):
    def too_old():
        raise RuntimeError(
            "The NVIDIA driver on your system is too old (found version 11040). Please update your\nGPU driver ..."
        )

    monkeypatch.setattr(cuda, "driver_is_present", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "init", too_old)
    expected = "torch cannot start it (The NVIDIA driver on your system is too old (found version 11040))"
    assert cuda.obstacle() == expected
    with pytest.raises(BackendError, match=r"the tcnn backend needs CUDA, but torch cannot start it .*'native'"):
        cuda.require("tcnn")


@pytest.mark.skipif(cuda.obstacle() is None, reason="this machine has a GPU")
@pytest.mark.parametrize("name", ["triton", "tcnn"])
def test_a_named_gpu_backend_never_falls_back(name):
    script = (
        "from hyperinr_core import backends\n"
        "from hyperinr_core.errors import BackendError\n"
        f"try: backends._backend_class({name!r})\n"
        "except BackendError as error: print(error)"
    )
    environment = {"PATH": "/usr/bin"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert result.stdout.startswith(f"the {name} backend needs CUDA, but"), result.stderr


def test_a_card_too_old_is_one_sentence_and_passed_over(gpu, anew, monkeypatch, caplog):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (6, 1))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Old Card")
    monkeypatch.setattr(cuda, "is_installed", lambda package: True)
    monkeypatch.setattr(cuda, "device", lambda: torch.device("cpu"))
    for name in ("triton", "tcnn"):
        expected = (
            f"the {name} backend needs a GPU of capability 7.0 or newer, but Old Card has 6.1; use backend 'torch'"
        )
        with pytest.raises(BackendError, match=expected):
            backends._backend_class(name)
    assert random_hyperinr().generate(0.7)._values._backend.name == "torch"
    assert "the triton backend is not used (the triton backend needs a GPU of capability" in caplog.text
    assert evaluators.make_evaluator(Architecture(EncodingConfig(), NetworkConfig(), 1), "cuda").name == "torch"


def test_bindings_that_are_not_there_are_one_sentence_and_passed_over(gpu, anew, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "tinycudann", None)
    with pytest.raises(BackendError, match=r"needs tiny-cuda-nn's torch bindings .*; see docs/gpu.md, or use 'triton'"):
        backends._backend_class("tcnn")
    replace_backends(monkeypatch, triton=BackendError("no Triton, for this test"), torch=ReferenceBackend)
    assert random_hyperinr().generate(0.7)._values._backend.name == "reference"
    caplog.set_level(logging.INFO, "hyperinr")
    assert evaluators._attempt("tcnn", Architecture(EncodingConfig(), NetworkConfig(), 1)) is None
    assert "not trained with tcnn: the tcnn backend needs tiny-cuda-nn's torch bindings" in caplog.text


def test_training_without_a_usable_gpu_says_why(monkeypatch, caplog):
    monkeypatch.setattr(cuda, "driver_is_present", lambda: True)
    monkeypatch.setattr(cuda, "obstacle", lambda: "the driver is too old, for this test")
    monkeypatch.setattr(backends, "_said", set())
    assert [choose_device(name) for name in ("auto", "auto", "cpu")] == ["cpu"] * 3
    messages = [record.message for record in caplog.records]
    assert messages == ["the GPU is not used (the driver is too old, for this test); training on the CPU"]
    with pytest.raises(
        ParameterError, match="is 'cuda', but the driver is too old, for this test; use --device cpu or"
    ):
        choose_device("cuda")


COMMANDS = {
    "triton": ("sample m.hinr --at time=1 -o v.npy --backend triton", "the triton backend needs CUDA, but the driver"),
    "tcnn": ("sample m.hinr --at time=1 -o v.npy --backend tcnn", "the tcnn backend needs CUDA, but the driver"),
    "training": (
        "train s.npy -o t.hinr --device cuda",
        "device is 'cuda', but the driver is too old, for this test; use",
    ),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_the_command_line_says_it_in_one_sentence(case, tmp_path):
    pytest.importorskip("vtkmodules", reason="commands read and write with VTK")
    arguments, message = COMMANDS[case]
    hinr.save(random_hyperinr(), tmp_path / "m.hinr")
    np.save(tmp_path / "s.npy", np.zeros((3, 8, 8, 8), np.float32))
    script = (
        "import sys; from hyperinr_core.backends import cuda; cuda.obstacle = lambda: 'the driver is too old, for this test'\n"
        f"sys.argv = ['hyperinr', *{arguments.split()}]; from hyperinr.plugin.cli import main; sys.exit(main())"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert result.stderr.splitlines()[-1].startswith(f"hyperinr: error: {message}") and "Traceback" not in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["m.hinr", "s.npy"]


def test_every_backend_is_in_the_panel():
    lists = [
        [item.get("value") for item in entry.findall("StringListDomain/String")]
        for entry in ElementTree.parse(ROOT / "xml" / "HyperINR.xml").findall(
            ".//StringVectorProperty[@name='Backend']"
        )
    ]
    assert lists == [list(backends.NAMES)] * 2


def test_auto_takes_the_fastest_that_is_there(gpu, monkeypatch, caplog):
    replace_backends(monkeypatch, triton=Failing)
    assert random_hyperinr().generate(0.7)._values._backend.name == "triton"
    replace_backends(monkeypatch, triton=BackendError("no Triton, for this test"))
    monkeypatch.setattr(cuda, "is_installed", lambda package: package != "tinycudann")
    monkeypatch.setattr(cuda, "device", lambda: torch.device("cpu"))
    for _ in range(2):
        assert random_hyperinr().generate(0.7)._values._backend.name == "torch"
    assert [r.message for r in caplog.records] == [
        "the triton backend is not used (no Triton, for this test); trying the next best"
    ]


def test_auto_passes_over_a_backend_that_torch_s_own_error_stops(gpu, monkeypatch, caplog):
    class Broken:
        def __init__(self, *model):
            raise RuntimeError("CUDA error: no kernel image is available, for this test")

    replace_backends(monkeypatch, triton=Broken, tcnn=Broken, torch=Broken)
    assert random_hyperinr().generate(0.7)._values._backend.name == "native"
    assert "the torch backend is not used (CUDA error: no kernel image is available, for this test)" in caplog.text


def test_auto_without_a_usable_gpu_says_why_and_uses_the_cpu(monkeypatch, caplog):
    monkeypatch.setattr(cuda, "driver_is_present", lambda: True)
    monkeypatch.setattr(cuda, "obstacle", lambda: "the driver is too old, for this test")
    monkeypatch.setattr(backends, "_said", set())
    for _ in range(2):
        assert random_hyperinr().generate(0.7)._values._backend.name == "native"
    messages = [record.message for record in caplog.records]
    assert messages == ["the GPU is not used (the driver is too old, for this test); sampling on the CPU"]


def test_auto_goes_on_with_the_next_backend_when_memory_is_full(gpu, monkeypatch, caplog):
    full = device.memory_full("torch", "nothing is left, for this test")
    replace_backends(monkeypatch, triton=Failing, tcnn=full, torch=full)
    model = random_hyperinr()
    inr = model.generate(0.7)
    values = inr.sample_grid()
    np.testing.assert_allclose(values, model.generate(0.7, "native").sample_grid(), atol=1e-6)
    assert inr._values._backend.name == "native"
    assert "the triton backend failed (CUDA out of memory, for this test); going on with the native" in caplog.text
    np.testing.assert_allclose(inr.sample(np.zeros((1, 3))), values[:1, 0, 0], atol=1e-6)


def test_slabs_shrink_when_memory_is_full_and_that_is_said_once(monkeypatch, caplog):
    model = random_model(CASES["plane"])
    backend, asked = TorchBackend(*model), []
    backend.most_points = backend._slab = 1 << 14
    monkeypatch.setattr(device, "LEAST_POINTS", 16)
    evaluate = backend._evaluate

    def small_memory(table, points):
        asked.append(len(points))
        if len(points) > 100:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return evaluate(table, points)

    backend._evaluate = small_memory
    axes = (np.linspace(0, 1, 20, dtype=np.float32), np.linspace(0, 1, 33, dtype=np.float32))
    out, one = np.full((33, 20, 3), np.nan, np.float32), np.ones(3, np.float32)
    backend.sample_grid(backend.blend(np.array([0]), np.array([1.0])), axes, out, one, one)
    reference = ReferenceBackend(*model)
    expected = np.empty_like(out)
    reference.sample_grid(reference.blend(np.array([0]), np.array([1.0])), axes, expected, one, one)
    np.testing.assert_allclose(out, expected, atol=2e-5)
    assert max(asked[-5:]) <= 100 < asked[0]
    assert caplog.text.count("the GPU's memory is full; sampling fewer points") == 1

    backend._evaluate = lambda table, points: small_memory(table, torch.zeros(101, 2))
    with pytest.raises(BackendError, match="even a small slab of points does not fit; close other programs"):
        backend.sample(None, np.zeros((500, 2), np.float32))


def test_a_model_larger_than_the_card_is_one_sentence(monkeypatch):
    def full(self, *arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.Tensor, "to", full)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2.5e9, 8e9))
    with pytest.raises(BackendError, match=r"encoders take 0\.00 GB, of the GPU's 8\.00 GB 2\.50 are free"):
        device.upload("triton", np.zeros((2, 8), np.float16), torch.device("cpu"))


def test_a_scale_from_another_device_is_not_taken_where_nothing_is_unscaled():
    scale = LossScale(False)
    scale.resume(65536.0, 12.0)
    assert scale.value == 1
    scale = LossScale(True)
    scale.resume(1024.0, 12.0)
    assert (scale.value, scale.good_steps) == (1024, 12)


def test_the_scale_halves_at_infinity_and_grows_after_a_while(monkeypatch):
    monkeypatch.setattr(LossScale, "GROWTH_INTERVAL", 2)
    scale = LossScale(True)
    assert not scale.unscale([torch.tensor([65536.0, float("inf")])]) and scale.value == 2**15
    for _ in range(2):
        gradient = torch.tensor([2.0**15, 0])
        assert scale.unscale([gradient]) and gradient[0] == 1
    assert scale.value == 2**16


def test_full_memory_in_training_is_one_sentence():
    with pytest.raises(BackendError, match="too small for this training; expected room"), memory_errors_explained():
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")


@pytest.mark.parametrize("owner, name", [(torch, "zeros_like"), (Trainer, "_learn")], ids=["moments", "step"])
def test_a_training_larger_than_the_card_is_one_sentence(owner, name, monkeypatch, tmp_path):
    def full(*arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(owner, name, full)
    with pytest.raises(BackendError, match="memory is too small for this training; expected room for three times"):
        train(Volumes(moving_blob(), ["density"]), tmp_path / "m.hinr", SMALL)


def test_training_takes_torch_where_no_kernel_runs(monkeypatch):
    architecture = Architecture(EncodingConfig(), NetworkConfig(), 1)

    asked, real = [], evaluators.evaluator_class

    def refuse(name):
        asked.append(name)
        if evaluators.EVALUATORS[name].device == "cuda":
            raise BackendError("no kernel, for this test")
        return real(name)

    monkeypatch.setattr(evaluators, "evaluator_class", refuse)
    assert evaluators.make_evaluator(architecture, "cuda").name == "torch"
    assert evaluators.make_evaluator(architecture, "cpu").name == "native"
    assert asked == ["triton", "tcnn", "native"]


def test_an_interpreted_kernel_does_not_train():
    architecture = Architecture(EncodingConfig(n_levels=1), NetworkConfig(16, 1), 1)
    if INTERPRETED:
        with pytest.raises(BackendError, match="TRITON_INTERPRET is set"):
            evaluators.evaluator_class("triton")(architecture).check()
    else:
        evaluators.evaluator_class("triton")(architecture).check()


@pytest.mark.parametrize("case", CASES)
def test_each_number_of_the_network_has_one_place_in_tiny_cuda_nn_s(case):
    architecture, _, mlp_params = random_model(CASES[case])
    params, places = tcnn_layout.padded(architecture, mlp_params), tcnn_layout.places(architecture)
    assert np.array_equal(params[places], mlp_params) and len(np.unique(places)) == len(places)
    assert not np.delete(params, places).any()


def padded_network(architecture, params, features):
    """What tiny-cuda-nn computes of features, from its own numbers: (B, padded outputs)."""
    start = 0
    for rows, columns in tcnn_layout.padded_shapes(architecture):
        # whatever it puts into padded inputs must not matter: ones do the most harm
        features = np.pad(features, ((0, 0), (0, columns - features.shape[1])), constant_values=1)
        matrix = params[start : start + rows * columns].reshape(rows, columns)
        start += rows * columns
        features = features @ matrix.T
        if start < tcnn_layout.n_network_params(architecture):
            features = np.maximum(features, 0)
    return features


@pytest.mark.parametrize("case", CASES)
def test_the_padded_network_gives_the_reference_s_values(case):
    architecture, tables, mlp_params = random_model(CASES[case])
    reference, n_outputs = ReferenceBackend(architecture, tables, mlp_params), architecture.n_outputs
    points = np.random.default_rng(2).random((50, architecture.encoding.n_pos_dims), np.float32)
    params = tcnn_layout.padded(architecture, mlp_params)
    values = padded_network(architecture, params, encode(architecture.hash_grid, tables[0], points))
    assert values.shape[1] % 16 == 0 and not values[:, n_outputs:].any()
    expected = reference.sample(tables[0], points)
    np.testing.assert_allclose(values[:, :n_outputs], expected, atol=1e-5 * np.abs(expected).max())


class Emulated(torch.nn.Module):
    """tinycudann.NetworkWithInputEncoding from its documentation, in torch: as the bindings look from outside."""

    def __init__(self, n_dims, n_outputs, encoding, network):
        super().__init__()
        names = {name: value for name, value in encoding.items() if name not in ("otype", "interpolation")}
        network = NetworkConfig(network["n_neurons"], network["n_hidden_layers"])
        self.architecture = Architecture(EncodingConfig(n_pos_dims=n_dims, **names), network, n_outputs)
        self.n_network = tcnn_layout.n_network_params(self.architecture)
        self.params = torch.nn.Parameter(torch.zeros(self.n_network + self.architecture.n_table))

    def forward(self, points):
        from hyperinr_core.backends.torch import encode as encode_torch

        params = self.params.float()
        features = encode_torch(self.architecture.hash_grid, params[None, self.n_network :], points[None])[0]
        start, shapes = 0, tcnn_layout.padded_shapes(self.architecture)
        for number, (rows, columns) in enumerate(shapes):
            features = torch.nn.functional.pad(features, (0, columns - features.shape[1]))
            features = features @ params[start : start + rows * columns].view(rows, columns).T
            features = features.relu() if number + 1 < len(shapes) else features
            start += rows * columns
        return features[:, : self.architecture.n_outputs].half()


@pytest.fixture
def emulated(monkeypatch, anew):
    """The bindings' place taken by the emulation, on the CPU."""
    monkeypatch.setitem(sys.modules, "tinycudann", types.SimpleNamespace(NetworkWithInputEncoding=Emulated))
    monkeypatch.setattr(cuda, "require", lambda name: None)
    monkeypatch.setattr(cuda, "device", lambda: torch.device("cpu"))


@pytest.mark.parametrize("case", ["plane", "one feature"])
def test_the_backend_hands_tiny_cuda_nn_what_it_expects(case, emulated):
    model = random_model(CASES[case])
    assert_tcnn_equals_reference(backends._backend_class("tcnn")(*model), model)


def assert_tcnn_equals_reference(backend, model):
    points = np.random.default_rng(3).random((300, model[0].encoding.n_pos_dims), np.float32)
    reference, blend = ReferenceBackend(*model), (np.array([0, 2]), np.array([0.25, 0.75]))
    expected = reference.sample(reference.blend(*blend), points)
    found = backend.sample(backend.blend(*blend), points)
    np.testing.assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())


def test_the_evaluator_trains_through_tiny_cuda_nn(emulated):
    from hyperinr_core.training.evaluators.tcnn import TcnnEvaluator
    from hyperinr_core.training.evaluators.torch import TorchEvaluator

    architecture, tables, mlp_params = random_model(CASES["odd growth"])
    points = torch.rand((2, 60, 3), generator=torch.Generator().manual_seed(0))
    results = []
    for kind in (TcnnEvaluator, TorchEvaluator):
        leaves = [torch.from_numpy(part).clone().requires_grad_() for part in (tables[:2], mlp_params)]
        values = kind(architecture).values(*leaves, points)
        results.append([values, *torch.autograd.grad(values.sum(), leaves)])
    for found, expected in zip(*results):
        assert (found - expected).norm() < 2e-2 * expected.norm()


def test_another_layout_of_tiny_cuda_nn_is_refused(emulated, monkeypatch):
    class Other(Emulated):
        def __init__(self, *model):
            super().__init__(*model)
            self.params = torch.nn.Parameter(self.params[:-8].detach())

    monkeypatch.setattr(sys.modules["tinycudann"], "NetworkWithInputEncoding", Other)
    with pytest.raises(BackendError, match=r"this tiny-cuda-nn has \d+ params for the model; expected \d+, use"):
        backends._backend_class("tcnn")(*random_model(CASES["plane"]))


@LIVE
@pytest.mark.parametrize("case", TCNN_CASES)
def test_live_tiny_cuda_nn_equals_the_reference(case):
    model = random_model(CASES[case])
    assert_tcnn_equals_reference(backends.create("tcnn", *model), model)


@pytest.mark.skipif(cuda.obstacle() is not None, reason="needs a GPU; carrying is checked on the CPU elsewhere")
@pytest.mark.parametrize("periodic", [(False, False, False), (True, True, False)])
@pytest.mark.parametrize("name, tolerance", [("triton", 1e-2), ("torch", 1e-4)])
def test_live_steps_are_carried_on_the_gpu(name, tolerance, periodic):
    model = moving_model(dims=(24, 20, 16), periodic=periodic, fields=FIELDS, anchored=(True, False))
    grids = None, model.grid.with_dims((19, 27, 13))
    for time, grid in [(0.7, grids[0]), (1.9, grids[0]), (0.7, grids[1])]:
        found, expected = (model.generate(time, each).sample_grid(grid) for each in (name, "reference"))
        np.testing.assert_allclose(found, expected, atol=tolerance * abs(expected).max())
    points = np.random.default_rng(0).random((500, 3))
    found, expected = (model.generate(0.7, each).sample(points) for each in (name, "reference"))
    np.testing.assert_allclose(found, expected, atol=tolerance * abs(expected).max())
    steps = model._decoded[name]
    assert not steps.failed and (steps._fused is not None) == cuda.is_installed("triton")


@pytest.mark.skipif(not FROZEN.exists(), reason="no numbers of tiny-cuda-nn are committed yet: tools/tcnn_numbers.py")
@pytest.mark.parametrize("case", TCNN_CASES)
def test_the_reference_equals_tiny_cuda_nn_s_frozen_numbers(case):
    with np.load(FROZEN) as frozen:
        points, expected = frozen[f"{case}.points"], frozen[f"{case}.values"]
    model = random_model(CASES[case])
    reference = ReferenceBackend(*model)
    found = reference.sample(reference.blend(np.array([0]), np.array([1.0])), points)
    np.testing.assert_allclose(found, expected, atol=1e-2 * np.abs(expected).max())


def freezing_script():
    """tools/tcnn_numbers.py as a module."""
    spec = importlib.util.spec_from_file_location("tcnn_numbers", ROOT / "tools" / "tcnn_numbers.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def test_without_bindings_nothing_is_frozen(gpu, anew, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinycudann", None)
    script = freezing_script()
    monkeypatch.setattr(script, "freeze", None)
    with pytest.raises(SystemExit, match="nothing was frozen: the tcnn backend needs tiny-cuda-nn's torch bindings"):
        script.main()


def test_numbers_are_frozen_with_where_they_come_from(emulated, tmp_path):
    # the script itself, on the emulation: what it writes is what the test above reads
    freezing_script().freeze(tmp_path / "n.npz", ["one feature"], {"gpu": "none, for this test"})
    with np.load(tmp_path / "n.npz") as frozen:
        points, values = frozen["one feature.points"], frozen["one feature.values"]
    model = random_model(CASES["one feature"])
    expected = ReferenceBackend(*model).sample(model[1][0], points)
    np.testing.assert_allclose(values, expected, atol=1e-2 * np.abs(expected).max())
    assert json.loads((tmp_path / "n.json").read_text())["gpu"] == "none, for this test"
