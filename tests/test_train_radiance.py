"""`hyperinr train-views --representation radiance`: what it learns, over time too, and what auto takes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from view_models import balls_database, call, views

from hyperinr.plugin.commands.evaluate_views import evaluate_views
from hyperinr.plugin.commands.train_views import train_views
from hyperinr_core.errors import ParameterError
from hyperinr_core.radiance import file

RADIANCE = ("--preset", "fast", "--representation")


@pytest.mark.parametrize("representation", ["radiance", "auto"])
def test_a_field_beats_interpolation_on_held_out_views(balls, tmp_path, representation):
    path = tmp_path / "balls.hinr"
    said = call(train_views, balls, "-o", path, "--holdout", 0.5, *RADIANCE, representation).output
    assert "24 held out" in said and "dB PSNR on the training pictures" in said
    assert ("Left-out views: radiance" in said) == (representation == "auto")
    result = call(evaluate_views, path, balls, "--json", "--strip", tmp_path / "s.png")
    report = json.loads(result.output)
    model, interpolation = (report["held_out"][method]["psnr"] for method in ("model", "interpolation"))
    assert model > interpolation + 4 and report["wins"] > 0.9
    assert (tmp_path / "s.png").stat().st_size > 5000
    assert "The radiance field is nearer" in call(evaluate_views, path, balls).output
    loaded = file.load(path)
    assert len(loaded.provenance["held_out"]) == 24 and len(loaded.quality["training_psnr_db"]["rgb"]) == 24


def test_equal_seeds_give_equal_files_but_for_the_time(balls, tmp_path):
    pictures = []
    for name in "a.hinr", "b.hinr":
        call(train_views, balls, "-o", tmp_path / name, *RADIANCE, "radiance")
        pictures.append(file.load(tmp_path / name).picture([40.0, 20.0]).tobytes())
    assert pictures[0] == pictures[1]


def test_each_time_gets_a_field(tmp_path):
    database = balls_database(tmp_path / "t.cdb", views(16), times=(0.6, 1.0))
    call(train_views, database, "-o", tmp_path / "t.hinr", *RADIANCE, "radiance")
    model = file.load(tmp_path / "t.hinr")
    assert model.positions.ravel().tolist() == [0.6, 1.0] and len(model.scenes) == 2
    seen = [255 - model.picture([30.0, 10.0, time]).astype(float) for time in (0.6, 0.8, 1.0)]
    sizes = [np.count_nonzero(picture.max(axis=2) > 40) for picture in seen]
    assert sizes[0] < sizes[1] <= sizes[2]


def test_settings_that_it_does_not_use_are_refused(balls, tmp_path):
    with pytest.raises(ParameterError, match="--minutes is set; expected it with --representation pictures only"):
        call(train_views, balls, "-o", tmp_path / "x.hinr", "--minutes", 1, *RADIANCE, "radiance")
