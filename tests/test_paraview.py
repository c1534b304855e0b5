"""The plugin in real ParaView: pvpython, pvbatch under MPI, pvserver, the GUI, and the commands that start them.

ParaView, xvfb and MPI are required: without them these tests fail, they are not skipped.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from gui import gui, shows_something, version, view_of
from masked import masked_model
from models import random_model
from servers import mpi, pvserver

from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.volume import Field, Parameter

__all__ = ["gui"]  # the fixture

SCRIPTS = Path(__file__).parent / "paraview_scripts"
FIELDS = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((0.0, 1.0),) * 3))
LIGHTS = (
    Parameter("azimuth", "light_azimuth", (-30.0, 90.0), "deg", (-30.0, 0.0, 30.0, 60.0, 90.0)),
    Parameter("time", "time", (0.0, 2.0), "s", (0.0, 0.5, 1.0, 1.5, 2.0)),
    Parameter("exposure", "free", (50.0, 100.0), "", (50.0, 60.0, 70.0, 80.0, 100.0)),
)
TIMEOUT = 180


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models of every kind, whole and broken."""
    folder = tmp_path_factory.mktemp("models")
    hinr.save(random_model((24, 20, 16), fields=FIELDS), folder / "volume.hinr")
    hinr.save(random_model(parameters=LIGHTS), folder / "lights.hinr")
    hinr.save(random_model((30, 20, 1)), folder / "plane.hinr")
    whole = (folder / "volume.hinr").read_bytes()
    (folder / "truncated.hinr").write_bytes(whole[: len(whole) // 2])
    newer = whole.replace(rb"\"version\": 1", rb"\"version\": 9")
    assert newer != whole
    (folder / "newer.hinr").write_bytes(newer)
    return folder


def run(command, **options):
    """Run a ParaView program with the plugin in its environment; its messages are in a failure's report."""
    result = launch.run_program([str(word) for word in command], TIMEOUT, **options)
    assert result.returncode == 0, f"{command} ended with {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result


def cli(*arguments, environment=None):
    """The `hyperinr` command in a process of its own."""
    command = [sys.executable, "-m", "hyperinr.plugin.cli", *map(str, arguments)]
    variables = {**os.environ, **(environment or {})}
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=variables)


@pytest.fixture(scope="module")
def report(folder):
    """What pvpython found, in one process for all tests."""
    result = run(launch.on_display(["pvpython", SCRIPTS / "reader.py", folder]))
    assert "Traceback" not in result.stderr, result.stderr
    return {**json.loads((folder / "report.json").read_text()), "stderr": result.stderr}


def expected(folder, name, theta, grid=None, region=None):
    """(nz, ny, nx, 1) the first field of a model, evaluated here."""
    model = hinr.load(folder / f"{name}.hinr")
    return model.generate(theta).sample_grid(grid, region)[..., :1]


def assert_same(folder, name, truth):
    np.testing.assert_allclose(np.load(folder / f"{name}.npy"), truth, rtol=0, atol=1e-6)


def test_a_file_opens_with_its_times_and_its_place(report, folder):
    found, model = report["volume"], hinr.load(folder / "volume.hinr")
    assert found["proxy"] == "HyperINRSource" and found["range"] == [0.0, 2.0]
    np.testing.assert_allclose(found["times"], np.linspace(0, 2, 201), atol=1e-12)
    assert found["between"] == {
        "extent": list(model.grid.extent),
        "origin": list(model.grid.origin),
        "spacing": list(model.grid.spacing),
        "arrays": ["density", "velocity"],
    }
    assert found["representation"] == "Volume"


def test_between_steps_is_what_the_model_says(report, folder):
    assert_same(folder, "between", expected(folder, "volume", 0.55))


def test_dims_and_region(report, folder):
    model = hinr.load(folder / "volume.hinr")
    grid = model.grid.with_dims((17, 20, 9))
    assert_same(folder, "dims", expected(folder, "volume", 0.55, grid))
    found = report["volume"]
    assert found["region_default"] == [1.0, -2.0, 0.5, 11.5, 4.75, 15.0]
    extent, origin, spacing = found["region"]["extent"], found["region"]["origin"], found["region"]["spacing"]
    for axis, (low, high) in enumerate([(2.0, 4.0), (-1.5, -0.5), (1.0, 3.0)]):
        first, last = (origin[axis] + spacing[axis] * i for i in extent[2 * axis : 2 * axis + 2])
        assert low - spacing[axis] < first <= low and high <= last < high + spacing[axis]
    assert_same(folder, "region", expected(folder, "volume", 1.3, grid, extent))


def test_fields_can_be_chosen(report, folder):
    assert report["volume"]["one_field"]["arrays"] == ["density"]


def test_time_outside_is_clamped_and_said(report, folder):
    extent = report["volume"]["region"]["extent"]
    grid = hinr.load(folder / "volume.hinr").grid.with_dims((17, 20, 9))
    assert_same(folder, "clamped", expected(folder, "volume", 2.0, grid, extent))
    assert report["stderr"].count("time 99 is outside the model's 0 to 2") == 1


def test_animation_plays_between_the_steps(report):
    np.testing.assert_allclose(report["animation"], np.linspace(0, 2, 9))


def test_filters_over_time_work_with_what_lies_between_the_training_steps(report, folder):
    found, model = report["over_time"], hinr.load(folder / "volume.hinr")
    steps = np.linspace(0, 2, 9)  # one between each two of five
    truth = [model.generate(time).sample_grid()[..., 0] for time in steps]
    np.testing.assert_allclose(np.load(folder / "mean.npy")[..., 0], np.mean(truth, axis=0), atol=1e-5)
    np.testing.assert_allclose(np.load(folder / "interpolated.npy")[..., 0], truth[3], atol=1e-6)
    assert abs(truth[3] - (truth[2] + truth[4]) / 2).max() > 0.01, "a model that is linear in time says nothing here"
    np.testing.assert_allclose(found["plotted"], [values[0, 0, 0] for values in truth], atol=1e-6)


def test_time_is_continuous_where_one_wants_it(report):
    assert report["over_time"]["continuous"] == {"steps": [], "range": [0.0, 2.0], "scene": [0.0, 2.0]}


def test_parameters_other_than_time_are_sliders(report, folder):
    assert report["parameters"] == {
        "number": 2,
        "names": ["azimuth -30 to 90 deg", "exposure 50 to 100"],
        "ranges": [[-30.0, 90.0], [50.0, 100.0]],
        "defaults": [30.0, 75.0],
    }
    assert_same(folder, "lights", expected(folder, "lights", {"azimuth": 20.0, "time": 0.25, "exposure": 75.0}))


def test_a_plane_is_a_flat_image_shown_as_a_surface(report, folder):
    found = report["plane"]
    assert found["proxy"] == "HyperINRPlaneSource" and found["representation"] == "Surface"
    assert found["extent"] == [0, 29, 0, 19, 0, 0]
    assert_same(folder, "plane", expected(folder, "plane", 0.7))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("missing", "is not there"),
        ("truncated", "not a whole"),
        ("newer", "version is 9"),
        ("dims", "Dims has 1 points"),
    ],
)
def test_errors_are_vtk_errors_and_the_process_lives(report, case, message):
    found = report["errors"][case]
    assert len(found["said"]) == 1 and message in found["said"][0] and found["points"] == 0


