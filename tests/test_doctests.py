"""The examples in docstrings, run in a folder with a model of one field, flow.hinr, as a reader would have."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest
from models import random_model

import hyperinr_core
from hyperinr_core import hinr

ROOT = Path(hyperinr_core.__file__).parent

#: modules with examples; those for training are found too, where torch is installed
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)

#: what a reader meets first
FIRST = [
    "architecture.Architecture",
    "config.Config",
    "hinr.load",
    "hinr.read_header",
    "hinr.save",
    "hypernet.HyperINR.generate",
    "hypernet.HyperINR.interpolation_weights",
    "model.Model.theta",
    "inr.INR.sample",
    "inr.INR.sample_grid",
    "inr.INR.split",
    "light.shadow.transmittance",
    "measure.metrics.psnr",
    "measure.metrics.ssim",
    "spaces.space_of",
    "spaces.sphere.direction_of",
    "volume.Grid",
    "volume.VolumeSeries",
]


def examples(module: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module), module)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("module", MODULES)
def test_examples_are_true(module, tmp_path, monkeypatch):
    hinr.save(random_model(), tmp_path / "flow.hinr")
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner()
    told: list[str] = []
    for test in examples(module):
        runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def test_what_a_reader_meets_first_has_examples():
    names = {test.name for module in MODULES for test in examples(module)}
    assert {f"hyperinr_core.{name}" for name in FIRST} | {"hyperinr_core"} <= names
