"""Meshes become series: what is resampled is what the mesh was made of, and files that break a reader break nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys

import mesh_files as made
import numpy as np
import pytest

from hyperinr.filters.image import write_pvd
from hyperinr.filters.readers import meshes, workers
from hyperinr.filters.readers.grids import MOST_POINTS
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError

XML = "vtkIOXML"
STILL = {
    "hexahedra.vtu": (XML, "vtkXMLUnstructuredGridWriter", made.hexahedra),
    "tetrahedra.vtu": (XML, "vtkXMLUnstructuredGridWriter", made.tetrahedra),
    "curved.vts": (XML, "vtkXMLStructuredGridWriter", made.curvilinear),
    "uneven.vtr": (XML, "vtkXMLRectilinearGridWriter", made.uneven),
    "blocks.vtm": (XML, "vtkXMLMultiBlockDataWriter", made.blocks),
    "legacy.vtk": ("vtkIOLegacy", "vtkUnstructuredGridWriter", made.hexahedra),
    "pieces.pvtu": ("vtkIOParallelXML", "vtkXMLPUnstructuredGridWriter", made.hexahedra),
}


def values(series, step=0, name="s", planes=None):
    return np.asarray(series.loader(step, name, planes)).squeeze()


def is_exact(series, step=0, name="s", tolerance=1e-5):
    """Whether a step is the linear field wherever there is data, which there is somewhere."""
    found = values(series, step, name)
    error = np.abs(found - made.at_points(series.grid, series.thetas[step, 0]).squeeze())
    return np.isfinite(found).any() and np.nanmax(error) < tolerance


@pytest.mark.parametrize("name", STILL)
def test_points_of_a_mesh(name, tmp_path):
    module, writer, make = STILL[name]
    series = open_series(made.write(module, writer, tmp_path / name, make()))
    assert series.field_info == {"s": 1, "U": 3}
    assert is_exact(series) and np.isfinite(values(series)).all()
    assert np.array_equal(values(series, planes=(1, 3)), values(series)[1:3])
    assert np.allclose(values(series, name="U")[..., 0], values(series))
    assert f"resampled to {' x '.join(map(str, series.grid.dims))} points, as fine as its cells" in series.notes[0]


@pytest.mark.parametrize(
    "name, module, writer",
    [("a.ex2", "vtkIOExodus", "vtkExodusIIWriter"), ("a.xdmf", "vtkIOXdmf2", "vtkXdmfWriter")],
)
def test_steps_in_one_file(name, module, writer, tmp_path):
    series = open_series(made.write_steps(module, writer, tmp_path / name, [0.5, 1.0, 2.0]), fields=["s"])
    assert series.thetas.ravel().tolist() == [0.5, 1.0, 2.0]
    assert all(is_exact(series, step) for step in range(3))


def test_an_openfoam_case_gives_its_cells_as_they_are(tmp_path):
    series = open_series(made.write_foam(tmp_path))
    assert series.thetas.ravel().tolist() == [0.5, 1.0] and series.grid.dims == (4, 4, 4)
    assert all(is_exact(series, step) and np.isfinite(values(series, step)).all() for step in range(2))


def test_a_decomposed_openfoam_case_has_the_steps_of_its_processes(tmp_path):
    series = open_series(made.write_decomposed(tmp_path))
    assert series.thetas.ravel().tolist() == [0.5, 1.0] and series.grid.dims == (8, 4, 4)
    assert all(is_exact(series, step) and np.isfinite(values(series, step)).all() for step in range(2))
    for name in ("0.5", "1"):
        shutil.copytree(tmp_path / "processor0" / name, tmp_path / name, dirs_exist_ok=True)
    assert open_series(tmp_path / "case.foam").grid.dims == (4, 4, 4), "what is whole counts"
    (tmp_path / "processor0").rename(tmp_path / "processors2")
    (tmp_path / "processors2" / "1").rename(tmp_path / "processors2" / "2")
    with pytest.raises(DataError, match="collated format, of which reconstructPar"):
        open_series(tmp_path / "case.foam")


def test_ensight(tmp_path):
    from vtkmodules.vtkIOParallel import vtkEnSightWriter

    writer = vtkEnSightWriter()
    writer.SetPath(str(tmp_path))
    writer.SetBaseName("a")
    for step, time in enumerate((0.5, 2.0)):
        data = made.hexahedra(time)
        data.GetCellData().AddArray(made.vtk_array("BlockId", np.ones(data.GetNumberOfCells(), np.int32)))
        writer.SetInputData(data)
        writer.SetTimeStep(step)
        writer.Write()
    (tmp_path / "a.case").write_text(
        "FORMAT\ntype: ensight gold\n\nGEOMETRY\nmodel: a.0.00000.geo\n\nVARIABLE\n"
        "scalar per node: 1 s a.0.*****_n.s\n\nTIME\ntime set: 1\nnumber of steps: 2\n"
        "filename start number: 0\nfilename increment: 1\ntime values: 0.5 2.0\n"
    )
    series = open_series(tmp_path / "a.case", fields=["s"])
    assert series.thetas.ravel().tolist() == [0.5, 2.0] and all(is_exact(series, step) for step in range(2))


def test_files_of_steps_and_their_grid(tmp_path):
    """The grid is that of the first and the last step, between which the mesh moves."""
    for step in range(3):
        made.write(*STILL["hexahedra.vtu"][:2], tmp_path / f"a{step}.vtu", made.hexahedra(step, 0.5 * step))
    write_pvd(tmp_path / "a.pvd", [(float(step), f"a{step}.vtu") for step in range(3)])
    series = open_series(tmp_path / "a.pvd", fields=["s"])
    assert (
        series.grid.origin[0] == 0 and series.grid.origin[0] + series.grid.spacing[0] * (series.grid.dims[0] - 1) == 2
    )
    assert all(is_exact(series, step) for step in range(3))
    assert [np.isfinite(values(series, 1)[..., i]).any() for i in (0, -1)] == [False, False]


def test_refined_levels_lie_over_coarse_ones(tmp_path):
    series = open_series(made.write(XML, "vtkXMLUniformGridAMRWriter", tmp_path / "a.vthb", made.refined()))
    assert series.grid.dims == (16, 16, 16)
    inner = (slice(4, 12),) * 3
    assert np.array_equal(values(series)[inner], made.at_points(series.grid)[inner])
    assert np.nanmax(np.abs(values(series) - made.at_points(series.grid))) < 0.2  # cells of twice the size around


def test_a_hyper_tree_grid(tmp_path):
    from vtkmodules.vtkFiltersHyperTree import vtkHyperTreeGridToUnstructuredGrid

    tree = made.tree()
    series = open_series(made.write(XML, "vtkXMLHyperTreeGridWriter", tmp_path / "a.htg", tree), fields=["Depth"])
    unfold = vtkHyperTreeGridToUnstructuredGrid()
    unfold.SetInputData(tree)
    unfold.Update()
    cells, found = unfold.GetOutput(), values(series, name="Depth")
    boxes = np.array([cells.GetCell(i).GetBounds() for i in range(cells.GetNumberOfCells())])
    grid = series.grid
    for z, y, x in np.random.default_rng(0).integers(0, grid.dims[::-1], (50, 3)):
        place = np.array(grid.origin) + np.array((x, y, z)) * grid.spacing
        (cell,) = np.flatnonzero(((boxes[:, ::2] <= place) & (place <= boxes[:, 1::2])).all(1))
        assert found[z, y, x] == cells.GetCellData().GetArray("Depth").GetComponent(cell, 0)


def test_points_outside_and_hidden_ones_are_no_data(tmp_path):
    from vtkmodules.vtkCommonDataModel import vtkDataSetAttributes

    data = made.curvilinear()
    data.AllocatePointGhostArray()
    data.GetPointGhostArray().SetValue(0, vtkDataSetAttributes.HIDDENPOINT)
    hidden = open_series(made.write(XML, "vtkXMLStructuredGridWriter", tmp_path / "a.vts", data))
    assert np.isnan(values(hidden)[0, 0, 0]) and np.isnan(values(hidden)).sum() == 1
    apart = made.blocks()
    apart.SetBlock(2, made.hexahedra(shift=3.0))
    gap = open_series(made.write(XML, "vtkXMLMultiBlockDataWriter", tmp_path / "a.vtm", apart))
    x = gap.grid.origin[0] + np.arange(gap.grid.dims[0]) * gap.grid.spacing[0]
    is_between = (x > 1 + 1e-6) & (x < 3 - 1e-6)
    assert is_between.any() and np.array_equal(np.isnan(values(gap)).all((0, 1)), is_between)


def test_hidden_cells_are_no_data(tmp_path):
    from vtkmodules.vtkCommonDataModel import vtkDataSetAttributes

    data = made.hexahedra()
    data.GetCellData().AddArray(made.vtk_array("c", np.arange(float(data.GetNumberOfCells()))))
    marks = np.zeros(data.GetNumberOfCells(), np.uint8)
    marks[:2] = vtkDataSetAttributes.HIDDENCELL
    data.GetCellData().AddArray(made.vtk_array("vtkGhostType", marks))
    series = open_series(made.write(*STILL["hexahedra.vtu"][:2], tmp_path / "a.vtu", data), fields=["c"])
    assert np.isnan(values(series, name="c")[0, 0, :2]).all() and values(series, name="c")[0, 0, 2] == 2


def test_dims_components_and_magnitude(tmp_path):
    path = made.write(*STILL["hexahedra.vtu"][:2], tmp_path / "a.vtu", made.hexahedra())
    series = open_series(path, dims=(12, 10, 8), fields=["U:2", "U:mag", "s"])
    assert series.grid.dims == (12, 10, 8) and series.field_info == {"U:2": 1, "U:mag": 1, "s": 1}
    assert "as asked" in series.notes[0] and is_exact(series)
    whole = values(open_series(path, dims=(12, 10, 8)), name="U")
    assert np.array_equal(values(series, name="U:2"), whole[..., 2])
    assert np.allclose(values(series, name="U:mag"), np.linalg.norm(whole, axis=-1))
    with pytest.raises(DataError, match="has 3 components of 'U'; expected 'U:3' to name one of 0 to 2"):
        open_series(path, fields=["U:3"])
    with pytest.raises(DataError, match="has no field 'p'; expected one of U, s"):
        open_series(path, fields=["p"])


def test_what_is_resampled_is_kept_and_found_again(tmp_path, monkeypatch):
    path = made.write_steps("vtkIOExodus", "vtkExodusIIWriter", tmp_path / "a.ex2", [0.0, 1.0, 2.0])
    first = open_series(path, fields=["s"], keep=tmp_path / "kept")
    told = []
    meshes.prepare(first, (0, 2), lambda *share: told.append(share))
    assert told == [(1.0, 2.0), (2.0, 2.0)] and len(list((tmp_path / "kept").iterdir())) == 2
    again = open_series(path, fields=["s"], keep=tmp_path / "kept")
    monkeypatch.setattr(workers.Workers, "ask", lambda *_, **__: pytest.fail("resampled again"))
    assert np.array_equal(values(again, 2), values(first, 2)) and is_exact(again, 2)


def test_a_temporary_folder_goes_with_the_series(tmp_path):
    series = open_series(made.write(*STILL["hexahedra.vtu"][:2], tmp_path / "a.vtu", made.hexahedra()), fields=["s"])
    assert is_exact(series)
    folder = series.loader.frames[0][0].read.__self__._kept.path
    assert folder.is_dir()
    del series
    assert not folder.exists()


def test_what_paraview_alone_reads(tmp_path):
    """AVS's format, with one hexahedron."""
    corners = [(x, y, z) for z in (0, 1) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1))]
    lines = ["8 1 1 0 0", *(f"{i} {x} {y} {z}" for i, (x, y, z) in enumerate(corners, 1)), "1 1 hex 1 2 3 4 5 6 7 8"]
    lines += ["1 1", "s, m", *(f"{i} {made.linear(*corner)}" for i, corner in enumerate(corners, 1))]
    (tmp_path / "a.inp").write_text("\n".join(lines) + "\n")
    series = open_series(tmp_path / "a.inp", dims=(3, 4, 5))
    assert is_exact(series) and np.isfinite(values(series)).all()


