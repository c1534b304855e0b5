"""Settings from a file."""

from __future__ import annotations

import pytest
from small import SMALL

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.settings import preset, with_file
from hyperinr_core.volume import Grid


def test_settings_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"training": {"samples": 5}, "network": {"n_neurons": 32}}')
    config = with_file(SMALL, path)
    assert config.training == SMALL.training.replace(samples=5) and config.network.n_neurons == 32
    path.write_text('{"training": {"sample": 5}}')
    with pytest.raises(ParameterError, match=r"unknown keys \['sample'\]"):
        with_file(SMALL, path)


def test_a_gpu_s_batch_has_more_steps_unless_it_is_given(tmp_path):
    path, grid = tmp_path / "c.json", Grid((8, 8, 8))
    on_cpu, on_gpu = (preset("fast", grid, device).training for device in ("cpu", "cuda"))
    assert on_gpu.batch_steps > on_cpu.batch_steps and on_gpu.samples == on_cpu.samples
    assert preset("fast", grid).training == on_cpu
    path.write_text('{"training": {"batch_points": 500}}')
    given = with_file(preset("fast", grid, "cuda"), path).training
    assert (given.batch_steps, given.batch_points) == (on_gpu.batch_steps, 500)
