"""The state file of the examples, with a model of its own name from another folder, and the script that writes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gui import differ, shows_something
from models import random_model

from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.volume import Field

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = Path(__file__).parent / "paraview_scripts" / "state.py"


@pytest.fixture
def folder(tmp_path):
    model = random_model((20, 20, 20), fields=(Field("vorticity", 1, ((0.0, 22.0),)),))
    hinr.save(model, tmp_path / "turbulence.hinr")
    return tmp_path


def picture(path):
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def pvpython(*words):
    result = launch.run_program(launch.on_display(["pvpython", *map(str, words)]), 200)
    assert result.returncode == 0 and "Traceback" not in result.stderr and "ERR|" not in result.stderr, result.stderr


def assert_plays(state, folder):
    pvpython(SCRIPT, state, folder)
    found = json.loads((folder / "state.json").read_text())
    assert found == {"model": str(folder / "turbulence.hinr"), "frames": 201, "last": 2.0}
    one, other = (picture(folder / f"{number}.png") for number in (0, 1))
    assert shows_something(one) and shows_something(other) and differ(one, other)


def test_the_state_finds_the_model_in_the_folder_that_is_named(folder):
    assert_plays(ROOT / "examples" / "turbulence.pvsm", folder)


def test_the_script_writes_a_state_that_plays(folder):
    pvpython(ROOT / "examples" / "turbulence_state.py", folder / "turbulence.hinr", folder / "new.pvsm")
    assert_plays(folder / "new.pvsm", folder)
