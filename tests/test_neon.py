"""The CPU kernel's unit for AArch64, cross-built and emulated, against the reference: blend, decode, points, training.

`make test-aarch64` runs all of the kernel's tests so.
"""

from __future__ import annotations

import importlib
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.reference import ReferenceBackend
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.training.evaluators.native import NativeEvaluator

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="cross-built on Linux for x86-64 alone; elsewhere the other tests run the units that are there",
)


def qemu_version() -> int:
    """The first number of QEMU's version; 0 where it is missing, so that tests fail."""
    program = shutil.which("qemu-aarch64")
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout if program else ""
    return int((re.findall(r"version (\d+)", said) or [0])[0])


#: Every number of features, dense and hashed levels, a plane, one output and a few and many.
ARCHITECTURES = [
    Architecture(EncodingConfig(n_levels=4), NetworkConfig(), 1),
    Architecture(EncodingConfig(n_pos_dims=2, n_levels=5, n_features_per_level=2), NetworkConfig(32, 2), 3),
    Architecture(EncodingConfig(n_levels=3, n_features_per_level=8, log2_hashmap_size=6), NetworkConfig(48, 1), 16),
    Architecture(EncodingConfig(n_levels=5, n_features_per_level=1, log2_hashmap_size=4), NetworkConfig(16, 8), 5),
]


@pytest.fixture(scope="module")
def emulated():
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "emulated"))
    try:
        return importlib.import_module("emulated")
    finally:
        sys.path.pop(0)


@pytest.fixture(scope="module")
def driver(emulated, tmp_path_factory):
    return emulated.build("neon", tmp_path_factory.mktemp("neon"), "-O1")


def job_of(emulated, architecture):
    """A model of random numbers, 203 points, and axes."""
    rng, n_dims, n_outputs = np.random.default_rng(0), architecture.encoding.n_pos_dims, architecture.n_outputs
    encoders, weights = rng.uniform(-1, 1, (3, architecture.n_table)).astype(np.float32), np.array([0.5, 0.3, 0.2])
    layers = [rng.normal(size=o * i) * np.sqrt(2 / i) for o, i in architecture.layer_shapes]
    mlp, points = np.concatenate(layers).astype(np.float32), rng.random((203, n_dims)).astype(np.float32)
    points[:2] = [[0] * n_dims, [1] * n_dims]
    targets = rng.random((203, n_outputs)).astype(np.float32)
    axes = tuple(np.linspace(0, 1, n, dtype=np.float32) for n in (29, 5, 7)[:n_dims])
    return emulated.Job(architecture, encoders, weights, mlp, points, targets, axes)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_neon_equals_the_reference(architecture, emulated, driver, tmp_path):
    job, n_outputs = job_of(emulated, architecture), architecture.n_outputs
    mlp, points, targets = job.mlp_params, job.points, job.targets
    found = emulated.run(driver, "neon", job, tmp_path)

    reference = ReferenceBackend(architecture, job.encoders, mlp)
    table = reference.blend(np.arange(3), job.weights)
    grid, ones = np.empty(found["grid"].shape, np.float32), np.ones(n_outputs, np.float32)
    reference.sample_grid(table, job.axes, grid, 2 * ones, 0.5 * ones)
    np.testing.assert_allclose(found["table"], table, atol=1e-6)
    np.testing.assert_allclose(found["grid"], grid, atol=4e-6 * abs(grid).max())
    values = reference.sample(table, points)
    np.testing.assert_allclose(found["values"], values, atol=2e-6 * abs(values).max())
    np.testing.assert_allclose(found["loss"], np.mean((values - targets) ** 2), rtol=1e-5)

    inputs = [torch.from_numpy(array)[None] for array in (table, points, targets)]
    leaves = inputs[0].requires_grad_(), torch.from_numpy(mlp.copy()).requires_grad_()
    loss = NativeEvaluator(architecture).loss(*leaves, inputs[1], inputs[2], torch.ones(1), "l2")
    for name, expected in zip(("grad_table", "grad_mlp"), torch.autograd.grad(loss, leaves)):
        np.testing.assert_allclose(found[name], expected.numpy().ravel(), atol=2e-5 * float(expected.abs().max()))
    gradient = found["grad_mlp"].astype(np.float64)
    step = 1e-2 * gradient / (abs(gradient) + 1e-15)  # Adam's first step is as long as its rate
    np.testing.assert_allclose(found["mlp"], mlp - step, atol=2e-6)


@pytest.mark.skipif(qemu_version() >= 9, reason="QEMU from 9 on takes plugins of another interface, and Debian's none")
def test_instructions_are_counted(emulated, driver, tmp_path):
    """As many for each grid, and as many as its points have at least."""
    job, counter = job_of(emulated, ARCHITECTURES[0]), emulated.build_counter(tmp_path)
    counts = [emulated.count(driver, "neon", job, tmp_path, counter, (1, n, 1, 1)) for n in (1, 2, 3)]
    one, other = np.diff(counts) / (29 * 5 * 7)
    n_products = sum(o * i for o, i in ARCHITECTURES[0].layer_shapes)
    assert one == pytest.approx(other, rel=0.02)
    assert n_products / 4 < one < 2 * n_products
