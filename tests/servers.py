"""Servers of ParaView for tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import contextmanager

from hyperinr.plugin import launch


def mpi(n: int) -> list[str]:
    return ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", str(n)]


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
