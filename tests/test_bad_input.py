"""What goes wrong while people work in ParaView: each is one sentence, and ParaView goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest
from models import random_model

from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.measure.metrics import psnr, ssim
from hyperinr_core.volume import Field, Parameter

SCRIPT = Path(__file__).parent / "paraview_scripts" / "bad_input.py"
FIELDS = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((0.0, 1.0),) * 3))
LIGHTS = (
    Parameter("azimuth", "light_azimuth", (-30.0, 90.0), "deg", (-30.0, 0.0, 30.0, 60.0, 90.0)),
    Parameter("time", "time", (0.0, 2.0), "s", (0.0, 0.5, 1.0, 1.5, 2.0)),
    Parameter("exposure", "free", (50.0, 100.0), "", (50.0, 60.0, 70.0, 80.0, 100.0)),
)
TIMEOUT = 120
WHOLE, SMALL = 12 * 10 * 8, 5 * 6 * 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad_input")
    hinr.save(random_model(fields=FIELDS), folder / "volume.hinr")
    hinr.save(random_model(fields=FIELDS, seed=9), folder / "other.hinr")
    hinr.save(random_model((5, 6, 7), fields=FIELDS), folder / "small.hinr")
    hinr.save(random_model(parameters=LIGHTS), folder / "lights.hinr")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    """What pvpython found, in one process for all tests: it survives everything."""
    command = launch.on_display(["pvpython", str(SCRIPT), str(folder), str(launch.plugin_xml())])
    result = launch.run_program(command, TIMEOUT)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    return {**json.loads((folder / "bad_input.json").read_text()), "stderr": result.stderr}


def test_the_plugin_loaded_twice_changes_nothing(report):
    assert report["loaded_twice"] == {"said": [], "points": [WHOLE, WHOLE], "equal": True}


def test_a_deleted_model_is_said_once_and_shown_again_when_it_is_back(report):
    found = report["deleted"]
    assert found["points"] == [WHOLE, 0, WHOLE]
    assert len(found["said"]) == 1 and "deleted.hinr is not there; expected a .hinr file" in found["said"][0]


def test_a_replaced_model_is_shown_or_asks_for_a_reload(report):
    found = report["replaced"]
    assert found["changed"] > 0.1, "the old model was shown, from the cache perhaps"
    assert found["points"] == [0, SMALL]
    assert (
        len(found["said"]) == 1 and "replaced by a model on another grid; use File > Reload Files" in found["said"][0]
    )


def test_two_models_of_different_parameters_live_side_by_side(report, folder):
    found = report["two_models"]
    assert found["sliders"] == [2, 0] and not found["said"]
    assert found["names"] == [
        "azimuth -30 to 90 deg, 5 trained; time 0 to 2 s, 5 trained; exposure 50 to 100, 5 trained",
        "time 0 to 2 s, 5 trained",
    ]
    lights = hinr.load(folder / "lights.hinr").generate({"azimuth": -10.0, "time": 1.0, "exposure": 99.0})
    volume = hinr.load(folder / "volume.hinr").generate(1.0)
    for name, inr in (("lights", lights), ("volume", volume)):
        np.testing.assert_allclose(np.load(folder / f"two_{name}.npy"), inr.sample_grid()[..., 0].ravel(), atol=1e-6)


def test_a_time_outside_is_the_nearest_and_said_once(report):
    assert report["outside"]["equal"]
    assert (
        len(report["outside"]["said"]) == 1 and "time -5 is outside the model's 0 to 2" in report["outside"]["said"][0]
    )


def test_a_grid_beyond_the_memory_is_refused_with_what_it_would_take(report):
    found = report["too_large"]
    assert found["points"] == [0, WHOLE] and len(found["said"]) == 1
    assert "4000 x 4000 x 4000 points with 4 number(s) each: they take 953.7 GiB" in found["said"][0]
    assert "lower Dims or choose a region of interest" in found["said"][0]


def test_compare_measures_at_the_truth_s_step_and_refuses_another_grid(report, folder):
    found = report["compare"]
    truth, model = (
        hinr.load(folder / name).generate(0.5).sample_grid()[..., 0] for name in ("volume.hinr", "other.hinr")
    )
    assert found["found"]["density PSNR (dB)"] == pytest.approx(psnr(model, truth, (-1, 3)), abs=1e-3)
    assert found["found"]["density SSIM"] == pytest.approx(ssim(model, truth, (-1, 3)), abs=1e-5)
    assert {"velocity PSNR (dB)", "velocity SSIM"} < set(found["found"]) and found["exact"] < 1e-5
    assert (
        found["points"] == 0 and len(found["said"]) == 1 and "set the Dims of the HyperINR Source" in found["said"][0]
    )


# A server without the package: without the plugin, too, the words are ParaView's; with it they are ours.

CLIENT = """
import sys
from paraview import simple
simple.Connect("localhost", int(sys.argv[1]))
try:
    source = simple.OpenDataFile(sys.argv[2])
    source.UpdatePipeline(0.3)
    print("points", source.GetDataInformation().GetNumberOfPoints())
except (AttributeError, RuntimeError) as error:
    print("error", error)
simple.Sphere().UpdatePipeline()
print("sphere", simple.GetActiveSource().GetDataInformation().GetNumberOfPoints())
"""


@pytest.mark.parametrize(
    ("known", "message"), [((), "No reader found for"), (("PV_PLUGIN_CONFIG_FILE",), "the Python package is missing")]
)
def test_a_server_without_the_package_is_said_and_both_sides_live(folder, tmp_path, known, message):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    (tmp_path / "client.py").write_text(CLIENT)
    variables = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PV_PLUGIN_CONFIG_FILE")
    }
    variables.update((name, launch.environment()[name]) for name in known)
    server = subprocess.Popen(
        launch.on_display(["pvserver", f"--server-port={port}"]),
        env=variables, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        next(line for line in server.stdout if "Accepting connection" in line)
        command = ["pvpython", str(tmp_path / "client.py"), str(port), str(folder / "volume.hinr")]
        result = launch.run_program(launch.on_display(command), TIMEOUT)
        assert message in result.stdout + result.stderr, result.stderr
        assert "sphere 50" in result.stdout and result.returncode == 0, result.stdout + result.stderr
        assert "points 0" in result.stdout or "error" in result.stdout
    finally:
        os.killpg(server.pid, 9)
        server.wait()
        server.stdout.close()