def test_reload_files_shows_a_replaced_file(report):
    assert report["reload_files"] == [24 * 20 * 16, 12 * 10 * 8]


def test_a_saved_state_comes_back(report):
    assert report["state"] == [30.0, 61.0, "reference", 7 * 10 * 5]


def test_viewing_needs_neither_torch_nor_scikit_image(report):
    assert not {"torch", "skimage"} & set(report["modules"])


def test_two_ranks_give_what_one_gives(folder):
    run(["pvbatch", SCRIPTS / "parallel.py", folder, "serial"])
    run([*mpi(2), "pvbatch", SCRIPTS / "parallel.py", folder, "parallel"])
    serial, parallel = (json.loads((folder / f"{name}.json").read_text()) for name in ("serial", "parallel"))
    assert (serial["ranks"], parallel["ranks"]) == (1, 2)
    assert parallel["cells"] == serial["cells"] == 23 * 19 * 15
    assert serial["points"] == 24 * 20 * 16 < parallel["points"], "the ranks share a plane of points"
    assert parallel["bounds"] == serial["bounds"]
    assert parallel["compared_cells"] == serial["compared_cells"] == 23 * 19 * 15 and abs(serial["error"]) > 1
    for name in ("volume", "density", "velocity", "error", "psnr"):
        np.testing.assert_allclose(parallel[name], serial[name], rtol=1e-6)


