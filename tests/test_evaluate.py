"""`hyperinr evaluate` prints, draws and writes what `measure.series` measured."""

from __future__ import annotations

import json

import mesh_files as made
import numpy as np
import pytest
from click.testing import CliRunner
from test_measure_series import TIMES, model, series, truth_at

from hyperinr.filters.readers.series import open_series
from hyperinr.plugin.commands.evaluate import evaluate, true_steps
from hyperinr_core import hinr
from hyperinr_core.measure.series import measure_series


@pytest.fixture
def files(tmp_path):
    """A saved model of one field and the .npz of its series."""
    hinr.save(model(), tmp_path / "waves.hinr")
    data = np.stack([truth_at(time, "density") for time in TIMES])
    np.savez(tmp_path / "waves.npz", density=data, time=np.array(TIMES))
    return str(tmp_path / "waves.hinr"), str(tmp_path / "waves.npz")


def test_the_command_prints_one_json_object(files):
    result = CliRunner().invoke(evaluate, [*files, "--json"], catch_exceptions=False)
    report = json.loads(result.output)
    assert list(report) == ["held_out", "trained", "steps"]
    assert report["held_out"].keys() == report["trained"].keys() == {"model", "linear", "catmull_rom"}
    assert report["steps"][1].keys() == {"theta", "trained", "model", "linear", "catmull_rom"}
    assert report == measure_series(model(), series(), ["density"])["density"]


def test_the_command_prints_a_table_and_draws_the_plot(files, tmp_path):
    plot = tmp_path / "psnr.png"
    result = CliRunner().invoke(evaluate, [*files, "--plot", str(plot)], catch_exceptions=False)
    report = measure_series(model(), series(), ["density"])["density"]
    assert "density: means over 2 held-out and 3 trained steps" in result.output
    assert f"{report['held_out']['model']['psnr']:.2f} dB" in result.output
    assert "exact" in result.output
    assert "1 steps before the first or after the last training step are left out." in result.output
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_what_is_resampled_comes_on_the_model_s_grid_and_nothing_else(tmp_path):
    reading = {"dims": None, "dtype": None, "axes": None, "duplicates": "error", "times": None}
    mesh = made.write_steps("vtkIOExodus", "vtkExodusIIWriter", tmp_path / "a.ex2", [0.0, 1.0])
    name = next(iter(open_series(mesh).field_info))
    assert true_steps((str(mesh),), [name], (5, 4, 3), reading).grid.dims == (5, 4, 3)
    assert true_steps((str(mesh),), [name], (5, 4, 3), {**reading, "dims": (6, 6, 6)}).grid.dims == (6, 6, 6)
    np.save(tmp_path / "a.npy", np.zeros((2, 7, 8, 9), np.float32))
    assert true_steps((str(tmp_path / "a.npy"),), ["value"], (5, 4, 3), reading).grid.dims == (9, 8, 7)
