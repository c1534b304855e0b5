"""The shadow pass in real ParaView: one process, two ranks, and a server with two ranks."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from gui import differ, gui, is_whole, shows_something, view_of
from models import random_model
from servers import mpi, pvserver
from test_filters_shadow import light_model

from hyperinr.filters.image import to_image, write_image
from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.volume import Field, Grid

SCRIPT = Path(__file__).parent / "paraview_scripts" / "shadow.py"
GOLDEN = Path(__file__).parent / "golden"
MACROS = Path(launch.environment()["PV_MACRO_PATH"].split(os.pathsep)[0])
TIMEOUT = 120

__all__ = ["gui"]  # the fixture


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of a field and one of shadows."""
    folder = tmp_path_factory.mktemp("shadow")
    model = random_model((24, 20, 16), fields=(Field("density", 1, ((0.0, 1.0),)),))
    hinr.save(model, folder / "ball.hinr")
    hinr.save(light_model((24, 20, 16)), folder / "lights.hinr")
    shutil.copy(GOLDEN / "pictures.hinr", folder)
    write_image(folder / "nan.vti", to_image(Grid((4, 4, 4)), {"density": np.full((4, 4, 4), np.nan, np.float32)}))
    return folder


def run(command, folder, name):
    result = launch.run_program([str(word) for word in command], TIMEOUT)
    assert result.returncode == 0, f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
    assert "Traceback" not in result.stderr and "ERR|" not in result.stderr, result.stderr
    return json.loads((folder / f"shadow_{name}.json").read_text())


@pytest.fixture(scope="module")
def serial(folder):
    return run(launch.on_display(["pvpython", SCRIPT, folder, "serial"]), folder, "serial")


def picture(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("L")).astype(float)


def test_one_call_shows_a_volume_that_the_light_shades(serial, folder):
    front, left, right = (picture(folder / f"serial_{name}.png") for name in ("front", "left", "right"))
    assert (front > 10).mean() > 0.1, "the volume is not to be seen"
    shown = front > 10
    columns = np.nonzero(shown.any(axis=0))[0]
    middle = (columns[0] + columns[-1]) // 2
    for pixels, bright, dark in (
        (left, slice(None, middle), slice(middle, None)),
        (right, slice(middle, None), slice(None, middle)),
    ):
        assert pixels[:, bright][shown[:, bright]].mean() > 1.15 * pixels[:, dark][shown[:, dark]].mean()


def test_light_at_the_camera(serial):
    assert serial["at_camera"] == pytest.approx([270.0, 0.0], abs=1e-9)
    assert serial["tied"][1] == pytest.approx(0.0, abs=1e-9)
    assert min(serial["tied"][0], 360 - serial["tied"][0]) == pytest.approx(0.0, abs=1e-9)
    assert serial["untied"] == serial["tied"][0]


def test_editing_the_opacity_lets_light_through(serial):
    assert serial["integral_thin"] > 1.2 * serial["integral"]


def test_viewing_needs_no_torch(serial):
    assert "torch" not in serial["modules"]


def test_two_ranks_give_what_one_gives(serial, folder):
    parallel = run(launch.on_display([*mpi(2), "pvbatch", SCRIPT, folder, "parallel"]), folder, "parallel")
    assert (serial["ranks"], parallel["ranks"]) == (1, 2)
    assert parallel["cells"] == serial["cells"] == 23 * 19 * 15
    for key in ("integral", "integral_thin", "integral_model"):
        assert parallel[key] == pytest.approx(serial[key], rel=1e-5)
    for name in ("left", "right"):
        difference = abs(picture(folder / f"parallel_{name}.png") - picture(folder / f"serial_{name}.png"))
        assert difference.mean() < 3


def test_a_server_of_two_ranks_shades(serial, folder):
    with pvserver(2) as port:
        found = run(launch.on_display(["pvpython", SCRIPT, folder, "server", port]), folder, "server")
    assert found["cells"] == serial["cells"]
    for key in ("integral", "integral_model"):
        assert found[key] == pytest.approx(serial[key], rel=1e-5)
    assert abs(picture(folder / "server_left.png") - picture(folder / "serial_left.png")).mean() < 3