def test_fluent(tmp_path):
    series = open_series(made.write_fluent(tmp_path / "a.cas"))
    assert series.field_info == {"PRESSURE": 1} and series.grid.dims == (3, 3, 3)
    assert is_exact(series, name="PRESSURE") and np.isfinite(values(series, name="PRESSURE")).all()


def test_what_this_paraview_has_no_reader_for(tmp_path):
    (tmp_path / "a.kind").touch()
    with pytest.raises(DataError, match=r"a\.kind is taken by no reader of .*pvpython; expected a whole file"):
        meshes.Meshes(None, None, None).open(tmp_path / "a.kind", by_paraview=True)


def test_cgns_that_paraview_wrote(tmp_path):
    source = made.write(*STILL["hexahedra.vtu"][:2], tmp_path / "a.vtu", made.hexahedra())
    script = f"from paraview import simple; simple.SaveData('{tmp_path}/a.cgns', simple.OpenDataFile('{source}'))"
    subprocess.run(["pvpython", "-c", script], check=True, timeout=120, cwd="/", capture_output=True)
    assert is_exact(open_series(tmp_path / "a.cgns"))


def test_a_reader_that_dies_is_one_sentence_and_another_takes_its_place(tmp_path, monkeypatch):
    path = made.write(*STILL["hexahedra.vtu"][:2], tmp_path / "a.vtu", made.hexahedra())
    killer = tmp_path / "killer.py"
    killer.write_text("import os, sys\nsys.stdin.readline()\nos.kill(os.getpid(), 11)\n")
    monkeypatch.setattr(workers, "_workers", {})
    with monkeypatch.context() as patch:
        patch.setattr(workers, "SCRIPT", killer)
        with pytest.raises(DataError, match=r"a\.vtu brings its reader down \(SIGSEGV\)"):
            open_series(path)
    assert is_exact(open_series(path))


