"""A model in ParaView's view: the look of the core, whatever was opened, and one sentence where there is nothing to see."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gui import shows_something
from models import random_model

from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.pictures.look import looks_of
from hyperinr_core.volume import Field

SCRIPT = Path(__file__).parent / "paraview_scripts" / "scene.py"
FIELDS = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((0.0, 1.0),) * 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    hinr.save(random_model((24, 20, 16), fields=FIELDS), folder / "volume.hinr")
    hinr.save(random_model((24, 20, 16), fields=(Field("vorticity", 1, ((0.0, 9.0),)),), seed=3), folder / "other.hinr")
    hinr.save(random_model((30, 20, 1)), folder / "plane.hinr")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    result = launch.run_program(launch.on_display(["pvpython", str(SCRIPT), str(folder)]), 240)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    return {**json.loads((folder / "scene.json").read_text()), "stderr": result.stderr}


def picture(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize(
    ("shown", "field", "title"), [("first", "density", "density [kg/m^3]"), ("second", "velocity", "velocity")]
)
def test_a_volume_is_shown_with_the_look_of_its_field(report, folder, shown, field, title):
    found, look = report["volume"][shown], looks_of(hinr.load(folder / "volume.hinr"))[field]
    assert (found["representation"], found["field"], found["title"]) == ("Volume", field, title)
    np.testing.assert_allclose(found["range"], [look.low, look.high], rtol=1e-5)
    np.testing.assert_allclose(found["opacities"], look.opacities, rtol=1e-5, atol=1e-6)
    assert shows_something(picture(folder / "volume.png"))


def test_time_outline_and_frames_come_along_once(report):
    found = report["volume"]
    assert found["made"] == ["HyperINRSource", "OutlineFilter", "TimeToTextConvertor"]
    assert found["time"] == "time {time:.3f} s"
    assert found["frames"] == 201 and found["continuous frames"] == 201


def test_the_display_follows_another_file_in_the_panel(report, folder):
    assert report["volume"]["other"] == "vorticity"
    assert shows_something(picture(folder / "other.png"))


def test_a_plane_is_seen_from_the_front(report, folder):
    assert report["plane"]["representation"] == "Surface"
    assert shows_something(picture(folder / "plane.png"))


def test_an_error_on_both_sides_of_zero_is_centred_on_it(report):
    found = report["others"]["signed"]
    low, high = found["range"]
    assert low == -high < 0 and found["representation"] == "Volume"
    alphas = dict(found["opacities"])
    assert alphas[low] == alphas[high] > 0.5 and min(alphas.values()) == 0


def test_what_is_no_image_is_left_alone_and_said(report):
    found = report["others"]
    assert len(found["said"]) == 2 and all(
        "expected an image with values at its points" in text for text in found["said"]
    )
    assert found["made"] == 2, "the contour and the sphere alone"
    assert report["stderr"].count("ShowHyperINR: there is no active source") == 1
