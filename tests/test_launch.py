"""How ParaView programs are found, told about the plugin and run."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hyperinr.plugin import launch
from hyperinr_core.errors import BackendError, DataError


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("PV_PLUGIN_CONFIG_FILE", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return tmp_path


def test_the_config_names_the_plugin_and_is_written_once(cache):
    path = launch.write_plugin_config()
    plugin = ElementTree.parse(path).find("Plugin")
    assert Path(plugin.get("filename")).is_file() and plugin.get("auto_load") == "1"
    before = path.stat().st_mtime_ns
    assert launch.write_plugin_config() == path and path.stat().st_mtime_ns == before
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    path.write_text("half")
    assert ElementTree.parse(launch.write_plugin_config()).find("Plugin") is not None


def test_folders_hold_what_viewing_imports(cache):
    folders = launch.python_folders()
    assert len(folders) == len(set(folders))
    for name in ("hyperinr/filters/source.py", "hyperinr_core/hinr.py", "numpy", "safetensors"):
        assert any((folder / name).exists() for folder in folders), name


def test_variables_come_before_the_user_s_and_are_not_repeated(cache, monkeypatch):
    ours = launch.environment()
    for name, value in ours.items():
        monkeypatch.setenv(name, f"/mine{os.pathsep}{value}")
    again = launch.environment()
    assert {name: value.split(os.pathsep) for name, value in again.items()} == {
        name: [*value.split(os.pathsep), "/mine"] for name, value in ours.items()
    }


def test_an_editable_install_is_refused(cache, monkeypatch):
    monkeypatch.setattr(launch, "__file__", str(cache / "checkout" / "plugin" / "launch.py"))
    with pytest.raises(BackendError, match="editable install"):
        launch.python_folders()


def test_a_cache_that_cannot_be_made_is_said(cache, monkeypatch):
    (cache / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    with pytest.raises((BackendError, DataError), match="cannot be made"):
        launch.write_plugin_config()


def test_a_program_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackendError, match=r"pvpython is not on PATH.*apt install python3-paraview"):
        launch.find_program("pvpython")


def test_a_display_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":7")
    assert launch.on_display(["a", "b"]) == ["a", "b"]
    monkeypatch.delenv("DISPLAY")
    assert launch.on_display(["a", "b"])[0] == "xvfb-run"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackendError, match="install xvfb"):
        launch.on_display(["a"])


def test_a_program_runs_with_the_plugin_in_its_environment(cache):
    result = launch.run_program([sys.executable, "-c", "import os; print(os.environ['PV_PLUGIN_CONFIG_FILE'])"], 60)
    assert result.returncode == 0 and result.stdout.strip() == str(launch.write_plugin_config())


def test_a_program_that_hangs_is_ended_with_its_children(cache, tmp_path):
    note = tmp_path / "child"
    with pytest.raises(BackendError, match="did not answer within 2 s"):
        launch.run_program(["sh", "-c", f"sleep 600 & echo $! > {note}; wait"], 2)
    child = int(note.read_text())
    for _ in range(100):  # it is somebody else's to reap
        if not Path(f"/proc/{child}").exists() or "\nState:\tZ" in Path(f"/proc/{child}/status").read_text():
            break
        time.sleep(0.05)
    else:
        raise AssertionError("the child outlived its program")
