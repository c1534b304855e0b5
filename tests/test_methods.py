"""Methods that fill the gaps between training steps, measured from Python on a moving blob."""

from __future__ import annotations

import numpy as np
import pytest
from series import moving_blob

from hyperinr_core.errors import ParameterError
from hyperinr_core.measure.methods import DEFAULT_METHODS, Comparison, chosen_methods, ranking
from hyperinr_core.measure.report import scores
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings


def test_a_method_is_measured_on_the_steps_between(tmp_path):
    series = moving_blob(n_steps=7)
    comparison, heard = Comparison(series, "density", tmp_path / "c", every=3), []
    comparison.run("linear", lambda *progress: heard.append(progress))
    truth = [series.read(step, ["density"]) for step in range(7)]
    limits = (float(np.min(truth)), float(np.max(truth)))
    between = {1: (2 * truth[0] + truth[3]) / 3, 2: (truth[0] + 2 * truth[3]) / 3,
               4: (2 * truth[3] + truth[6]) / 3, 5: (truth[3] + 2 * truth[6]) / 3}  # fmt: skip
    expected = [scores(values, truth[step], limits) for step, values in between.items()]
    figures = comparison.methods["linear"]
    decibel, similar = ([each[metric] for each in expected] for metric in ("psnr", "ssim"))
    assert figures["psnr_by_step"] == pytest.approx(decibel, abs=1e-3)
    assert figures["psnr_worst"] == pytest.approx(min(decibel), abs=1e-3)
    assert figures["psnr"] == pytest.approx(np.mean(decibel), abs=1e-3)
    assert figures["ssim"] == pytest.approx(np.mean(similar)) and figures["ssim_worst"] == pytest.approx(min(similar))
    assert heard == [("measuring linear", done, 4) for done in (1, 2, 3, 4)]
    hardest = comparison.steps[int(np.argmin(decibel))]
    assert comparison.hardest == hardest
    np.testing.assert_allclose(comparison.volume("linear"), between[hardest], atol=1e-5)


def test_all_methods_are_shown_at_one_step_whichever_was_first(tmp_path):
    series = moving_blob(thetas=[0, 1.0, 2, 3, 4])  # the blob leaves the box: the first gap is the hardest
    comparison = Comparison(series, "density", tmp_path / "c", every=2)
    for name in ("catmull_rom", "linear"):
        comparison.run(name)
    assert comparison.hardest == 1 != comparison.steps[len(comparison.steps) // 2]
    for name in ("catmull_rom", "linear"):
        expected = create(name, series.select([0, 2, 4]), "density").evaluate([1.0])
        np.testing.assert_array_equal(comparison.volume(name), expected)


def test_what_the_folder_holds_is_found_again_and_ranked(tmp_path):
    first = Comparison(moving_blob(n_steps=7), "density", tmp_path / "c", every=3)
    for name in ("linear", "catmull_rom"):
        first.run(name)
    again = Comparison(moving_blob(n_steps=7), "density", tmp_path / "c", every=3)
    assert again.methods == first.methods
    best, worst = ranking(again.methods)
    assert again.methods[best]["psnr"] > again.methods[worst]["psnr"]
    assert Comparison(moving_blob(n_steps=7), "density", tmp_path / "c", every=2).methods == {}


def test_steps_are_spread_when_only_some_are_measured(tmp_path):
    comparison = Comparison(moving_blob(n_steps=21), "density", tmp_path / "c", n_steps=4)
    assert comparison.steps[0] == 1 and comparison.steps[-1] == 19 and len(comparison.steps) == 4
    assert not set(comparison.steps) & {0, 5, 10, 15, 20}


def test_mistakes_are_said(tmp_path):
    with pytest.raises(ParameterError, match="has 'oracle', which is no method; expected all, or some of linear"):
        chosen_methods("linear,oracle")
    with pytest.raises(ParameterError, match="expected at least one"):
        Comparison(moving_blob(n_steps=3), "density", tmp_path)
    with pytest.raises(ParameterError, match="--methods has no names; expected all, or some of linear"):
        chosen_methods(" , ")
    assert chosen_methods("flow, flow,linear") == ["flow", "linear"]
    assert set(DEFAULT_METHODS) < set(chosen_methods("all"))


@pytest.mark.parametrize(("method", "n_iterations"), [("hyperinr_direct", 100), ("hyperinr_separate", 3 * 34)])
def test_an_interrupted_method_goes_on_where_it_was(tmp_path, monkeypatch, method, n_iterations):
    """Cut off in the second half, the run must not draw its first batches again, and ends as an unbroken one does."""
    from hyperinr_core.training import trainer

    series = moving_blob(n_steps=7).select([0, 3, 6])
    unbroken = create(method, series, "density")
    unbroken.fit(FitSettings(samples=240_000))
    advance, drawn = trainer.Trainer.advance, []

    def cut(self):
        drawn.append(self.iteration)
        if len(drawn) == 80:
            self.save_state(tmp_path / ("state" if method == "hyperinr_direct" else "state.2"))
            raise trainer.Interrupted
        return advance(self, 1)

    settings = FitSettings(samples=240_000, state=tmp_path / "state")
    monkeypatch.setattr(trainer.Trainer, "advance", cut)
    with pytest.raises(trainer.Interrupted):
        create(method, series, "density").fit(settings)
    continued = create(method, series, "density")
    continued.fit(settings)
    assert len(drawn) == n_iterations + 1  # the one that was cut off was tried twice
    np.testing.assert_array_equal(continued.evaluate([1.0]), unbroken.evaluate([1.0]))
