"""Models of pictures in ParaView: 8 bit colours, the right way up, shown as they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from view_models import VIEW, picture_model
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR

from hyperinr.filters.source import HyperINRPlaneSource
from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.pictures.picture_set import to_bytes
from hyperinr_core.volume import Parameter

SCRIPTS = Path(__file__).parent / "paraview_scripts"
TIME = Parameter("time", "time", (0.0, 2.0), "s", (0.0, 1.0, 2.0))


@pytest.mark.parametrize("n_components", [3, 4])
def test_the_source_gives_bytes_with_the_lowest_row_first(tmp_path, n_components):
    path = tmp_path / "p.hinr"
    hinr.save(picture_model((24, 16), n_components, (VIEW[0], TIME, VIEW[1]), n_encoders=1), path)
    source = HyperINRPlaneSource()
    assert source.CanReadFile(str(path))
    source.SetFileName(str(path))
    source.SetParameter1(200.0)
    source.SetParameter2(-35.0)
    source.UpdateTimeStep(0.5)
    image = source.GetOutputDataObject(0)
    assert (source.GetParameter1Name(), source.GetParameter2Name()) == ("phi 0 to 360 deg", "theta -90 to 90 deg")
    array = image.GetPointData().GetScalars()
    assert array.GetDataType() == VTK_UNSIGNED_CHAR and array.GetNumberOfComponents() == n_components
    assert array.GetName() == {3: "rgb", 4: "rgba"}[n_components]
    expected = to_bytes(hinr.load(path).generate((200.0, 0.5, -35.0)).sample_grid()[0])
    np.testing.assert_array_equal(vtk_to_numpy(array).reshape(expected.shape), expected)
    assert np.ptp(expected.astype(int)) > 20


def hyperinr_render(model, output):
    command = [sys.executable, "-m", "hyperinr.plugin.cli", "render", model, "--at", "phi=90", "--at", "theta=10"]
    return subprocess.run([*command, "-o", output, "--size", "240", "240"], capture_output=True, text=True, timeout=300)


def state_of_the_window(model, output):
    command = [launch.find_program("pvpython"), str(SCRIPTS / "pictures.py"), str(model), str(output)]
    return launch.run_program(launch.on_display(command), 180)


@pytest.mark.parametrize("show", [hyperinr_render, state_of_the_window])
def test_colours_are_shown_as_they_are_and_upright(tmp_path, show):
    hinr.save(picture_model((40, 40), n_encoders=1), tmp_path / "p.hinr")
    result = show(tmp_path / "p.hinr", tmp_path / "p.png")
    assert result.returncode == 0, result.stderr
    expected = to_bytes(hinr.load(tmp_path / "p.hinr").generate((90.0, 10.0)).sample_grid()[0])[::-1].astype(float)
    shown = np.array(Image.open(tmp_path / "p.png").convert("RGB")).astype(float)
    turned = [turn for k in range(4) for turn in (np.rot90(expected, k), np.rot90(expected, k)[:, ::-1])]
    quarters = quarters_of(shown[60:180, 60:180])  # about the middle half of the picture
    distances = [np.abs(quarters - quarters_of(picture[10:30, 10:30])).mean() for picture in turned]
    assert np.argmin(distances) == 0 and distances[0] < 25, (
        f"distances from the picture turned and mirrored: {distances}"
    )


def quarters_of(pixels, n=2):
    """(n, n, 3) mean colours of n x n parts."""
    ny, nx = (size // n for size in pixels.shape[:2])
    return pixels.reshape(n, ny, n, nx, 3).mean(axis=(1, 3))


def test_the_example_goes_round_the_scene(tmp_path):
    hinr.save(picture_model((40, 30)), tmp_path / "p.hinr")
    model = hinr.load(tmp_path / "p.hinr")
    source = (SCRIPTS.parents[1] / "examples" / "camera_goes_round.py").read_text(encoding="utf-8")
    (tmp_path / "short.py").write_text(source.replace("N_PICTURES = 72", "N_PICTURES = 3"))
    command = ["pvpython", tmp_path / "short.py", tmp_path / "p.hinr", tmp_path / "pictures"]
    result = launch.run_program(launch.on_display([str(word) for word in command]), 180)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    paths = sorted((tmp_path / "pictures").iterdir())
    assert len(paths) == 3
    low, high = model.parameters[0].bounds
    thetas = [(low + (high - low) * number / 3, sum(model.parameters[1].bounds) / 2) for number in range(3)]
    expected = [to_bytes(model.generate(theta).sample_grid()[0])[::-1].astype(float) for theta in thetas]
    shown = [np.array(Image.open(path).convert("RGB").resize((40, 30))).astype(float) for path in paths]
    distances = [[np.abs(quarters_of(found, 5) - quarters_of(true, 5)).mean() for true in expected] for found in shown]
    assert np.argmin(distances, axis=1).tolist() == [0, 1, 2], distances
