"""The motion of a model in ParaView: its arrays, what the filters for velocities make of them, and several ranks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from carried import carried_model
from models import random_model
from servers import mpi
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLPImageDataReader

from hyperinr.plugin import launch
from hyperinr_core import hinr

SCRIPT = Path(__file__).parent / "paraview_scripts" / "motion.py"
VELOCITY = np.array([1.0, 0.5, -0.25])  # of 2, 2, -0.25 points by time with spacings 0.5, 0.25, 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("motion")
    hinr.save(carried_model(lambda t: t * np.array([2.0, 2.0, -0.25]), dims=(160, 20, 16)), folder / "carried.hinr")
    hinr.save(random_model(), folder / "still.hinr")
    return folder


def run(folder, name, *program):
    result = launch.run_program(launch.on_display([*map(str, program), str(SCRIPT), str(folder), name]), 180)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stdout + result.stderr
    return json.loads((folder / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def report(folder):
    return run(folder, "report", "pvpython")


def test_arrays_are_there_when_chosen_and_the_field_is_shown(report):
    found = report["choices"]
    assert found["offered"] == ["velocity", "trust", "uncertainty"]
    assert found["arrays"][0] == ["density"], "nothing is added unasked"
    assert found["arrays"][1] == ["density", "density uncertainty", "density velocity"]
    assert found["shown"] == ["POINTS", "density"]
    assert found["still"] == [[], 0, ["density"]]


def test_a_saved_state_has_the_choice(report):
    found = report["choices"]
    assert found["chosen"] == [[], ["velocity", "uncertainty"]] and found["arrays"][2] == found["arrays"][1]


def test_stream_lines_lie_along_the_motion(report):
    line = np.array(report["streams"])
    along = line - line[0]
    assert np.linalg.norm(along, axis=1).max() > 1
    np.testing.assert_allclose(np.cross(along, VELOCITY), 0, atol=1e-3)


def test_particles_go_where_the_model_s_points_go(report):
    places = np.array(report["paths"])
    np.testing.assert_allclose(places - places[0], np.linspace(0, 1, 5)[:, None] * VELOCITY, atol=1e-3)


def test_glyphs_are_made(report):
    assert report["glyphs"] > 100


def arrays_of(path):
    reader = vtkXMLPImageDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    points = reader.GetOutput().GetPointData()
    return {name: vtk_to_numpy(points.GetArray(name)) for name in map(points.GetArrayName, range(4))}


def test_two_ranks_give_what_one_gives_to_the_last_bit(folder):
    assert run(folder, "part1", "pvbatch")["ranks"] == 1
    run(folder, "part2", *mpi(2), "pvbatch")
    one, two = (arrays_of(folder / f"part{n}.pvti") for n in (1, 2))
    assert set(one) == {"density", "density velocity", "density trust", "density uncertainty"}
    assert len(list(folder.glob("part2/*.vti"))) == 2, "each rank wrote its part"
    for name, array in one.items():
        np.testing.assert_array_equal(two[name], array)
