"""`hyperinr doctor`: try every ParaView program with a real model and say what is missing and how to mend it."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import click

from hyperinr.filters.processes import apart, end
from hyperinr.plugin import icons, launch
from hyperinr.plugin.scenes.probe import MARK
from hyperinr_core.backends import cuda
from hyperinr_core.errors import BackendError, HyperINRError

#: Seconds that one program may take to answer.
TIMEOUT = 90.0

MENDS = {
    "python": "make the environment again from the Python that ParaView uses (Debian: /usr/bin/python3 -m venv)",
    "numpy": "install a NumPy that this ParaView knows: pip install 'numpy<2.4'",
    "package": "set what `hyperinr env` prints first, or install hyperinr normally, not editable",
    "kernel": "install hyperinr again on this machine; until then viewing uses NumPy, which is slow",
    "plugin": "read the messages above it; if they do not help, please report them",
}

#: What pip's extras bring along, as it is imported, and what for; viewing in ParaView needs none of them.
EXTRAS = {
    "train": (("torch",), "hyperinr train, train-shadow, train-views; torch backends"),
    "read": (
        ("xarray", "netCDF4", "cftime", "nibabel", "nrrd", "tifffile", "h5py"),
        "series of NetCDF, NIfTI, NRRD, TIFF, openPMD and VTKHDF files",
    ),
    "plot": (("matplotlib", "PIL"), "figures of evaluate and compare, pictures and animations"),
    "view": (("trame", "trame_client", "PIL"), "hyperinr view, models in the browser"),
    "cluster": (("distributed",), "train --bricks on a Dask cluster"),
    "rate": (("zfpy", "pysz", "hdf5plugin", "h5py"), "compressors beside ours in rate-distortion"),
    "denoise": (("pyoidn",), "render --denoiser oidn"),
}


@dataclass
class Report:
    """Lines to print, and whether the way from a file to a picture is broken."""

    lines: list[str] = field(default_factory=list)
    broken: bool = False

    def good(self, subject: str, text: str) -> None:
        self.lines.append(f"  ok   {subject:<10} {text}")

    def bad(self, subject: str, text: str, mend: str, breaks: bool) -> None:
        self.lines += [f"  {'FAIL' if breaks else 'note'} {subject:<10} {text}", f"       {'':<10} -> {mend}"]
        self.broken |= breaks


@click.command()
def doctor() -> None:
    """Say what is missing on this machine, for each ParaView program, and how to mend it.

    The exit status is 1 when models cannot be shown here.
    """
    report = Report()
    report.good("python", f"{platform.python_version()} at {sys.executable}")
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "probe.hinr")
        _small_model(path)
        for name in ("pvpython", "pvbatch"):
            _check_script_host(report, name, path)
        _check_server(report, path)
    _check_gui(report)
    _check_display(report)
    _check_extras(report)
    _check_gpu(report)
    click.echo("\n".join(report.lines))
    if report.broken:
        click.echo("Models cannot be shown here; mend what says FAIL.")
        sys.exit(1)
    click.echo("Models can be shown here.")


def _small_model(path: str) -> None:
    """A whole model with nothing learnt, so that the check goes through every part."""
    import numpy as np

    from hyperinr_core import hinr
    from hyperinr_core.architecture import Architecture
    from hyperinr_core.config import EncodingConfig, NetworkConfig
    from hyperinr_core.hypernet import HyperINR
    from hyperinr_core.volume import Field, Grid, Parameter

    architecture = Architecture(EncodingConfig(n_levels=2, log2_hashmap_size=8), NetworkConfig(16, 1), 1)
    model = HyperINR(
        architecture.encoding,
        architecture.network,
        (Parameter("time", "time", (0.0, 1.0), "", (0.0, 1.0)),),
        Grid((8, 8, 8)),
        (Field("probe", 1, ((0.0, 1.0),)),),
        np.array([[0.0], [1.0]]),
        np.ones((2, architecture.n_table), np.float16),
        np.ones(architecture.n_mlp, np.float32),
    )
    hinr.save(model, path)


def _check_script_host(report: Report, name: str, path: str) -> None:
    """pvpython is the program everything headless needs; pvbatch only clusters do."""
    try:
        program = launch.find_program(name)
        result = launch.run_program([program, "-m", "hyperinr.plugin.scenes.probe", path], TIMEOUT)
        _judge(report, name, result, _version(program), breaks=name == "pvpython")
    except HyperINRError as error:
        report.bad(name, str(error), "see the line above", breaks=name == "pvpython")


def _version(program: str) -> str:
    result = launch.run_program([program, "--version"], TIMEOUT)
    return (result.stdout + result.stderr).strip().rpartition("version ")[2].split("\n")[0]


def _judge(report: Report, name: str, result: subprocess.CompletedProcess, version: str, breaks: bool) -> None:
    """One good line about a program, or one line for each thing that its probe found wrong."""
    line = next((line for line in result.stdout.splitlines() if line.startswith(MARK)), None)
    if line is None:
        said = (result.stderr.strip().splitlines() or ["nothing"])[-1]
        report.bad(
            name, f"{version}; it ended with status {result.returncode} and said {said!r}", MENDS["package"], breaks
        )
        return
    found = json.loads(line[len(MARK) :])
    theirs = found["python"]["found"]
    if theirs.split(".")[:2] != platform.python_version().split(".")[:2]:
        found["python"] = {"ok": False, "found": f"ParaView's is {theirs}, ours is {platform.python_version()}"}
    wrong = [part for part in found if not found[part]["ok"]]
    for part in wrong:
        report.bad(name, f"{part}: {found[part]['found']}", MENDS[part], breaks and part != "kernel")
    if not wrong:
        report.good(
            name,
            f"ParaView {version}, Python {theirs}, NumPy {found['numpy']['found']}, "
            f"kernel {found['kernel']['found']}, plugin works",
        )


def _check_server(report: Report, path: str) -> None:
    try:
        program, client = launch.find_program("pvserver"), launch.find_program("pvpython")
        with _server(program) as port:
            result = launch.run_program([client, "-m", "hyperinr.plugin.scenes.probe", path, str(port)], TIMEOUT)
        _judge(report, "pvserver", result, _version(program), breaks=False)
    except HyperINRError as error:
        report.bad("pvserver", str(error), "only remote work needs it", breaks=False)


@contextmanager
def _server(program: str) -> Iterator[int]:
    """A pvserver on a free port of this machine, which is given; it goes when the block ends, or with its client."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        process = subprocess.Popen(
            [program, f"--server-port={port}"],
            env={**os.environ, **launch.environment()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            **apart(),
            cwd="/",
        )
        try:
            _wait_for(process, log)
            yield port
        finally:
            if process.poll() is None:
                end(process)
            process.wait()


