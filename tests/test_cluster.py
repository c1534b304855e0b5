"""Bricks on a Dask cluster of this machine: workers that die, runs that are stopped, workers that would train something else."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import threading

import numpy as np
import pytest
from series import waves
from small import SMALL

from hyperinr.filters.readers.series import open_series
from hyperinr.plugin import cluster
from hyperinr.plugin.brick_jobs import Job, begin
from hyperinr.plugin.cluster import check, connected, train_on
from hyperinr_core import __version__, hinr
from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import BackendError, DataError, ParameterError
from hyperinr_core.joining import join
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.watch import Interrupted

CUTS = Cuts((20, 16, 12), (2, 1, 1), 4)


@pytest.fixture(scope="module")
def client():
    with connected(None, 2) as client:
        yield client


@pytest.fixture
def job(tmp_path):
    """Two bricks that take a few seconds each."""
    series = waves(dims=(20, 16, 12))
    np.save(tmp_path / "w.npy", np.stack([series.read(step, ["w"])[..., 0] for step in range(len(series))]))
    settings = SMALL.replace(motion={"carry": "never"}, training={"samples": 10_000_000})
    return Job(
        (str(tmp_path / "w.npy"),), (), "none", {}, tmp_path / "kept", tuple(range(5)), settings, CUTS,
        tmp_path / "m.hinr", "cpu",
    )  # fmt: skip


class Heard:
    """What workers told; the first time that one is on its way, something is done, in a thread of its own."""

    def __init__(self, act=lambda number: None):
        self.told, self.done, self._act, self._has_acted = [], [], act, False

    def __call__(self, number, share):
        self.told.append((number, share))
        if 0 < share < 1 and not self._has_acted:
            self._has_acted = True
            threading.Thread(target=self._act, args=(number,)).start()

    def finished(self, number):
        self.done.append(number)


def test_a_worker_that_dies_has_its_brick_done_again(client, job):
    killed = []

    def kill_who_is_at_it(number):
        address = next(address for address, tasks in client.processing().items() if tasks)
        killed.append(client.run(os.getpid, workers=[address])[address])
        os.kill(killed[0], signal.SIGKILL)

    heard = Heard(kill_who_is_at_it)
    assert train_on(client, job, begin(job, open_series(job.series), False), heard) == {}
    assert killed and sorted(heard.done) == [0, 1]
    begun = [number for number, share in heard.told if share == 0]
    assert len(begun) == 3 and set(begun) == {0, 1}  # one of them twice
    join(job.output)
    assert hinr.load(job.output).parts == (2, "bricks")
    assert begin(job, open_series(job.series), True) == []


def test_a_run_that_is_stopped_keeps_its_state_and_goes_on(client, job):
    heard = Heard(lambda number: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(Interrupted):
        train_on(client, job, begin(job, open_series(job.series), False), heard)
    kept = [number for number in range(2) if checkpoint_path(job.path(number)).exists()]
    assert kept and not any(job.path(number).exists() for number in kept)
    again = Heard()
    assert train_on(client, job, begin(job, open_series(job.series), True), again) == {}
    assert (
        min(share for number, share in again.told if number == kept[0] and share > 0) > 0.02
    )  # not from the beginning
    join(job.output)


def test_a_brick_that_fails_is_named_and_the_others_are_done(client, job):
    begin(job, open_series(job.series), False)
    job.path(1).mkdir()  # its place is taken
    failed = train_on(client, job, [0, 1], Heard())
    assert list(failed) == [1] and "0002.hinr cannot be written" in failed[1] and "\n" not in failed[1]
    assert job.path(0).is_file()


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (
            ModuleNotFoundError("No module named 'hyperinr'"),
            ParameterError,
            "cannot train .No module named 'hyperinr'.; exp",
        ),
        (("0.0.9", True), ParameterError, f"has hyperinr 0.0.9; expected {__version__}"),
        ((__version__, False), DataError, "does not see the folder"),
    ],
)
def test_workers_that_would_train_something_else_are_refused(answer, kind, said):
    check({"tcp://a:1": (__version__, True)})
    with pytest.raises(kind, match=f"^worker tcp://b:2 {said}"):
        check({"tcp://a:1": (__version__, True), "tcp://b:2": answer})


def test_nothing_is_trained_before_all_workers_are_known_to_be_right(client, job):
    with pytest.raises(DataError, match="does not see the folder"):
        train_on(client, job, [0], Heard())
    begin(job, open_series(job.series), False)
    other = dataclasses.replace(job, version="0.0.9")  # as a worker that came later has it
    assert "expected 0.0.9" in train_on(client, other, [0], Heard())[0]


def test_without_dask_or_a_scheduler_it_says_what_to_do(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with (
        pytest.raises(BackendError, match=r"no worker of tcp://127\.0\.0\.1:1 answers within 1 s"),
        connected("tcp://127.0.0.1:1", None),
    ):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BackendError, match=r"pip install 'hyperinr\[cluster\]'"), connected(None, 2):
        pass
