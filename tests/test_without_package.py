"""ParaView that loads the XML and finds no Python package: it says so, and lives."""

from __future__ import annotations

import os
import shutil

import pytest
from gui import gui
from models import random_model
from servers import pvserver

from hyperinr.plugin import launch
from hyperinr_core import hinr

__all__ = ["gui"]  # the fixture

SENTENCE = "HyperINR: the Python package is missing, run `hyperinr doctor`"
BARE = ["env", "-u", "PYTHONPATH"]

SCRIPT = """
import sys
from paraview import simple
if sys.argv[2:]:
    simple.Connect("localhost", int(sys.argv[2]))
wavelet = simple.Wavelet()
wavelet.UpdatePipeline()
model = simple.OpenDataFile(sys.argv[1])
model.UpdatePipeline(0.5)
for item in (simple.HyperINRShadow(Input=wavelet), simple.HyperINRCompare(Truth=wavelet, Model=model)):
    item.UpdatePipeline()
simple.SaveData(sys.argv[1] + ".copy.hinr", wavelet)
print("lives")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "volume.hinr"
    hinr.save(random_model((9, 8, 7)), path)
    return path


def test_the_window_says_it_instead_of_ending(gui, model, tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "paraview").write_text(f'#!/bin/sh\nexec {" ".join(BARE)} {shutil.which("paraview")} "$@"\n')
    (folder / "paraview").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    window = gui(f"--data={model}")  # as somebody opens it whose ParaView was started by hand
    window.settle()
    window.wait_until(lambda: SENTENCE in window.messages(), "the sentence")
    window.button("Apply").click()
    window.wait_until(lambda: not window.button("Apply").enabled, "a window that answers")
    window.keep("without_package")
    assert window.messages().count(SENTENCE) == 1 and "ERR|" not in window.messages(), window.messages()


def check_script(found):
    """The model, each filter and the writer say it once."""
    assert found.returncode == 0 and found.stdout.split()[-1:] == ["lives"], found.stderr
    assert found.stderr.count(SENTENCE) == 4, found.stderr
    assert "Traceback" not in found.stderr and "Could not" not in found.stderr


def test_a_script_says_it_for_the_model_the_filters_and_the_writer(model):
    check_script(launch.run_program(launch.on_display([*BARE, "pvpython", "-c", SCRIPT, str(model)]), 120))


def test_a_client_is_told_what_its_server_lacks(model):
    with pvserver(1, without=("PYTHONPATH",)) as port:
        check_script(launch.run_program(launch.on_display(["pvpython", "-c", SCRIPT, str(model), str(port)]), 120))