def test_a_reader_that_hangs_is_ended(tmp_path, monkeypatch):
    sleeper = tmp_path / "sleeper.py"
    sleeper.write_text(
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    )
    monkeypatch.setattr(workers, "_workers", {})
    monkeypatch.setattr(workers, "SCRIPT", sleeper)
    monkeypatch.setattr(workers, "PATIENCE", 2.0)
    (tmp_path / "a.vtu").write_text("x")
    with pytest.raises(DataError, match="keeps its reader busy"):
        open_series(tmp_path / "a.vtu")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("name", ["hexahedra.vtu", "curved.vts", "blocks.vtm", "a.ex2"])
def test_damaged_meshes(name, share, tmp_path):
    if name == "a.ex2":
        path = made.write_steps("vtkIOExodus", "vtkExodusIIWriter", tmp_path / name, [0.0, 1.0])
    else:
        path = made.write(*STILL[name][:2], tmp_path / name, STILL[name][2]())
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError) as caught:
        values(open_series(path), 0)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_curved_surface_has_no_inside(tmp_path):
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    source = vtkSphereSource()
    source.Update()
    path = made.write("vtkIOLegacy", "vtkPolyDataWriter", tmp_path / "a.vtk", source.GetOutput())
    with pytest.raises(DataError, match="its cells are points, lines or a curved surface, which fill no space"):
        open_series(path)


