"""Training and evaluating models of pictures: teachers, placement, sizes, and the commands."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from view_models import balls_database, balls_picture

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.evaluate_views import evaluate_views
from hyperinr.plugin.commands.train_views import held_out_steps, train_views
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, HyperINRError, ParameterError
from hyperinr_core.light.lights import poisson_lights
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.pictures.picture_set import Optics, is_picture, picture_field, picture_parameters
from hyperinr_core.spaces.views import view_angles
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.radiance import (
    BlendedPictures,
    Mean,
    Radiance,
    find_optics,
    left_out_scores,
    radiance_score,
)
from hyperinr_core.training.trainer import Interrupted, Trainer
from hyperinr_core.training.views import placement, samples
from hyperinr_core.training.views import task as training
from hyperinr_core.volume import Grid

QUICK = '{"training": {"samples": 400000, "batch_points": 400}}'


def call(command, *arguments):
    """Run a command here, letting its errors out."""
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


def fitted(pictures, looks):
    """A radiance field that has looked at so many pictures."""
    teacher = Radiance(pictures, pictures.name, Optics(0.0))
    teacher.fit(FitSettings(looks))
    return teacher


def views(n, seed=0):
    return poisson_lights(n, seed) * [1, -1] + [0, 90]


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    return balls_database(tmp_path_factory.mktemp("balls") / "balls.cdb", views(48))


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "quick.json"
    path.write_text(QUICK)
    return path


@pytest.fixture(scope="module")
def trained(database, quick, tmp_path_factory):
    """A model of half of the views, and what its training printed."""
    path = tmp_path_factory.mktemp("model") / "balls.hinr"
    options = ["--holdout", 0.5, "--encoders", 60, "--teacher-views", 150, "--teacher-steps", 100, "--config", quick]
    return path, call(train_views, database, "-o", path, *options).output


def test_a_radiance_field_shows_views_that_nobody_rendered(database):
    pictures = open_pictures(database)
    teacher = fitted(pictures, 150)
    scores = []
    for view in views(6, 9):
        found = teacher.at(view, np.arange(32 * 32)).reshape(32, 32, 3)
        scores.append(psnr(found, balls_picture(view), (0, 255)))
    assert np.mean(scores) > 21
    scores = left_out_scores(pictures, Optics(0.0), 500, 0)
    assert scores[1] == radiance_score(pictures, Optics(0.0), 500, 0) > scores[0] + 3


def test_a_mean_of_a_radiance_field_and_blended_pictures_is_chosen_where_it_is_better(
    database, quick, tmp_path, monkeypatch
):
    pictures = open_pictures(database)
    blended = BlendedPictures(pictures, pictures.name)
    pixels = np.arange(32 * 32)
    np.testing.assert_array_equal(blended.at(pictures.thetas[3], pixels), pictures.picture(3).reshape(-1, 3))
    radiance = fitted(pictures, 20)
    view = views(1, 9)[0]
    expected = 0.25 * radiance.at(view, pixels) + 0.75 * blended.at(view, pixels)
    np.testing.assert_allclose(Mean(radiance, blended, 0.25).at(view, pixels), expected, atol=1e-3)
    # a field that was hardly fitted
    options = ["--teacher-steps", 12, "--teacher-views", 20, "--encoders", 10, "--config", quick]
    said = call(train_views, database, "-o", tmp_path / "m.hinr", *options).output
    choice = hinr.read_header(tmp_path / "m.hinr")["provenance"]["views"]
    scores = choice["left_out_psnr_db"]
    assert 0 < choice["share"] < 1 and choice["teacher"] == "radiance"
    assert f"{choice['share']:g} radiance and" in said and max(scores.values()) > max(
        scores["none"], scores["radiance"]
    )


def test_the_way_of_counting_angles_is_found(tmp_path):
    pictures = open_pictures(balls_database(tmp_path / "b.cdb", views(30), turn=-1, camera=False))
    assert find_optics(pictures, 300, 0) == Optics(turn=-1, tilt=1)


def test_coordnet_sees_no_seam(database):
    pictures = open_pictures(database).select(range(6))
    teacher = training.turned_to_frames(pictures, "coordnet")
    teacher.fit(FitSettings(16000))
    ends = [teacher.at(np.array([azimuth, 20.0]), np.arange(50)) for azimuth in (0.0, 360.0)]
    np.testing.assert_allclose(*ends, atol=0.1)
    assert ends[0].shape == (50, 3)


def test_the_model_beats_interpolation_on_held_out_views(trained, database, tmp_path):
    path, said = trained
    assert "teacher radiance, best on pictures left out" in said and "24 held out" in said
    result = call(evaluate_views, path, database, "--json", "--plot", tmp_path / "p.png", "--strip", tmp_path / "s.png")
    report = json.loads(result.output)
    model, interpolation = (report["held_out"][method]["psnr"] for method in ("model", "interpolation"))
    assert model > interpolation + 2 and report["p_value"] < 0.01 and report["wins"] > 0.7
    assert report["difference"] == pytest.approx(model - interpolation)
    assert report["model_bytes"] == path.stat().st_size and len(report["pictures"]) == 24
    kept = open_pictures(database).select(
        np.setdiff1d(np.arange(48), held_out_steps(open_pictures(database), 0.5, None, 0))
    )
    assert report["training_image_bytes"] == sum(file.stat().st_size for file in kept.files)
    assert (tmp_path / "p.png").stat().st_size > 5000 and (tmp_path / "s.png").stat().st_size > 5000
    table = call(evaluate_views, path, database).output
    assert "inverse distance" in table and "t-test" in table


def test_the_model_remembers_what_it_did_not_see(trained, database):
    model = hinr.load(trained[0])
    assert is_picture(model.grid, model.fields) and model.interpolation == "barycentric"
    seen = set(zip(*(parameter.values for parameter in model.parameters)))
    held_out = {tuple(theta) for theta in model.provenance["held_out"]}
    everything = {tuple(theta) for theta in open_pictures(database).thetas.tolist()}
    assert len(held_out) == 24 and not seen & held_out and seen | held_out == everything
    assert [parameter.bounds for parameter in model.parameters] == [(0, 360), (-90, 90)]
    assert model.provenance["views"]["teacher"] == "radiance"
    assert len(model.quality["training_psnr_db"]["rgb"]) == 24


def test_a_view_is_not_held_out_while_it_is_trained_on_a_full_turn_away(tmp_path):
    angles = [(azimuth, elevation) for azimuth in range(-180, 181, 60) for elevation in (-30, 0, 30, 60)]
    pictures = open_pictures(balls_database(tmp_path / "turn.cdb", angles))
    for share, every in ((0.5, None), (0.0, 2), (0.0, 3)):
        out = held_out_steps(pictures, share, every, 3)
        kept = np.setdiff1d(np.arange(28), out)
        seen, unseen = ({(a % 360, e) for a, e in pictures.thetas[rows].tolist()} for rows in (kept, out))
        assert not seen & unseen and len(seen | unseen) == 24


def test_time_gets_encoders_at_each_of_its_values(tmp_path, quick):
    database = balls_database(tmp_path / "t.cdb", views(12), times=(0.6, 1.0))
    call(train_views, database, "-o", tmp_path / "t.hinr", "--every", 2, "--teacher", "none", "--config", quick)
    model = hinr.load(tmp_path / "t.hinr")
    assert sorted(set(model.encoder_positions[:, 2])) == [0.6, 1.0] and len(model.encoder_positions) == 12
    assert len(model.provenance["held_out"]) == 12
    between = [model.generate((*model.encoder_positions[0, :2], time)).sample_grid() for time in (0.6, 0.8, 1.0)]
    assert np.abs(between[0] - between[2]).max() > 20 and np.abs(between[1] - between[0]).max() > 5
    report = json.loads(call(evaluate_views, tmp_path / "t.hinr", database, "--json").output)
    assert len(report["pictures"]) == 12 and {"phi", "theta", "time"} <= set(report["pictures"][0])


def test_time_alone_and_other_parameters_need_no_views(tmp_path, quick):
    database = balls_database(tmp_path / "t.cdb", [(30.0, 20.0)], times=(0.5, 0.7, 0.9, 1.1))
    call(train_views, database, "-o", tmp_path / "t.hinr", "--config", quick)
    model = hinr.load(tmp_path / "t.hinr")
    assert [parameter.name for parameter in model.parameters] == ["time"] and model.interpolation == "linear"
    assert min(model.quality["training_psnr_db"]["rgb"]) > 20


def test_a_limit_on_the_size_holds_and_takes_levels_first(database, quick, tmp_path):
    pictures = open_pictures(database)
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
    options = ["--teacher", "none", "--max-bytes", 200_000, "--config", quick]
    call(train_views, database, "-o", tmp_path / "small.hinr", *options)
    assert (tmp_path / "small.hinr").stat().st_size < 200_000 + 8192  # and the document


def test_levels_go_for_which_a_teacher_said_too_few_pixels(database, quick, tmp_path):
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
    options = ["--teacher", "radiance", "--teacher-views", 8, "--teacher-steps", 5, "--encoders", 60, "--config", quick]
    call(train_views, database, "-o", tmp_path / "few.hinr", *options)
    assert hinr.load(tmp_path / "few.hinr").encoding.n_levels == training.FEWEST_LEVELS


def test_encoders_and_teacher_views_stay_within_narrow_bounds(tmp_path):
    corner = [(azimuth, elevation) for azimuth in (10.0, 30.0, 50.0) for elevation in (0.0, 20.0, 40.0)]
    pictures = open_pictures(balls_database(tmp_path / "c.cdb", corner))
    parameters = picture_parameters(pictures, pictures)
    config = training.views_preset("fast", pictures.grid).replace(encoders={"poisson": 0.5, "gaussian": 0.5})
    positions = placement.encoder_positions(pictures, parameters, config, 20, True)
    thetas = placement.taught_thetas(pictures, parameters, 50, 0)
    assert positions.shape == (20, 2) and thetas.shape == (50, 2)
    for found in (positions, thetas):
        assert (found >= [10, 0]).all() and (found <= [50, 40]).all() and np.ptp(found, axis=0).min() > 20


def test_batches_are_true_and_depend_on_the_iteration_alone(database):
    pictures = open_pictures(database)
    nothing = samples.TaughtPictures(np.empty((0, 2)), np.empty((0, 0)), np.empty((0, 0)))
    config = training.views_preset("fast", pictures.grid).replace(training={"batch_steps": 2, "batch_points": 50})
    streams = [samples.PixelStream(pictures, nothing, config) for _ in range(2)]
    streams[0].draw(3)
    batch, again = (stream.draw(7) for stream in streams)
    np.testing.assert_array_equal(batch.targets, again.targets)
    for theta, points, targets in zip(batch.thetas, batch.points, batch.targets):
        column, row = np.rint(points.T * 31).astype(int)
        truth = balls_picture(view_angles(theta, pictures.roles))[row, column]
        assert (np.abs(targets * 255 - truth).max(axis=1) < 1e-3).mean() > 0.95  # the table rounds angles


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
def test_a_killed_run_goes_on(database, quick, tmp_path, monkeypatch, teacher):
    output = tmp_path / "m.hinr"
    options = ["-o", output, "--config", quick, "--teacher", *teacher]
    step = Trainer.step

    def stopping(self):
        if self.iteration == 100:
            self.save_state(tmp_path / "m.hinr.checkpoint")
            raise Interrupted
        return step(self)

    monkeypatch.setattr(Trainer, "step", stopping)
    assert call(train_views, database, *options).exit_code == 130
    monkeypatch.setattr(Trainer, "step", step)
    with pytest.raises(ParameterError, match="add --resume"):
        call(train_views, database, *options)
    call(train_views, database, *options, "--resume")
    call(train_views, database, "-o", tmp_path / "whole.hinr", *options[2:])
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
def test_a_setting_that_pictures_do_not_use_is_an_error(database, tmp_path, settings, message):
    (tmp_path / "c.json").write_text(json.dumps(settings))
    with pytest.raises(ParameterError, match=message):
        call(train_views, database, "-o", tmp_path / "m.hinr", "--teacher", "none", "--config", tmp_path / "c.json")


@pytest.mark.parametrize("change", [["--interpolation", "idw"], ["--encoders", 7], ["--role", "theta=view_elevation"]])
def test_an_unfinished_run_is_not_resumed_as_another(tmp_path, monkeypatch, change):
    database = balls_database(tmp_path / "few.cdb", abs(views(6)), size=16)
    (tmp_path / "tiny.json").write_text('{"training": {"samples": 4000, "batch_points": 400}}')
    command = [database, "-o", tmp_path / "m.hinr", "--teacher", "none", "--config", tmp_path / "tiny.json"]

    def stopped(self):
        self.save_state(tmp_path / "m.hinr.checkpoint")
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", stopped)
        assert call(train_views, *command).exit_code == 130
    with pytest.raises(DataError, match="belongs to a run with other data or settings"):
        call(train_views, *command, *change, "--resume")
    assert call(train_views, *command, "--resume").exit_code == 0


def test_commands_say_what_is_wrong(database, trained, quick, tmp_path):
    out = ["-o", tmp_path / "x.hinr"]
    other = balls_database(tmp_path / "o.cdb", views(9), size=24)
    time = balls_database(tmp_path / "t.cdb", [(30.0, 20.0)], times=(0.5, 0.7))
    cases = [
        (train_views, [database, *out, "--role", "phi=sideways"], ParameterError, "expected NAME=ROLE"),
        (train_views, [database, *out, "--holdout", 0.5, "--every", 2], ParameterError, "expected one of them"),
        (train_views, [time, *out, "--holdout", 0.5], ParameterError, "1 are left to train on"),
        (train_views, [time, *out, "--teacher", "radiance"], ParameterError, "needs an azimuth and an elevation"),
        (train_views, [database, "-o", tmp_path / "none" / "x.hinr"], DataError, "no folder that can be written to"),
        (evaluate_views, [trained[0], other], DataError, "24, 24. pixels"),
        (evaluate_views, [trained[0], database, "--plot", tmp_path / "x.xyz"], HyperINRError, "cannot be written"),
    ]
    for command, arguments, kind, message in cases:
        with pytest.raises(kind, match=message):
            call(command, *arguments)
    assert not (tmp_path / "x.hinr").exists() and not list(tmp_path.glob("x.hinr*"))