@pytest.mark.parametrize("name", ["light_goes_round", "time_and_light"])
def test_examples_draw_pictures_that_differ(name, folder, tmp_path):
    source = (SCRIPT.parents[2] / "examples" / f"{name}.py").read_text(encoding="utf-8")
    short = "\n".join("N_PICTURES = 3" if line.startswith("N_PICTURES =") else line for line in source.splitlines())
    assert short != source.rstrip()
    (tmp_path / "short.py").write_text(short)
    command = launch.on_display(["pvpython", tmp_path / "short.py", folder / "ball.hinr", tmp_path / "pictures"])
    result = launch.run_program([str(word) for word in command], TIMEOUT)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    pictures = [picture(path) for path in sorted((tmp_path / "pictures").iterdir())]
    assert len(pictures) == 3
    for before, after in zip(pictures, pictures[1:]):
        assert abs(before - after).mean() > 0.2


@pytest.fixture(scope="module")
def scenes(folder):
    """A scene of two shadows as it was made, and what its two kinds of state files make of it."""
    for name in ("made", "pvsm", "py"):
        script = SCRIPT.with_name("shaded_state.py")
        result = launch.run_program(launch.on_display(["pvpython", str(script), str(folder), name]), TIMEOUT)
        assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
        assert "Untraceable" not in (folder / "scene.py").read_text()
    return folder


@pytest.mark.parametrize("unit_distance", ["0.1", "2"])
@pytest.mark.parametrize("name", ["pvsm", "py"])
def test_a_shaded_scene_is_the_same_after_saving_and_opening_and_can_be_edited(scenes, name, unit_distance):
    pictures = {}
    for label in ("scene", "turned", "thin"):
        pictures[label] = picture(scenes / f"made_{label}_{unit_distance}.png")
        np.testing.assert_array_equal(picture(scenes / f"{name}_{label}_{unit_distance}.png"), pictures[label])
    assert (pictures["scene"] > 10).mean() > 0.05, "the volume is not to be seen"
    assert abs(pictures["scene"] - pictures["turned"]).mean() > 0.1
    assert abs(pictures["turned"] - pictures["thin"]).mean() > 0.1


def test_two_shadows_of_one_field_have_opacities_of_their_own(scenes):
    for unit_distance in ("0.1", "2"):
        alone, together = (picture(scenes / f"made_{label}_{unit_distance}.png") for label in ("alone", "scene"))
        np.testing.assert_array_equal(alone, together)


@pytest.fixture(scope="module")
def macros(folder):
    """What the macros did, and what they said as text and as errors."""
    script = SCRIPT.with_name("shaded_by_macro.py")
    result = launch.run_program(launch.on_display(["pvpython", str(script), str(folder), str(MACROS)]), TIMEOUT)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    return json.loads((folder / "macros.json").read_text()), result.stdout, result.stderr


def test_macros_say_what_they_lack_and_make_and_hide_nothing_then(macros):
    found, said, errors = macros
    assert found["changed"] == []
    expected = [
        "ShadeVolume: there is no active source; expected",
        "LightFollowsCamera: the active source is no HyperINR Shadow; select one",
        "ShadeVolume: Contour1 is Polygonal Mesh; expected",
        "ShadeVolume: PointDatatoCellData1 has no point arrays; expected one of one component",
        "ShadeVolume: PassArrays1 has the point arrays drift (3 components); expected one of one component",
        "ShadeVolume: HyperINRShadow1 has nothing to show; expected an image",
        "ShadeVolume: HyperINRPlaneSource1 is flat or empty; expected a volume",
    ]
    lines = [line for line in errors.splitlines() if line.startswith(("ShadeVolume", "LightFollowsCamera"))]
    assert [line[: len(start)] for line, start in zip(lines, expected)] == expected and len(lines) == len(expected)
    assert said.count("ShadeVolume: density is shaded") == 3 and found["again"]
    assert found["seen"] == [0, 1] and found["tied"] == pytest.approx(270.0)
    assert "LightFollowsCamera: on" in said and "LightFollowsCamera: off" in said


def test_the_macro_of_occlusion_makes_one_light_both_and_darkens_hollows(macros, folder):
    found, said, errors = macros
    assert found["lighting"] == ["Both", "Ambient Occlusion"] and found["occluded"] == ["density occlusion"]
    assert "AmbientOcclusion: there is no active source; expected" in errors
    assert said.count("AmbientOcclusion: density is in a light from everywhere") == 2
    assert abs(picture(folder / "macro_occlusion.png") - picture(folder / "macro_direct.png")).mean() > 1


