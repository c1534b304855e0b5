"""Recording a simulation while it runs, and the example that trains when it ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hyperinr.filters.readers.series import open_series
from hyperinr.filters.recording import Recording
from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

EXAMPLE = Path(__file__).parent.parent / "examples" / "in_situ.py"


def test_a_recording_is_a_series_after_each_step(tmp_path):
    recording, grid = Recording(tmp_path / "run.pvd"), Grid((4, 3, 2), (1.0, 2.0, 3.0))
    for step, time in enumerate((0.5, 0.75, 2.0)):
        recording.add_arrays(time, {"a": np.full(grid.shape, step, np.float32)}, grid)
        series = open_series(recording.path)
        assert len(series) == step + 1 and series.thetas[-1, 0] == time and series.grid == grid
        assert (series.read(step, ["a"]) == step).all()
    with pytest.raises(DataError, match="already"):
        recording.add_arrays(2.0, {"a": np.zeros(grid.shape, np.float32)}, grid)
    assert len(open_series(recording.path)) == 3


def test_a_recording_needs_a_folder_and_a_pvd(tmp_path):
    with pytest.raises(DataError, match=r"expected \.pvd"):
        Recording(tmp_path / "run.vti")
    grid = Grid((2, 2, 2))
    with pytest.raises(DataError, match="cannot be written"):
        Recording(tmp_path / "none" / "run.pvd").add_arrays(0.0, {"a": np.zeros(grid.shape, np.float32)}, grid)


def test_the_example_ends_with_a_model_of_what_was_simulated(tmp_path):
    source = EXAMPLE.read_text(encoding="utf-8")
    short = source.replace("SAMPLES = 2_000_000", "SAMPLES = 600_000")
    assert short != source
    (tmp_path / "short.py").write_text(short)
    result = launch.run_program(launch.on_display(["pvpython", str(tmp_path / "short.py"), str(tmp_path / "run")]), 150)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    model, series = hinr.load(tmp_path / "run" / "run.hinr"), open_series(tmp_path / "run" / "run.pvd")
    assert model.parameters[0].values == tuple(series.thetas[:, 0]) and len(series) == 9
    assert min(model.quality["training_psnr_db"]["dye"]) > 30
    first, last = series.read(0, ["dye"]), series.read(8, ["dye"])
    assert first.max() > 0.9 and abs(first - last).max() > 0.5, "the dye has moved"
    assert not list((tmp_path / "run").glob(".*"))