@pytest.mark.parametrize("where", ["pvpython", "two ranks of pvbatch", "two ranks of pvserver"])
def test_filters_leave_masked_points_out(tmp_path, where):
    model = masked_model(dims=(24, 20, 16))
    hinr.save(model, tmp_path / "masked.hinr")
    script = [SCRIPTS / "masked.py", tmp_path, "found"]
    if "pvserver" in where:
        with pvserver(2) as port:
            run(launch.on_display(["pvpython", *script, port, launch.plugin_xml()]))
    else:
        run(launch.on_display([*(mpi(2) if "ranks" in where else ()), where.split()[-1], *script]))
    found, inr = json.loads((tmp_path / "found.json").read_text()), model.generate(0.5)
    values, valid = inr.sample_grid()[..., 0], inr.valid()["density"]
    whole = valid
    for axis in range(3):
        n = whole.shape[axis]
        whole = whole.take(range(n - 1), axis) & whole.take(range(1, n), axis)
    corners = [values[z : z + 15, y : y + 19, x : x + 23] for z, y, x in np.ndindex(2, 2, 2)]
    cell = float(np.prod(model.grid.spacing))
    assert found["range"] == pytest.approx([np.nanmin(values), np.nanmax(values)])
    assert found["volume"] == pytest.approx(cell * whole.sum())
    assert found["integral"] == pytest.approx(cell * np.mean(corners, axis=0)[whole].sum(), rel=1e-4)
    shared = valid[:, :, 12].sum() + valid[:, 10].sum() + valid[8].sum()  # planes of points that two ranks both have
    assert valid.sum() <= found["counted"] <= valid.sum() + (shared if "ranks" in where else 0)
    assert found["slice"]["cells"] in (whole[7].sum(), 2 * whole[7].sum()), "squares, or their halves"
    places = (np.array(found["contour"]["middles"]) - model.grid.origin) / model.grid.spacing
    x, y, z = np.minimum(places, np.array(whole.shape[::-1]) - 1e-3).astype(int).T
    assert whole[z, y, x].all() and len(places) == found["contour"]["cells"] > 1000


# The commands


def test_env_makes_pvpython_find_the_plugin_and_keeps_what_was_set(tmp_path):
    variables = {
        "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:/mine".lstrip(":"),
        "PV_PLUGIN_CONFIG_FILE": "/mine.xml",
    }
    cache = {"XDG_CACHE_HOME": str(tmp_path / "my cache")}
    result = cli("env", environment={**variables, **cache})
    assert result.returncode == 0, result.stderr
    lines = dict(shlex.split(line)[1].split("=", 1) for line in result.stdout.splitlines())
    assert lines["PYTHONPATH"].endswith("/mine") and lines["PV_PLUGIN_CONFIG_FILE"].endswith(":/mine.xml")
    assert cli("env", environment={**lines, **cache}).stdout == result.stdout, "a second time changes nothing"
    code = "from paraview.simple import HyperINRSource; print('made', HyperINRSource().GetXMLName())"
    shell = f"{result.stdout}\nPV_PLUGIN_CONFIG_FILE=${{PV_PLUGIN_CONFIG_FILE%:*}} exec pvpython -c {shlex.quote(code)}"
    bare = {name: value for name, value in os.environ.items() if name not in variables}
    result = subprocess.run(["sh", "-c", shell], env=bare, capture_output=True, text=True, timeout=TIMEOUT, cwd="/")
    assert "made HyperINRSource" in result.stdout, result.stderr


