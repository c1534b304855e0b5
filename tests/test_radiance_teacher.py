"""A radiance field shows views that nobody rendered; blended pictures help where it saw too few."""

from __future__ import annotations

import numpy as np
from view_models import balls_database, balls_picture, call, views

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.train_views import train_views
from hyperinr_core import hinr
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.radiance import (
    BlendedPictures,
    Mean,
    Radiance,
    find_optics,
    left_out_scores,
    radiance_score,
)


def fitted(pictures, looks):
    """A radiance field that has looked at so many pictures."""
    teacher = Radiance(pictures, pictures.name, Optics(0.0))
    teacher.fit(FitSettings(looks))
    return teacher


def test_a_radiance_field_shows_views_that_nobody_rendered(balls):
    pictures = open_pictures(balls)
    teacher = fitted(pictures, 80)
    scores = []
    for view in views(6, 9):
        found = teacher.at(view, np.arange(32 * 32)).reshape(32, 32, 3)
        scores.append(psnr(found, balls_picture(view), (0, 255)))
    assert np.mean(scores) > 21
    scores = left_out_scores(pictures, Optics(0.0), 300, 0)
    assert scores[1] == radiance_score(pictures, Optics(0.0), 300, 0) > scores[0] + 3


def test_a_mean_of_a_radiance_field_and_blended_pictures_is_chosen_where_it_is_better(
    balls, quick_views, tmp_path, monkeypatch
):
    pictures = open_pictures(balls)
    blended = BlendedPictures(pictures, pictures.name)
    pixels = np.arange(32 * 32)
    np.testing.assert_array_equal(blended.at(pictures.thetas[3], pixels), pictures.picture(3).reshape(-1, 3))
    radiance = fitted(pictures, 20)
    view = views(1, 9)[0]
    expected = 0.25 * radiance.at(view, pixels) + 0.75 * blended.at(view, pixels)
    np.testing.assert_allclose(Mean(radiance, blended, 0.25).at(view, pixels), expected, atol=1e-3)
    # a field that was hardly fitted
    options = ["--teacher-steps", 12, "--teacher-views", 20, "--encoders", 10, "--config", quick_views]
    said = call(train_views, balls, "-o", tmp_path / "m.hinr", *options).output
    choice = hinr.read_header(tmp_path / "m.hinr")["provenance"]["views"]
    scores = choice["left_out_psnr_db"]
    assert 0 < choice["share"] < 1 and choice["teacher"] == "radiance"
    assert f"{choice['share']:g} radiance and" in said and max(scores.values()) > max(
        scores["none"], scores["radiance"]
    )


def test_the_way_of_counting_angles_is_found(tmp_path):
    pictures = open_pictures(balls_database(tmp_path / "b.cdb", views(30), turn=-1, camera=False))
    assert find_optics(pictures, 150, 0) == Optics(turn=-1, tilt=1)
