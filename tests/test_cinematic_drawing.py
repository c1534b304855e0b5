"""The pictures by paths of light that the page of `hyperinr view` asks for: what they show, and how they get better."""

from __future__ import annotations

import io

import numpy as np
import pytest
from models import random_model
from PIL import Image

from hyperinr.plugin import cinematic_drawing
from hyperinr.plugin.cinematic_drawing import SHOWN, CinematicDrawing
from hyperinr.plugin.commands.view import answer, questions
from hyperinr.plugin.voxel_drawing import LIGHT_NUMBERS, VoxelDrawing
from hyperinr_core.pictures.camera import BESIDE, Camera
from hyperinr_core.pictures.look import BACKGROUND
from hyperinr_core.pictures.transfer import COLOR_MAPS, TransferFunction
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.tracing.film import Film, developed, exposure_of, trace
from hyperinr_core.tracing.medium import medium_of
from hyperinr_core.tracing.staging import Environment, Light, Scene

AT, SIZE = {"time": 0.5}, [40, 30]
MODEL = random_model((16, 14, 12))
VIEW = Camera((20.0, -17.0, 12.0), (4.0, 3.0, 3.0), (0.0, 0.0, 1.0), 28.0)


def voxels() -> VoxelDrawing:
    return VoxelDrawing(MODEL, "m")


def look(kind: str = "shadow", colors: str = "Bone", **others) -> dict:
    """As the page tells it, with a light and opacities that somebody chose."""
    told = voxels().description()
    items = {item["name"]: item for item in (*told["fields"][0]["items"], *told["view"])}
    numbers = {name: items[name]["value"] for name in LIGHT_NUMBERS}
    light = {"kind": kind, **numbers, "azimuth": 30.0, "elevation": 20.0, "opacities": [[0, 0], [0.5, 0.1], [1, 0.9]]}
    camera = {
        "position": list(VIEW.position), "focalPoint": list(VIEW.focal_point), "viewUp": list(VIEW.up),
        "viewAngle": VIEW.view_angle, "parallelScale": 1.0,
    }  # fmt: skip
    return {"camera": camera, "colors": colors, "light": {**light, **others}}


def taken(drawing: CinematicDrawing, wished: dict) -> list[dict]:
    """All that is shown of a picture until it is finished."""
    shown, share = [], 0.0
    while share < 1:
        told = drawing.draw(AT, "density", wished, SIZE, shown[-1]["samples"] if shown else -1)
        assert told["share"] >= share
        share = told["share"]
        shown += [told] if "data" in told else []
    return shown


def pixels(told: dict) -> np.ndarray:
    """(height, width, 3) lowest row first."""
    return np.array(Image.open(io.BytesIO(told["data"])))[::-1].astype(int)


def expected(wished: dict, direction) -> np.ndarray:
    """The same picture in one go, with colours and opacities over the field's own values."""
    light, drawing = wished["light"], voxels()
    low, high = light["low"], light["high"]
    over = [low + x * (high - low) for x in (0, 0.5, 1)]
    colors = tuple((low + x * (high - low), *rgb) for x, *rgb in COLOR_MAPS[wished["colors"]])
    function = TransferFunction(colors, tuple(zip(over, (0.0, 0.1, 0.9))))
    inr = MODEL.generate(0.5)
    unit = drawing.description()["unit"] / light["density"]
    medium = medium_of(inr.split(inr.sample_grid())["density"], MODEL.grid, function, unit)
    film = Film(SIZE)
    scene = Scene(Light(direction, diameter=6.0), Environment.named("sky"), surface=0.5, gloss=0.5)
    trace(medium, VIEW, scene, film, SHOWN[-1])
    return developed(film.denoised(), BACKGROUND, exposure_of(film.denoised())).astype(int)


