"""Many processes in real ParaView: pvbatch and pvserver under MPI, each rank with its part; clients without our Python."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from models import random_model
from PIL import Image
from servers import mpi, pvserver

from hyperinr.plugin import launch
from hyperinr_core import hinr

SCRIPT = Path(__file__).parent / "paraview_scripts" / "server.py"
TIMEOUT = 180
DIMS, SMALL = [256, 256, 256], [40, 32, 24]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("servers")
    hinr.save(random_model((24, 20, 16)), folder / "volume.hinr")
    return folder


def run(command, folder, name, dims, **options):
    """What the script found, its picture, and each rank's extents."""
    (folder / "how.json").write_text(json.dumps([dims, [400, 300]]))
    result = launch.run_program([str(word) for word in command], TIMEOUT, **options)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    found = json.loads((folder / f"{name}.json").read_text())
    for what in ("whole", "region"):
        files = sorted(folder.glob(f"{name}_{what}_*.txt"))
        found[what] = [ast.literal_eval(path.read_text()) for path in files]
    with Image.open(folder / f"{name}.png") as image:
        found["picture"] = np.asarray(image.convert("RGB"), np.float64)
    return found


def check_parts(parts, n_ranks, whole):
    """The ranks' extents fill the whole and share nothing but planes of points."""
    assert len(parts) == n_ranks
    cells = [np.prod([part[i + 1] - part[i] for i in (0, 2, 4)]) for part in parts]
    assert sum(cells) == np.prod([whole[i + 1] - whole[i] for i in (0, 2, 4)])
    assert max(cells) < 1.2 * sum(cells) / n_ranks, "the work is shared evenly"
    for i in range(6):
        assert (min if i % 2 == 0 else max)(part[i] for part in parts) == whole[i]


def check_same(found, serial, n_ranks):
    assert found["cells"] == serial["cells"] and found["bounds"] == serial["bounds"]
    assert found["region_cells"] == serial["region_cells"]
    assert found["region_density"] == pytest.approx(serial["region_density"], rel=1e-5)
    for what in ("whole", "region"):
        check_parts(found[what], n_ranks, serial[what][0])
    assert serial["picture"].std() > 20
    assert abs(found["picture"] - serial["picture"]).mean() < 1


def test_four_ranks_of_pvbatch_draw_256_cubed_as_one_does(folder):
    serial = run(launch.on_display(["pvbatch", SCRIPT, folder, "serial"]), folder, "serial", DIMS)
    parallel = run(launch.on_display([*mpi(4), "pvbatch", SCRIPT, folder, "parallel"]), folder, "parallel", DIMS)
    assert serial["whole"] == [(0, 255, 0, 255, 0, 255)] and serial["cells"] == 255**3
    check_same(parallel, serial, 4)


@pytest.fixture
def server(request):
    """The port of a pvserver of so many ranks, and how many."""
    with pvserver(request.param) as port:
        yield port, request.param


@pytest.fixture(scope="module")
def small(folder):
    return run(launch.on_display(["pvbatch", SCRIPT, folder, "small"]), folder, "small", SMALL)


@pytest.mark.parametrize("server", [1, 2], indirect=True)
def test_a_client_without_our_python_sees_and_writes_through_a_server(server, small, folder):
    port, n_ranks = server
    name = f"server{n_ranks}"
    # the variables that show our package to ParaView are not for this client
    bare = ["env", "-u", "PYTHONPATH", "-u", "PV_PLUGIN_CONFIG_FILE"]
    client = ["pvpython", SCRIPT, folder, name, port, launch.plugin_xml()]
    found = run(launch.on_display([*bare, *client]), folder, name, SMALL)
    assert not found["client_has_package"]
    check_same(found, small, n_ranks)
    written = hinr.load(folder / f"{name}.hinr")
    assert written.grid.dims == (9, 8, 7) and written.parameters[0].values == (0.0, 0.5, 1.0, 1.5, 2.0)
    assert not list(folder.glob(".*"))
