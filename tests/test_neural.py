"""Teachers that are networks learn, go on where they were, and have the sizes of the papers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from series import moving_blob

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.samples import SampleStream
from hyperinr_core.training.teachers import CHEAP, create, teachers_of
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.neural import Neural
from hyperinr_core.training.teachers.neurcomp import width_for

NEURAL = [name for name in teachers_of("volumes") if name not in CHEAP]


@pytest.mark.parametrize("name", NEURAL)
def test_neural_teachers_learn(name):
    series = moving_blob(dims=(10, 9, 8), n_steps=3)
    limits = (float(min(series.read(i, ["density"]).min() for i in range(3))), 10.0)

    def error(samples):
        teacher = create(name, series, "density")
        teacher.learning_rate = max(teacher.learning_rate, 2e-4)  # the paper's 1e-5 is for hours
        teacher.batch_points = 400
        teacher.fit(FitSettings(samples=samples))
        return np.mean(
            [psnr(teacher.evaluate(t), series.read(i, ["density"]), limits) for i, t in enumerate(series.thetas)]
        )

    assert error(12_000) > error(1) + 3


@pytest.mark.parametrize("name", NEURAL)
def test_a_grid_holds_what_the_network_says_at_its_points(name):
    series = moving_blob(dims=(7, 6, 5), n_steps=3)
    teacher = create(name, series, "motion")
    teacher.fit(FitSettings(samples=1))
    network, field = teacher._fitted
    values = teacher.evaluate(np.array([0.7]))
    x, y, z = (2 * np.array([4, 1, 3]) / (np.array([7, 6, 5]) - 1) - 1).tolist()
    with torch.no_grad():
        found = network(torch.tensor([[x, y, z, 2 * 0.7 / 2 - 1]]))[0].numpy()
    low, high = np.array(field.value_range).T
    np.testing.assert_allclose(values[3, 1, 4], 0.5 * (found + 1) * (high - low) + low, rtol=1e-3, atol=1e-4)


def test_a_killed_fit_goes_on_to_the_same_network(tmp_path, monkeypatch):
    series = moving_blob(dims=(10, 9, 8), n_steps=3)
    monkeypatch.setattr(Neural, "batch_points", 1000)
    whole, cut = create("siren", series, "density"), create("siren", series, "density")
    whole.fit(FitSettings(samples=20_000))
    draw, state = SampleStream.draw, tmp_path / "s" / "state"

    def draw_and_die(self, iteration):
        if iteration == 11:
            raise RuntimeError("killed")
        return draw(self, iteration)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        patch.setattr(SampleStream, "draw", draw_and_die)
        cut.fit(FitSettings(samples=20_000, state=state))
    cut = create("siren", series, "density")
    cut.fit(FitSettings(samples=20_000, state=state))
    theta = np.array([0.4])
    np.testing.assert_array_equal(cut.evaluate(theta), whole.evaluate(theta))
    with pytest.raises(DataError, match="other data or settings"):
        create("coordx", series, "density").fit(FitSettings(samples=10, state=state))


def test_sizes_of_the_networks_are_the_papers():
    def n_params(name):
        teacher = create(name, moving_blob(dims=(4, 4, 4), n_steps=2), "density")
        teacher.fit(FitSettings(samples=1))
        return teacher.n_params

    assert width_for(2_150_000) == 327
    assert 2.1e6 < n_params("neurcomp") < 2.2e6
    assert 2.1e6 < n_params("hash_inr") < 3.0e6


def test_a_network_must_be_fitted_first():
    with pytest.raises(ParameterError, match="fit before evaluate"):
        create("siren", moving_blob(), "density").evaluate(np.array([0.0]))
