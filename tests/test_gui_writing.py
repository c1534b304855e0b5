"""File > Save Data in ParaView's window: the dialog, the process that trains, and stopping it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from gui import gui, view_of
from series import moving_blob

from hyperinr.filters.recording import Recording
from hyperinr.filters.training_process import working_folders

__all__ = ["gui"]  # the fixture


@pytest.fixture
def series(tmp_path):
    blob = moving_blob(n_steps=4)
    recording = Recording(tmp_path / "blob.pvd")
    for step, time_ in enumerate(blob.thetas[:, 0]):
        recording.add_arrays(time_, {name: blob.read(step, [name]) for name in ("density", "motion")}, blob.grid)
    return recording.path


def test_save_data_trains_in_a_process_of_its_own_until_it_is_stopped(gui, series, tmp_path):
    output = tmp_path / "m.hinr"
    output.write_bytes(b"old")
    window = gui(f"--data={series}", apply=True)
    window.settle()
    window.wait_for(lambda pixels: (view_of(pixels) > 60).any(axis=-1).mean() > 0.5, "the view")
    time.sleep(3)
    window.press("ctrl+s")
    window.button("OK")
    window.do("type", output)
    window.press("Return")
    window.button("Yes").click()  # the file is there already
    window.widget(lambda widget: "To stop it, type in a terminal: hyperinr stop" in widget.name, "how to stop, before")
    window.button("OK").click()  # of the writer's settings
    window.wait_until(lambda: working_folders(output), "a training")
    window.wait_until(lambda: "hyperinr stop" in window.messages(), "how to stop")
    stop = [sys.executable, "-m", "hyperinr.plugin.cli", "stop", str(output)]
    subprocess.run(stop, check=True, timeout=60)
    deadline = time.monotonic() + 60
    while working_folders(output) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not working_folders(output) and output.read_bytes() == b"old"
    time.sleep(1)
    assert window.process.poll() is None, "ParaView did not survive"
