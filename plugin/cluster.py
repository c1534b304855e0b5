"""Bricks on a Dask cluster: one at a time on each worker, done again elsewhere where a worker dies."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hyperinr_core import __version__
from hyperinr_core.errors import BackendError, DataError, ParameterError
from hyperinr_core.joining import folder_of

if TYPE_CHECKING:
    from distributed import Client, Future

    from hyperinr.plugin.brick_jobs import Job, Shares
    from hyperinr_core.training.task import Report

#: What workers tell on how far they are, and the name of what tells them to stop.
TOPIC, STOP = "hyperinr", "hyperinr-stop"

#: Seconds for the scheduler to answer, for workers to come, and for them to keep their state when they are to stop.
PATIENCE, STOPPING = 30, 60

#: One brick at a time in a process: the kernel has one team of threads.
_AT_WORK = threading.Lock()


@contextlib.contextmanager
def connected(scheduler: str | None, n_workers: int | None) -> Iterator[Client]:
    """A client of a cluster, or of one of processes of this machine, which share its processors.

    Raises
    ------
    BackendError without Dask, or where no scheduler or worker answers.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise BackendError(
            "Dask is not installed, which runs bricks on several workers; install it with: pip install 'hyperinr[cluster]'"
        ) from None
    logging.getLogger("distributed").setLevel(logging.ERROR)  # that workers come and go is told by progress
    with contextlib.ExitStack() as stack:
        address: Any = scheduler
        if scheduler is None:
            n_threads = max(1, (os.cpu_count() or 1) // (n_workers or 1))
            environment = {"HYPERINR_NUM_THREADS": str(n_threads), **os.environ}
            with _deaf():
                cluster = LocalCluster(
                    n_workers=n_workers, threads_per_worker=1, memory_limit=None, dashboard_address=None, env=environment,
                    silence_logs=logging.CRITICAL,
                )  # fmt: skip
            address = stack.enter_context(cluster)
        try:
            client = stack.enter_context(Client(address, timeout=PATIENCE))
            client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, TimeoutError, ValueError) as error:
            raise BackendError(
                f"no worker of {scheduler or 'this machine'} answers within {PATIENCE} s ({error}); expected a Dask scheduler "
                "with workers, start them or check the address"
            ) from None
        yield client


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Let processes begin that do not hear Ctrl-C: this one tells them, and they keep their state first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def train_on(client: Client, job: Job, numbers: list[int], shares: Shares) -> dict[int, str]:
    """Train bricks on the workers of a cluster.

    Returns
    -------
    Why bricks failed, by their numbers; what others did is kept.

    Raises
    ------
    ParameterError for workers of another version, DataError for those that do not see the files, before anything is trained;
    Interrupted when the run was stopped, with what was done kept.
    """
    from distributed import Event

    from hyperinr_core.training.watch import Interrupted, StopRequest

    check(client.run(_about, str(folder_of(job.output)), on_error="return"))
    client.subscribe_topic(TOPIC, lambda event: shares(*event[1]["brick"]))
    stop = Event(STOP, client=client)
    stop.clear()  # of a run that was stopped before
    waiting = list(reversed(numbers))
    running: dict[Future, int] = {}
    failed: dict[int, str] = {}
    with StopRequest() as asked:
        while (waiting or running) and not asked.asked:
            while waiting and len(running) < max(1, len(client.scheduler_info(n_workers=-1)["workers"])):
                number = waiting.pop()
                running[client.submit(_train, job, number, pure=False)] = number
            for future in [future for future in running if future.done()]:
                number, reason = running.pop(future), _failure(future)
                shares.finished(number)
                if reason:
                    failed[number] = reason
            time.sleep(0.1)
    if asked.asked:
        stop.set()
        _settle(running)
        raise Interrupted()
    return failed


def check(answers: Mapping[str, Any]) -> None:
    """Raise ParameterError, or DataError, for a worker that would train something else, by what `_about` gave of each."""
    for address, answer in answers.items():
        if isinstance(answer, Exception):
            raise ParameterError(
                f"worker {address} cannot train ({answer}); expected hyperinr {__version__} there, install it on all workers"
            )
        version, sees = answer
        if version != __version__:
            raise ParameterError(
                f"worker {address} has hyperinr {version}; expected {__version__}, as here, install the same on all workers"
            )
        if not sees:
            raise DataError(
                f"worker {address} does not see the folder of the bricks; expected a file system that all workers share"
            )


def _about(folder: str) -> tuple[str, bool]:
    """In a worker: its version, and whether it sees a folder."""
    import hyperinr_core.training.run  # noqa: F401 - what it will need

    return __version__, Path(folder).is_dir()


def _train(job: Job, number: int) -> bool:
    """In a worker: train a brick; whether it was not stopped."""
    from hyperinr_core.training.task import Tell
    from hyperinr_core.training.watch import Interrupted

    if job.version != __version__:  # of a worker that came later
        raise ParameterError(f"this worker has hyperinr {__version__}; expected {job.version}")
    with _AT_WORK:
        _told(number, 0.0)
        try:
            job.train(number, Tell(report=partial(_reported, number)))
        except Interrupted:
            return False
    return True


def _reported(number: int, report: Report) -> bool:
    """In a worker: tell of a brick; whether it shall stop."""
    from distributed import Event, get_client

    _told(number, report.samples / report.total)
    return Event(STOP, client=get_client()).is_set()


def _told(number: int, share: float) -> None:
    from distributed import get_worker

    get_worker().log_event(TOPIC, {"brick": (number, share), "pid": os.getpid()})


def _failure(future: Future) -> str:
    """Why a brick has failed, in one line; nothing where it has not."""
    error = future.exception()
    if error is None:
        return "" if future.result() else "it was stopped"
    return " ".join(str(error).split())[:400] or type(error).__name__


def _settle(running: Mapping[Future, int]) -> None:
    """Wait until workers have kept the state of what they are at."""
    end = time.monotonic() + STOPPING
    with contextlib.suppress(KeyboardInterrupt):  # the second one does not wait
        while time.monotonic() < end and not all(future.done() for future in running):
            time.sleep(0.1)
