"""Where a run keeps its state, what it may go on from, and what is found out before it begins."""

from __future__ import annotations

import pytest
from series import moving_blob
from small import SMALL, at_iteration, with_training

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.training import checkpoint
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.training.watch import Interrupted
from hyperinr_core.volume import VolumeSeries


def test_a_run_is_not_resumed_with_the_same_volumes_at_other_times(tmp_path, monkeypatch):
    config, path = with_training(samples=8000), tmp_path / "m.hinr"
    series = moving_blob()
    later = VolumeSeries(series.grid, [0.0, 0.5, 1.0, 1.5, 2.5], series.field_info, series.loader, series.source)

    def stopped(self):
        self.save_state(checkpoint.checkpoint_path(path))
        raise Interrupted

    with monkeypatch.context() as patch:
        at_iteration(patch, 0, stopped)
        with pytest.raises(Interrupted):
            train(Volumes(series, ["density"]), path, config)
    with pytest.raises(DataError, match="belongs to a run with other data or settings"):
        train(Volumes(later, ["density"]), path, config, resume=True)
    train(Volumes(series, ["density"]), path, config, resume=True)


def refused(**_):
    raise PermissionError("this folder is not yours")


def test_a_folder_that_cannot_be_written_to_is_found_before_the_run(tmp_path, monkeypatch):
    assert checkpoint.begin(tmp_path / "m.hinr", False) == tmp_path / "m.hinr.checkpoint"
    with pytest.raises(DataError, match="none is no folder that can be written to"):
        checkpoint.begin(tmp_path / "none" / "m.hinr", False)
    monkeypatch.setattr(checkpoint.tempfile, "TemporaryFile", refused)  # root may write anywhere
    with pytest.raises(DataError, match="is no folder that can be written to"):
        checkpoint.begin(tmp_path / "m.hinr", False)


def test_an_unfinished_run_is_overwritten_by_none_that_does_not_resume_it(tmp_path):
    path = checkpoint.checkpoint_path(tmp_path / "m.hinr")
    path.touch()
    with pytest.raises(ParameterError, match="add --resume to continue it"):
        checkpoint.begin(tmp_path / "m.hinr", False)
    assert checkpoint.begin(tmp_path / "m.hinr", True) == path


def test_damaged_checkpoint_is_named(tmp_path):
    checkpoint_path(tmp_path / "m.hinr").write_bytes(b"half")
    with pytest.raises(DataError, match="no whole checkpoint"):
        train(Volumes(moving_blob(), ["density"]), tmp_path / "m.hinr", SMALL, resume=True)
