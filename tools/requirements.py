"""Prints what pyproject.toml requires to build, run, test and check this checkout, one requirement a line for pip."""

from __future__ import annotations

from pathlib import Path

import tomllib

settings = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())
project = settings["project"]
groups = [settings["build-system"]["requires"], project["dependencies"], *project["optional-dependencies"].values()]
# an extra may name other extras of the package itself, which are listed anyway
print(*(line for group in groups for line in group if not line.startswith(project["name"])), sep="\n")
# building without isolation takes these from the environment
print("cmake", "ninja", sep="\n")
