"""Fits as a GPU does them, in half precision and by draws of its own: on the CPU here, recorded and replayed where a GPU is."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from series import moving_blob

from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.replay import Replay
from hyperinr_core.training.teachers import create, graph_fit, neural
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.graph_fit import GraphFit
from hyperinr_core.training.teachers.neural import Neural
from hyperinr_core.training.teachers.sine_network import half_precision

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

#: Teachers of sines.
NAMES = ["coordnet", "siren", "coordx", "neurcomp"]


@pytest.fixture(params=["resident", "fed"])
def way(request, monkeypatch):
    """Fits are the GPU's, wherever they run, of a series that the device holds or that the host draws from."""
    monkeypatch.setattr(graph_fit, "fits", lambda stream, device: request.param == "resident")
    monkeypatch.setattr(neural, "Fit", GraphFit)
    monkeypatch.setattr(Neural, "batch_points", 100)
    return request.param


def fitted(series, samples, name="siren", **settings):
    teacher = create(name, series, "density")
    teacher.fit(FitSettings(samples=samples, device=DEVICE, **settings))
    return teacher


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_hardly_turns_slopes(name):
    network = create(name, moving_blob(dims=(5, 4, 3), n_steps=2), "density").build().to(DEVICE)
    points = 2 * torch.rand((64, 4), generator=torch.Generator().manual_seed(0)).to(DEVICE) - 1
    found = []
    for half in (True, False):
        with half_precision(network, DEVICE) if half else nullcontext():
            values = network(points)
        assert values.dtype == (torch.float16 if half else torch.float32)
        loss = 1000 * (values.float() - 1).square().mean()
        slopes = torch.autograd.grad(loss, list(network.parameters()))
        found.append([values.float(), torch.cat([slope.flatten() for slope in slopes])])
    (values, slopes), (exact_values, exact_slopes) = found
    assert (values - exact_values).norm() < 5e-3 * exact_values.norm()
    assert (slopes - exact_slopes).norm() < 1e-2 * exact_slopes.norm()


def test_a_fit_as_on_a_gpu_learns(way):
    series = moving_blob(dims=(10, 9, 8), n_steps=3)

    def quality(teacher):
        limits = (0.0, 10.0)
        return np.mean(
            [psnr(teacher.evaluate(t), series.read(i, ["density"]), limits) for i, t in enumerate(series.thetas)]
        )

    assert quality(fitted(series, 5000)) > quality(fitted(series, 1)) + 3


def test_a_fit_as_on_a_gpu_goes_on_to_the_same_network(way, tmp_path, monkeypatch):
    series, theta = moving_blob(dims=(10, 9, 8), n_steps=3), np.array([0.4])
    expected = fitted(series, 1200).evaluate(theta)
    step, state = GraphFit._step, tmp_path / "s" / "state"

    def step_and_die(self, row):
        if self._iteration == 7:
            raise RuntimeError("killed")
        step(self, row)

    monkeypatch.setattr(Replay, "_record", lambda self, step: setattr(self, "records", False))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(GraphFit, "_step", step_and_die)
        patch.setattr("hyperinr_core.training.replay.GROWTH", 1)
        fitted(series, 1200, state=state)
    found = fitted(series, 1200, state=state).evaluate(theta)
    np.testing.assert_allclose(found, expected, atol=0 if DEVICE == "cpu" else 1e-2)


@pytest.mark.skipif(DEVICE == "cpu", reason="only a GPU records steps")
@pytest.mark.parametrize("name", NAMES)
def test_recorded_steps_equal_launched_ones(name, way, monkeypatch):
    series, theta, recorded = moving_blob(dims=(10, 9, 8), n_steps=3), np.array([0.4]), []
    wait = Replay.wait
    monkeypatch.setattr(Replay, "wait", lambda self: (recorded.append(self.is_recorded), wait(self)))
    found = fitted(series, 4000, name).evaluate(theta)
    monkeypatch.setattr(Replay, "_record", lambda self, step: setattr(self, "records", False))
    expected = fitted(series, 4000, name).evaluate(theta)
    assert recorded == [True, False]
    np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())
