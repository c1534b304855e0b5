"""What pip's extras give, as `hyperinr doctor` says; its way through ParaView's programs is in test_paraview.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import tomllib

from hyperinr.plugin.commands import doctor

SETTINGS = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))

#: Extras for those who work on this, or that are made of others.
OTHERS = {"test", "docs", "lint", "wheels", "demo"}


def lines(monkeypatch, extras):
    monkeypatch.setattr(doctor, "EXTRAS", extras)
    report = doctor.Report()
    doctor._check_extras(report)
    assert not report.broken
    return [" ".join(line.split()) for line in report.lines]


def test_every_extra_is_explained():
    assert set(doctor.EXTRAS) == set(SETTINGS["project"]["optional-dependencies"]) - OTHERS


@pytest.mark.parametrize("extra", doctor.EXTRAS)
def test_what_an_extra_brings_is_looked_for(extra):
    modules, _ = doctor.EXTRAS[extra]
    assert len(modules) == len(SETTINGS["project"]["optional-dependencies"][extra])


def test_an_extra_that_is_there_says_what_it_gives(monkeypatch):
    assert lines(monkeypatch, {"plot": (("json",), "figures")}) == ["ok plot figures"]


def test_an_extra_that_is_missing_says_what_it_would_give_and_how_to_get_it(monkeypatch):
    assert lines(monkeypatch, {"plot": (("json", "no_such_module"), "figures")}) == [
        "note plot no_such_module missing; would give: figures",
        "-> pip install 'hyperinr[plot]'",
    ]
