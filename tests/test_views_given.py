"""Training on pictures with given cameras, on few and on one circle, and on cameras that do not fit."""

from __future__ import annotations

import dataclasses
import json
import logging

import numpy as np
import pytest
from view_models import balls_database, balls_picture, call, views

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.picture_files import write_picture
from hyperinr.plugin.commands.evaluate_views import evaluate_views
from hyperinr.plugin.commands.train_views import train_views
from hyperinr_core.pictures.world import world_in
from hyperinr_core.radiance import file
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.training.task import Tell
from hyperinr_core.training.views import scenes
from hyperinr_core.training.views.task import ViewsConfig, choose_teacher

FAST = ("--preset", "fast", "--representation", "radiance")


@pytest.fixture(autouse=True)
def few_looks(monkeypatch):
    """Fits in a moment."""
    monkeypatch.setitem(scenes.LOOKS, "fast", 150)


def nerf_scene(folder, n_train=20, n_test=4):
    """Transparent pictures of the balls in the layout of NeRF's scenes, whose cameras roll, seen from far away."""
    rolls = np.random.default_rng(0).uniform(0, 2 * np.pi, n_train + n_test)
    frames = []
    for number, (view, roll) in enumerate(zip(views(n_train + n_test), rolls)):
        (folder / "p").mkdir(parents=True, exist_ok=True)
        right, up, towards = camera_frames(view)
        upright = balls_picture(view, 48)
        v, u = np.meshgrid(*[(np.arange(32) + 0.5) / 16 - 1] * 2, indexing="ij")
        u, v = np.cos(roll) * u - np.sin(roll) * v, np.sin(roll) * u + np.cos(roll) * v
        rows, columns = (np.clip((24 * (part + 1)).astype(int), 0, 47) for part in (v, u))
        colors = upright[rows, columns]
        opacity = np.where((colors == 255).all(axis=-1), 0, 255).astype(np.uint8)
        write_picture(folder / "p" / f"{number}.png", np.concatenate([colors, opacity[..., None]], axis=-1))
        right, up = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
        matrix = np.eye(4)
        matrix[:3] = np.stack([right, up, towards, 100 * towards + 7], axis=1)
        frames.append({"file_path": f"p/{number}", "transform_matrix": matrix.tolist()})
    for name, part in (("train", frames[:n_train]), ("test", frames[n_train:])):
        text = json.dumps({"camera_angle_x": 2 * np.arctan(1 / 100), "frames": part})
        (folder / f"transforms_{name}.json").write_text(text)
    return folder


def test_given_cameras_are_used_exactly(tmp_path):
    scene, path = nerf_scene(tmp_path / "scene"), tmp_path / "m.hinr"
    assert "4 held out" in call(train_views, scene, "-o", path, *FAST).output
    report = json.loads(call(evaluate_views, path, scene, "--json").output)
    model, interpolation = (report["held_out"][method]["psnr"] for method in ("model", "interpolation"))
    assert model > interpolation + 5 and report["wins"] == 1
    loaded = file.load(path)
    np.testing.assert_allclose(world_in(loaded.provenance).origin, [7, 7, 7], atol=1e-6)
    assert loaded.background is None
    said = call(evaluate_views, path, scene).output
    assert "radiance field" in said and "HyperINR" not in said


def test_cameras_that_do_not_fit_are_said_and_no_teacher_takes_them(balls, tmp_path):
    pictures = open_pictures(balls)
    settings = ViewsConfig(teacher_steps=100)
    assert choose_teacher(pictures, settings, 0, Tell())["teacher"] == "radiance"
    order = np.random.default_rng(1).permutation(len(pictures))
    choice = choose_teacher(dataclasses.replace(pictures, thetas=pictures.thetas[order]), settings, 0, Tell())
    assert (
        choice["teacher"] == "none" and choice["misfit"] and "the cameras do not fit the pictures" in choice["reason"]
    )


def test_a_field_of_cameras_that_do_not_fit_is_warned_of(tmp_path, caplog):
    database = balls_database(tmp_path / "b.cdb", views(24))
    header, *rows = (database / "data.csv").read_text().splitlines()
    files = np.random.default_rng(2).permutation([row.rsplit(",", 1)[1] for row in rows])
    rows = [f"{row.rsplit(',', 1)[0]},{name}" for row, name in zip(rows, files)]
    (database / "data.csv").write_text("\n".join([header, *rows]))
    with caplog.at_level(logging.WARNING, "hyperinr"):
        call(train_views, database, "-o", tmp_path / "m.hinr", "--holdout", 0.3, *FAST)
    assert "the cameras do not fit the pictures" in caplog.text


@pytest.mark.parametrize("column", [True, False])
def test_views_on_one_circle_before_black(tmp_path, caplog, column):
    database = balls_database(tmp_path / "c.cdb", [(azimuth, 0.0) for azimuth in range(0, 360, 20)])
    if not column:
        lines = (row.split(",") for row in (database / "data.csv").read_text().splitlines())
        (database / "data.csv").write_text("\n".join(f"{phi},{name}" for phi, _, name in lines))
        assert open_pictures(database).parameters == ("phi",)
        return
    pictures = open_pictures(database)
    for step, path in enumerate(pictures.files):
        picture = pictures.picture(step).copy()
        picture[(picture == 255).all(axis=-1)] = 0
        write_picture(path, picture)
    assert pictures.parameters == ("phi", "theta") and pictures.roles[1] == "view_elevation"
    with caplog.at_level(logging.WARNING, "hyperinr"):
        call(train_views, database, "-o", tmp_path / "m.hinr", "--every", 2, *FAST)
    assert "all views stand on one circle" in caplog.text
    report = json.loads(call(evaluate_views, tmp_path / "m.hinr", database, "--json").output)
    assert report["difference"] > 2
    assert (file.load(tmp_path / "m.hinr").background == 0).all(axis=-1).mean() > 0.8


def test_eight_pictures_have_a_radiance_field_for_a_teacher(tmp_path):
    pictures = open_pictures(balls_database(tmp_path / "e.cdb", views(8)))
    assert choose_teacher(pictures, ViewsConfig(teacher_steps=100), 0, Tell())["teacher"] == "radiance"
    choice = choose_teacher(pictures.select(range(4)), ViewsConfig(), 0, Tell())
    assert choice["reason"] == "a scene has no more than 4 pictures"
