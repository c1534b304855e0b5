"""Commands in forks of one process that has imported what they need, so that Python and PyTorch start once for many of them.

Each has its own arguments, folder, variables, output and exit status, and can be killed; what is forked has not run anything.
Windows knows no forks, and every command starts anew.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path

#: What the command line is, and what a training imports.
COMMAND = "from hyperinr.plugin.cli import main; main()"
TRAINING = ("torch", *(f"hyperinr_core.training.{what}.task" for what in ("volumes", "lights", "views")))


class Forks:
    """A process to fork.

    Parameters
    ----------
    folder : where what is said is kept.
    modules : what it imports at its start.
    """

    def __init__(self, folder: Path, *modules: str) -> None:
        self._said = [folder / "stdout.txt", folder / "stderr.txt"]
        self._server = None
        if not hasattr(os, "fork"):
            return
        command = [sys.executable, __file__, *modules]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_) -> None:
        if self._server is None:
            return
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()

    def run(self, words, code=COMMAND, folder=None, variables=({},), kill_after=600) -> subprocess.CompletedProcess:
        """Run code with some arguments, in as many processes as there are sets of variables; kill them after so many seconds.

        The status is that of the first process that failed; what all of them say is together.
        """
        words = [str(word) for word in words]
        if self._server is None:
            return anew(words, code, folder, variables, kill_after)
        job = {"code": code, "words": words, "folder": str(folder or Path.cwd()), "said": [*map(str, self._said)]}
        self._server.stdin.write(json.dumps({**job, "variables": variables}).encode() + b"\n")
        children = json.loads(self._server.stdout.readline())
        if not select.select([self._server.stdout], [], [], kill_after)[0]:
            for child in children:
                with contextlib.suppress(ProcessLookupError):  # it may just have ended
                    os.kill(child, signal.SIGKILL)
        statuses = json.loads(self._server.stdout.readline())
        status = next((status for status in statuses if status), 0)
        return subprocess.CompletedProcess(words, status, *(path.read_text() for path in self._said))


def anew(words, code, folder, variables, kill_after) -> subprocess.CompletedProcess:
    """The same without forks."""
    said, processes = {"encoding": "utf-8", "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}, []
    for added in variables:
        found = {**os.environ, "PYTHONIOENCODING": "utf-8", **added}
        processes.append(subprocess.Popen([sys.executable, "-c", code, *words], cwd=folder, env=found, **said))
    texts = []
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(kill_after)
        process.kill()
        texts.append(process.communicate())
    status = next((process.returncode for process in processes if process.returncode), 0)
    return subprocess.CompletedProcess(words, status, *("".join(text) for text in zip(*texts)))


def work(job: dict, variables: dict[str, str]) -> None:
    """Run what was asked for and end."""
    for number, path in enumerate(job["said"], 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    os.chdir(job["folder"])
    os.environ.update(variables)
    sys.argv = ["hyperinr", *job["words"]]
    status = 0
    try:
        exec(job["code"], {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code or 0
        if isinstance(status, str):  # a last sentence
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        status = 1
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    os._exit(status)  # taking all the modules apart would take longer than most commands


def serve() -> None:
    """Read jobs as lines of JSON; answer with the numbers of their processes, and with their exit statuses."""
    for line in sys.stdin:
        job = json.loads(line)
        for path in job["said"]:
            Path(path).write_text("")
        children = []
        for variables in job["variables"]:
            child = os.fork()
            if child == 0:
                work(job, variables)
            children.append(child)
        print(json.dumps(children), flush=True)
        print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]), flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    serve()
