"""File > Save Data in ParaView's window: the dialog, the process that trains, and stopping it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import test_paraview
from series import moving_blob
from test_paraview import wait_for

from hyperinr.filters.recording import Recording
from hyperinr.filters.training_process import working_folders

gui = test_paraview.gui  # the fixture


@pytest.fixture
def series(tmp_path):
    blob = moving_blob(n_steps=4)
    recording = Recording(tmp_path / "blob.pvd")
    for step, time_ in enumerate(blob.thetas[:, 0]):
        recording.add_arrays(time_, {name: blob.read(step, [name]) for name in ("density", "motion")}, blob.grid)
    return recording.path


def display_of(process) -> dict[str, str]:
    """Variables for the screen that xvfb-run made for the window."""
    listed = subprocess.run(["ps", "-ewwo", "pid,pgid,args"], capture_output=True, text=True, check=True).stdout
    for pid, group, *command in (line.split() for line in listed.splitlines()):
        if group == str(process.pid) and command[0].endswith("/paraview"):
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return dict(
                item.decode().split("=", 1) for item in variables if item.startswith((b"DISPLAY=", b"XAUTHORITY="))
            )
    raise AssertionError("ParaView has no display")


def keys(display, *arguments):
    subprocess.run(["xdotool", *map(str, arguments)], env={**os.environ, **display}, check=True, timeout=20)
    time.sleep(1)


def differs_from(before):
    return lambda pixels: pixels.shape == before.shape and (pixels != before).any(axis=-1).mean() > 0.02


def test_save_data_trains_in_a_process_of_its_own_until_it_is_stopped(gui, series, tmp_path):
    output = tmp_path / "m.hinr"
    output.write_bytes(b"old")
    process, look = gui(series)
    wait_for(process, look, lambda pixels: (pixels[260:680, 360:980] > 60).any(axis=-1).mean() > 0.5)
    time.sleep(3)
    display = display_of(process)
    keys(display, "mousemove", 700, 60, "click", 1)
    before = look()
    keys(display, "key", "ctrl+s")
    wait_for(process, look, differs_from(before), 20)
    keys(display, "type", str(output))
    keys(display, "key", "Return")  # the file is there already: the next one confirms
    keys(display, "key", "Return")
    for _ in range(6):
        if working_folders(output):
            break
        keys(display, "key", "Return")
    assert working_folders(output), "no training began"
    messages = tmp_path / "messages.txt"
    wait_for(process, look, lambda pixels: "hyperinr stop" in messages.read_text(), 60)
    stop = [sys.executable, "-m", "hyperinr.plugin.cli", "stop", str(output)]
    subprocess.run(stop, check=True, timeout=60)
    deadline = time.monotonic() + 60
    while working_folders(output) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not working_folders(output) and output.read_bytes() == b"old"
    time.sleep(1)
    assert process.poll() is None, "ParaView did not survive"
