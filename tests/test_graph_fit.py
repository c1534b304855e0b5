"""Fits as a GPU does them, in half precision and with draws of the device's: on the CPU here, recorded where there is a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from series import moving_blob

from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training import replay
from hyperinr_core.training.replay import Replay
from hyperinr_core.training.teachers import create, graph_fit, neural
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.neural import Neural

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

#: Teachers of sines.
NAMES = ["coordnet", "siren", "coordx", "neurcomp"]

LIVE = pytest.mark.skipif(DEVICE == "cpu", reason="only a GPU records steps")


@pytest.fixture(params=["resident", "fed"])
def on_device(request, monkeypatch):
    """Fits are the GPU's, wherever they run, of a series that the device holds or that the host draws from."""
    monkeypatch.setattr(graph_fit, "fits", lambda stream, device: request.param == "resident")
    monkeypatch.setattr(neural, "Fit", graph_fit.GraphFit)
    monkeypatch.setattr(Neural, "batch_points", 800)


def fitted(name, series, rate, **settings):
    teacher = create(name, series, "density")
    teacher.learning_rate = rate
    teacher.fit(FitSettings(device=DEVICE, **settings))
    return teacher


def quality(teacher, series):
    limits = (0.0, 10.0)
    found = [psnr(teacher.evaluate(t), series.read(i, ["density"]), limits) for i, t in enumerate(series.thetas)]
    return float(np.mean(found))


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_loses_little(name, on_device, monkeypatch):
    series = moving_blob(dims=(10, 9, 8), n_steps=3)
    samples = 40_000 if name in ("siren", "coordx") else 16_000
    half = quality(fitted(name, series, 3e-4, samples=samples), series)
    monkeypatch.setattr(torch, "autocast", lambda *given, **options: torch.no_grad.__class__ and torch.enable_grad())
    single = quality(fitted(name, series, 3e-4, samples=samples), series)
    assert abs(half - single) < 0.5 and single > 20