def test_the_macro_of_paths_of_light_takes_the_view_s_camera_and_the_shadow_s_light(macros, folder):
    found, said, errors = macros
    assert found["taken"][:3] == ["HyperINRCinematic", True, "density"] and found["same light"] == [0, 0]
    assert found["again by camera"] == [0, [10.0, 0.0, 0.0]]
    expected = [
        "CinematicPicture: there is no active source; expected a volume",
        "CinematicPicture: Contour1 is Polygonal Mesh; expected a volume",
        "CinematicPicture: the active view shows no volume; click on the one",
    ]
    lines = [line for line in errors.splitlines() if line.startswith("CinematicPicture")]
    assert [line[: len(start)] for line, start in zip(lines, expected)] == expected and len(lines) == len(expected)
    assert said.count("CinematicPicture: on") == 2
    seen = picture(folder / "macro_cinematic.png")
    assert (seen != seen[0, 0]).mean() > 0.1 and abs(seen[0] - seen[0, 0]).max() <= 2


def test_a_shadow_from_the_menu_shows_its_scalar_and_is_shaded_by_the_macro(macros, folder):
    found, direct, applied, menu = (
        macros[0],
        *(picture(folder / f"macro_{n}.png") for n in ("direct", "applied", "menu")),
    )
    assert found["applied"] == ["Volume", "POINTS", "density"] and found["pressed"] == [0, True]
    np.testing.assert_array_equal(menu, direct)
    assert abs(applied - menu).mean() > 1


def test_gui_shows_the_shaded_volume_of_a_macro(gui, folder, tmp_path):
    assert {path.stem for path in MACROS.glob("*.py")} == {
        "AmbientOcclusion",
        "CinematicPicture",
        "ShadeVolume",
        "LightFollowsCamera",
        "PictureFollowsCamera",
        "ShowHyperINR",
    }
    (tmp_path / "shade.py").write_text(
        "from paraview import simple\n"
        "def press(name):\n"
        f"    exec(open({str(MACROS)!r} + '/' + name + '.py').read(), {{}})\n"
        "press('LightFollowsCamera')\n"
        "press('ShadeVolume')\n"
        f"source = simple.OpenDataFile({str(folder / 'ball.hinr')!r})\n"
        "view = simple.GetActiveViewOrCreate('RenderView')\n"
        "press('ShadeVolume')\n"
        "shadow = simple.GetActiveSource()\n"
        "shadow.LightAzimuth = 5\n"
        "press('LightFollowsCamera')\n"
        "assert shadow.LightAzimuth != 5\n"
        "press('LightFollowsCamera')\n"
        "press('ShadeVolume')\n"
        "simple.ResetCamera(view)\n"
        "press('CinematicPicture')\n"
        "simple.GetActiveSource().Samples = 5000\n"
        "simple.RenderAllViews()\n"
    )
    window = gui(f"--script={tmp_path / 'shade.py'}")
    window.wait_for(lambda pixels: shows_something(view_of(pixels)[:, :300]), "the shaded volume")
    window.wait_until(lambda: "CinematicPicture: on" in window.messages(), "that a picture is taken")
    noisy = window.wait_for(lambda pixels: shows_something(view_of(pixels)[:, 320:]), "the picture by paths of light")
    window.wait_for(lambda pixels: differ(view_of(noisy)[:, 320:], view_of(pixels)[:, 320:]), "a better picture")
    said = window.messages()
    assert window.process.poll() is None and "Traceback" not in said, said
    for words in (
        "no HyperINR Shadow; select one",
        "no active source",
        "Camera: on",
        "Camera: off",
        "density is shaded",
        "CinematicPicture: on",
    ):
        assert words in said


def test_shade_save_and_open_by_mouse(gui, folder, tmp_path):
    window = gui(folder / "ball.hinr")
    window.settle()
    window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume")
    window.source(0)
    window.run_macro("ShadeVolume")
    sentence = "ShadeVolume: there is no active source; expected a volume, select one in the pipeline browser"
    window.row(sentence)  # of Output Messages, which opens by itself
    window.source(1)
    window.choose("Filters", "HyperINR", "HyperINR Shadow")
    window.button("Apply").click()
    window.wait_until(lambda: not window.button("Apply").enabled, "the filter")
    applied = window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the scalar")
    window.run_macro("ShadeVolume")
    shaded = window.wait_for(lambda pixels: differ(view_of(pixels), view_of(applied)), "the shaded volume")
    window.keep("shaded")
    window.choose("File", "Save State...")
    window.answer("Save State File", str(tmp_path / "scene.pvsm"))
    window.wait_until(lambda: is_whole(tmp_path / "scene.pvsm"), "a state file")
    window.close()
    window = gui(f"--state={tmp_path / 'scene.pvsm'}")
    window.settle()
    window.wait_for(lambda pixels: not differ(view_of(pixels), view_of(shaded)), "the same picture")
    window.keep("shaded_again")
