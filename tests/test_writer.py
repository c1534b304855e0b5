"""The writer as a VTK algorithm: what it trains on, what it says, and that nothing is left of what goes wrong."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner
from series import moving_blob
from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.util.vtkConstants import VTK_STRING
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline

from hyperinr.filters import interpreter
from hyperinr.filters.image import to_image
from hyperinr.filters.writer import HyperINRWriter
from hyperinr.plugin import launch
from hyperinr.plugin.commands.stop import stop
from hyperinr_core import hinr
from hyperinr_core.training.settings import PRESETS
from hyperinr_core.training.teachers import teachers_of

BLOB = moving_blob(dims=(10, 9, 8), n_steps=5)


class Source(VTKPythonAlgorithmBase):
    """A pipeline with time: the moving blob, computed when a step is asked for."""

    def __init__(self, times=tuple(BLOB.thetas[:, 0]), spoil=None):
        super().__init__(nInputPorts=0, nOutputPorts=1, outputType="vtkImageData")
        self.times, self.spoil, self.asked = times, spoil, []

    def RequestInformation(self, request, in_info, out_info):
        info = out_info.GetInformationObject(0)
        info.Set(vtkStreamingDemandDrivenPipeline.WHOLE_EXTENT(), BLOB.grid.extent, 6)
        if self.times:
            info.Set(vtkStreamingDemandDrivenPipeline.TIME_STEPS(), self.times, len(self.times))
            info.Set(vtkStreamingDemandDrivenPipeline.TIME_RANGE(), (self.times[0], self.times[-1]), 2)
        return 1

    def RequestData(self, request, in_info, out_info):
        moment = out_info.GetInformationObject(0).Get(vtkStreamingDemandDrivenPipeline.UPDATE_TIME_STEP())
        self.asked.append(moment)
        step = int(np.argmin(abs(BLOB.thetas[:, 0] - moment)))
        arrays = {name: BLOB.read(step, [name]) for name in ("density", "motion")}
        if self.spoil is not None:
            arrays["density"][3, 2, 1] = self.spoil
        vtkImageData.GetData(out_info, 0).ShallowCopy(to_image(BLOB.grid, arrays))
        return 1


def writer_of(path, source=None, **settings):
    """A quick writer, and the list that its errors and warnings go to."""
    writer, said = HyperINRWriter(), []

    def note(caller, name, text):
        said.append(text)

    note.CallDataType = VTK_STRING
    for event in ("ErrorEvent", "WarningEvent"):
        writer.AddObserver(event, note)
    writer.source = source or Source()  # a port does not keep its algorithm alive
    writer.SetInputConnection(writer.source.GetOutputPort())
    writer.SetFileName(str(path))
    for name, value in {"Samples": 60_000, "Teacher": "none", "Preset": "fast", **settings}.items():
        getattr(writer, f"Set{name}")(value)
    return writer, said


def test_every_step_is_learnt_with_its_time_and_place(tmp_path, capfd):
    source, shares, texts = Source(), [], []
    writer, said = writer_of(tmp_path / "m.hinr", source, Samples=400_000)

    def note(caller, event):
        shares.append(caller.GetProgress())
        texts.append(caller.GetProgressText())

    writer.AddObserver("ProgressEvent", note)
    assert writer.Write() == 1 and not said
    model = hinr.load(tmp_path / "m.hinr")
    assert source.asked == list(model.parameters[0].values) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert [field.name for field in model.fields] == ["density", "motion"]
    assert model.grid == BLOB.grid
    truth = BLOB.read(2, ["density"])
    assert abs(model.generate(1.0).sample_grid()[..., :1] - truth).mean() < 0.5 * truth.std()
    assert shares == sorted(shares) and shares[-1] == 1 and len(set(shares)) > 5
    assert {text.partition("; ")[2] for text in texts} == {"to stop it: hyperinr stop m.hinr"}
    assert texts[0].startswith("reading step 1 of 5;") and re.match(r"training \d+:\d\d left;", texts[-1])
    assert max(map(len, texts)) < 70, "ParaView's bar shows one line"
    assert os.listdir(tmp_path) == ["m.hinr"]
    printed = capfd.readouterr()
    assert "dB PSNR on the training steps" in printed.out + printed.err


def test_options_reach_the_training(tmp_path):
    writer, said = writer_of(tmp_path / "m.hinr", Every=2, Seed=7, ChooseFields=1, Device="cpu", Teacher="linear")
    writer.AddField("motion")
    assert writer.Write() == 1 and not said
    model = hinr.load(tmp_path / "m.hinr")
    assert [field.name for field in model.fields] == ["motion"] and model.parameters[0].values == (0.0, 1.0, 2.0)
    assert model.provenance["training"]["seed"] == 7 and model.provenance["training"]["samples"] == 60_000
    assert model.provenance["teachers"]["motion"]["teacher"] == "linear"


def children(folder) -> list[int]:
    """Trainings in a folder that run now."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if "plugin.cli train" in line and str(folder) in line]
    return [int(line.split()[0]) for line in lines]


