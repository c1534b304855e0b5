"""ParaView's window as people use it: open, apply, play, move a slider, change field and grid, save and load again."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pytest
from gui import MAIN, differ, gui, is_whole, shows_something, version, view_of, windows
from models import random_model

from hyperinr.plugin import launch
from hyperinr.plugin.commands import render
from hyperinr_core import hinr
from hyperinr_core.volume import Field, Parameter

__all__ = ["gui"]  # the fixture

FIELDS = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((0.0, 1.0),) * 3))
PARAMETERS = (
    Parameter("azimuth", "light_azimuth", (-30.0, 90.0), "deg", (-30.0, 0.0, 30.0, 60.0, 90.0)),
    Parameter("time", "time", (0.0, 2.0), "s", (0.0, 0.5, 1.0, 1.5, 2.0)),
    Parameter("exposure", "free", (50.0, 100.0), "", (50.0, 60.0, 70.0, 80.0, 100.0)),
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "lights.hinr"
    quality = {"training_psnr_db": {"density": [40.0, 41.0], "velocity": [38.0, 38.5]}}
    model = random_model((33, 21, 17), fields=FIELDS, parameters=PARAMETERS, quality=quality)
    hinr.save(model, path)
    return path


def picture(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_session_from_play_to_a_saved_state_and_animation(gui, model, tmp_path):
    window = gui(model)
    window.settle()
    window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume, without Apply")
    window.keep("opened")
    icon = window.button("Play").pixels().reshape(-1, 3)
    assert len(np.unique(icon, axis=0)) > 10, "Play is of one colour: Qt's plugin for SVG is missing"
    window.run_macro("witness")
    window.field("Steps Between").write("1")
    window.button("Apply").click()
    first = window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume")

    window.button("Play").click()
    window.wait_until(
        lambda: [i["coarse"] for i in window.witnessed() if i["time"] == 2.0][-1:] == [False], "the end, full"
    )
    played = window.witnessed()
    np.testing.assert_allclose(sorted({image["time"] for image in played}), np.linspace(0, 2, 9), atol=1e-12)
    assert any(image["coarse"] for image in played) and not played[-1]["coarse"], "coarse while it plays, full at rest"
    last = window.wait_for(lambda pixels: differ(view_of(pixels), view_of(first)), "another time")
    window.keep("played")

    window.button("Auto Apply").click()
    window.slider("Parameter 1").drag(12)
    window.wait_until(lambda: window.witnessed()[-1]["slider"] > 35, "a moved slider")
    assert not window.witnessed()[-1]["coarse"], "ParaView hands on what a drag ended at"
    moved = window.wait_for(lambda pixels: differ(view_of(pixels), view_of(last)), "another angle")
    n_images = len(window.witnessed())
    for _ in range(40):
        window.press("Right")
        if any(image["coarse"] for image in window.witnessed()[n_images:]):
            break
        time.sleep(0.1)
    window.wait_until(lambda: not window.witnessed()[-1]["coarse"], "the full grid at rest")
    assert any(image["coarse"] for image in window.witnessed()[n_images:]), "no coarse grid while keys move the slider"
    window.keep("slider")

    window.row("velocity").tick()
    window.wait_until(lambda: window.witnessed()[-1]["arrays"] == ["density"], "one field")
    window.field("Dims").write("21")
    window.wait_until(lambda: window.witnessed()[-1]["dims"] == [21, 21, 17], "other dims")
    window.wait_for(lambda pixels: shows_something(view_of(pixels)) and differ(view_of(pixels), view_of(moved)))
    angle = window.witnessed()[-1]["slider"]

    window.choose("File", "Save State...")
    window.answer("Save State File", str(tmp_path / "session.pvsm"))
    window.wait_until(lambda: is_whole(tmp_path / "session.pvsm"), "the state file")
    n_images = len(window.witnessed())
    window.choose("File", "Save Animation...")
    window.answer("Save Animation", str(tmp_path / "film.png"))
    window.answer("Save Animation Options")
    window.wait_until(lambda: (tmp_path / "film.0008.png").is_file(), "the last picture of the animation")
    assert not any(image["coarse"] for image in window.witnessed()[n_images:]), "coarse pictures were saved"
    pictures = [picture(path) for path in sorted(tmp_path.glob("film.*.png"))]
    assert len(pictures) == 9 and all(shows_something(item) for item in pictures)
    assert all(differ(one, other) for one, other in zip(pictures, pictures[1:]))
    assert "Traceback" not in window.messages() and "ERR|" not in window.messages(), window.messages()
    window.close()
    n_images = len(window.witnessed())

    window = gui(f"--state={tmp_path / 'session.pvsm'}")
    window.settle()
    window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume of the state")
    window.keep("state")
    window.run_macro("witness")
    window.button("Play").click()
    window.wait_until(lambda: len(window.witnessed()) > n_images, "the state playing")
    found = window.witnessed()[-1]
    assert (found["arrays"], found["dims"], found["slider"]) == (["density"], [21, 21, 17], angle)


def test_a_trace_runs_again_in_pvpython(gui, model, tmp_path):
    window = gui()
    window.settle()
    window.choose("Tools", "Start Trace")
    window.answer("Trace Options")
    window.focus(MAIN)
    window.press("ctrl+o")
    window.answer("Open File", str(model))
    window.wait_until(lambda: window.button("Apply").enabled, "a model to apply")
    window.button("Apply").click()
    window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume")
    window.field("Dims").write("13")
    window.button("Apply").click()
    window.wait_until(lambda: not window.button("Apply").enabled, "nothing more to apply")
    window.choose("Tools", "Stop Trace")
    window.focus("Script Editor")
    window.press("ctrl+s")
    window.answer("Save File", str(tmp_path / "trace.py"))
    window.wait_until((tmp_path / "trace.py").is_file, "the trace")
    trace = (tmp_path / "trace.py").read_text()
    assert "HyperINRSource(" in trace and "Dims = [13, 0, 0]" in trace
    check = f"""