@pytest.mark.parametrize("on_cells, n", [(False, 11), (True, 10)])
def test_the_default_grid_resolves_the_cells(on_cells, n):
    grid = meshes.grid_over((0, 1, 0, 2, 5, 5), (0.1, 0.2, 0), on_cells, None)
    assert grid.dims == (n, n, 1) and grid.origin[2] == 5
    assert grid.origin[0] + grid.spacing[0] * (n - 1) == pytest.approx(0.95 if on_cells else 1.0)


def test_a_point_that_lies_far_off():
    with pytest.raises(DataError, match=r"1e\+08 long along z and a usual cell 0.25; expected at most 100000 cells"):
        meshes.grid_over((0, 1, 0, 1, 0, 1e8), (0.1, 0.1, 0.25), False, None)
    assert meshes.grid_over((0, 1, 0, 1, 0, 1e8), (0.1, 0.1, 0.25), False, (2, 3, 4)).dims == (2, 3, 4)


def test_the_default_grid_is_bounded():
    grid = meshes.grid_over((0, 1, 0, 1, 0, 1e-3), (1e-4, 1e-4, 1e-3), True, None)
    assert MOST_POINTS * 0.9 < grid.n_points <= MOST_POINTS and grid.dims[2] == 1


def test_a_legacy_file_is_read_by_another_process_first(tmp_path, monkeypatch):
    """Damaged ones crash or hang VTK's reader; a process that dies stands for it here."""
    path = made.write("vtkIOLegacy", "vtkUnstructuredGridWriter", tmp_path / "a.vtk", made.hexahedra())
    killer = tmp_path / "killer.py"
    killer.write_text("import os, sys\nsys.stdin.readline()\nos.kill(os.getpid(), 6)\n")
    monkeypatch.setattr(workers, "_workers", {})
    monkeypatch.setattr(workers, "SCRIPT", killer)
    with pytest.raises(DataError, match=r"a\.vtk brings its reader down \(SIGABRT\)"):
        open_series(path)


