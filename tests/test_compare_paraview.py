"""HyperINR Compare in real ParaView: how errors are shown, and the way there by mouse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from accessible import LABEL, named
from gui import LINE, differ, gui, view_of
from models import random_model

from hyperinr.filters.recording import Recording
from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.volume import Field

#: Its role.
RADIO_BUTTON = 44

__all__ = ["gui"]  # the fixture

SCRIPT = Path(__file__).parent / "paraview_scripts" / "errors.py"


@pytest.fixture
def folder(tmp_path):
    """A model, and a series that it is wrong about: too low on one side, too high on the other."""
    model = random_model((16, 14, 12), fields=(Field("density", 1, ((-1.0, 3.0),)),))
    hinr.save(model, tmp_path / "ball.hinr")
    recording = Recording(tmp_path / "run.pvd")
    wrong = np.broadcast_to(np.sin(np.linspace(-3, 3, 16)), model.grid.shape).astype(np.float32)
    for time in (0.0, 1.0, 2.0):
        recording.add_arrays(time, {"density": model.generate(time).sample_grid()[..., 0] + wrong}, model.grid)
    return tmp_path


def test_errors_are_seen_on_both_sides_of_zero(folder):
    result = launch.run_program(launch.on_display(["pvpython", str(SCRIPT), str(folder)]), 120)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    found = json.loads((folder / "errors.json").read_text())
    assert found["applied"] == ["Volume", "POINTS", "density absolute error"]
    assert found["text"] == "TextSourceRepresentation"
    absolute, signed = found["density absolute error"], found["density error"]
    assert absolute["shown"] == "density absolute error" and signed["shown"] == "density error"
    assert 0 <= absolute["ends"][0] < 0.2 and absolute["opacities"][0] == 0 and absolute["opacities"][2] > 0.5
    assert signed["ends"][0] == -signed["ends"][1] < -0.5
    assert signed["opacities"][1] == 0 and min(signed["opacities"][0], signed["opacities"][2]) > 0.5


def numbers(pixels) -> bool:
    """Whether there is a text in the upper left corner of the view."""
    return (pixels[206:240, 310:700] > 200).all(axis=-1).sum() > 100


def test_series_and_model_are_compared_by_mouse(gui, folder):
    (folder / "open.py").write_text(
        "from paraview import simple\n"
        f"simple.Show(simple.OpenDataFile({str(folder / 'run.pvd')!r}, registrationName='series'))\n"
        f"simple.Show(simple.OpenDataFile({str(folder / 'ball.hinr')!r}, registrationName='model'))\n"
        "simple.ResetCamera()\n"
    )
    window = gui(f"--script={folder / 'open.py'}")
    window.settle()
    window.source(1)
    window.choose("Filters", "HyperINR", "HyperINR Compare")
    window.widget(lambda widget: widget.role == RADIO_BUTTON and widget.name == "Model", "a port").click()
    left, top, _, _ = window.widget(named(LABEL, "Select Model"), "the other port's sources").place.box
    window.do("mousemove", left + 60, top + 36 + LINE, "click", 1)
    window.button("OK").click()
    before = window.wait_for(lambda pixels: not numbers(pixels), "no numbers yet")
    window.button("Apply").click()
    window.wait_for(lambda pixels: numbers(pixels) and differ(view_of(pixels), view_of(before)), "error and numbers")
    window.keep("compared")
    assert "ERR|" not in window.messages() and "Traceback" not in window.messages()
