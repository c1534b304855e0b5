"""`hyperinr evaluate-views` measures held-out views, and draws them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from view_models import call

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.evaluate_views import evaluate_views
from hyperinr.plugin.commands.train_views import held_out_steps


def test_the_model_beats_interpolation_on_held_out_views(trained_views, balls, tmp_path):
    path, said = trained_views
    assert "teacher radiance, best on pictures left out" in said and "24 held out" in said
    result = call(evaluate_views, path, balls, "--json", "--plot", tmp_path / "p.png", "--strip", tmp_path / "s.png")
    report = json.loads(result.output)
    model, interpolation = (report["held_out"][method]["psnr"] for method in ("model", "interpolation"))
    assert model > interpolation + 2 and report["p_value"] < 0.01 and report["wins"] > 0.7
    assert report["difference"] == pytest.approx(model - interpolation)
    assert report["model_bytes"] == path.stat().st_size and len(report["pictures"]) == 24
    kept = open_pictures(balls).select(np.setdiff1d(np.arange(48), held_out_steps(open_pictures(balls), 0.5, None, 0)))
    assert report["training_image_bytes"] == sum(file.stat().st_size for file in kept.files)
    assert (tmp_path / "p.png").stat().st_size > 5000 and (tmp_path / "s.png").stat().st_size > 5000
    table = call(evaluate_views, path, balls).output
    assert "inverse distance" in table and "t-test" in table