def test_a_picture_comes_coarse_gets_better_and_is_what_the_page_shows():
    wished = look(density=2.0)
    shown = taken(CinematicDrawing(voxels()), wished)
    assert [told["samples"] for told in shown] == [0, *SHOWN]
    assert [told["media"] for told in shown] == ["image/jpeg"] * len(SHOWN) + ["image/png"]
    assert pixels(shown[0]).shape == (8, 10, 3) and pixels(shown[-1]).shape == (30, 40, 3)
    truth = expected(wished, direction_of(30.0, 20.0))
    assert truth[8:22, 10:30].std() > 15
    assert np.abs(pixels(shown[-1]) - truth).mean() < 0.5
    errors = [np.abs(pixels(told) - truth).mean() for told in shown[1:]]
    assert errors[-1] < 0.3 * errors[0]


def test_a_light_without_a_place_stands_beside_the_camera():
    wished = look("none")
    finished = pixels(taken(CinematicDrawing(voxels()), wished)[-1])
    assert np.abs(finished - expected(wished, VIEW.light(BESIDE))).mean() < 0.5
    assert np.abs(finished - expected(wished, direction_of(30.0, 20.0))).mean() > 3


def test_a_question_is_answered_after_a_moment_and_gone_on_with(monkeypatch):
    drawing, wished = CinematicDrawing(voxels()), look()
    monkeypatch.setattr(cinematic_drawing, "STEP", 0.0)
    monkeypatch.setattr(cinematic_drawing, "PACE", 0.0)
    assert drawing.draw(AT, "density", wished, SIZE, -1) == {"share": 0.0}
    assert taken(drawing, wished)[-1]["data"] == taken(CinematicDrawing(voxels()), wished)[-1]["data"]


def test_pictures_do_not_disturb_each_other_and_those_left_alone_are_forgotten(monkeypatch):
    drawing, one, other = CinematicDrawing(voxels()), look(), look(colors="Grayscale")
    finished = taken(drawing, one)[-1]
    assert drawing.draw(AT, "density", other, SIZE, -1)["share"] == 0
    assert drawing.draw(AT, "density", one, SIZE, -1)["data"] == finished["data"]
    monkeypatch.setattr(cinematic_drawing, "PATIENCE", 0.0)
    assert drawing.draw(AT, "density", one, SIZE, -1)["share"] == 0


def test_a_volume_that_is_nowhere_is_a_background():
    finished = pixels(taken(CinematicDrawing(voxels()), look(opacities=[[0, 0], [1, 0]]))[-1])
    assert (finished == np.rint(255 * np.array(BACKGROUND))).all()


@pytest.mark.parametrize(
    ("change", "size", "message"),
    [
        ({"camera": None}, SIZE, "the camera is None; expected position, focalPoint, viewUp, viewAngle, parallelScale"),
        ({"camera": {**look()["camera"], "position": [1, 2]}}, SIZE, "the camera is {'position': [1, 2]"),
        ({"camera": {**look()["camera"], "viewUp": [0, 0, 0]}}, SIZE, "an up direction across the view"),
        ({"camera": {**look()["camera"], "viewAngle": "wide"}}, SIZE, "viewAngle is 'wide'; expected a finite number"),
        ({"colors": "Mud"}, SIZE, "the colours are 'Mud'; expected one of Grayscale"),
        ({"colors": []}, SIZE, "the colours are []"),
        ({"light": look("moon")["light"]}, SIZE, "kind is 'moon'; expected none or camera or shadow or occlusion"),
        ({"light": None}, SIZE, "the light is None; expected kind, azimuth"),
        ({"lens": 1}, SIZE, "expected camera, colors and light"),
        ({}, [40], "the picture's size is [40]; expected width and height"),
        ({}, ["a", 3], "size is 'a'; expected a finite number"),
    ],
)
def test_wrong_requests_are_answered_with_a_sentence(change, size, message):
    ask = questions(voxels())["cinematic"]
    assert message in answer(ask, AT, "density", {**look(), **change}, size, -1)["error"]


def test_planes_have_no_such_pictures():
    assert "cinematic" not in questions(VoxelDrawing(random_model((30, 20, 1)), "plane"))
