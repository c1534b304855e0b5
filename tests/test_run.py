"""What every task gets from the one run: sparsity, a model to start from, progress, refusals, and nothing left behind."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from series import moving_blob
from small import at_iteration
from view_models import balls_database

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.cli import hyperinr
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.transfer import TransferFunction
from hyperinr_core.training.lights.task import Lights, ShadowConfig
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import preset
from hyperinr_core.training.task import Tell
from hyperinr_core.training.views.task import Views, ViewsConfig, views_preset
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.training.watch import Interrupted

FUNCTION = TransferFunction(((0, 0, 0, 0), (10, 1, 1, 1)), ((0.0, 0.0), (10.0, 0.3)), name="test")
TASKS = ("volumes", "shadow", "views")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    angles = [(60.0 * i, 30.0 * j) for i in range(6) for j in (-1, 1)]
    return open_pictures(balls_database(folder / "b.cdb", angles, size=16))


@pytest.fixture(params=TASKS)
def task(request, pictures):
    """A task of each kind, and settings that train it in a moment."""
    training = {"samples": 40_000, "batch_points": 400}
    if request.param == "views":
        settings = ViewsConfig(teacher="none", encoders=8)
        return Views(pictures, settings), views_preset("fast", pictures.grid).replace(training=training)
    config = preset("fast", moving_blob().grid).replace(
        encoding={"n_levels": 4, "n_features_per_level": 2, "log2_hashmap_size": 9}, network={"n_neurons": 16},
        training=training,
    )  # fmt: skip
    blob = moving_blob()
    if request.param == "volumes":
        return Volumes(blob, ["density"]), config
    values = blob.read(0, ["density"])[..., 0]
    return Lights(values, blob.grid, FUNCTION, ShadowConfig(lights=4, encoders=5, guide=4), "blob"), config


def test_a_sparse_model_is_small_and_says_what_it_is_worth(task, tmp_path):
    subject, config = task
    dense = train(subject, tmp_path / "dense.hinr", config)
    sparse = train(subject, tmp_path / "sparse.hinr", config.replace(training={"sparsity": 0.9}))
    assert (sparse.encoder_params == 0).mean() >= 0.89 > (dense.encoder_params == 0).mean()
    assert sum(hinr.read_header(tmp_path / "sparse.hinr")["tables"]["sizes"]) < 0.1 * sparse.encoder_params.nbytes
    loaded = hinr.load(tmp_path / "sparse.hinr")
    np.testing.assert_array_equal(loaded.encoder_params, sparse.encoder_params)
    assert loaded.quality == sparse.quality and sparse.quality["training_psnr_db"] != dense.quality["training_psnr_db"]


def test_a_run_that_starts_from_a_model_is_ahead_and_says_so(task, tmp_path):
    subject, config = task
    first = train(subject, tmp_path / "first.hinr", config)
    short = config.replace(training={"samples": 4000})
    score = {}
    for name, initial in (("cold", None), ("warm", first)):
        model = train(subject, tmp_path / f"{name}.hinr", short, initial=initial)
        score[name] = np.mean([value for values in model.quality["training_psnr_db"].values() for value in values])
    assert score["warm"] > score["cold"] and set(model.provenance["initial"]) == {"sha256", "source"}


def test_a_run_cannot_start_from_a_model_of_other_settings(task, tmp_path):
    subject, config = task
    first = train(subject, tmp_path / "first.hinr", config)
    with pytest.raises(ParameterError, match=r"the model to start from has .* n_neurons .*; expected"):
        train(subject, tmp_path / "m.hinr", config.replace(network={"n_neurons": 32}), initial=first)
    assert [path.name for path in tmp_path.iterdir()] == ["first.hinr"]


def test_a_checkpoint_is_for_the_task_s_own_settings_and_the_model_it_started_from(task, tmp_path, monkeypatch):
    subject, config = task
    first = train(subject, tmp_path / "first.hinr", config)
    output = tmp_path / "m.hinr"

    def stop(self):
        self.save_state(tmp_path / "m.hinr.checkpoint")
        raise Interrupted

    with monkeypatch.context() as patch:
        at_iteration(patch, 0, stop)
        with pytest.raises(Interrupted):
            train(subject, output, config)
    with pytest.raises(ParameterError, match="add --resume"):
        train(subject, output, config)
    with pytest.raises(DataError, match="other data or settings"):
        train(subject, output, config, resume=True, initial=first)
    if subject.settings is not None:
        other = subject.settings.replace(interpolation="idw")
        monkeypatch.setattr(subject, "settings", other)
        with pytest.raises(DataError, match="other data or settings"):
            train(subject, output, config, resume=True)


def test_a_folder_that_is_not_there_is_said_before_any_work(task, tmp_path, monkeypatch):
    subject, config = task
    monkeypatch.setattr(type(subject), "learn", lambda *_: pytest.fail("it worked"))
    with pytest.raises(DataError, match="no folder that can be written to"):
        train(subject, tmp_path / "no" / "m.hinr", config)


def test_a_setting_that_no_task_but_one_uses_is_an_error_elsewhere(task, tmp_path):
    subject, config = task
    config = config.replace(encoding={"guide_resolution": 8, "n_pos_dims": 3})
    with pytest.raises(ParameterError, match=r"encoding\.guide_resolution is 8, which this training does not use"):
        train(subject, tmp_path / "m.hinr", config)


def test_reports_come_to_whoever_listens(task, tmp_path):
    subject, config = task
    reports = []
    train(subject, tmp_path / "m.hinr", config, tell=Tell(report=reports.append))
    assert reports[-1].samples == reports[-1].total == 40_000 and reports[-1].loss > 0


@pytest.mark.parametrize("command", ["train", "train-shadow", "train-views"])
def test_every_command_that_trains_reports_to_programs(command, tmp_path, pictures):
    blob = moving_blob(n_steps=3)
    np.save(tmp_path / "blob.npy", np.stack([blob.read(step, ["density"])[..., 0] for step in range(3)]))
    (tmp_path / "c.json").write_text(json.dumps({"training": {"samples": 4000, "batch_points": 400}}))
    data = pictures.files[0].parents[1] if command == "train-views" else tmp_path / "blob.npy"
    if command == "train-views":
        data = next(parent for parent in pictures.files[0].parents if parent.suffix == ".cdb")
    options = {
        "train": ["--teacher", "none"],
        "train-shadow": ["--lights", "4", "--encoders", "4", "--guide", "4", "--opacity", "0:0,10:0.3"],
        "train-views": ["--teacher", "none", "--encoders", "8"],
    }[command]
    words = [command, data, "-o", tmp_path / "m.hinr", "--config", tmp_path / "c.json", "--progress", "json", *options]
    result = CliRunner().invoke(hyperinr, [str(word) for word in words], catch_exceptions=False)
    last = json.loads(result.stderr.splitlines()[-1])
    assert last["share"] == 1 and last["what"] == "training" and "dB" in last["text"]
    assert dataclasses.is_dataclass(hinr.load(tmp_path / "m.hinr"))
