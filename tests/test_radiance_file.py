"""Models of radiance fields: what they show, and their files."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from radiance_models import ball_model
from safetensors.numpy import load_file, save_file

from hyperinr_core import hinr
from hyperinr_core.errors import FormatError, ParameterError
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.radiance import file


@pytest.mark.parametrize("times", [False, True])
@pytest.mark.parametrize("opacity", [False, True])
def test_a_file_shows_what_the_model_showed(tmp_path, times, opacity):
    model = ball_model(times, opacity)
    file.save(model, tmp_path / "ball.hinr")
    found = file.load(tmp_path / "ball.hinr")
    theta = [30.0, 0.3, 20.0] if times else [30.0, 20.0]
    assert found.parameters == model.parameters and found.fields == model.fields and found.grid == model.grid
    picture, expected = (one.picture(theta).astype(float) for one in (found, model))
    assert picture.shape == (12, 16, 4 if opacity else 3)
    if opacity:  # colours of what is nearly clear are anything
        picture, expected = (np.append(p[..., :3] * p[..., 3:] / 255, p[..., 3:], axis=2) for p in (picture, expected))
    assert expected.std() > 20
    np.testing.assert_allclose(picture, expected, atol=12)
    assert np.abs(picture - expected).mean() < 1.5
    assert file.is_radiance(tmp_path / "ball.hinr")


def test_a_time_between_shows_both_and_its_ends_show_themselves():
    model = ball_model(times=True)
    first, second = (scene.render(model.camera([0, 0, 0]), 16, 12).opacity for scene in model.scenes[:2])
    between = model.render([0, 0.5, 0], model.camera([0, 0.5, 0]), 16, 12).opacity
    at_first = model.render([0, 0.0, 0], model.camera([0, 0, 0]), 16, 12).opacity
    np.testing.assert_array_equal(at_first, first)
    assert second.sum() < between.sum() < first.sum()


def test_any_camera_and_size():
    model = ball_model()
    near = Camera((1.5, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 60.0)
    seen = model.render([0.0, 0.0], near, 40, 20)
    assert seen.opacity.shape == (20, 40)
    wide = model.picture([400.0, -120.0], (32, 48))
    assert wide.shape == (48, 32, 3)
    assert wide[0, 0].tolist() == [255, 250, 200]


@pytest.mark.parametrize(
    ("theta", "said"),
    [([0.0, 5.0, 0.0], "time is 5; expected 0 to 2"), ([0.0, 0.0], "expected 3 finite numbers: phi, time, theta")],
)
def test_a_theta_that_is_none_is_refused(theta, said):
    with pytest.raises(ParameterError, match=said):
        ball_model(times=True).picture(theta)


def test_a_hyperinr_is_no_radiance_field_and_the_other_way_round(tmp_path):
    file.save(ball_model(), tmp_path / "ball.hinr")
    with pytest.raises(FormatError, match="it holds radiance fields; expected a HyperINR"):
        hinr.load(tmp_path / "ball.hinr")


MOTION = {"origin": [0, 0, 0], "spacing": 1, "dims": [2, 2, 2], "step": 1}

DAMAGES = {
    "no scenes": (lambda d, t: d.update(scenes=[]), "a list of 1 to 65536"),
    "a view alone": (lambda d, t: d.update(parameters=d["parameters"][:1]), "a list of 2 to 64"),
    "two azimuths": (lambda d, t: d["parameters"][1].update(role="view_azimuth"), "azimuth and elevation"),
    "huge": (lambda d, t: d["scenes"][0].update(dims=[1 << 30] * 3), "whole number from 2 to 512"),
    "more blocks than room": (lambda d, t: d["scenes"][0].update(n_blocks=10**6), "whole number from 0 to 216"),
    "flat": (lambda d, t: d["scenes"][0].update(spacing=0), "expected 1e-06 to 1e"),
    "wide camera": (lambda d, t: d["optics"].update(view_angle=180), "0 to 170 degrees"),
    "odd turn": (lambda d, t: d["optics"].update(turn=True), "0 to 170 degrees"),
    "light from behind": (lambda d, t: d["scenes"][0].update(light=120), "expected -90 to 90 degrees"),
    "limits": (lambda d, t: d["limits"][0].reverse(), "smaller number first"),
    "version": (lambda d, t: d.update(version=7), "update HyperINR"),
    "motion without scenes to go to": (lambda d, t: d.update(motion=MOTION), "a motion stands beside 0 parameters"),
    "motion that goes nowhere": (lambda d, t: d.update(motion={**MOTION, "step": 0}), "a spacing and a step above 0"),
    "keys": (lambda d, t: d.update(more=1), "its document has keys"),
    "no background": (lambda d, t: t.pop("background"), "it holds tensors"),
    "short background": (lambda d, t: d.update(size=[4000, 4000]), "claim to be"),
    "positions": (lambda d, t: t.update(scene_positions=np.zeros((2, 0))), "scene_positions is F64"),
    "little of a scene": (lambda d, t: t.update(numbers_0=t["numbers_0"][:8]), "a scene claims to be"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(tmp_path, damage):
    change, said = DAMAGES[damage]
    _changed(tmp_path, change)
    with pytest.raises(FormatError, match=said):
        file.load(tmp_path / "bad.hinr")


LATE = {
    "other bytes": lambda d, t: t.update(numbers_0=np.roll(t["numbers_0"], 7)),
    "other blocks": lambda d, t: t.update(blocks_0=np.roll(t["blocks_0"], 3)),
    "fewer blocks": lambda d, t: d["scenes"][0].update(n_blocks=d["scenes"][0]["n_blocks"] - 1),
}


@pytest.mark.parametrize("damage", LATE)
def test_a_damaged_scene_is_refused_when_it_is_seen(tmp_path, damage):
    _changed(tmp_path, LATE[damage])
    model = file.load(tmp_path / "bad.hinr")
    with pytest.raises(FormatError, match="get the file again"):
        model.picture([0.0, 0.0])


def _changed(folder, change):
    file.save(ball_model(), folder / "good.hinr")
    tensors = load_file(folder / "good.hinr")
    with hinr.opened(folder / "good.hinr") as good:
        document = json.loads(good.metadata()["hinr"])
    change(document, tensors)
    save_file(tensors, folder / "bad.hinr", metadata={"hinr": json.dumps(document)})


def test_parameters_need_a_view():
    model = ball_model()
    with pytest.raises(ParameterError, match="azimuth and elevation"):
        dataclasses.replace(model, parameters=model.parameters[:1])
