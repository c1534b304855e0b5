"""Settings from a file."""

from __future__ import annotations

import pytest
from small import SMALL

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.settings import with_file


def test_settings_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"training": {"samples": 5}, "network": {"n_neurons": 32}}')
    config = with_file(SMALL, path)
    assert config.training == SMALL.training.replace(samples=5) and config.network.n_neurons == 32
    path.write_text('{"training": {"sample": 5}}')
    with pytest.raises(ParameterError, match=r"unknown keys \['sample'\]"):
        with_file(SMALL, path)
