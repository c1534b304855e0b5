"""Processes that read meshes: a file that brings its reader down ends one of them, and is told of in a sentence."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hyperinr.filters.processes import apart
from hyperinr_core.errors import BackendError, DataError

#: Run by path, so that no Python needs our packages for it.
SCRIPT = Path(__file__).with_name("mesh_worker.py")

#: Seconds without an answer after which a reader counts as hanging.
PATIENCE = 1800.0


class Lacking(DataError):
    """A file that the Python which was asked has no reader for."""


class Workers:
    """As many processes as are asked at the same time, kept until the end; by one Python or by ParaView's."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._idle: list[subprocess.Popen[bytes]] = []
        self._lock = threading.Lock()
        self._states: dict[str, int] = {}
        atexit.register(self.close)

    def ask(
        self, path: Path, do: str, state: str = "", patience: float | None = None, **parameters: Any
    ) -> dict[str, Any]:
        """What a process answers; DataError when the file is broken, brings the process down or hangs it.

        Parameters
        ----------
        state : `sides.fingerprint` of the file. When it is another than before, new processes are asked: the old ones may
            have the file open.
        """
        name = str(path.absolute())
        request = {"path": name, "do": do, "with": parameters}
        if self._states.setdefault(name, hash(state)) != hash(state):
            self._states[name] = hash(state)
            self.close()
        with self._worker() as process:
            answer = _answer(process, request, path, patience or PATIENCE)
        if "lacking" in answer:
            raise Lacking(
                f"{path} is taken by no reader of {self._program}; expected a whole file of a kind that this reads, or another "
                "ParaView first on PATH that does"
            )
        if "failed" in answer:
            raise DataError(
                f"{path} cannot be read ({answer['failed']}); expected a whole, readable mesh, check or write it again"
            )
        return answer

    @contextlib.contextmanager
    def _worker(self) -> Iterator[subprocess.Popen[bytes]]:
        with self._lock:
            process = self._idle.pop() if self._idle else None
        process = process or _started(self._program)
        try:
            yield process
        except BaseException:
            _end(process)
            raise
        with self._lock:
            self._idle.append(process)

    def close(self) -> None:
        """End the processes that wait."""
        with self._lock:
            for process in self._idle:
                _end(process)
            self._idle.clear()


def _started(program: str) -> subprocess.Popen[bytes]:
    variables = {name: value for name, value in os.environ.items() if name != "PV_PLUGIN_CONFIG_FILE"}
    return subprocess.Popen(
        [program, str(SCRIPT)],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **apart(),
    )


def _answer(process: subprocess.Popen[bytes], request: dict[str, Any], path: Path, patience: float) -> dict[str, Any]:
    questions, answers = process.stdin, process.stdout
    if questions is None or answers is None:
        raise BackendError(
            "a process that reads meshes was started without pipes; expected both, `_started` asks for them"
        )
    line, is_late = b"", threading.Event()

    def stop() -> None:
        is_late.set()
        process.kill()

    timer = threading.Timer(patience, stop)
    timer.start()
    try:
        questions.write(json.dumps(request).encode() + b"\n")
        questions.flush()
        line = answers.readline()
    except OSError:  # it has ended before it was asked: a broken pipe, which Windows calls an invalid argument
        pass
    finally:
        timer.cancel()
    if line:
        return json.loads(line)
    status = process.wait()
    if is_late.is_set():
        raise DataError(
            f"{path} keeps its reader busy for more than {patience:.0f} s; expected a whole file, check or write it again"
        )
    how = signal.Signals(-status).name if status < 0 else f"status {status:#x}" if status > 255 else f"status {status}"
    raise DataError(f"{path} brings its reader down ({how}); expected a whole file, check or write it again")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in filter(None, (process.stdin, process.stdout)):
        with contextlib.suppress(OSError):  # what was not read goes nowhere
            pipe.close()


_workers: dict[str, Workers] = {}
_lock = threading.Lock()


def workers(by_paraview: bool = False) -> Workers:
    """Those of this Python, or of ParaView's; BackendError where that is not installed."""
    program = shutil.which("pvpython") if by_paraview else sys.executable
    if not program:
        raise BackendError("no pvpython is on the PATH, and only ParaView reads this; install ParaView or extend PATH")
    with _lock:
        return _workers.setdefault(program, Workers(program))
