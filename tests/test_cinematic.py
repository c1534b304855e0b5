"""`hyperinr render --style cinematic`: what it shows, what moves, and what it says where that makes no sense."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from models import random_model
from PIL import Image
from view_models import picture_model

from hyperinr.plugin import cinematic, video
from hyperinr.plugin.commands.render import _DEFAULTS, render
from hyperinr_core import hinr
from hyperinr_core.errors import BackendError, HyperINRError, ParameterError
from hyperinr_core.pictures.look import BACKGROUND
from hyperinr_core.tracing.film import Film, trace
from hyperinr_core.tracing.medium import Medium
from hyperinr_core.tracing.staging import Scene
from hyperinr_core.volume import Grid

GRID = Grid((10, 10, 10))
SIZE = (32, 24)


@pytest.fixture
def model(tmp_path):
    hinr.save(random_model(), tmp_path / "m.hinr")
    return tmp_path / "m.hinr"


def run(model, *options):
    arguments = [str(a) for a in (model, "--style", "cinematic", "--size", *SIZE, "--spp", 2, *options)]
    return CliRunner().invoke(render, arguments, standalone_mode=False, catch_exceptions=False)


def pixels(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB")).astype(int)


def wishes(**changes) -> cinematic.Wishes:
    return cinematic.Wishes(**{**_DEFAULTS, "until": {}, "spp": 4, **changes})


def ball_at(x: float) -> np.ndarray:
    """Of radius 2, somewhere along x."""
    z, y, places = np.mgrid[:10, :10, :10]
    return np.exp(-((places - x) ** 2 + (y - 4.5) ** 2 + (z - 4.5) ** 2) / 4).astype(np.float32)


def shoot(at=lambda values: ball_at(values["time"]), values=None, time="time", size=SIZE, **changes) -> cinematic.Shoot:
    asked = wishes(opacity="0.3:0,0.6:1", view=(270.0, 0.0), **changes)
    function = cinematic.function_of(cinematic.look_of(ball_at(4.5)), asked)
    subject = cinematic.Subject(at, GRID, function, 1.0)
    return cinematic.Shoot(subject, {"time": 4.5} if values is None else values, time, size, asked)


def covered(picture: np.ndarray) -> np.ndarray:
    """(width,) which columns show something."""
    return (abs(picture.astype(int) - np.rint(255 * np.array(BACKGROUND))).max(axis=-1) > 8).any(axis=0)


def test_a_model_becomes_a_picture(model, tmp_path):
    result = run(model, "--at", "time=0.5", "-o", tmp_path / "a.png", "--dims", 9, 8, 7)
    assert result.output.endswith("a.png: 32 x 24, density\n")
    picture = pixels(tmp_path / "a.png")
    assert picture.shape == (24, 32, 3)
    assert (picture[0, 0] == np.rint(255 * np.array(BACKGROUND))).all() and picture[8:16, 12:20].std() > 1


def test_a_volume_becomes_a_picture(tmp_path):
    np.save(tmp_path / "ball.npy", ball_at(4.5))
    run(tmp_path / "ball.npy", "--environment", "even", "--transfer-function", "Grayscale", "-o", tmp_path / "a.jpg")
    assert pixels(tmp_path / "a.jpg")[12, 16].sum() > 3 * pixels(tmp_path / "a.jpg")[0, 0].sum()


def test_equal_seeds_give_equal_files(model, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(model, "--at", "time=1", "--seed", seed, "-o", tmp_path / f"{name}.png")
    a, b, c = ((tmp_path / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c


def test_the_picture_shows_the_box_from_where_the_camera_stands():
    """From -y, x runs to the right and z up."""
    picture = shoot(values={"time": 1.0}).frame(0, print)
    columns, rows = covered(picture), covered(picture.transpose(1, 0, 2))
    assert columns[:16].any() and not columns[18:].any()
    assert rows[12] and not rows[0]


def test_an_open_shutter_blurs_what_moves():
    sharp, blurred = (covered(shoot(shutter=open_for, spp=64).frame(0, print)).sum() for open_for in (0.0, 6.0))
    assert blurred > sharp + 3


def test_a_shutter_needs_a_time():
    with pytest.raises(ParameterError, match="expected a model with a time"):
        shoot(time=None, values={}, shutter=1.0)


def test_time_runs_from_the_first_frame_to_the_last():
    film = shoot(values={"time": 1.0}, frames=3, until={"time": 8.0})
    middles = [np.flatnonzero(covered(film.frame(number, print))).mean() for number in range(3)]
    assert middles[0] < 12 and middles[1] == pytest.approx(15.5, abs=1) and middles[2] > 19


@pytest.mark.parametrize("moves", ["orbit", "orbit_light"])
def test_camera_and_light_go_round(moves):
    film = shoot(lambda _: ball_at(2.0), frames=4, **{moves: 360.0})
    first, third = (film.frame(number, print).astype(int) for number in (0, 2))
    if moves == "orbit":
        assert np.flatnonzero(covered(first)).mean() < 15.5 < np.flatnonzero(covered(third)).mean()
    else:
        lit = [picture[:, np.flatnonzero(covered(picture))].mean(axis=(0, 2)) for picture in (first, third)]
        assert (np.diff([row.argmax() for row in lit]) != 0).all() or abs(first - third).max() > 30


def test_frames_become_numbered_pictures_and_animations(model, tmp_path):
    options = ("--at", "time=0", "--until", "time=2", "--frames", 3)
    assert "3 pictures of 32 x 24" in run(model, *options, "-o", tmp_path / "film.png").output
    assert sorted(path.name for path in (tmp_path / "film").iterdir()) == ["00000.png", "00001.png", "00002.png"]
    run(model, *options, "-o", tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as animation:
        assert animation.n_frames == 3


def test_a_video_needs_ffmpeg(model, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(BackendError, match="or choose"):
        run(model, "--at", "time=0", "--frames", 2, "-o", tmp_path / "film.mp4")


def test_ffmpeg_is_told_all_frames(tmp_path, monkeypatch):
    (tmp_path / "ffmpeg").write_text('#!/bin/sh\nfor last; do :; done\nls "$(dirname "$7")" > "$last"\n')
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    video.write(tmp_path / "film.mp4", iter([np.zeros((4, 4, 3), np.uint8)] * 3), 3)
    assert (tmp_path / "film.mp4").read_text().split() == ["00000.png", "00001.png", "00002.png"]


def test_an_environment_is_a_name_or_a_picture(tmp_path):
    Image.new("RGB", (8, 4), (255, 128, 0)).save(tmp_path / "sky.png")
    np.save(tmp_path / "sky.npy", np.full((4, 8, 3), 7.0))
    np.testing.assert_allclose(
        cinematic.environment_of(str(tmp_path / "sky.png")).image[0, 0], [1, 0.216, 0], atol=1e-3
    )
    assert cinematic.environment_of(str(tmp_path / "sky.npy")).image.max() == 7
    assert cinematic.environment_of("dark").above == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "options",
    [
        ("--at", "time=9", "-o", "a.png"),
        ("-o", "a.png"),
        ("--at", "time=1", "-o", "a.gif"),
        ("--at", "time=1", "-o", "a.tif", "--frames", 2),
        ("--at", "time=1", "-o", "a.png", "--field", "heat"),
        ("--at", "time=1", "-o", "a.png", "--environment", "mars"),
        ("--at", "time=1", "-o", "a.png", "--until", "time=9", "--frames", 2),
        ("--at", "time=1", "-o", "a.png", "--opacity", "none"),
        ("--at", "time=1", "-o", "a.png", "--dims", 9, 9, 1),
    ],
    ids=lambda options: " ".join(map(str, options)),
)
def test_what_makes_no_sense_is_said_and_nothing_written(model, tmp_path, monkeypatch, options):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(HyperINRError, match="expected"):
        run(model, *options)
    assert sorted(tmp_path.iterdir()) == before


def test_pictures_are_no_volumes(tmp_path):
    hinr.save(picture_model(), tmp_path / "p.hinr")
    with pytest.raises(HyperINRError, match="expected a model of volumes"):
        run(tmp_path / "p.hinr", "--at", "phi=0", "--at", "theta=0", "-o", tmp_path / "a.png")


def test_options_of_the_cinematic_style_are_for_it_alone(model, tmp_path):
    arguments = [str(model), "--at", "time=1", "-o", str(tmp_path / "a.png"), "--spp", "4", "--orbit-light", "9"]
    with pytest.raises(ParameterError, match="--spp, --orbit-light is for --style cinematic"):
        CliRunner().invoke(render, arguments, standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize("size", [(48, 16), (16, 48), (32, 32)])
def test_a_box_is_in_view_whatever_the_picture_s_form(size):
    grid = Grid((9, 9, 9))
    fog = Medium(np.ones(grid.shape, np.float32), grid, np.ones((2, 3)), np.array([9.0, 9.0]), 0.0, 1.0)
    film = Film(size)
    trace(fog, cinematic.camera_of(grid, (30.0, 20.0), size, 0.95), Scene(), film, samples=8)
    opacity = film.means[..., 3]
    assert opacity.max() == 1
    assert opacity[[0, -1]].max() == 0 and opacity[:, [0, -1]].max() == 0
