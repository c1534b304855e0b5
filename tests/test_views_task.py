"""Training on pictures: sizes, settings, equal bytes, and going on."""

from __future__ import annotations

import json

import numpy as np
import pytest
from small import at_iteration
from view_models import balls_database, call, views

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.train_views import train_views
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.picture_set import picture_field
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.views import samples
from hyperinr_core.training.views import task as training
from hyperinr_core.training.watch import Interrupted
from hyperinr_core.volume import Grid


def test_coordnet_sees_no_seam(balls):
    pictures = open_pictures(balls).select(range(6))
    teacher = training.turned_to_frames(pictures, "coordnet")
    teacher.fit(FitSettings(16000))
    ends = [teacher.at(np.array([azimuth, 20.0]), np.arange(50)) for azimuth in (0.0, 360.0)]
    np.testing.assert_allclose(*ends, atol=0.1)
    assert ends[0].shape == (50, 3)


def test_a_limit_on_the_size_holds_and_takes_levels_first(balls, quick_views, tmp_path):
    pictures = open_pictures(balls)
    whole = training.views_preset("default", pictures.grid)
    fields = (picture_field(3),)
    sizes = {}
    for max_bytes in (0, 400_000, 200_000, 60_000):
        config, count = training.fit_into(training.ViewsConfig(encoders=40, max_bytes=max_bytes), whole, fields)
        sizes[max_bytes] = config.encoding.n_levels, count
    assert sizes[0] == (whole.encoding.n_levels, 40)
    assert [sizes[b][0] for b in (0, 400_000, 200_000)] == sorted(
        (sizes[b][0] for b in (0, 400_000, 200_000)), reverse=True
    )
    assert sizes[60_000][0] < sizes[0][0] and sizes[60_000] != sizes[400_000]
    flat = whole.replace(encoding={"n_levels": 2})
    assert (
        training.fit_into(training.ViewsConfig(encoders=40, max_bytes=400_000), flat, fields)[0].encoding.n_levels == 2
    )
    with pytest.raises(ParameterError, match="max_bytes is 1000; expected at least"):
        training.fit_into(training.ViewsConfig(max_bytes=1000), whole, fields)
    options = ["--teacher", "none", "--max-bytes", 200_000, "--config", quick_views]
    call(train_views, balls, "-o", tmp_path / "small.hinr", *options)
    assert (tmp_path / "small.hinr").stat().st_size < 200_000 + 8192  # and the document


def test_levels_go_for_which_a_teacher_said_too_few_pixels(balls, quick_views, tmp_path):
    whole = training.views_preset("default", Grid((256, 256, 1)))

    def levels(n_views, n_encoders):
        n_pixels = 1000 * n_views
        config = training.within_taught(training.ViewsConfig(encoders=n_encoders), whole, n_pixels)
        finest = int(training.hash_grid(config.encoding).resolutions[-1])
        enough = training.PIXELS_PER_VERTEX * n_encoders * finest**2 <= n_pixels
        assert enough or config.encoding.n_levels == (training.FEWEST_LEVELS if n_views else whole.encoding.n_levels)
        return config.encoding.n_levels

    assert levels(0, 40) == whole.encoding.n_levels  # no teacher
    assert levels(10_000, 40) == whole.encoding.n_levels
    assert training.FEWEST_LEVELS < levels(1000, 40) < whole.encoding.n_levels
    assert levels(1000, 40) < levels(4000, 40) and levels(1000, 160) < levels(1000, 40)
    assert levels(1, 300) == training.FEWEST_LEVELS
    options = [
        "--teacher",
        "radiance",
        "--teacher-views",
        8,
        "--teacher-steps",
        5,
        "--encoders",
        60,
        "--config",
        quick_views,
    ]
    call(train_views, balls, "-o", tmp_path / "few.hinr", *options)
    assert hinr.load(tmp_path / "few.hinr").encoding.n_levels == training.FEWEST_LEVELS


@pytest.mark.parametrize("teacher", ["none", "radiance", "auto"])
def test_equal_seeds_give_equal_bytes(tmp_path, monkeypatch, teacher):
    monkeypatch.setattr(samples, "ASKED_PIXELS", 100)  # of 256, so that which ones matters
    database = balls_database(tmp_path / "few.cdb", views(9), size=16)
    settings = tmp_path / "tiny.json"
    settings.write_text('{"training": {"samples": 12000, "batch_points": 400}}')
    options = ["--config", settings, "--teacher", teacher, "--teacher-steps", 4, "--teacher-views", 4, "--encoders", 6]
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        call(train_views, database, "-o", tmp_path / f"{name}.hinr", *options, "--seed", seed)
    one, same, other = ((tmp_path / f"{name}.hinr").read_bytes() for name in ("one", "same", "other"))
    assert one == same != other


@pytest.mark.parametrize("teacher", [["none"], ["radiance", "--teacher-steps", 30, "--teacher-views", 20]])
def test_a_killed_run_goes_on(balls, quick_views, tmp_path, monkeypatch, teacher):
    output = tmp_path / "m.hinr"
    options = ["-o", output, "--config", quick_views, "--teacher", *teacher]

    def stop(trainer):
        trainer.save_state(tmp_path / "m.hinr.checkpoint")
        raise Interrupted

    with monkeypatch.context() as patch:
        at_iteration(patch, 100, stop)
        assert call(train_views, balls, *options).exit_code == 130
    with pytest.raises(ParameterError, match="add --resume"):
        call(train_views, balls, *options)
    call(train_views, balls, *options, "--resume")
    call(train_views, balls, "-o", tmp_path / "whole.hinr", *options[2:])
    assert output.read_bytes() == (tmp_path / "whole.hinr").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.hinr*")) == ["m.hinr", "whole.hinr"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoding": {"guide_resolution": 8, "n_pos_dims": 3}}, "encoding.guide_resolution is 8.*lights"),
        ({"training": {"base": "always", "samples": 4000}}, "training.base is 'always'.*only hyperinr train"),
        ({"encoders": {"count": 7}, "training": {"samples": 4000}}, "encoders.count is 7.*--encoders sets it"),
        ({"distillation": {"weight": 2}, "training": {"samples": 4000}}, "distillation.weight is 2.0.*--teacher-views"),
    ],
)
def test_a_setting_that_pictures_do_not_use_is_an_error(balls, tmp_path, settings, message):
    (tmp_path / "c.json").write_text(json.dumps(settings))
    with pytest.raises(ParameterError, match=message):
        call(train_views, balls, "-o", tmp_path / "m.hinr", "--teacher", "none", "--config", tmp_path / "c.json")


@pytest.mark.parametrize("change", [["--interpolation", "idw"], ["--encoders", 7], ["--role", "theta=view_elevation"]])
def test_an_unfinished_run_is_not_resumed_as_another(tmp_path, monkeypatch, change):
    database = balls_database(tmp_path / "few.cdb", abs(views(6)), size=16)
    (tmp_path / "tiny.json").write_text('{"training": {"samples": 4000, "batch_points": 400}}')
    command = [database, "-o", tmp_path / "m.hinr", "--teacher", "none", "--config", tmp_path / "tiny.json"]

    def stopped(self):
        self.save_state(tmp_path / "m.hinr.checkpoint")
        raise Interrupted

    with monkeypatch.context() as patch:
        at_iteration(patch, 0, stopped)
        assert call(train_views, *command).exit_code == 130
    with pytest.raises(DataError, match="belongs to a run with other data or settings"):
        call(train_views, *command, *change, "--resume")
    assert call(train_views, *command, "--resume").exit_code == 0
