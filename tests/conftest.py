"""What every test needs of its surroundings."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hyperinr_core.backends import cuda  # imports no torch

# Python started by a test must find the installed package, compiled kernel and all, and not the sources in the current folder.
os.environ["PYTHONSAFEPATH"] = "1"

# Torch's threads wait by spinning, which takes the processors from whoever has work: on two, a training takes many times as long.
os.environ["OMP_WAIT_POLICY"] = "passive"

# Without a GPU, Triton's interpreter runs its kernels on the CPU; with one, the same tests run the compiled kernels.
if not cuda.driver_is_present():
    os.environ["TRITON_INTERPRET"] = "1"

#: Files that take a quarter of a minute or more, the longest first; they begin, so that several processes end together.
LONGEST = ("gui", "shadow_paraview", "killed", "paraview", "distributed", "view", "live", "compiled", "servers", "triton",
           "gpu_benchmark", "demo", "neural", "compare_paraview", "writer", "radiance", "cli", "native", "lights_task",
           "gui_writing", "graph_loop", "graph_fit", "views_task", "between", "evaluators_triton", "wheels")  # fmt: skip


def pytest_collection_modifyitems(items):
    """Long files first."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_terminal_summary(terminalreporter):
    """What the kernels' tests ran on: a GPU that nobody noticed was tested by nothing."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    terminalreporter.write_line(f"GPU kernels were {'interpreted' if interpreted else 'compiled'}")


def pytest_addoption(parser):
    """`make stress` runs the tests of endurance in full, `make wheels` those of wheels on what it has built."""
    parser.addoption("--stress", action="store_true", help="mutations, kills and time changes by the thousand")
    parser.addoption("--wheels", metavar="FOLDER", help="test_wheels.py: the wheels to test, those of all systems")


@pytest.fixture(scope="session", autouse=True)
def counts_are_numbers():
    """Triton's interpreter before 3.7 counts loops by arrays of one number; NumPy takes them for numbers no longer, or warns."""
    interpreter = sys.modules.get("triton.runtime.interpreter")
    if interpreter is None:
        return
    patch_tensor = interpreter._patch_lang_tensor

    def patch_tensor_and_index(tensor, *scope):
        patch_tensor(tensor, *scope)
        tensor.__index__ = lambda self: self.handle.data.item()

    interpreter._patch_lang_tensor = patch_tensor_and_index


@pytest.fixture
def amount(request):
    """A function that picks how often something is tried: the first number, or with --stress the second."""
    return lambda few, many: many if request.config.getoption("--stress") else few


@pytest.fixture
def figures():
    """A function that appends a line to build/stress.md, where the figures of `make stress` are gathered."""

    def note(what: str, found: str) -> None:
        path = Path(__file__).resolve().parents[1] / "build" / "stress.md"
        path.parent.mkdir(exist_ok=True)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"| {what} | {found} |\n")

    return note


@pytest.fixture(scope="session")
def balls(tmp_path_factory):
    """A Cinema database of 48 views."""
    from view_models import balls_database, views

    return balls_database(tmp_path_factory.mktemp("balls") / "balls.cdb", views(48))


@pytest.fixture(scope="session")
def quick_views(tmp_path_factory):
    """A file of settings that learn pictures in a moment."""
    from view_models import QUICK

    path = tmp_path_factory.mktemp("settings") / "quick.json"
    path.write_text(QUICK)
    return path


@pytest.fixture(scope="session")
def trained_views(balls, quick_views, tmp_path_factory):
    """A model of half of the views of balls, and what its training printed."""
    from view_models import call

    from hyperinr.plugin.commands.train_views import train_views

    path = tmp_path_factory.mktemp("model") / "balls.hinr"
    sizes = ["--holdout", 0.5, "--encoders", 60, "--teacher-views", 150, "--teacher-steps", 100]
    return path, call(train_views, balls, "-o", path, *sizes, "--config", quick_views).output
