"""`hyperinr compare` measures what it says, keeps what it has, and draws it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from series import moving_blob

from hyperinr.plugin.cli import hyperinr
from hyperinr.plugin.commands import compare as module
from hyperinr.plugin.commands.compare import Comparison, chosen_methods
from hyperinr_core.errors import ParameterError
from hyperinr_core.measure.metrics import psnr, ssim
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings

FIGURES = {"psnr", "ssim", "psnr_worst", "ssim_worst", "train_s", "decode_ms", "bytes", "psnr_by_step"}


@pytest.fixture
def steps(tmp_path):
    """Seven steps of a moving blob in a file."""
    series = moving_blob(n_steps=7)
    np.save(tmp_path / "blob.npy", np.stack([series.read(i, ["density"])[..., 0] for i in range(7)]))
    return tmp_path / "blob.npy"


def run(steps, *options):
    arguments = ["compare", str(steps), "-o", str(steps.parent / "c"), "--every", "3", *options]
    return CliRunner().invoke(hyperinr, arguments, catch_exceptions=False)


def document(steps) -> dict:
    return json.loads((steps.parent / "c" / "comparison.json").read_text())


def test_table_pictures_and_json(steps):
    result = run(steps, "--methods", "linear,flow,siren,hyperinr_direct", "--budget", "0.5")
    assert result.exit_code == 0 and "to linear" in result.output
    methods = document(steps)["methods"]
    assert set(methods) == {"linear", "flow", "siren", "hyperinr_direct"}
    assert all(set(entry) == FIGURES for entry in methods.values())
    for name in ("table.png", "psnr.png", "differences.png"):
        assert (steps.parent / "c" / name).read_bytes().startswith(b"\x89PNG")
    assert methods["linear"]["bytes"] == 3 * 4 * 16 * 14 * 12
    assert not list((steps.parent / "c").glob("*.state"))


def test_figures_are_those_of_the_held_out_steps(steps):
    run(steps, "--methods", "linear")
    found, series = document(steps), moving_blob(n_steps=7)
    assert found["setup"]["steps"] == [1, 2, 4, 5]
    truth = np.stack([series.read(i, ["density"])[..., 0] for i in range(7)])
    limits = (float(truth.min()), float(truth.max()))
    expected = [(2 * truth[0] + truth[3]) / 3, (truth[0] + 2 * truth[3]) / 3]
    for place, values in enumerate(expected):
        assert found["methods"]["linear"]["psnr_by_step"][place] == pytest.approx(
            psnr(values, truth[place + 1], limits)
        )
    assert (
        found["methods"]["linear"]["ssim"] <= max(ssim(v, truth[i + 1], limits) for i, v in enumerate(expected)) + 0.1
    )


def test_finished_methods_are_not_trained_again(steps, monkeypatch):
    run(steps, "--methods", "linear,catmull_rom")
    before = document(steps)["methods"]
    measured = []
    measure = Comparison._measure
    monkeypatch.setattr(
        Comparison, "_measure", lambda self, name, *rest: measured.append(name) or measure(self, name, *rest)
    )
    run(steps, "--methods", "linear,catmull_rom,spline")
    assert measured == ["spline"]
    assert {name: document(steps)["methods"][name] for name in before} == before
    run(steps, "--methods", "linear", "--seed", "1")
    assert measured == ["spline", "linear"] and set(document(steps)["methods"]) == {"linear"}


def test_steps_are_spread_when_only_some_are_measured(tmp_path):
    comparison = Comparison(moving_blob(n_steps=21), "density", 5, 4, 1.0, 0, "cpu", tmp_path / "c")
    assert comparison.steps[0] == 1 and comparison.steps[-1] == 19 and len(comparison.steps) == 4
    assert not set(comparison.steps) & {0, 5, 10, 15, 20}


def test_mistakes_are_said(tmp_path):
    with pytest.raises(ParameterError, match="has 'oracle', which is no method; expected all, or some of linear"):
        chosen_methods("linear,oracle")
    with pytest.raises(ParameterError, match="expected at least one"):
        Comparison(moving_blob(n_steps=3), "density", 5, 4, 1.0, 0, "cpu", tmp_path)
    with pytest.raises(ParameterError, match="--methods has no names; expected all, or some of linear"):
        chosen_methods(" , ")
    assert chosen_methods("flow, flow,linear") == ["flow", "linear"]
    assert set(module.DEFAULT_METHODS) < set(chosen_methods("all"))


@pytest.mark.parametrize(("method", "n_iterations"), [("hyperinr_direct", 100), ("hyperinr_separate", 3 * 34)])
def test_an_interrupted_method_goes_on_where_it_was(steps, monkeypatch, method, n_iterations):
    """Cut off in the second half, the run must not draw its first batches again, and ends as an unbroken one does."""
    from hyperinr_core.training import trainer

    series = moving_blob(n_steps=7).select([0, 3, 6])
    unbroken = create(method, series, "density")
    unbroken.fit(FitSettings(samples=240_000))
    step, drawn = trainer.Trainer.step, []

    def cut(self):
        drawn.append(self.iteration)
        if len(drawn) == 80:
            self.save_state(steps.parent / ("state" if method == "hyperinr_direct" else "state.2"))
            raise trainer.Interrupted
        return step(self)

    settings = FitSettings(samples=240_000, state=steps.parent / "state")
    monkeypatch.setattr(trainer.Trainer, "step", cut)
    with pytest.raises(trainer.Interrupted):
        create(method, series, "density").fit(settings)
    continued = create(method, series, "density")
    continued.fit(settings)
    assert len(drawn) == n_iterations + 1  # the one that was cut off was tried twice
    np.testing.assert_array_equal(continued.evaluate([1.0]), unbroken.evaluate([1.0]))


def test_states_of_other_options_are_dropped(steps):
    run(steps, "--methods", "linear")
    (steps.parent / "c" / "hyperinr.state").write_bytes(b"of another seed")
    run(steps, "--methods", "linear", "--seed", "2")
    assert not list((steps.parent / "c").glob("*.state"))


def test_stopping_is_said_and_its_seconds_count(steps, monkeypatch):
    from hyperinr_core.training.teachers.linear import Linear
    from hyperinr_core.training.trainer import Interrupted

    def stop(self, settings):
        raise Interrupted

    monkeypatch.setattr(Linear, "fit", stop)
    result = run(steps, "--methods", "catmull_rom,linear")
    assert result.exit_code == 130 and "repeat the command to go on" in result.output
    assert set(document(steps)["methods"]) == {"catmull_rom"} and document(steps)["spent"]["linear"] > 0
