"""Every module is imported by this Python, or says which library of somebody else's it lacks: old syntax, new deprecations."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import hyperinr.plugin
import hyperinr_core

#: What is no requirement of the package. ParaView's modules are in ParaView's own Python.
OPTIONAL = {"torch", "triton", "vtkmodules", "paraview", "matplotlib", "PIL", "trame", "tinycudann", "distributed"}

#: Scripts that programs run, ParaView's among them: to import them is to run them.
SCRIPTS = ("hyperinr.plugin.scenes.", "hyperinr.plugin.macros.", "hyperinr.filters.readers.mesh_worker")

CODE = """
import importlib, json, pkgutil, sys
import hyperinr, hyperinr_core
from hyperinr_core.errors import BackendError

def imported(name):
    try:
        importlib.import_module(name)
    except ImportError as error:
        return error.name
    except BackendError:  # it needs torch or a GPU, and says so
        return "torch"
    return ""

packages = [(package.__path__, package.__name__ + ".") for package in (hyperinr_core, hyperinr)]
names = [module.name for place in packages for module in pkgutil.walk_packages(*place, onerror=lambda name: None)]
json.dump({name: imported(name) for name in names if not name.startswith(tuple(sys.argv[1:]))}, sys.stdout)
"""


def test_every_module_is_imported_or_lacks_a_library_that_is_optional():
    words = [sys.executable, "-c", CODE, *SCRIPTS]
    result = subprocess.run(words, capture_output=True, text=True, timeout=300, cwd="/")
    assert result.returncode == 0, result.stderr
    lacking = json.loads(result.stdout)
    assert len(lacking) > 200 and sum(not name for name in lacking.values()) > 150
    assert {name.partition(".")[0] for name in lacking.values() if name} <= OPTIONAL


@pytest.mark.parametrize("module", [hyperinr_core, hyperinr.plugin], ids=["core", "plugin"])
def test_no_file_holds_what_this_python_warns_of(module):
    files = sorted(Path(module.__file__).parent.rglob("*.py"))
    assert len(files) > 30
    for path in files:
        compile(path.read_text(encoding="utf-8"), str(path), "exec")  # a warning is an error, as pyproject.toml has it
