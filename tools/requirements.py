"""Prints what pyproject.toml requires of this checkout, one a line for pip: to use, lint, document, run, test, ship it."""

from __future__ import annotations

import sys
from pathlib import Path

import tomllib

EXTRAS = {
    "core": [],
    "lint": ["lint"],
    "docs": ["docs"],
    "wheels": ["wheels"],
    "run": ["train", "read", "plot", "view"],
    "test": ["train", "read", "plot", "view", "rate", "cluster", "test"],
}

purpose = sys.argv[1]
settings = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())
project = settings["project"]
groups = [project["optional-dependencies"][extra] for extra in EXTRAS[purpose]]
if purpose in ("core", "run", "test"):
    groups.append(project["dependencies"])
if purpose in ("run", "test"):
    # building without isolation takes cmake and ninja from the environment
    groups += [settings["build-system"]["requires"], ["cmake", "ninja"]]
# an extra may name other extras of the package itself, which are listed anyway
print(*(line for group in groups for line in group if not line.startswith(project["name"])), sep="\n")
