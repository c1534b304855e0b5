"""What was resampled is not found again when a file beside the named one has changed."""

from __future__ import annotations

import os
import shutil

import h5py
import mesh_files as made
import numpy as np
import pytest

from hyperinr.filters.readers.series import open_series
from hyperinr.filters.readers.sides import fingerprint

XML = "vtkIOXML"


def pieces(folder, time):
    return made.write("vtkIOParallelXML", "vtkXMLPUnstructuredGridWriter", folder / "a.pvtu", made.hexahedra(time))


def blocks(folder, time):
    """A block that is a file of pieces itself."""
    from vtkmodules.vtkCommonDataModel import vtkMultiBlockDataSet

    data = vtkMultiBlockDataSet()
    data.SetBlock(0, made.hexahedra(time))
    data.SetBlock(1, made.hexahedra(time, 1.0))
    return made.write(XML, "vtkXMLMultiBlockDataWriter", folder / "a.vtm", data)


def heavy(folder, time):
    """The writer calls its arrays by the time: later ones are put where the first were."""
    path = made.write_steps("vtkIOXdmf2", "vtkXdmfWriter", folder / "a.xdmf", [1.0])
    with h5py.File(folder / "a.h5", "r+") as file:
        file["Block_0_t000001/Node/s"][...] += 10 * (time - 1)
    return path


def foam(folder, time):
    for name in ("constant", "system", "1"):
        shutil.rmtree(folder / name, ignore_errors=True)
    path = made.write_foam(folder, (time,))
    if time != 1:
        (folder / f"{time:g}").rename(folder / "1")
    return path


def ensight(folder, time):
    from vtkmodules.vtkIOParallel import vtkEnSightWriter

    writer = vtkEnSightWriter()
    writer.SetPath(str(folder))
    writer.SetBaseName("a")
    data = made.hexahedra(time)
    data.GetCellData().AddArray(made.vtk_array("BlockId", np.ones(data.GetNumberOfCells(), np.int32)))
    writer.SetInputData(data)
    writer.SetTimeStep(0)
    writer.Write()
    (folder / "a.case").write_text(
        "FORMAT\ntype: ensight gold\n\nGEOMETRY\nmodel: a.0.00000.geo\n\nVARIABLE\n"
        "scalar per node: 1 s a.0.*****_n.s\n\nTIME\ntime set: 1\nnumber of steps: 1\n"
        "filename start number: 0\nfilename increment: 1\ntime values: 1.0\n"
    )
    return folder / "a.case"


@pytest.mark.parametrize("make", [pieces, blocks, heavy, foam, ensight])
def test_a_changed_side_file_is_read_again(make, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    path = make(folder, 1.0)
    named, about = path.read_bytes(), path.stat()
    first = open_series(path, fields=["s"], keep=tmp_path / "kept").read(0, ["s"])
    before = fingerprint(path)
    assert fingerprint(path) == before
    make(folder, 3.0)
    path.write_bytes(named)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert fingerprint(path) != before
    again = open_series(path, fields=["s"], keep=tmp_path / "kept").read(0, ["s"])
    np.testing.assert_allclose(again - first, 20, atol=1e-4)


def test_what_a_case_does_not_need_does_not_count(tmp_path):
    path = made.write_foam(tmp_path)
    before = fingerprint(path)
    (tmp_path / "postProcessing").mkdir()
    (tmp_path / "postProcessing" / "a.dat").write_text("1")
    (tmp_path / "model.hinr.checkpoint").write_text("1")
    assert fingerprint(path) == before
    (tmp_path / "processor0").mkdir()
    (tmp_path / "processor0" / "points").write_text("1")
    assert fingerprint(path) != before


def test_names_with_marks_and_in_files_that_are_named(tmp_path):
    for name in ("flow0.f00001", "flow0.f00002", "a.geo", "u&v.vtu"):
        (tmp_path / name).write_text("1")
    (tmp_path / "a.nek5000").write_text("filetemplate: flow%01d.f%05d\nfirsttimestep: 1\nnumtimesteps: 2\n")
    (tmp_path / "in.case").write_text('GEOMETRY\nmodel: "a.geo"\n')
    (tmp_path / "a.encas").write_text("FORMAT\ntype: master_server gold\ncasefile: in.case\n")
    (tmp_path / "a.pvtu").write_text("<VTKFile><Piece Source='u&amp;v.vtu'/></VTKFile>")
    (tmp_path / "a.vtm").write_text('<VTKFile><DataSet index="0" file="a.pvtu"/></VTKFile>')
    found = {
        name: {os.path.basename(file) for file, *_ in eval(fingerprint(tmp_path / name))}
        for name in ("a.nek5000", "a.encas", "a.vtm")
    }
    assert found == {
        "a.nek5000": {"a.nek5000", "flow0.f00001", "flow0.f00002"},
        "a.encas": {"a.encas", "in.case", "a.geo"},
        "a.vtm": {"a.vtm", "a.pvtu", "u&v.vtu"},
    }
