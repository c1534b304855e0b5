"""`hyperinr train --bricks`: all bricks, one of them, and going on with those that are there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from forked import TRAINING, Forks
from series import waves

from hyperinr.plugin.brick_jobs import Parts
from hyperinr.plugin.estimates import Estimate
from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.joining import brick_path, folder_of
from hyperinr_core.volume import Grid

QUICK = {"encoding": {"n_levels": 3, "log2_hashmap_size": 8}, "training": {"samples": 50_000, "batch_points": 500}}


@pytest.fixture(scope="module")
def hyperinr(tmp_path_factory):
    """A function that runs the command in a fork of a process that has imported what it needs."""
    with Forks(tmp_path_factory.mktemp("said"), *TRAINING) as forks:
        yield lambda *arguments, variables=({},): forks.run(arguments, variables=variables)


@pytest.fixture
def folder(tmp_path):
    series = waves(dims=(20, 16, 12))
    np.save(tmp_path / "w.npy", np.stack([series.read(step, ["w"])[..., 0] for step in range(len(series))]))
    (tmp_path / "quick.json").write_text(json.dumps(QUICK))
    return tmp_path


def train(hyperinr, folder, *options, name="m.hinr", variables=({},)):
    words = ["train", folder / "w.npy", "-o", folder / name, "--carry", "never", "--teacher", "none"]
    return hyperinr(*words, "--config", folder / "quick.json", *options, variables=variables)


def test_bricks_are_trained_joined_and_read(hyperinr, folder):
    result = train(hyperinr, folder, "--bricks", "2x1x1", "--progress", "json")
    assert result.returncode == 0, result.stderr
    assert "2 bricks, 2 x 1 x 1; of each:" in result.stdout and "dB PSNR on the training steps" in result.stdout
    shown = [json.loads(line) for line in result.stderr.splitlines()]
    assert shown[-1] == {"share": 1.0, "what": "training bricks", "text": "2 of 2 done"}
    said = hyperinr("info", folder / "m.hinr").stdout
    assert "bricks 2 x 1 x 1 in m.bricks, 8 points of overlap" in said and "format version 4" in said
    document = json.loads(hyperinr("info", folder / "m.hinr", "--json").stdout)
    files = [brick_path(folder / "m.hinr", number) for number in range(2)]
    assert document["bytes"] == sum(path.stat().st_size for path in [*files, folder / "m.hinr"])
    assert hyperinr("sample", folder / "m.hinr", "--at", "time=1", "-o", folder / "v.npy").returncode == 0
    assert np.load(folder / "v.npy").shape == (12, 16, 20)
    report = json.loads(hyperinr("evaluate", folder / "m.hinr", folder / "w.npy", "--json").stdout)
    trained = document["quality"]["training_psnr_db"]["value"]
    assert report["trained"]["model"]["psnr"] == pytest.approx(np.mean(trained), abs=1)
    for words in (["compress", "-o", folder / "small.hinr"], ["rate-distortion", folder / "w.npy", "-o", folder / "r"]):
        refused = hyperinr(words[0], folder / "m.hinr", *words[1:])
        assert refused.returncode == 1 and "is an index of 2 bricks; expected a model of one file" in refused.stderr


def test_an_array_of_jobs_gives_the_same_bytes(hyperinr, folder):
    assert train(hyperinr, folder, "--bricks", "2").returncode == 0
    for number in (2, 1):
        result = train(hyperinr, folder, "--brick", f"{number}/2", name="a.hinr")
        assert result.returncode == 0 and f"join {folder}/a.hinr" in result.stdout, result.stderr
    assert not (folder / "a.hinr").exists()
    assert hyperinr("join", folder / "a.hinr").returncode == 0
    for number in range(2):
        one, other = (brick_path(folder / name, number).read_bytes() for name in ("m.hinr", "a.hinr"))
        assert one == other


def test_what_is_there_is_not_trained_again(hyperinr, folder):
    path = folder / "m.hinr"
    assert train(hyperinr, folder, "--bricks", "2").returncode == 0
    again = train(hyperinr, folder, "--bricks", "2")
    assert again.returncode == 1 and "m.bricks holds bricks already; add --resume to go on with them" in again.stderr
    kept = brick_path(path, 0).stat().st_mtime_ns
    brick_path(path, 1).write_bytes(b"half")
    path.unlink()
    result = train(hyperinr, folder, "--bricks", "2", "--resume")
    assert result.returncode == 0, result.stderr
    assert brick_path(path, 0).stat().st_mtime_ns == kept and hinr.load(path).parts == (2, "bricks")
    for changed in (["--seed", "3"], ["--every", "2"]):
        result = train(hyperinr, folder, "--bricks", "2", "--resume", *changed)
        assert (
            result.returncode == 1 and "0001.hinr was trained with other settings, steps, cuts or ver" in result.stderr
        )


def test_a_brick_that_fails_is_named_and_the_others_are_usable(hyperinr, folder):
    values = np.load(folder / "w.npy")
    values[..., 6:] = np.nan  # all that the second brick has, and a part of the first
    np.save(folder / "w.npy", values)
    result = train(hyperinr, folder, "--bricks", "2")
    assert result.returncode == 1 and "brick 2 of 2 could not be trained (2: " in result.stderr
    assert "no value but NaN" in result.stderr and f"hyperinr join {folder}/m.hinr --partial" in result.stderr
    assert hyperinr("join", folder / "m.hinr", "--partial").returncode == 0
    assert hyperinr("sample", folder / "m.hinr", "--at", "time=1", "-o", folder / "v.npy").returncode == 0
    found = np.load(folder / "v.npy")
    assert np.isnan(found[..., 6:]).all() and np.isfinite(found[..., :6]).all()


def test_cuts_that_cannot_be_are_refused_before_anything_is_made(hyperinr, folder):
    result = train(hyperinr, folder, "--bricks", "4x1x1")
    assert result.returncode == 1 and "expected at least 8, ask for at most 2 along x" in result.stderr
    assert not folder_of(folder / "m.hinr").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bricks": "2x2"}, r"--bricks is '2x2'; expected NXxNYxNZ"),
        ({"bricks": "0x1x1"}, r"--bricks is '0x1x1'"),
        ({"bricks": "many"}, r"--bricks is 'many'"),
        ({"brick": "3"}, r"--brick is '3'; expected I/N"),
        ({"brick": "0/8"}, r"--brick is '0/8'; expected I/N"),
        ({"brick": "9/8"}, r"--brick is '9/8'; expected I/N"),
        ({"bricks": "2x2x1", "brick": "1/8"}, r"--brick is 1/8 and --bricks 2x2x1; expected \.\.\./4"),
        ({"workers": 2}, "expected --bricks too"),
        ({"scheduler": "tcp://a:1"}, "expected --bricks too"),
        ({"brick": "1/2", "workers": 2}, "without --workers"),
        ({"bricks": "2", "workers": 2, "scheduler": "tcp://a:1"}, "expected one of them"),
    ],
)
def test_wrong_options_are_one_sentence(options, said):
    parts = Parts(**{"bricks": None, "brick": None, "workers": None, "scheduler": None, **options})
    with pytest.raises(ParameterError, match=said):
        parts.cuts(Grid((64, 64, 64)))


def test_cuts_are_along_the_longest_axes_or_as_asked():
    def counts(**options):
        return Parts(**{"bricks": None, "brick": None, "workers": None, "scheduler": None, **options}).cuts(GRID).counts

    assert counts(bricks="8") == (4, 2, 1) and counts(bricks="1x2x3") == (1, 2, 3) and counts(brick="3/8") == (4, 2, 1)
    assert Parts(None, None, None, None).cuts(GRID) is None and Parts(None, "3/8", None, None).number == 2


def test_no_more_workers_than_fit_into_memory(monkeypatch):
    monkeypatch.setattr("hyperinr.plugin.brick_jobs.free_memory", lambda: 7e9)
    costs = Estimate(file_bytes=1, checkpoint_bytes=1, memory_bytes=2_000_000_000)
    Parts("8", None, 3, None).check_room(costs)
    with pytest.raises(
        ParameterError, match=r"--workers is 4, .* 2 GB of memory, and 7 GB are free; expected at most 3"
    ):
        Parts("8", None, 4, None).check_room(costs)


GRID = Grid((128, 64, 32))
