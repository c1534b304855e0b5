"""`hyperinr train` as a process of its own, so that whatever becomes of it, ParaView goes on."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hyperinr.filters.interpreter import environment
from hyperinr.filters.processes import apart, end
from hyperinr_core.errors import DataError, HyperINRError

#: Seconds between two looks at whether somebody wants to stop.
LOOK_SECONDS = 0.2

#: Seconds that a training may take to end by itself.
END_SECONDS = 10.0

#: A file of this name in the working folder ends the training: `hyperinr stop` makes it.
STOP = "stop"

#: What `hyperinr` says before an error.
ERROR = "hyperinr: error: "


@contextlib.contextmanager
def working_folder(output: str | os.PathLike) -> Iterator[Path]:
    """A folder beside the model-to-be for all that training needs; it vanishes with the block.

    Raises
    ------
    DataError when it cannot be made.
    """
    output = Path(output)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{output.name}.", suffix=".training", dir=output.parent) as folder:
            yield Path(folder)
    except OSError as error:
        raise DataError(
            f"{output} cannot be written ({error.strerror or error}); expected a folder that exists, is writable and has "
            "room for the training series, nothing was changed"
        ) from error


def working_folders(output: str | os.PathLike) -> list[Path]:
    """The folders of trainings that are under way for a model."""
    output = Path(output)
    return sorted(output.parent.glob(f".{output.name}.*.training"))


def train(
    python: str,
    series: Path,
    output: Path,
    options: list[str],
    progress: Callable[[float, str, str], Any],
    look: Callable[[], Any],
) -> str:
    """Run `hyperinr train` to its end and return what it printed.

    Parameters
    ----------
    python : the interpreter, from `find_python`.
    progress : called with the share of a part that is done, the part's name, and figures.
    look : called five times a second; what it raises stops the training, of which no process is left then.

    Raises
    ------
    HyperINRError with the sentence that a failed training ended with.
    """
    command = [python, "-m", "hyperinr.plugin.cli", "train", str(series), "-o", str(output)]
    process = subprocess.Popen(
        [*command, "--progress", "json", *options], env=environment(), cwd=output.parent, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", **apart(),
    )  # fmt: skip
    said = _Said(process)
    try:
        while process.poll() is None:
            look()
            said.wait(LOOK_SECONDS)
            if said.latest:
                progress(*said.latest)
    finally:
        _end(process)
        said.finish()
    if process.returncode:
        raise HyperINRError(said.reason(process.returncode))
    return "".join(said.output)


class _Said:
    """What the process writes: threads read it, because a pipe that is full would hold the process up."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.latest: tuple[float, str, str] | None = None
        self.output: list[str] = []
        self._errors: list[str] = []
        self._news = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, args=(stream, take), daemon=True)
            for stream, take in ((process.stdout, self.output.append), (process.stderr, self._note))
        ]
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> None:
        """Until there is news, so many seconds at most."""
        self._news.wait(seconds)
        self._news.clear()

    def finish(self) -> None:
        """Read to the end."""
        for thread in self._threads:
            thread.join()

    def reason(self, code: int) -> str:
        """Why the process failed, in a sentence: its own, or its last words."""
        own = [line[len(ERROR) :] for line in self._errors if line.startswith(ERROR)]
        if own:
            return own[-1].strip()
        last = self._errors[-1].strip() if self._errors else "it said nothing"
        how = f"was ended by signal {-code}" if code < 0 else f"ended with status {code}"
        return f"training {how} ({last}); expected it to reach its end, run `hyperinr train` on the saved series to see more"

    def _read(self, stream: Any, take: Callable[[str], Any]) -> None:
        with stream:
            for line in stream:
                take(line)
                self._news.set()

    def _note(self, line: str) -> None:
        try:
            news = json.loads(line)
            self.latest = (float(news["share"]), str(news["what"]), str(news["text"]))
        except (ValueError, KeyError, TypeError):
            self._errors.append(line)


def _end(process: subprocess.Popen) -> None:
    """Nothing of the process is left: asked first, so that its own children end well, then killed."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_SECONDS)
    end(process)
    process.wait()