def stopped(tmp_path, act, event="ProgressEvent"):
    """Write over an old file with something that stops it, and what was said; nothing else may have changed."""
    path = tmp_path / "m.hinr"
    path.write_bytes(b"old")
    writer, said = writer_of(path, Samples=2_000_000_000)
    seen = []

    def watch(caller, name):
        if caller.GetProgress() > 0.3:  # the training proper is under way
            seen.extend(children(tmp_path))
            act(writer)

    writer.AddObserver(event, watch)
    assert writer.Write() == 0
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["m.hinr"]
    assert seen and not children(tmp_path)
    return said


def test_abort_ends_the_process_and_keeps_the_old_file(tmp_path):
    assert stopped(tmp_path, lambda writer: writer.SetAbortExecute(1)) == [
        f"writing {tmp_path / 'm.hinr'} was stopped, nothing was changed"
    ]


def test_the_stop_command_ends_it_from_elsewhere(tmp_path):
    results = []

    def act(writer):
        if not results:
            results.append(CliRunner().invoke(stop, [str(tmp_path / "m.hinr")]))

    said = stopped(tmp_path, act)
    assert results[0].exit_code == 0 and len(said) == 1 and "was stopped" in said[0]
    again = CliRunner().invoke(stop, [str(tmp_path / "m.hinr")])
    assert "nothing trains" in str(again.exception)


@pytest.fixture
def heard():
    """Ctrl-C is heard, also where the tests run in the background of a shell, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
def test_ctrl_c_ends_it(tmp_path):
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    said = stopped(tmp_path, lambda writer: timer.is_alive() or timer.finished.is_set() or timer.start())
    assert len(said) == 1 and "was stopped" in said[0]


def test_a_training_that_is_killed_is_an_error_and_paraview_lives(tmp_path):
    def act(writer):
        for process in children(tmp_path):
            os.kill(process, signal.SIGKILL)

    said = stopped(tmp_path, act)
    assert len(said) == 1 and "training was ended by signal 9" in said[0]


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        (Source(times=()), {}, "0 time steps"),
        (Source(), {"Every": 9}, "Every 9 leaves 1"),
        (Source(), {"ChooseFields": 1}, "fields chosen are none"),
        (Source(spoil=np.inf), {}, "inf"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, source, settings, message):
    writer, said = writer_of(tmp_path / "m.hinr", source, **settings)
    assert writer.Write() == 0
    assert len(said) == 1 and message in said[0] and "expected" in said[0] and "\n" not in said[0]
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_is_said_before_any_step_is_pulled(tmp_path):
    source = Source()
    writer, said = writer_of(tmp_path / "none" / "m.hinr", source)
    assert writer.Write() == 0 and len(said) == 1 and "cannot be written" in said[0] and not source.asked


def test_without_pytorch_the_sentence_says_what_to_install(tmp_path, monkeypatch):
    bare = tmp_path / "python3"
    # without the environment's packages, and without torch where the distribution has it
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['torch'] = None\n")
    bare.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec /usr/bin/python3 "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv(interpreter.VARIABLE, str(bare))
    writer, said = writer_of(tmp_path / "m.hinr")
    assert writer.Write() == 0 and len(said) == 1
    assert f"{bare} has no torch" in said[0] and "pip install 'hyperinr[train]'" in said[0]


def test_the_dialog_is_the_class_s():
    tree = ElementTree.parse(launch.plugin_xml())
    proxy = tree.find(".//WriterProxy[@name='HyperINRWriter']")
    assert proxy.get("class") == f"{HyperINRWriter.__module__}.{HyperINRWriter.__name__}"
    assert proxy.find("Hints/WriterFactory").get("extensions") == "hinr"
    assert proxy.find("Hints/ShowProxyDocumentationInPanel").get("type") == "description"
    assert "To stop it, type in a terminal: hyperinr stop" in proxy.findtext("Documentation")
    items = {item.get("name"): item for item in proxy if item.get("command")}
    setters = {name for name in vars(HyperINRWriter) if name.startswith("Set")} | {"AddField", "SetInputConnection"}
    assert {item.get("command") for item in items.values()} == setters
    writer = HyperINRWriter()
    before = {name: value for name, value in vars(writer).items() if name != "_settings"}, dict(writer._settings)
    for name, item in items.items():
        assert item.findtext("Documentation", "").strip(), f"{name} has no tooltip"
        if item.get("default_values") is not None:
            kind = str if item.tag == "StringVectorProperty" else int
            getattr(writer, item.get("command"))(kind(item.get("default_values")))
    after = {name: value for name, value in vars(writer).items() if name != "_settings"}, writer._settings
    assert after == before, "a default of the dialog is another than the class's"
    for name, expected in (("Preset", list(PRESETS)), ("Teacher", ["auto", "none", *teachers_of("volumes")])):
        assert [value.get("value") for value in items[name].findall("StringListDomain/String")] == expected
