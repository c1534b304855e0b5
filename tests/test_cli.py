"""The `hyperinr` command as a user calls it: in a process of its own, with what it prints and leaves behind."""

from __future__ import annotations

import json
import os
import signal
import string
import subprocess
import sys
import time

import numpy as np
import pytest
from carried import carried_model
from forked import TRAINING, Forks
from masked import masked_model
from models import random_model
from series import moving_blob

from hyperinr.filters.readers.series import open_series
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError

PROCESS = [sys.executable, "-m", "hyperinr.plugin.cli"]


@pytest.fixture(scope="module")
def hyperinr(tmp_path_factory):
    """A function that runs the command in a fork of a process that has imported what it needs."""
    with Forks(tmp_path_factory.mktemp("said"), *TRAINING) as forks:
        yield lambda *arguments, folder=None: forks.run(arguments, folder=folder)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A moving blob as .npy steps."""
    folder = tmp_path_factory.mktemp("series")
    blob = moving_blob(n_steps=6)
    np.save(folder / "blob.npy", np.stack([blob.read(step, ["density"])[..., 0] for step in range(len(blob))]))
    return folder / "blob.npy"


@pytest.fixture
def model(tmp_path):
    hinr.save(random_model(), tmp_path / "m.hinr")
    return tmp_path / "m.hinr"


@pytest.fixture
def quick(tmp_path):
    """Settings that train in a second."""
    path = tmp_path / "quick.json"
    path.write_text('{"training": {"samples": 100000, "batch_points": 500}, "encoding": {"n_levels": 3}}')
    return path


def test_help_names_every_command_and_imports_little():
    result = subprocess.run([*PROCESS, "--help"], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    for command in ("train", "info", "sample", "evaluate", "render", "paraview", "env", "doctor", "demo"):
        assert f"\n  {command} " in result.stdout
    headings = [line[:-1] for line in result.stdout.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options", "Train", "Look", "Measure", "Set up"]
    listed = [line for line in result.stdout.split("\nTrain:\n")[1].splitlines() if line.startswith("  ")]
    assert {line[19] for line in listed} <= set(string.ascii_uppercase) and len(listed) == 24
    code = "import sys, hyperinr.plugin.cli; print([m for m in ('numpy', 'torch', 'rich', 'vtkmodules') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_name_that_the_console_cannot_write_ends_nothing(tmp_path):
    path = tmp_path / "λ.hinr"
    hinr.save(random_model(), path)
    variables = {**os.environ, "PYTHONIOENCODING": "cp1252"}  # as a pipe has in the west of Windows
    for words, status in ((["info", path], 0), (["info", tmp_path / "Ω.hinr"], 1)):
        result = subprocess.run([*PROCESS, *words], capture_output=True, env=variables, timeout=60)
        said = (result.stdout, result.stderr)[status].decode("cp1252")
        assert result.returncode == status and ("\\u03bb", "\\u03a9")[status] in said, said


def test_train_info_sample(hyperinr, series, quick, tmp_path):
    output = tmp_path / "m.hinr"
    result = hyperinr("train", series, "-o", output, "--every", 2, "--config", quick, "--seed", 4)
    assert result.returncode == 0, result.stderr
    assert "6 steps of 16 x 14 x 12, training on 3" in result.stdout
    assert "1 steps lie before the first or after the last training step" in result.stdout
    assert "PSNR on the training steps" in result.stdout and "paraview" in result.stdout
    larger = output.stat().st_size > 4 * 16 * 14 * 12 * 3
    assert larger == ("larger than its training data" in result.stdout)
    assert "100%" in result.stderr and "left" in result.stderr
    document = json.loads(hyperinr("info", output, "--json").stdout)
    assert document["parameters"][0]["values"] == [0, 2, 4] and document["provenance"]["training"]["seed"] == 4
    assert document["bytes"] == output.stat().st_size
    assert "trained on 3 values" in hyperinr("info", output).stdout
    result = hyperinr("sample", output, "--at", "time=1.5", "--dims", 9, 8, 7, "-o", tmp_path / "v.npy")
    assert result.returncode == 0, result.stderr
    loaded = hinr.load(output)
    expected = loaded.generate(1.5).sample_grid(loaded.grid.with_dims((9, 8, 7)))[..., 0]
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), expected)


def test_train_sparse_from_another_model(hyperinr, series, quick, tmp_path):
    options = ["--config", quick, "--teacher", "none", "-o"]
    assert hyperinr("train", series, *options, tmp_path / "a.hinr").returncode == 0
    more = ["--sparsity", 0.6, "--init-from", tmp_path / "a.hinr"]
    result = hyperinr("train", series, *options, tmp_path / "b.hinr", *more)
    assert result.returncode == 0, result.stderr
    sparse = hinr.load(tmp_path / "b.hinr")
    assert np.mean(sparse.encoder_params == 0) >= 0.6
    assert sparse.provenance["training"]["sparsity"] == 0.6 and sparse.provenance["initial"]["source"] == str(series)
    (tmp_path / "other.json").write_text('{"encoding": {"n_levels": 4}}')
    result = hyperinr("train", series, "-o", tmp_path / "c.hinr", "--config", tmp_path / "other.json", *more)
    assert result.returncode == 1 and "leave --init-from out" in result.stderr and "Traceback" not in result.stderr


def test_sample_writes_vti_with_every_field(hyperinr, model, tmp_path):
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    from hyperinr.filters.image import from_image

    assert hyperinr("sample", model, "--at", "time=0.3", "-o", tmp_path / "v.vti").returncode == 0
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "v.vti"))
    reader.Update()
    grid, arrays = from_image(reader.GetOutput())
    loaded = hinr.load(model)
    assert grid == loaded.grid
    np.testing.assert_array_equal(np.squeeze(arrays["density"]), loaded.generate(0.3).sample_grid()[..., 0])


def test_interrupted_training_resumes(hyperinr, series, quick, tmp_path):
    arguments = ("train", series, "-o", tmp_path / "m.hinr", "--config", tmp_path / "long.json")
    settings = json.loads(quick.read_text())
    settings["training"]["samples"] = 6_000_000
    (tmp_path / "long.json").write_text(json.dumps(settings))
    command = [*PROCESS, *map(str, arguments)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    while "training" not in (line := process.stderr.readline()):
        assert line, "the command ended before training was under way"
    process.send_signal(signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    assert process.returncode == 130, rest
    assert "repeat the command with --resume" in rest and "Traceback" not in rest
    assert sorted(os.listdir(tmp_path)) == ["long.json", "m.hinr.checkpoint", "quick.json"]
    refused = hyperinr(*arguments)
    assert refused.returncode == 1 and "add --resume to continue it" in refused.stderr
    resumed = hyperinr(*arguments, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert sorted(os.listdir(tmp_path)) == ["long.json", "m.hinr", "quick.json"]


MISTAKES = {
    "missing series": (("train", "no.pvd", "-o", "m.hinr"), "no.pvd"),
    "missing model": (("info", "no.hinr"), "no.hinr is not there"),
    "theta outside": (("sample", "{model}", "--at", "time=7", "-o", "v.npy"), "time is 7; expected 0 to 2"),
    "no theta": (("sample", "{model}", "-o", "v.npy"), "expected one for each of"),
    "theta without a number": (("sample", "{model}", "--at", "time", "-o", "v.npy"), "expected NAME=NUMBER"),
    "unknown parameter": (("sample", "{model}", "--at", "phi=1", "-o", "v.npy"), "expected one for each of ['time']"),
    "unknown field": (("sample", "{model}", "--at", "time=1", "--field", "q", "-o", "v.npy"), "no field 'q'"),
    "unknown output": (("sample", "{model}", "--at", "time=1", "-o", "v.stl"), "ends in .vti or .npy"),
    "unknown backend": (("sample", "{model}", "--at", "time=1", "--backend", "gpu", "-o", "v.npy"), "backend is 'gpu'"),
    "output in no folder": (("sample", "{model}", "--at", "time=1", "-o", "no/v.npy"), "cannot be written"),
    "more fields than arrays": (("train", "{series}", "--field", "q", "--field", "r", "-o", "m.hinr"), "no field 'q'"),
    "nothing left to train on": (("train", "{series}", "--holdout", "0-5", "-o", "m.hinr"), "leave no step of 6"),
    "held out step that is not there": (("train", "{series}", "--holdout", "9", "-o", "m.hinr"), "expected 0 to 5"),
    "no number": (("train", "{series}", "--holdout", "x", "-o", "m.hinr"), "--holdout is 'x'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_get_one_sentence_and_leave_nothing(hyperinr, case, model, series, tmp_path):
    arguments, message = MISTAKES[case]
    folder = tmp_path / "work"
    folder.mkdir()
    result = hyperinr(*(part.format(model=model, series=series) for part in arguments), folder=folder)
    assert result.returncode == 1
    lines = result.stderr.strip().splitlines()
    assert lines[-1].startswith("hyperinr: error: ") and message in lines[-1]
    assert "Traceback" not in result.stderr
    assert os.listdir(folder) == []


def test_unknown_command_and_option(hyperinr):
    for arguments in (("fly",), ("info", "--fast", "x")):
        result = hyperinr(*arguments)
        assert result.returncode == 2 and "No such" in result.stderr


def test_training_steps():
    from hyperinr.plugin.commands.train import training_steps

    assert training_steps(10, 3, None, 0) == [0, 3, 6, 9]
    assert training_steps(10, 1, "1,3-5", 0) == [0, 2, 6, 7, 8, 9]
    half = training_steps(10, 1, "0.5", 0)
    assert len(half) == 5 and half[0] == 0 and half[-1] == 9
    assert half == training_steps(10, 1, "0.5", 0)
    with pytest.raises(ParameterError, match="names the range 10-3; expected the smaller number first"):
        training_steps(20, 1, "1,10-3", 0)
    with pytest.raises(ParameterError, match="share 1"):
        training_steps(10, 1, "1.0", 0)


def test_progress_lines_are_few(monkeypatch, capsys):
    from types import SimpleNamespace

    from hyperinr.plugin import progress

    monkeypatch.setattr(sys.stderr, "isatty", lambda: False)
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with progress.training_progress() as report:
        for i in range(1, 101):
            now[0] = i
            report(SimpleNamespace(samples=i, total=100, loss=0.1, psnr=20.0, seconds_left=100 - i))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and "0:99" not in lines[0] and lines[0].endswith("1:39 left")


def test_masked_points_are_nan_where_they_are_written_and_their_share_is_said(hyperinr, tmp_path):
    model = masked_model()
    hinr.save(model, tmp_path / "m.hinr")
    for name in ("s.npy", "s.vti"):
        result = hyperinr("sample", tmp_path / "m.hinr", "--at", "time=0.5", "-o", tmp_path / name)
        assert result.returncode == 0, result.stderr
    truth = np.isnan(model.generate(0.5).sample_grid()[..., 0])
    np.testing.assert_array_equal(np.isnan(np.load(tmp_path / "s.npy")), truth)
    np.testing.assert_array_equal(np.isnan(open_series([tmp_path / "s.vti"]).read(0, ["density"])[..., 0]), truth)
    assert f", {truth.mean():.1%} masked" in hyperinr("info", tmp_path / "m.hinr").stdout


def test_info_tells_of_the_motion(hyperinr, tmp_path):
    hinr.save(carried_model(anchored=True), tmp_path / "m.hinr")
    hinr.save(random_model(), tmp_path / "still.hinr")
    text = hyperinr("info", tmp_path / "m.hinr").stdout
    assert "training steps carried along a motion traced through the data's velocity, 0.0" in text
    assert "carried" not in hyperinr("info", tmp_path / "still.hinr").stdout
    document = json.loads(hyperinr("info", tmp_path / "m.hinr", "--json").stdout)
    assert 0 < document["motion_bytes"] < document["bytes"] and document["motion"]["anchored"] == [True]
