"""How ParaView programs are found, told about the plugin and run."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from hyperinr.plugin import launch
from hyperinr_core.errors import BackendError, DataError

#: A program that writes until it is ended.
BEATS = "import sys, time\nwhile True: open(sys.argv[1], 'a', encoding='utf-8').write('.'); time.sleep(0.05)"


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


def test_the_folder_links_to_what_viewing_imports_and_to_nothing_else(cache):
    folder = launch.python_folder()
    names = {"hyperinr", "hyperinr_core", "numpy", "safetensors", "scipy", "zstandard"}
    assert {item.name for item in folder.iterdir()} == names
    for name in names:
        if sys.platform == "win32":
            assert [item.name for item in (folder / name).iterdir()] == ["__init__.py"]
        else:
            assert (folder / name).resolve() == Path(importlib.import_module(name).__file__).parent.resolve(), name


def test_many_that_start_at_once_make_one_folder(cache):
    code = "from hyperinr.plugin import launch; print(launch.python_folder())"
    starts = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(6)]
    said = {start.communicate(timeout=120)[0] for start in starts}
    assert all(start.returncode == 0 for start in starts) and len(said) == 1


def test_the_folder_is_another_where_a_package_moved(cache, monkeypatch, tmp_path):
    before = launch.python_folder()
    (tmp_path / "elsewhere" / "zstandard").mkdir(parents=True)
    (tmp_path / "elsewhere" / "zstandard" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path / "elsewhere")
    monkeypatch.delitem(sys.modules, "zstandard", raising=False)
    after = launch.python_folder()
    code = "import zstandard; print(zstandard.__path__[0])"
    found = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(after)}, capture_output=True, text=True
    )
    assert after != before and Path(found.stdout.strip()).resolve() == tmp_path / "elsewhere" / "zstandard", (
        found.stderr
    )


@pytest.mark.parametrize("system", dict.fromkeys([sys.platform, "win32"]))
def test_a_python_with_the_folder_alone_shows_a_model(cache, system, monkeypatch):
    """As ParaView's does: compiled packages find the libraries that lie beside them, and the links lead on to the same."""
    code = """
import sys, numpy, scipy.spatial, safetensors, hyperinr_core
from hyperinr.plugin import launch
assert numpy.linalg.inv(numpy.eye(3)).sum() == 3
assert scipy.spatial.cKDTree([[0.0], [1.0]]).query([0.9])[1] == 1
print(*sys.path, sys.prefix == sys.base_prefix, numpy.__file__, launch.python_folder(), launch.plugin_xml(), sep="\\n")
"""
    with monkeypatch.context() as patch:
        patch.setattr(launch.sys, "platform", system)
        folder = launch.python_folder()
    program = os.path.join(sys.base_prefix, *(["python.exe"] if sys.platform == "win32" else ["bin", "python3"]))
    result = subprocess.run(
        [program, "-S", "-c", code],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        cwd="/",
    )
    *searched, alone, numpy, same, xml = result.stdout.splitlines() or [result.stderr]
    assert str(folder) in searched and not any("-packages" in each for each in searched), result.stderr
    around = Path(importlib.import_module("numpy").__file__).parent if system == "win32" else folder / "numpy"
    assert (alone, Path(numpy), same, xml) == ("True", around / "__init__.py", str(folder), str(launch.plugin_xml()))


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
        launch.python_folder()


def test_a_cache_that_cannot_be_made_is_said(cache, monkeypatch):
    (cache / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    with pytest.raises((BackendError, DataError), match="cannot be made"):
        launch.write_plugin_config()


def test_a_program_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackendError, match=r"pvpython is not on PATH.*apt install python3-paraview"):
        launch.find_program("pvpython")


@pytest.mark.skipif(sys.platform in launch.OWN_DISPLAY, reason="it draws without X")
def test_a_display_is_used_where_there_is_one(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":7")
    assert launch.on_display(["a", "b"]) == ["a", "b"]
    monkeypatch.delenv("DISPLAY")
    assert launch.on_display(["a", "b"])[0] == "xvfb-run"
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BackendError, match="install xvfb"):
        launch.on_display(["a"])


@pytest.mark.parametrize("system", launch.OWN_DISPLAY)
def test_windows_and_macos_draw_without_x(monkeypatch, system):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(launch.sys, "platform", system)
    assert launch.on_display(["a", "b"]) == ["a", "b"]


def test_a_program_runs_with_the_plugin_in_its_environment(cache):
    result = launch.run_program([sys.executable, "-c", "import os; print(os.environ['PV_PLUGIN_CONFIG_FILE'])"], 60)
    assert result.returncode == 0 and result.stdout.strip() == str(launch.write_plugin_config())


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows' taskkill ends what a process has started; Wine's does not"
)
def test_a_program_that_hangs_is_ended_with_its_children(cache, tmp_path):
    note = tmp_path / "child"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BEATS!r}, {str(note)!r}])"
    with pytest.raises(BackendError, match="did not answer within 4 s"):
        launch.run_program([sys.executable, "-c", code], 4)
    time.sleep(0.5)  # what was on its way is written
    before = note.stat().st_size
    time.sleep(1)
    assert note.stat().st_size == before > 0, "the child outlived its program"
