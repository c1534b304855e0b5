"""Whether the window's buttons can be drawn is seen from the Qt that ParaView is linked with."""

from __future__ import annotations

from pathlib import Path

import pytest

from hyperinr.plugin import icons, launch


def linked_with(folder: Path, libraries: str, version: str, monkeypatch) -> str:
    """A program that ldd says to be linked with a Qt."""
    ldd = folder / "ldd"
    ldd.write_text(
        f"#!/bin/sh\necho 'libQt{version}Core.so.{version} => {libraries}/libQt{version}Core.so.{version} (0x0)'\n"
    )
    ldd.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return "/usr/bin/paraview"


def test_this_machine_s_window_has_icons():
    assert icons.missing_package(launch.find_program("paraview")) is None


@pytest.mark.parametrize(("version", "package"), icons.PACKAGES.items())
def test_without_the_plugin_its_package_is_named(version, package, tmp_path, monkeypatch):
    assert icons.missing_package(linked_with(tmp_path, "/usr/lib/nowhere", version, monkeypatch)) == package


@pytest.mark.parametrize("system", launch.OWN_DISPLAY)
def test_other_systems_need_no_package_and_are_not_asked(system, monkeypatch):
    monkeypatch.setattr(icons.sys, "platform", system)
    monkeypatch.setenv("PATH", "")
    assert icons.missing_package("paraview") is None


def test_a_downloaded_paraview_brings_its_own(tmp_path, monkeypatch):
    assert icons.missing_package(linked_with(tmp_path, "/opt/ParaView/lib", "6", monkeypatch)) is None
