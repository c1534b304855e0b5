"""Which Python trains for ParaView."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hyperinr.filters import interpreter


def test_a_python_is_asked_only_for_what_the_package_imports():
    folders = [Path(__file__).parents[1] / name for name in ("plugin", "filters", "hyperinr_core")]
    sources = [path.read_text(encoding="utf-8") for folder in folders for path in folder.rglob("*.py")]
    imported = {name for source in sources for name in re.findall(r"^ *(?:from|import) (\w+)", source, re.MULTILINE)}
    assert {name.split(".")[0] for name in interpreter.NEEDED} <= imported | {"hyperinr", "hyperinr_core"}


def test_pythons_of_windows_are_where_they_are_there(tmp_path, monkeypatch):
    """Of ParaView's Python this is a virtual environment's and one without: PREFIX, or its Scripts."""
    home = tmp_path / "Lib" / "site-packages"
    for folder in (tmp_path, tmp_path / "Scripts"):
        folder.mkdir(exist_ok=True)
        (folder / "python.exe").touch(mode=0o755)
    monkeypatch.delenv(interpreter.VARIABLE, raising=False)
    monkeypatch.setattr(interpreter, "_home", lambda: home)
    monkeypatch.setattr(interpreter.sys, "platform", "win32")
    found = list(interpreter._candidates())
    assert str(tmp_path / "python.exe") in found and str(tmp_path / "Scripts" / "python.exe") in found


def test_a_python_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv(interpreter.VARIABLE, "/no/python")
    with pytest.raises(Exception, match=r"no Python 3\.\d+ was found"):
        interpreter.find_python()
