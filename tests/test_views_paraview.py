"""Models of pictures in ParaView: 8 bit colours, the right way up, shown as they are."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from view_models import VIEW, picture_model
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonCore import VTK_UNSIGNED_CHAR

from hyperinr.filters.source import HyperINRPlaneSource
from hyperinr_core import hinr
from hyperinr_core.pictures import to_bytes
from hyperinr_core.volume import Parameter

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
    assert (source.GetParameter1Name(), source.GetParameter2Name()) == ("phi [deg]", "theta [deg]")
    array = image.GetPointData().GetScalars()
    assert array.GetDataType() == VTK_UNSIGNED_CHAR and array.GetNumberOfComponents() == n_components
    assert array.GetName() == {3: "rgb", 4: "rgba"}[n_components]
    expected = to_bytes(hinr.load(path).generate((200.0, 0.5, -35.0)).sample_grid()[0])
    np.testing.assert_array_equal(vtk_to_numpy(array).reshape(expected.shape), expected)
    assert np.ptp(expected.astype(int)) > 20


def test_render_shows_the_colours_themselves(tmp_path):
    model = picture_model((40, 40), n_encoders=1)
    hinr.save(model, tmp_path / "p.hinr")
    command = [
        sys.executable,
        "-m",
        "hyperinr.plugin.cli",
        "render",
        tmp_path / "p.hinr",
        "--at",
        "phi=90",
        "--at",
        "theta=10",
    ]
    result = subprocess.run(
        [*command, "-o", tmp_path / "p.png", "--size", "240", "240"], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    expected = to_bytes(hinr.load(tmp_path / "p.hinr").generate((90.0, 10.0)).sample_grid()[0])[::-1].astype(float)
    shown = np.array(Image.open(tmp_path / "p.png").convert("RGB")).astype(float)
    # the middle of both, in halves: which is up and which is left shows in their means
    for half in (np.s_[:120], np.s_[120:]):
        part = shown[half][60 if half.start is None else 0 : 120 if half.start is None else 60, 60:180].mean(
            axis=(0, 1)
        )
        rows = np.s_[8:20] if half.start is None else np.s_[20:32]
        assert np.abs(part - expected[rows, 8:32].mean(axis=(0, 1))).max() < 15
