"""Series of volumes: which files, in which order, at which times; what VTK reads, and real data."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from series_files import (
    GRID,
    GRIDS,
    NAMES,
    TURNED,
    WRITERS,
    check,
    rectilinear,
    timed_image,
    volume,
    write_netcdf,
    write_with,
)

from hyperinr.filters.image import to_image, write_image, write_pvd
from hyperinr.filters.readers import appended
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
# Files of one step each.


@pytest.mark.parametrize("kind", WRITERS)
def test_a_numbered_set_from_folder_pattern_and_list(kind, tmp_path):
    names = [f"run_{step}.{kind}" for step in (8, 9, 10)]
    for step, name in enumerate(names):
        WRITERS[kind](tmp_path / name, step)
    for paths in (tmp_path, str(tmp_path / f"*.{kind}"), [tmp_path / name for name in sorted(names)]):
        series = open_series(paths)
        assert series.thetas[:, 0].tolist() == [0, 1, 2]
        check(series, 3, NAMES.get(kind, "density"), grid=GRIDS.get(kind, GRID))
        if "velocity" in series.field_info:
            check(series, 3, "velocity", 3, grid=None)


@pytest.mark.parametrize("kind", WRITERS)
def test_one_file_is_a_static_volume(kind, tmp_path):
    WRITERS[kind](tmp_path / f"a_007.{kind}", 0)
    check(open_series(str(tmp_path / f"a_007.{kind}")), 1, NAMES.get(kind, "density"), grid=None)


def test_fields_are_chosen_and_read_side_by_side(tmp_path):
    write_image(tmp_path / "a.vti", timed_image(0))
    series = open_series(tmp_path / "a.vti", fields=["velocity", "density"])
    assert list(series.field_info) == ["velocity", "density"]
    expected = np.concatenate([volume(0, 3), volume(0)], axis=-1)
    np.testing.assert_array_equal(series.read(0, ["velocity", "density"]), expected)
    assert list(open_series(tmp_path / "a.vti", fields=["density"]).field_info) == ["density"]


def test_direction_and_extents_that_start_elsewhere(tmp_path):
    region = (2, 5, 1, 4, 1, 3)
    part = {"v": volume(0)[1:4, 1:5, 2:6, 0]}
    write_image(tmp_path / "a.vti", to_image(TURNED, part, region))
    series = open_series(tmp_path / "a.vti")
    assert (series.grid.dims, series.grid.direction) == ((4, 4, 3), TURNED.direction)
    np.testing.assert_allclose(series.grid.origin, to_image(TURNED, part, region).GetPoint(0))
    np.testing.assert_array_equal(series.read(0, ["v"], (1, 3)), part["v"][1:3, ..., None])


def test_vti_reads_only_the_planes_it_is_asked_for(tmp_path):
    """A file whose last planes are cut off still gives the first ones, when only they are read."""
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    grid = Grid((16, 16, 64))
    writer = vtkXMLImageDataWriter()
    writer.SetInputData(to_image(grid, {"v": np.arange(grid.n_points, dtype=np.float32).reshape(grid.shape)}))
    writer.SetFileName(str(tmp_path / "a.vti"))
    writer.SetCompressorTypeToNone()
    writer.EncodeAppendedDataOff()
    writer.Write()
    series = open_series(tmp_path / "a.vti")
    content = (tmp_path / "a.vti").read_bytes()
    (tmp_path / "a.vti").write_bytes(content[: len(content) // 2])
    if appended.parser_takes_appended_data():
        assert series.read(0, ["v"], (0, 4)).shape == (4, 16, 16, 1)
    else:
        with pytest.raises(DataError, match="shorter than its header says"):
            series.read(0, ["v"], (0, 4))


def test_data_on_cells_lies_at_their_centres(tmp_path):
    from vtkmodules.util.numpy_support import numpy_to_vtk

    for step in range(2):
        image = to_image(TURNED, {})
        cells = numpy_to_vtk(volume(step)[:4, :5, :6, 0].reshape(-1).copy())
        cells.SetName("c")
        image.GetCellData().AddArray(cells)
        write_image(tmp_path / f"{step}.vti", image)
    series = open_series(tmp_path)
    assert series.grid.dims == (6, 5, 4)
    centre = np.mean(np.reshape(image.GetCell(0).GetBounds(), (3, 2)), axis=1)
    np.testing.assert_allclose(series.grid.origin, centre)
    np.testing.assert_array_equal(series.read(1, ["c"])[..., 0], volume(1)[:4, :5, :6, 0])
    np.testing.assert_array_equal(series.read(1, ["c"], (2, 4))[..., 0], volume(1)[2:4, :5, :6, 0])


def test_points_are_preferred_unless_the_fields_are_on_cells(tmp_path):
    from vtkmodules.util.numpy_support import numpy_to_vtk

    image = timed_image(0)
    cells = numpy_to_vtk(np.arange(120.0))
    cells.SetName("c")
    image.GetCellData().AddArray(cells)
    write_image(tmp_path / "a.vti", image)
    assert list(open_series(tmp_path / "a.vti").field_info) == ["density", "velocity"]
    series = open_series(tmp_path / "a.vti", fields=["c"])
    assert series.read(0, ["c"]).shape == (4, 5, 6, 1)


def test_ghost_marks_and_words_are_no_fields(tmp_path):
    from vtkmodules.vtkCommonCore import vtkStringArray

    for step in range(3):
        image = timed_image(step)
        words = vtkStringArray()
        words.SetName("words")
        words.SetNumberOfValues(GRID.n_points)
        image.GetPointData().AddArray(words)
        if step == 2:
            image.AllocatePointGhostArray()
        write_image(tmp_path / f"{step}.vti", image)
    series = open_series(tmp_path)
    assert list(series.field_info) == ["density", "velocity"]
    check(series, 3, "density")


@pytest.mark.parametrize("mark", ["ghost", "valid"])
def test_blanked_points_and_those_that_resampling_missed_are_no_data(tmp_path, mark):
    from vtkmodules.util.numpy_support import numpy_to_vtk

    image, hidden = timed_image(0), (3, 200)
    if mark == "ghost":
        image.AllocatePointGhostArray()
        for point in hidden:
            image.GetPointGhostArray().SetValue(point, 2)  # HIDDENPOINT
    else:
        valid = np.ones(GRID.n_points, np.int8)
        valid[list(hidden)] = 0
        array = numpy_to_vtk(valid, deep=1)
        array.SetName("vtkValidPointMask")
        image.GetPointData().AddArray(array)
    write_image(tmp_path / "a.vti", image)
    series = open_series(tmp_path / "a.vti")
    assert list(series.field_info) == ["density", "velocity"]
    for name in series.field_info:
        values = series.loader(0, name, None)
        assert tuple(np.unique(np.nonzero(np.isnan(values.reshape(GRID.n_points, -1)))[0])) == hidden


def test_only_the_wanted_arrays_must_be_in_every_step(tmp_path):
    for step in range(3):
        names = {"a": volume(step)[..., 0], **({} if step == 1 else {"b": volume(0)})}
        write_image(tmp_path / f"{step}.vti", to_image(GRID, names))
    check(open_series(tmp_path, fields=["a"]), 3, "a")
    with pytest.raises(DataError, match=r"1\.vti has no field 'b'"):
        open_series(tmp_path, fields=["b"])


def test_fields_on_points_and_on_cells_do_not_lie_together(tmp_path):
    from vtkmodules.util.numpy_support import numpy_to_vtk

    image = timed_image(0)
    cells = numpy_to_vtk(np.arange(120.0), deep=1)
    cells.SetName("c")
    image.GetCellData().AddArray(cells)
    write_image(tmp_path / "a.vti", image)
    with pytest.raises(DataError, match="'density' on points and 'c' on cells"):
        open_series(tmp_path / "a.vti", fields=["density", "c"])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirrored_images_are_turned_round(tmp_path, axis):
    direction = np.eye(3)
    direction[axis, axis] = -1
    write_image(
        tmp_path / "a.vti", to_image(Grid(GRID.dims, GRID.origin, GRID.spacing, direction.ravel()), {"v": volume(0)})
    )
    series = open_series(tmp_path / "a.vti")
    assert series.grid.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert series.grid.origin[axis] == GRID.origin[axis] - GRID.spacing[axis] * (GRID.dims[axis] - 1)
    np.testing.assert_array_equal(series.read(0, ["v"]), np.flip(volume(0), 2 - axis))
    np.testing.assert_array_equal(series.read(0, ["v"], (1, 3)), np.flip(volume(0), 2 - axis)[1:3])


def test_several_times_in_one_vti(tmp_path):
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    writer = vtkXMLImageDataWriter()
    writer.SetFileName(str(tmp_path / "a.vti"))
    writer.SetNumberOfTimeSteps(3)
    images = [timed_image(step) for step in range(3)]
    writer.SetInputData(images[0])
    writer.Start()
    for step, image in enumerate(images):
        writer.SetInputData(image)
        writer.WriteNextTime(0.5 * step)
    writer.Stop()
    series = open_series(tmp_path / "a.vti")
    assert series.thetas[:, 0].tolist() == [0, 1, 2]  # VTK's reader gives their numbers
    check(series, 3, "density", grid=None)  # and VTK's writer leaves the origin out


@pytest.mark.parametrize(
    "suffix, module, writer",
    [("vtr", "vtkIOXML", "vtkXMLRectilinearGridWriter"), ("vtk", "vtkIOLegacy", "vtkRectilinearGridWriter")],
)
def test_even_rectilinear_grids_are_regular(tmp_path, suffix, module, writer):
    for step in range(2):
        write_with(module, writer, tmp_path / f"{step}.{suffix}", rectilinear(step))
    check(open_series(tmp_path), 2, "density")


def test_parallel_files_are_read(tmp_path):
    write_with("vtkIOParallelXML", "vtkXMLPImageDataWriter", tmp_path / "a.pvti", timed_image(0))
    check(open_series(tmp_path / "a.pvti"), 1, "density")


def test_nifti_slope_is_applied(tmp_path):
    WRITERS["nii"](tmp_path / "a.nii", 0)
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[112:120] = np.array([2.0, -1.0], "<f4").tobytes()  # scl_slope, scl_inter
    (tmp_path / "a.nii").write_bytes(content)
    np.testing.assert_array_equal(open_series(tmp_path / "a.nii").read(0, ["NIFTI"]), 2 * volume(0) - 1)


# Times.


def test_times_of_pvd_and_series(tmp_path):
    times = [0.25, 1.5, 1.75]
    for step in range(3):
        write_image(tmp_path / f"s{step}.vti", timed_image(step, time=99 - step))
    write_pvd(tmp_path / "all.pvd", [(time, f"s{step}.vti") for step, time in enumerate(times)])
    entries = [{"name": f"s{step}.vti", "time": time} for step, time in enumerate(times)]
    index = {"file-series-version": "1.0", "files": entries[::-1]}
    for path in (tmp_path / "all.pvd", tmp_path):
        series = open_series(path)
        assert series.thetas[:, 0].tolist() == times
        check(series, 3, "density")
    (tmp_path / "s.vti.series").write_text(json.dumps(index))
    series = open_series(tmp_path / "s.vti.series")
    assert series.thetas[:, 0].tolist() == times
    check(series, 3, "density")


@pytest.mark.parametrize("kind", ["vti", "vtk"])
def test_times_of_the_field_data_order_the_steps(kind, tmp_path):
    times = [0.5, 0.75, 3.0]
    for number, step in ((1, 2), (2, 0), (3, 1)):
        image = timed_image(step, times[step])
        if kind == "vti":
            write_image(tmp_path / f"{number}.vti", image)
        else:
            write_with("vtkIOLegacy", "vtkStructuredPointsWriter", tmp_path / f"{number}.vtk", image)
    series = open_series(tmp_path)
    assert series.thetas[:, 0].tolist() == times
    check(series, 3, "density")


def test_netcdf_has_times_units_and_coordinates(tmp_path):
    write_netcdf(tmp_path / "a.nc", [0.5, 1.0, 4.0])
    series = open_series(tmp_path / "a.nc")
    assert series.thetas[:, 0].tolist() == [0.5, 1.0, 4.0]
    assert series.units == {"density": "kg/m3", "time": "s"}
    check(series, 3, "density")


def test_netcdf_4_in_several_files(tmp_path):
    import netCDF4

    for step in range(2):
        with netCDF4.Dataset(tmp_path / f"{step}.nc", "w") as file:
            for name, size in zip(("time", "z", "y", "x"), (1, *GRID.shape)):
                file.createDimension(name, size)
            time = file.createVariable("time", "f8", ("time",))
            time.units = "days since 2000-01-01"
            time[:] = 10 - step  # later files are earlier
            file.createVariable("density", "f4", ("time", "z", "y", "x"), zlib=True)[:] = volume(1 - step)[None, ..., 0]
    series = open_series(tmp_path)
    assert series.thetas[:, 0].tolist() == [9, 10]
    check(series, 2, "density", grid=None)


def test_descending_axes_turn_the_grid(tmp_path):
    write_netcdf(tmp_path / "a.nc", [0.0, 1.0], descending=True)
    series = open_series(tmp_path / "a.nc")
    last = np.array(GRID.origin) + np.array(GRID.spacing) * (np.array(GRID.dims) - 1)
    points = to_image(series.grid, {})
    values = {tuple(np.round(points.GetPoint(i), 6)): v for i, v in enumerate(series.read(0, ["density"]).ravel())}
    assert min(series.grid.spacing) > 0
    assert values[tuple(last)] == volume(0)[0, 0, 0, 0]
    assert values[GRID.origin] == volume(0)[-1, -1, -1, 0]


# Real data: these must be there in CI, so their absence is a failure.


@pytest.fixture
def real():
    if not DATA.is_dir():
        pytest.fail(f"{DATA} is missing; these tests read the real data beside the checkout")
    return DATA


def test_viscous_fingers(real):
    series = open_series(real / "viscous_fingers")
    assert (len(series), series.grid.dims, series.field_info) == (99, (64, 64, 64), {"ImageFile": 1})
    first, last = series.read(0, ["ImageFile"]), series.read(98, ["ImageFile"])
    assert first.max() == np.float32(76.763237) and first.min() == 0
    np.testing.assert_array_equal(series.read(98, ["ImageFile"], (20, 22)), last[20:22])
    assert abs(series.read(97, ["ImageFile"]) - last).mean() < 0.2 * abs(first - last).mean()  # in natural order


def test_engine_and_hydrogen(real):
    engine = open_series(real / "engine.nii.gz")
    assert (engine.grid.dims, engine.read(0, ["NIFTI"], (60, 70)).shape) == ((256, 256, 128), (10, 256, 256, 1))
    assert engine.read(0, ["NIFTI"]).max() == 255
    hydrogen = open_series(real / "hydrogen.vti")
    values = hydrogen.read(0, ["probability_density"])
    assert (hydrogen.grid.dims, values.min(), values.max()) == ((64, 64, 64), 0, 1)
