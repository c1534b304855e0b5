"""Servers of ParaView for tests."""

from __future__ import annotations

import functools
import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

from hyperinr.plugin import launch
from hyperinr_core.files import replacing

BUILD = Path(__file__).resolve().parents[1] / "build"

#: Ranks that wait for others spin, which takes the processors from whoever has work. Open MPI can only have them yield.
SLEEP = 'extern "C" int usleep(unsigned);\nextern "C" int sched_yield() { return usleep(200); }\n'


def mpi(n: int) -> list[str]:
    """The beginning of a command that runs in so many ranks, which sleep where they would yield."""
    options = ["--allow-run-as-root", "--oversubscribe", "--mca", "mpi_yield_when_idle", "1"]
    return ["mpirun", *options, "-x", f"LD_PRELOAD={sleeping()}", "-np", str(n)]


@functools.cache
def sleeping() -> Path:
    """The library that has them sleep."""
    BUILD.mkdir(exist_ok=True)
    with replacing(BUILD / "sleeping.so") as part:
        subprocess.run(["g++", "-shared", "-fPIC", "-x", "c++", "-", "-o", part], input=SLEEP, text=True, check=True)
    return BUILD / "sleeping.so"


@contextmanager
def pvserver(n_ranks: int, without: tuple[str, ...] = ()):
    """The port of a pvserver of so many ranks.

    Parameters
    ----------
    without : variables that it does not get.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, **launch.environment()}
    for name in without:
        del environment[name]
    process = subprocess.Popen(
        launch.on_display([*mpi(n_ranks), "pvserver", f"--server-port={port}"]),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    try:
        for line in process.stdout:
            if "Accepting connection" in line or time.monotonic() > deadline:
                break
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
