"""An index of bricks in ParaView: what it shows, and that a region or a rank reads its own bricks alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from brick_models import bricked
from servers import mpi
from test_source import reader_of

from hyperinr.plugin import launch
from hyperinr_core import hinr
from hyperinr_core.joining import brick_path

SCRIPTS = Path(__file__).parent / "paraview_scripts"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bricks")
    bricked(folder / "m.hinr", (24, 20, 40), (1, 1, 4))
    return folder


@pytest.fixture(scope="module")
def values(folder):
    return hinr.load(folder / "m.hinr").generate(0.7).sample_grid()[..., 0]


def run(folder, name, *program):
    command = [*map(str, program), str(SCRIPTS / "bricks.py"), str(folder), name]
    result = launch.run_program(launch.on_display(command), 180)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stdout + result.stderr
    return [json.loads(path.read_text()) for path in sorted(folder.glob(f"{name}_*.json"))]


def test_it_opens_as_any_model(folder, values):
    (found,) = run(folder, "whole", "pvpython")
    assert found["proxy"] == "HyperINRSource" and found["times"] == [0, 2] and found["opened"] == [0, 1, 2, 3]
    assert found["size"].startswith("4 bricks, ")
    np.testing.assert_allclose(np.load(folder / "whole_0.npy"), values, atol=1e-5)


def test_a_region_of_interest_reads_its_own_bricks(folder, values):
    (found,) = run(folder, "region", "pvpython")
    assert found["opened"] == [0]
    x0, x1, y0, y1, z0, z1 = found["extent"]
    expected = values[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1]
    np.testing.assert_allclose(np.load(folder / "region_0.npy"), expected, atol=1e-5)


def test_ranks_read_their_own_bricks(folder, values):
    first, second = run(folder, "ranks", *mpi(2), "pvbatch", "--symmetric")
    assert first["ranks"] == 2 and first["opened"] == [0, 1, 2] and second["opened"] == [1, 2, 3]
    for found in (first, second):
        z0, z1 = found["extent"][4:]
        np.testing.assert_allclose(np.load(folder / f"ranks_{found['rank']}.npy"), values[z0 : z1 + 1], atol=1e-5)


# Without ParaView.


def test_a_damaged_brick_is_an_error_where_it_is_shown_and_nowhere_else(tmp_path):
    bricked(tmp_path / "m.hinr", (24, 20, 40), (1, 1, 4))
    brick_path(tmp_path / "m.hinr", 3).write_bytes(b"nothing")
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"))
    reader.UpdateInformation()
    reader.UpdateExtent((0, 23, 0, 19, 0, 20))
    assert not errors and reader.GetOutputDataObject(0).GetNumberOfPoints() == 24 * 20 * 21
    reader.UpdateExtent((0, 23, 0, 19, 0, 39))
    assert len(errors) == 1 and "0004.hinr is not a whole .hinr file" in errors[0]
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 0


def test_what_it_looks_like_is_known_from_a_few_bricks(tmp_path, monkeypatch):
    monkeypatch.setattr("hyperinr_core.bricks.MOST_TYPICAL", 2)
    bricked(tmp_path / "m.hinr", (24, 20, 40), (1, 1, 4))
    reader, errors, _ = reader_of(str(tmp_path / "m.hinr"))
    reader.UpdateInformation()
    assert json.loads(reader.GetLook())["fields"]["density"] and not errors
    assert sorted(reader._model._opened) == [0, 2]