def test_a_temporary_folder_holds_the_latest_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(meshes, "MOST_TEMPORARY", 2)
    series = open_series(made.write_steps("vtkIOExodus", "vtkExodusIIWriter", tmp_path / "a.ex2", [0.0, 1.0, 2.0, 3.0]))
    assert all(is_exact(series, step) for step in (0, 1, 2, 3, 0))
    assert len(list(series.loader.frames[0][0].read.__self__._kept.path.iterdir())) == 2


def test_a_step_that_leaves_the_grid_is_told_of(tmp_path, caplog):
    for step, shift in enumerate((0.0, 2.0, 0.0)):
        made.write(*STILL["hexahedra.vtu"][:2], tmp_path / f"a{step}.vtu", made.hexahedra(step, shift))
    series = open_series(tmp_path, fields=["s"])
    assert np.isnan(values(series, 1)[..., :-1]).all() and not np.isnan(values(series, 2)).any()
    assert [record.message.split(" reaches")[0] for record in caplog.records] == [f"step 0 of {tmp_path / 'a1.vtu'}"]


def test_several_files_make_a_step(tmp_path):
    lines = []
    for step, time in enumerate((0.5, 2.0)):
        for part in (0, 1):
            name = f"a{step}_{part}.vtu"
            made.write(*STILL["hexahedra.vtu"][:2], tmp_path / name, made.hexahedra(time, float(part)))
            lines.append(f'<DataSet timestep="{time}" part="{part}" file="{name}"/>')
    (tmp_path / "a.pvd").write_text(
        f'<VTKFile type="Collection" version="0.1"><Collection>{"".join(lines)}</Collection></VTKFile>'
    )
    series = open_series(tmp_path / "a.pvd", fields=["s"])
    assert series.thetas.ravel().tolist() == [0.5, 2.0] and series.grid.dims[0] == 13
    assert all(is_exact(series, step) and np.isfinite(values(series, step)).all() for step in range(2))


HANGING = """
import sys
sys.path.insert(0, {folder!r})
import mesh_worker
def hang(worker, line):
    print("busy", file=sys.stderr, flush=True)
    while True:
        pass
mesh_worker._answered = hang
mesh_worker.main()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process that hangs")
def test_a_reader_that_hangs_ends_when_nobody_is_left_who_asks():
    script = HANGING.format(folder=str(workers.SCRIPT.parent))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", script], **pipes) as process:
        process.stdin.write(b"{}\n")
        process.stdin.flush()
        assert process.stderr.readline() == b"busy\n"
        process.stdin.close()  # as it is when the asker was killed
        assert process.wait(20) == -signal.SIGIO
