"""What `hyperinr view` draws of radiance fields, and what other commands say of them."""

from __future__ import annotations

import dataclasses
import io
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from radiance_models import ball_model

from hyperinr.plugin.cli import hyperinr
from hyperinr.plugin.commands.view import answer, questions
from hyperinr.plugin.radiance_drawing import RadianceDrawing
from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.radiance import file

AT = {"phi": 30.0, "theta": 20.0}


def drawn(drawing, values, zoom=1.0, size=(64, 48)):
    """(height, width, C) lowest row first."""
    data = drawing.draw(values, {"zoom": zoom}, list(size))[1]
    return np.array(Image.open(io.BytesIO(data))).astype(int)[::-1]


def test_the_picture_is_the_model_s_in_the_page_s_size():
    model = ball_model()
    picture = drawn(RadianceDrawing(model, "ball"), AT)
    assert np.abs(picture - model.picture((30, 20), (64, 48))).mean() < 4  # JPEG
    assert drawn(RadianceDrawing(ball_model(opacity=True), "ball"), AT).shape == (48, 64, 4)


@pytest.mark.parametrize("view_angle", [0.0, 30.0])
def test_zoom_makes_the_ball_so_many_times_larger(view_angle):
    model = dataclasses.replace(ball_model(opacity=True), optics=Optics(view_angle))
    drawing = RadianceDrawing(model, "ball")
    once, twice = ((drawn(drawing, AT, zoom, (96, 96))[..., 3] > 127).sum() for zoom in (0.5, 1.0))
    assert once > 100 and twice / once == pytest.approx(4, rel=0.15)
    assert model.camera((0, 0)).zoomed(1.0).view_angle == pytest.approx(view_angle)


def test_the_page_turns_the_view_and_knows_all_parameters():
    told = RadianceDrawing(ball_model(times=True), "ball").description()
    assert told["turned"] == ["phi", "theta", 1] and told["fields"] == []
    assert [item["name"] for item in told["sliders"]] == ["phi", "time", "theta"]
    json.dumps(told)


def test_wrong_requests_are_answered_with_a_sentence():
    render = questions(RadianceDrawing(ball_model(times=True), "ball"))["render"]
    good, look, size = {**AT, "time": 99.0}, {"zoom": 1.0}, [64, 48]
    assert answer(render, good, look, size)["picture"].startswith("data:image/jpeg")  # clamped
    for values, how, many, message in (
        (AT, look, size, "expected one for each of"),
        ({**good, "phi": float("inf")}, look, size, "phi is inf"),
        (good, {}, size, "expected zoom"),
        (good, {"zoom": "x"}, size, "zoom is 'x'"),
        (good, look, None, "size None"),
        (good, look, [64, float("nan")], "size is nan"),
    ):
        assert message in answer(render, values, how, many)["error"]


def test_commands_know_such_a_file(tmp_path):
    path = str(tmp_path / "ball.hinr")
    file.save(ball_model(times=True), path)
    told = CliRunner().invoke(hyperinr, ["info", path])
    assert "Radiance fields, format version 5" in told.output and "3 scene(s) of 24 x 24 x 24 voxels" in told.output
    document = json.loads(CliRunner().invoke(hyperinr, ["info", "--json", path]).output)
    assert document["version"] == 5 and document["bytes"] > 0
    for verb in (["sample", "--at", "time=0"], ["export", "--times", "0"], ["compress", "--target-psnr", "40"]):
        ending = ".pvd" if verb[0] == "export" else ".hinr" if verb[0] == "compress" else ".vti"
        refused = CliRunner().invoke(hyperinr, [verb[0], path, *verb[1:], "-o", str(tmp_path / f"x{ending}")])
        assert "it holds radiance fields; expected a HyperINR" in str(refused.exception), refused.output