def _wait_for(process: subprocess.Popen, log: IO[str]) -> None:
    """Return when the server says that it accepts connections."""
    said, deadline = "", time.monotonic() + TIMEOUT
    while "Accepting connection" not in said:
        if process.poll() is not None or time.monotonic() > deadline:
            raise BackendError(
                f"pvserver did not start and said {said.strip()[-200:]!r}; expected it to accept connections"
            )
        time.sleep(0.05)
        log.seek(0)
        said = log.read()


def _check_gui(report: Report) -> None:
    try:
        program = launch.find_program("paraview")
        report.good("paraview", f"ParaView {_version_of_gui(program)}")
        missing = icons.missing_package(program)
        if missing:
            report.bad(
                "icons",
                "Qt's plugin for SVG is missing; the window's buttons are blank",
                f"apt install {missing}",
                False,
            )
        else:
            report.good("icons", "Qt draws the window's buttons")
    except HyperINRError as error:
        report.bad("paraview", str(error), "scripts and `hyperinr render` work without it", breaks=False)


def _version_of_gui(program: str) -> str:
    """The GUI needs a display even to say its version."""
    result = launch.run_program(launch.on_display([program, "--version"]), TIMEOUT)
    return (result.stdout + result.stderr).strip().rpartition("version ")[2].split("\n")[0]


def _check_display(report: Report) -> None:
    if os.environ.get("DISPLAY") or sys.platform in launch.OWN_DISPLAY:
        report.good("display", os.environ.get("DISPLAY") or "the system's")
    elif shutil.which("xvfb-run") and shutil.which("xauth"):
        report.good("display", "none; rendering uses xvfb-run")
    else:
        report.bad("display", "DISPLAY is not set and xvfb-run is missing", "apt install xvfb xauth", breaks=True)


def _check_extras(report: Report) -> None:
    """One line for each extra of pip's: what it gives, and which of its packages are missing."""
    for extra, (modules, gives) in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        if missing:
            text = f"{', '.join(missing)} missing; would give: {gives}"
            report.bad(extra, text, f"pip install 'hyperinr[{extra}]'", breaks=False)
        else:
            report.good(extra, gives)


def _check_gpu(report: Report) -> None:
    """One line each for CUDA, Triton and tiny-cuda-nn; nothing needs them."""
    for subject, text, mend in cuda.describe():
        if mend:
            report.bad(subject, text, mend, breaks=False)
        else:
            report.good(subject, text)
