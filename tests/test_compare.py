"""`hyperinr compare` measures what it says, keeps what it has, and draws it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from series import moving_blob

from hyperinr.plugin.cli import hyperinr
from hyperinr_core.measure.methods import Comparison
from hyperinr_core.measure.metrics import psnr, ssim

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


def test_states_of_other_options_are_dropped(steps):
    run(steps, "--methods", "linear")
    (steps.parent / "c" / "hyperinr.state").write_bytes(b"of another seed")
    run(steps, "--methods", "linear", "--seed", "2")
    assert not list((steps.parent / "c").glob("*.state"))


def test_stopping_is_said_and_its_seconds_count(steps, monkeypatch):
    from hyperinr_core.training.teachers.linear import Linear
    from hyperinr_core.training.watch import Interrupted

    def stop(self, settings):
        raise Interrupted

    monkeypatch.setattr(Linear, "fit", stop)
    result = run(steps, "--methods", "catmull_rom,linear")
    assert result.exit_code == 130 and "repeat the command to go on" in result.output
    assert set(document(steps)["methods"]) == {"catmull_rom"} and document(steps)["spent"]["linear"] > 0
