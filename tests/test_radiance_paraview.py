"""Radiance fields in ParaView: pictures, the volume, and the picture that follows the camera, as pvpython draws them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from gui import differ, gui, view_of
from PIL import Image
from radiance_models import ball_model

from hyperinr.plugin import launch
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.radiance import file

__all__ = ["gui"]  # the fixture

SCRIPTS = Path(__file__).parent / "paraview_scripts"
SIZE = (160, 120)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the script saved, and the model."""
    folder = tmp_path_factory.mktemp("radiance")
    model = dataclasses.replace(ball_model(), size=SIZE, background=np.full((120, 160, 3), 255, np.uint8))
    file.save(model, folder / "ball.hinr")
    command = [launch.find_program("pvpython"), SCRIPTS / "camera_picture.py", folder / "ball.hinr", folder]
    result = launch.run_program(launch.on_display([str(word) for word in command]), 240)
    assert result.returncode == 0 and "alive" in result.stdout, result.stdout + result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    assert "no HyperINR Source with a radiance field" in result.stdout + result.stderr
    return folder


def shown(folder, name):
    """(ny, nx, 3) lowest row first."""
    return np.array(Image.open(folder / f"{name}.png").convert("RGB")).astype(int)[::-1]


def seen(folder, camera, size=SIZE):
    model = file.load(folder / "ball.hinr")
    theta = [0.0] * len(model.parameters)
    return np.rint(255 * model.render(theta, camera, *size).over((1.0, 1.0, 1.0))).astype(int)


def test_the_picture_follows_the_camera(folder):
    model = file.load(folder / "ball.hinr")
    assert np.abs(shown(folder, "first") - model.picture((30, 20))).mean() < 1
    camera = Camera((0.0, -3.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert np.abs(shown(folder, "turned") - seen(folder, camera)).mean() < 1
    assert (
        np.abs(
            shown(folder, "parallel") - seen(folder, dataclasses.replace(camera, view_angle=0, parallel_scale=2))
        ).mean()
        < 1
    )


def test_a_picture_larger_than_the_window_is_saved_in_all_its_pixels(folder):
    camera = Camera((0.0, -3.0, 1.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert np.abs(shown(folder, "large") - seen(folder, camera, (480, 360))).mean() < 1


def test_untied_it_looks_as_before(folder):
    before = shown(folder, "before")
    assert np.array_equal(shown(folder, "off"), before) and np.ptp(before) > 100


def test_the_volume_is_drawn_in_its_colours(folder):
    red, green = shown(folder, "volume")[60, [100, 60]]
    assert red[0] > 1.5 * red[1] and green[1] > 1.5 * green[0]


def test_in_the_window_the_mouse_turns_it_and_time_goes_on(gui, tmp_path):
    file.save(ball_model(times=True), tmp_path / "ball.hinr")
    window = gui(tmp_path / "ball.hinr")
    window.settle()
    window.run_macro("PictureFollowsCamera")
    window.wait_for(lambda pixels: round_and_red(view_of(pixels)), "the ball")
    before = view_of(window.look())
    window.do("mousemove", 670, 340, "mousedown", 1)
    for _ in range(12):
        window.do("mousemove_relative", "--", 12, 0)
    window.do("mouseup", 1)
    window.wait_for(lambda pixels: differ(view_of(pixels), before), "the ball from another side")
    window.keep("radiance")
    size = ball_size(view_of(window.look()))
    window.button("Last Frame").click()
    window.wait_for(lambda pixels: ball_size(view_of(pixels)) < 0.5 * size, "a smaller ball at the last time")
    assert "off, since" not in window.messages()


def ball_size(pixels):
    """How many pixels are red or green, and not grey."""
    return (np.ptp(pixels.astype(int), axis=2) > 40).sum()


def round_and_red(pixels):
    """Whether a ball is seen, and no corner of a picture with a yellow background."""
    coloured = np.ptp(pixels.astype(int), axis=2) > 40
    return coloured.sum() > 2000 and not coloured[[0, 0, -1, -1], [0, -1, 0, -1]].any() and pixels[..., 2].max() < 200
