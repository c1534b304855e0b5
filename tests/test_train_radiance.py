"""`hyperinr train-views --representation radiance`: what it learns, over time too, and what auto takes."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
from view_models import balls_database, call, views

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.evaluate_views import evaluate_views
from hyperinr.plugin.commands.train_views import train_views
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.radiance import file
from hyperinr_core.radiance.fit import Fit
from hyperinr_core.training import distributed
from hyperinr_core.training.task import Tell
from hyperinr_core.training.views import scenes
from hyperinr_core.training.views.task import Views, ViewsConfig, views_preset

RADIANCE = ("--preset", "fast", "--representation")


@pytest.mark.parametrize("representation", ["radiance", "auto"])
def test_a_field_beats_interpolation_on_held_out_views(balls, tmp_path, representation):
    path = tmp_path / "balls.hinr"
    said = call(train_views, balls, "-o", path, "--holdout", 0.5, *RADIANCE, representation).output
    assert "24 held out" in said and "dB PSNR on the training pictures" in said
    assert ("left-out views: radiance" in said) == (representation == "auto")
    result = call(evaluate_views, path, balls, "--json", "--strip", tmp_path / "s.png")
    report = json.loads(result.output)
    model, interpolation = (report["held_out"][method]["psnr"] for method in ("model", "interpolation"))
    assert model > interpolation + 4 and report["wins"] > 0.9
    assert (tmp_path / "s.png").stat().st_size > 5000
    assert "The radiance field is nearer" in call(evaluate_views, path, balls).output
    loaded = file.load(path)
    assert len(loaded.provenance["held_out"]) == 24 and len(loaded.quality["training_psnr_db"]["rgb"]) == 24


def test_each_time_gets_a_field(tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "LOOKS", {"fast": 250})
    database = balls_database(tmp_path / "t.cdb", views(16), times=(0.6, 0.8, 1.0))
    call(train_views, database, "-o", tmp_path / "t.hinr", *RADIANCE, "radiance")
    model = file.load(tmp_path / "t.hinr")
    assert model.positions.ravel().tolist() == [0.6, 0.8, 1.0] and len(model.scenes) == 3
    scores = model.provenance["views"]["left_out_scenes_psnr_db"]
    assert (scores["carried"] > scores["blended"]) == (model.paths is not None)
    seen = [255 - model.picture([30.0, 10.0, time]).astype(float) for time in (0.6, 0.7, 1.0)]
    sizes = [np.count_nonzero(picture.max(axis=2) > 40) for picture in seen]
    assert sizes[0] < sizes[1] <= sizes[2]


@pytest.mark.parametrize(("option", "value"), [("--minutes", 1), ("--encoders", 9)])
def test_settings_that_it_does_not_use_are_refused(balls, tmp_path, option, value):
    with pytest.raises(ParameterError, match=f"{option} is set; expected it with --representation pictures only"):
        call(train_views, balls, "-o", tmp_path / "x.hinr", option, value, *RADIANCE, "radiance")


def test_several_processes_are_refused(balls, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "n_started", lambda: 2)
    with pytest.raises(ParameterError, match=r"torchrun.*fit no radiance field together, is set; expected it with"):
        call(train_views, balls, "-o", tmp_path / "x.hinr", *RADIANCE, "radiance")


def stopping(fits, advances):
    """A `Fit.advance` that asks for a stop, as Ctrl-C does, after so many calls; `fits` counts the fits that began."""
    advance = Fit.advance

    def advanced(self):
        fits.add(id(self._pictures))
        advance(self)
        advances.append(0)
        if len(advances) == 6:
            signal.raise_signal(signal.SIGINT)

    return advanced


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(tmp_path, monkeypatch):
    """In the second scene of two: the first one's field is not fitted again."""
    database = balls_database(tmp_path / "t.cdb", views(12), size=16, times=(0.6, 1.0))
    monkeypatch.setattr(scenes, "LOOKS", {"fast": 200})
    command = [database, *RADIANCE, "radiance", "--progress", "json", "-o"]
    call(train_views, *command, tmp_path / "whole.hinr")
    output, fits = tmp_path / "cut.hinr", set()
    with monkeypatch.context() as patch:
        patch.setattr(Fit, "advance", stopping(fits, []))
        stopped = call(train_views, *command, output)
        assert stopped.exit_code == 130 and "repeat the command with --resume" in stopped.output and len(fits) == 2
        assert '"what": "fitting radiance fields"' in stopped.output
    with pytest.raises(ParameterError, match="add --resume"):
        call(train_views, *command, output)
    with pytest.raises(DataError, match="belongs to a run with other data or settings"):
        call(train_views, *command, output, "--resume", "--seed", 7)
    fits.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Fit, "advance", stopping(fits, [0] * 6))
        call(train_views, *command, output, "--resume")
    assert len(fits) == 1
    assert output.read_bytes() == (tmp_path / "whole.hinr").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.hinr", "t.cdb", "whole.hinr"]


@pytest.mark.parametrize("pictures", [5.0, 50.0])
def test_where_a_mean_is_the_best_teacher_a_short_hyperinr_decides(balls, tmp_path, monkeypatch, pictures):
    scores = {"none": 12.0, "radiance": 20.0, "0.5 radiance and 0.5 blended pictures": 21.0}
    choice = {"teacher": "none", "reason": "", "left_out_psnr_db": scores, "optics": {"view_angle": 0.0}, "share": 0}
    monkeypatch.setattr(scenes, "choose_teacher", lambda *_: choice)
    monkeypatch.setattr(scenes, "picture_psnr", lambda *_: pictures)
    monkeypatch.setattr(scenes, "TRIAL_SAMPLES", 4000)
    task = Views(open_pictures(balls), ViewsConfig())
    found = scenes.representation_of(task, views_preset("fast", task.training.grid), "cpu", Tell())
    assert found["representation"] == ("pictures" if pictures > 20 else "radiance")
    assert found["left_out_psnr_db"] == {"radiance": 20.0, "pictures": pictures}
    assert found["reason"] == "best on left-out views"
