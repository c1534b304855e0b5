"""Bad input: one sentence that says what, found, expected and what to do; never a silently empty step."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from series_files import GRID, WRITERS, steps, timed_image, volume, write_netcdf, write_nrrd, write_with

from hyperinr.filters.image import to_image, write_image, write_pvd
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid


def failure(*arguments, **options) -> str:
    """The sentence with which opening and reading every step fails."""
    with pytest.raises(DataError) as caught:
        series = open_series(*arguments, **options)
        for step in range(len(series)):
            series.read(step, list(series.field_info))
    message = str(caught.value)
    assert "\n" not in message and "expected" in message
    return message


def write_set(folder, n=3, **others):
    for step in range(n):
        write_image(folder / f"s{step}.vti", others.get(f"s{step}", timed_image(step)))


def test_missing_paths(tmp_path):
    assert "a.vti does not exist" in failure(tmp_path / "a.vti")
    assert "*.vti matches no file" in failure(str(tmp_path / "*.vti"))
    assert "b.vti does not exist" in failure([str(tmp_path / "b.vti"), str(tmp_path / "c.vti")])
    assert "has no time steps" in failure(tmp_path)
    assert "no files are given" in failure([])


def test_indexes_without_steps(tmp_path):
    write_pvd(tmp_path / "a.pvd", [])
    assert "a.pvd has no time steps" in failure(tmp_path / "a.pvd")
    (tmp_path / "a.vti.series").write_text(json.dumps({"file-series-version": "1.0", "files": []}))
    assert "a.vti.series has no time steps" in failure(tmp_path / "a.vti.series")


@pytest.mark.parametrize("text", ["", "<VTKFile>", "{]", '{"files": 3}', '{"files": [{"time": 1}]}', "[1]"])
@pytest.mark.parametrize("name", ["a.pvd", "a.vti.series"])
def test_broken_indexes(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert f"{name} cannot be read" in failure(tmp_path / name)


def test_indexes_that_name_missing_files(tmp_path):
    write_pvd(tmp_path / "a.pvd", [(0.0, "gone.vti")])
    assert re.search(r"a\.pvd names .*gone\.vti, which does not exist", failure(tmp_path / "a.pvd"))


def test_indexes_that_name_parts(tmp_path):
    sets = "".join(f'<DataSet timestep="0" part="{part}" file="{part}.vti"/>' for part in range(2))
    (tmp_path / "a.pvd").write_text(f"<VTKFile><Collection>{sets}</Collection></VTKFile>")
    assert "0.vti, which does not exist" in failure(tmp_path / "a.pvd")


def test_unknown_extensions(tmp_path):
    (tmp_path / "a.xyz").write_text("?")
    message = failure(tmp_path / "a.xyz")
    assert "unknown extension '.xyz'" in message and ".vti" in message and ".nc" in message


def test_folders_with_several_series(tmp_path):
    for name in ("a_1.vti", "a_2.vti", "b_1.vti"):
        write_image(tmp_path / name, timed_image(0))
    assert "several series (a_*.vti, b_*.vti)" in failure(tmp_path)


def test_files_given_twice_or_mixed_with_folders(tmp_path):
    write_set(tmp_path, 2)
    assert "given twice" in failure([tmp_path / "s0.vti", tmp_path / "s0.vti"])
    assert "is one of 2 paths" in failure([tmp_path, tmp_path / "s0.vti"])


@pytest.mark.parametrize(
    "grid, found",
    [
        (Grid((8, 6, 5), GRID.origin, GRID.spacing), r"s1\.vti has dims \(8, 6, 5\) but .*s0\.vti has \(7, 6, 5\)"),
        (Grid(GRID.dims, (1, 2, 4), GRID.spacing), r"s1\.vti has origin \(1, 2, 4\) but .*s0\.vti has \(1, 2, 3\)"),
        (Grid(GRID.dims, GRID.origin, (1, 1, 1)), r"s1\.vti has spacing \(1, 1, 1\) but"),
        (Grid(GRID.dims, GRID.origin, GRID.spacing, (1, 0, 0, 0, 0, -1, 0, 1, 0)), r"s1\.vti has direction"),
    ],
)
def test_other_grids(tmp_path, grid, found):
    write_set(tmp_path, s1=to_image(grid, {"density": np.zeros(grid.shape, np.float32)}))
    assert re.search(found, failure(tmp_path))


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind not in ("vti", "vtkhdf", "nrrd")])
def test_other_dims_in_every_format(kind, tmp_path):
    """Each format's header, or its data, is compared with the first file's."""
    WRITERS[kind](tmp_path / f"s0.{kind}", 0)
    other = Grid((7, 6, 9), GRID.origin, GRID.spacing)
    values = np.zeros(other.shape, np.float32)
    name = {"mhd": "vtkMetaImageWriter", "mha": "vtkMetaImageWriter"}.get(kind, "vtkNIFTIImageWriter")
    if kind == "vtk":
        write_with(
            "vtkIOLegacy", "vtkStructuredPointsWriter", tmp_path / "s1.vtk", to_image(other, {"density": values})
        )
    elif kind == "npy":
        np.save(tmp_path / "s1.npy", values)
    elif kind == "npz":
        np.savez(tmp_path / "s1.npz", density=values, velocity=np.zeros((*other.shape, 3)))
    else:
        write_with("vtkIOImage", name, tmp_path / f"s1.{kind}", to_image(other, {"density": values}))
    assert re.search(r"s1\.\S+ has dims \(7, 6, 9\) but .*s0\.\S+ has \(7, 6, 5\)", failure(tmp_path))


def test_other_arrays(tmp_path):
    write_set(tmp_path, s2=to_image(GRID, {"pressure": volume(2)}))
    assert re.search(r"s2\.vti has the arrays pressure but .*s0\.vti has density, velocity", failure(tmp_path))


def test_other_arrays_of_legacy_files_are_seen_when_read(tmp_path):
    for step, name in enumerate(("density", "pressure")):
        image = to_image(GRID, {name: volume(step)})
        write_with("vtkIOLegacy", "vtkStructuredPointsWriter", tmp_path / f"s{step}.vtk", image)
    assert "s1.vtk has no array 'density' on its points" in failure(tmp_path)


def test_other_components(tmp_path):
    write_set(tmp_path, 2, s1=to_image(GRID, {"density": volume(1, 2), "velocity": volume(1, 3)}))
    assert "'density' with shape (5, 6, 7, 2)" in failure(tmp_path)


def test_duplicate_times_name_both_files(tmp_path):
    write_set(tmp_path)
    write_pvd(tmp_path / "a.pvd", [(1.0, "s0.vti"), (2.0, "s1.vti"), (1.0, "s2.vti")])
    assert re.search(r"s0\.vti .* and .*s2\.vti .* are both at time 1", failure(tmp_path / "a.pvd"))


def test_times_of_some_steps_only(tmp_path):
    write_set(tmp_path, 2, s0=timed_image(0, time=3.0))
    assert re.search(r"s1\.vti has no time but .*s0\.vti has one", failure(tmp_path))


def test_times_that_are_no_numbers(tmp_path):
    write_set(tmp_path, 1)
    for time, found in (("noon", "cannot be read"), ("nan", "finite")):
        (tmp_path / "a.pvd").write_text(
            f'<VTKFile><Collection><DataSet timestep="{time}" file="s0.vti"/></Collection></VTKFile>'
        )
        assert found in failure(tmp_path / "a.pvd")


def test_unknown_fields_list_the_known_ones(tmp_path):
    write_set(tmp_path, 1)
    message = failure(tmp_path, fields=["Density"])
    assert "has no field 'Density'; expected one of density, velocity" in message


@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinity_says_where(tmp_path, bad):
    values = volume(1)
    values[4, 3, 2] = bad
    write_set(tmp_path, 2, s0=to_image(GRID, {"v": volume(0)}), s1=to_image(GRID, {"v": values}))
    message = failure(tmp_path)
    assert "step 1" in message and "'v'" in message and "(2, 3, 4)" in message


def test_netcdf_fill_values_are_no_data(tmp_path):
    import netCDF4

    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, size in zip("zyx", GRID.shape):
            file.createDimension(name, size)
        values = volume(0)[..., 0]
        values[1, 2, 3] = -999
        file.createVariable("density", "f4", tuple("zyx"), fill_value=-999)[:] = values
    found = open_series([tmp_path / "a.nc"]).read(0, ["density"])
    np.testing.assert_array_equal(np.argwhere(np.isnan(found)), [[1, 2, 3, 0]])


def test_images_without_arrays(tmp_path):
    write_image(tmp_path / "a.vti", to_image(GRID, {}))
    assert "no numeric arrays" in failure(tmp_path / "a.vti")


def test_meshes_without_cells(tmp_path):
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData, vtkUnstructuredGrid

    for data in (vtkPolyData(), vtkUnstructuredGrid()):
        name = data.GetClassName()
        write_with("vtkIOLegacy", f"{name}Writer", tmp_path / f"{name}.vtk", data)
        assert "VTK finds no points in it" in failure(tmp_path / f"{name}.vtk")
    points, cloud = vtkPoints(), vtkUnstructuredGrid()
    points.InsertNextPoint(0, 0, 0)
    cloud.SetPoints(points)
    write_with("vtkIOXML", "vtkXMLUnstructuredGridWriter", tmp_path / "a.vtu", cloud)
    write_pvd(tmp_path / "a.pvd", [(0.0, "a.vtu")])
    assert "holds a vtkUnstructuredGrid without cells" in failure(tmp_path / "a.pvd")


@pytest.mark.parametrize("share", [0.0, 0.15, 0.5, 0.9])
@pytest.mark.parametrize("kind", [*WRITERS, "nc", "raw", "nrrd.gz"])
def test_truncated_files(kind, share, tmp_path, capfd):
    path, options = tmp_path / f"s0.{kind}", {}
    if kind == "nc":
        write_netcdf(path, [0.0, 1.0])
    elif kind == "raw":
        steps(1).tofile(path)
        options = {"dims": GRID.dims, "dtype": "float32"}
    elif kind == "nrrd.gz":
        path = tmp_path / "s0.nrrd"
        write_nrrd(path, 0, "gzip")
    else:
        WRITERS[kind](path, 0)
    target = next(tmp_path.glob("*.zraw"), path)  # the data of an .mhd
    content = target.read_bytes()
    target.write_bytes(content[: int(share * len(content))])
    message = failure(path, **options)
    assert target.name in message
    assert "ERR|" not in capfd.readouterr().err


def test_truncated_binary_legacy_files(tmp_path):
    from vtkmodules.vtkIOLegacy import vtkStructuredPointsWriter

    writer = vtkStructuredPointsWriter()
    writer.SetInputData(timed_image(0))
    writer.SetFileName(str(tmp_path / "a.vtk"))
    writer.SetFileTypeToBinary()
    writer.Write()
    assert open_series(tmp_path / "a.vtk").read(0, ["density"]).max() == volume(0).max()
    content = (tmp_path / "a.vtk").read_bytes()
    (tmp_path / "a.vtk").write_bytes(content[: len(content) // 2])
    assert "a.vtk cannot be read" in failure(tmp_path / "a.vtk")


@pytest.mark.parametrize("kind", [kind for kind in WRITERS if kind != "mhd"])
def test_files_of_noise(kind, tmp_path):
    path = tmp_path / f"s0.{kind}"
    path.write_bytes(np.random.default_rng(3).bytes(4096))
    assert f"s0.{kind}" in failure(path)


@pytest.mark.parametrize("kind", ["vti", "vtk", "mha", "nii", "nii.gz", "nrrd", "npy"])
def test_a_file_that_breaks_after_opening(kind, tmp_path):
    for step in range(2):
        WRITERS[kind](tmp_path / f"s{step}.{kind}", step)
    series = open_series(str(tmp_path / f"*.{kind}"))
    (tmp_path / f"s1.{kind}").write_bytes(b"")
    with pytest.raises(DataError, match=r"s1\."):
        series.read(1, list(series.field_info))
    (tmp_path / f"s1.{kind}").unlink()
    with pytest.raises(DataError, match=r"s1\."):
        series.read(1, list(series.field_info))


def test_meta_images_without_their_data(tmp_path):
    WRITERS["mhd"](tmp_path / "a.mhd", 0)
    next(tmp_path.glob("*.zraw")).unlink()
    assert "'a.zraw', which is no file beside it" in failure(tmp_path / "a.mhd")


def test_raw_files_need_dims_and_type(tmp_path):
    steps(1).tofile(tmp_path / "a.raw")
    assert "--dims 64 64 64 --dtype float32" in failure(tmp_path / "a.raw")
    assert "dtype is 'flaot'" in failure(tmp_path / "a.raw", dims=GRID.dims, dtype="flaot")
    assert "dims are (7, 6)" in failure(tmp_path / "a.raw", dims=(7, 6), dtype="float32")
    message = failure(tmp_path / "a.raw", dims=(7, 6, 4), dtype="float32")
    assert "has 840 bytes; expected 672 for a step of 7 x 6 x 4 float32" in message
    shutil.copy(tmp_path / "a.raw", tmp_path / "b.vti")
    assert "for .raw files only" in failure(tmp_path / "b.vti", dims=GRID.dims, dtype="float32")


def test_arrays_that_are_no_volumes(tmp_path):
    for name, array, found in (
        ("line", np.zeros(5), "has shape (5,)"),
        ("words", np.full((2, 2, 2), "a"), "expected integers or floats"),
        ("waves", np.zeros((2, 2, 2), complex), "expected integers or floats"),
        ("none", np.zeros((0, 2, 2)), "has shape (0, 2, 2)"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        assert found in failure(tmp_path / f"{name}.npy")
    np.save(tmp_path / "objects.npy", np.array([{}], object))
    assert "objects.npy cannot be read" in failure(tmp_path / "objects.npy")


def test_npz_arrays_that_do_not_fit_each_other(tmp_path):
    np.savez(tmp_path / "a.npz", u=np.zeros((2, 3, 4, 5)), v=np.zeros((3, 3, 4, 5)))
    assert "'u' of 2 x (3, 4, 5) and 'v' of 3 x (3, 4, 5)" in failure(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", u=np.zeros((2, 3, 4, 5)), times=[0, 1, 2])
    assert "has 3 times for 2 steps" in failure(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", u=np.asfortranarray(np.ones((2, 3, 4, 5))))
    assert "Fortran order" in failure(tmp_path / "c.npz")


@pytest.mark.parametrize(
    "old, new, found",
    [
        (b"sizes: 7 6 5\n", b"", "has no 'sizes'"),
        (b"type: float", b"type: block", "has type 'block'"),
        (b"encoding: raw", b"encoding: hex", "encoding 'hex'"),
        (b"sizes: 7 6 5", b"sizes: 7 6 5000000", "bytes of data; expected"),
        (b"sizes: 7 6 5", b"sizes: 7 six 5", "cannot be read"),
        (b"endian", b"kinds: list domain time\nendian", "at most one of time"),
        (b"endian", b"data file: gone.raw\nendian", "'gone.raw', which is no file beside it"),
    ],
)
def test_nrrd_headers_that_cannot_be_read(tmp_path, old, new, found):
    write_nrrd(tmp_path / "a.nrrd", 0)
    (tmp_path / "a.nrrd").write_bytes((tmp_path / "a.nrrd").read_bytes().replace(old, new))
    assert found in failure(tmp_path / "a.nrrd")