def test_render_writes_a_picture_and_nothing_when_it_cannot(folder, tmp_path):
    result = cli("render", folder / "volume.hinr", "--at", "time=0.55", "--size", 320, 240, "-o", tmp_path / "a.png")
    assert result.returncode == 0, result.stderr
    pixels = picture(tmp_path / "a.png")
    assert pixels.shape == (240, 320, 3) and shows_something(pixels)
    for arguments, message in [
        (["--at", "time=2.5"], "time is 2.5; expected 0 to 2"),
        (["--at", "time=1", "--field", "nothing"], "no field 'nothing'"),
        (["--at", "tide=1"], "time"),
    ]:
        result = cli("render", folder / "volume.hinr", *arguments, "-o", tmp_path / "b.png")
        assert result.returncode == 1 and message in result.stderr and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_render_without_a_display_or_xvfb_says_what_to_install(folder, tmp_path):
    bare = tmp_path / "bin"
    bare.mkdir()
    (bare / "pvpython").symlink_to(launch.find_program("pvpython"))
    result = cli(
        "render", folder / "volume.hinr", "--at", "time=1", "-o", tmp_path / "a.png",
        environment={"PATH": str(bare), "DISPLAY": ""},
    )  # fmt: skip
    assert result.returncode == 1 and "install xvfb" in result.stderr and not (tmp_path / "a.png").exists()


def test_doctor_finds_every_program_well():
    result = cli("doctor")
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line.split()[:2] for line in result.stdout.splitlines()]
    for program in ("pvpython", "pvbatch", "pvserver", "paraview", "display", "cuda", "triton", "tinycudann"):
        assert ["ok", program] in lines, result.stdout
    assert result.stdout.count("plugin works") == 3


def test_doctor_fails_without_pvpython(tmp_path):
    result = cli("doctor", environment={"PATH": str(tmp_path)})
    assert result.returncode == 1 and "FAIL pvpython" in result.stdout and "apt install" in result.stdout


def test_an_environment_is_seen_through_venv_from_5_13_on(folder, tmp_path):
    known = "--venv" in subprocess.run(["pvpython", "--help"], capture_output=True, text=True, timeout=60).stdout
    assert known == (tuple(map(int, version().split(".")[:2])) >= (5, 13))
    if known:
        check = tmp_path / "check.py"
        check.write_text(
            "from paraview import simple\n"
            f"source = simple.OpenDataFile({str(folder / 'volume.hinr')!r})\n"
            "source.UpdatePipeline()\n"
            "print('points', source.GetDataInformation().GetNumberOfPoints())\n"
        )
        variables = {**os.environ, "PV_PLUGIN_PATH": str(launch.plugin_xml().parent)}
        command = ["pvpython", "--venv", sys.prefix, str(check)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, env=variables)
        assert "points " in result.stdout and "points 0" not in result.stdout, result.stderr


# The GUI


def picture(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_gui_opens_a_model_and_shows_its_volume(gui, folder):
    window = gui(folder / "volume.hinr", apply=True)
    window.wait_for(lambda pixels: shows_something(view_of(pixels)), "the volume")
    time.sleep(1)
    assert window.process.poll() is None


def test_gui_says_what_is_wrong_with_a_broken_file_and_survives(gui, folder):
    window = gui(folder / "truncated.hinr", apply=True)
    window.wait_until(lambda: "not a whole .hinr file" in window.messages(), "an error message")
    time.sleep(2)
    assert window.process.poll() is None, "ParaView did not survive a broken file"
