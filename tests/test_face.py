"""What `import hyperinr_core` gives: the names that a user needs, and nothing that costs time before they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import hyperinr_core


def modules_after(lines: str) -> set[str]:
    """Modules that a fresh Python has after these lines and had not before."""
    script = f"import sys; before = set(sys.modules)\n{lines}\nprint(*sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


@pytest.mark.parametrize("name", hyperinr_core.__all__)
def test_each_name_is_there(name):
    assert getattr(hyperinr_core, name).__doc__ and name in dir(hyperinr_core)


def test_the_names_are_those_of_the_modules():
    from hyperinr_core import errors, hinr, hypernet, inr, volume
    from hyperinr_core.training import run

    assert (hyperinr_core.load, hyperinr_core.save, hyperinr_core.train) == (hinr.load, hinr.save, run.train)
    assert (hyperinr_core.HyperINR, hyperinr_core.INR, hyperinr_core.errors) == (hypernet.HyperINR, inr.INR, errors)
    assert hyperinr_core.VolumeSeries is volume.VolumeSeries


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'hyperinr_core' has no attribute 'Volume'"):
        _ = hyperinr_core.Volume


def test_importing_imports_nothing_else():
    loaded = modules_after("import hyperinr_core")
    assert {name for name in loaded if name.startswith("hyperinr_core")} == {"hyperinr_core"}
    assert not loaded & {"numpy", "scipy", "safetensors", "torch"}


def test_reading_a_model_takes_numpy_and_no_torch():
    names = ", ".join(name for name in hyperinr_core.__all__ if name != "train")
    loaded = modules_after(f"from hyperinr_core import {names}")
    assert "numpy" in loaded and not loaded & {"scipy", "torch", "vtkmodules", "hyperinr_core.training"}


@pytest.mark.parametrize("package", ["hyperinr_core", "hyperinr.filters", "hyperinr.plugin"])
def test_types_are_shipped(package):
    assert (Path(__import__(package, fromlist=["_"]).__path__[0]) / "py.typed").is_file()
