"""Whether ParaView's window can draw its buttons: they are SVG, for which Qt needs a plugin that Debian does not ask for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

#: Debian's package of the plugin, for each Qt.
PACKAGES = {"5": "libqt5svg5", "6": "qt6-svg-plugins"}


def missing_package(program: str) -> str | None:
    """What to install for the window's Qt to draw icons; None where the plugin is there, or where Qt is not the system's."""
    if not sys.platform.startswith("linux"):
        return None
    linked = subprocess.run(["ldd", program], capture_output=True, text=True, errors="replace", check=False).stdout
    found = re.search(r"=> (/\S+)/libQt([56])Core\.so", linked)
    if found is None or not found[1].startswith(
        "/usr"
    ):  # a ParaView that was downloaded brings its Qt with all it needs
        return None
    return None if plugin(Path(found[1]), found[2]).is_file() else PACKAGES[found[2]]


def plugin(libraries: Path, version: str) -> Path:
    """The plugin's file, beside the libraries of a Qt."""
    return libraries / f"qt{version}" / "plugins" / "iconengines" / "libqsvgicon.so"