from paraview.simple import *
exec(open({str(tmp_path / "trace.py")!r}).read())
SaveScreenshot({str(tmp_path / "again.png")!r})
print("points", GetActiveSource().GetDataInformation().GetNumberOfPoints())
"""
    result = launch.run_program(launch.on_display(["pvpython", "-c", check]), 120)
    assert f"points {13 * 21 * 17}" in result.stdout, result.stderr
    assert shows_something(picture(tmp_path / "again.png"))


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """A model of time alone."""
    path = tmp_path_factory.mktemp("models") / "flow.hinr"
    hinr.save(random_model((24, 20, 16)), path)
    return path


@pytest.fixture(scope="module")
def flow_window(flow, tmp_path_factory):
    """A window that shows it, for several tests: one that begins with it as it was opened, and others that choose a time."""
    with windows(tmp_path_factory.mktemp("window")) as start:
        window = start(flow)
        window.settle()
        window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume")
        yield window


def middle(pixels):
    """Where a picture of 400 x 300 has no words."""
    return pixels[60:240, 60:300].astype(float)


def test_play_stopped_anywhere_shows_what_the_model_says_then(flow_window, flow, tmp_path):
    window = flow_window
    begun, _ = window.snapshot()
    assert (begun["mode"], begun["frames"], begun["time"]) == ("Snap To TimeSteps", 201, 0.0)
    at = window.button("Play").reveal()
    for _ in range(2):  # it pauses where it plays
        window.do("mousemove", *at, "click", 1)
        time.sleep(2)
    found, path = window.snapshot()
    if round(found["time"] / 0.5, 6) % 1 == 0:  # stopped at a training step by chance
        window.button("Next Frame").click()
        found, path = window.snapshot()
    assert 0 < found["time"] < 2 and found["times"]["flow.hinr"] == found["time"]
    shown = middle(picture(path))
    drawn = {}
    for when in (found["time"], 0.5 * round(found["time"] / 0.5)):
        output = tmp_path / "drawn.png"
        asked = [str(flow), "--at", f"time={when!r}", "-o", str(output), "--size", "400", "300"]
        render.render.main(asked, standalone_mode=False)
        drawn[when] = abs(middle(picture(output)) - shown).mean()
    model, training = drawn.values()
    assert model < 0.5 and training > 4 * model, f"{drawn}: Play shows no time between the training steps"


@pytest.mark.parametrize(("choice", "at"), [("between training steps", 0.71), ("continuous", 0.7123)])
def test_a_contour_leaves_the_time_alone(flow_window, choice, at):
    window = flow_window
    window.source(1)
    if choice == "continuous":
        window.field("Time Steps").pick(choice)
        window.button("Apply").click()
    begun, _ = window.snapshot()
    assert begun["mode"] == ("Sequence" if choice == "continuous" else "Snap To TimeSteps")
    if choice == "continuous" and version().startswith("5.11"):  # otherwise the box is a list of steps
        window.field("Time:").write(f"{at}")
    else:
        window.run_macro("go_to_time")
    window.button("Contour").click()
    window.button("Apply").click()
    window.wait_until(lambda: not window.button("Apply").enabled, "the contour")
    found, _ = window.snapshot()
    assert found["time"] == pytest.approx(at, abs=1e-9)
    (contour,) = found["times"].keys() - begun["times"].keys()
    assert contour.startswith("Contour") and found["times"][contour] == found["time"]


def test_models_that_paraview_takes_for_a_series_are_said(gui, flow, tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    for number in (1, 2):
        shutil.copyfile(flow, folder / f"run_{number}.hinr")
    window = gui(f"--data={folder}/run_..hinr", apply=True)  # the group as the file dialog calls it
    window.settle()
    window.wait_until(lambda: "run_1.hinr is shown, and not run_2.hinr" in window.messages(), "what it opened")
    window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the first")
