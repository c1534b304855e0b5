"""Steps in .npy, .npz, .raw and .nrrd files, which need no VTK and are mapped or streamed."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from series_files import GRID, check, steps, volume, write_nrrd

from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError
from hyperinr_core.volume import Grid


def test_npy_axes_mean_time_depth_rows_columns_components(tmp_path):
    np.save(tmp_path / "four.npy", steps(3)[..., 0])
    np.save(tmp_path / "five.npy", steps(3, 2))
    np.save(tmp_path / "double_fortran.npy", np.asfortranarray(steps(2)[..., 0].astype(">f8")))
    check(open_series(tmp_path / "four.npy"), 3, "value", grid=Grid(GRID.dims))
    check(open_series(tmp_path / "five.npy", fields=["uv"]), 3, "uv", 2, grid=Grid(GRID.dims))
    check(open_series(tmp_path / "double_fortran.npy"), 2, "value", grid=Grid(GRID.dims))


def test_npy_steps_with_components(tmp_path):
    for step in range(2):
        np.save(tmp_path / f"{step}.npy", volume(step, 3))
    check(open_series(tmp_path), 2, "value", 3, grid=None)
    check(open_series(tmp_path / "0.npy", components=3), 1, "value", 3, grid=None)


def test_npy_parts_of_a_series(tmp_path):
    for part, stop in enumerate((2, 3, 6)):
        np.save(tmp_path / f"{part}.npy", np.full((stop, 5, 6, 11), part))
    series = open_series(tmp_path)
    assert (len(series), series.grid.dims, series.field_info) == (11, (11, 6, 5), {"value": 1})
    assert [series.read(step, ["value"])[0, 0, 0, 0] for step in range(11)] == [0] * 2 + [1] * 3 + [2] * 6
    assert open_series(tmp_path / "0.npy", components=11).field_info == {"value": 11}  # where the user says so


def test_npz_with_coordinates_and_numbers_beside_the_volume(tmp_path):
    places = {"lon": 1 + 0.5 * np.arange(7), "y": 10 - 2.0 * np.arange(6), "depth": 3 * np.arange(5), "t": [0.5, 2.0]}
    others = {"gamma": 1.4, "profile": np.arange(9), "coarse": np.zeros((2, 2, 2, 2)), "mass": np.eye(4)}
    np.savez(tmp_path / "a.npz", rho=steps(2)[..., 0], **places, **others)
    series = open_series(tmp_path / "a.npz", fields=["rho"])
    assert (series.thetas[:, 0].tolist(), series.field_info) == ([0.5, 2], {"rho": 1})
    assert (series.grid.origin, series.grid.spacing) == ((1, 0, 0), (0.5, 2, 3))
    np.testing.assert_array_equal(series.read(1, ["rho"]), volume(1)[:, ::-1])


@pytest.mark.parametrize("dtype", ["float", "int", "long"])
def test_types_without_a_size_are_asked_about(tmp_path, dtype):
    steps(1).astype(dtype).tofile(tmp_path / "a.raw")
    with pytest.raises(DataError, match=f"{dtype}32"):
        open_series(tmp_path / "a.raw", dims=GRID.dims, dtype=dtype)


def test_images_of_a_plane_are_steps(tmp_path):
    for step in range(2):
        np.save(tmp_path / f"{step}.npy", volume(step)[0, ..., 0])
    series = open_series(tmp_path)
    assert series.grid.n_pos_dims == 2
    np.testing.assert_array_equal(series.read(1, ["value"]), volume(1)[:1])


def test_npz_of_fields_with_times(tmp_path):
    for save, name in ((np.savez, "plain.npz"), (np.savez_compressed, "packed.npz")):
        save(tmp_path / name, density=steps(3)[..., 0], velocity=steps(3, 3), times=[0.5, 1.0, 4.0], label=["a"])
        series = open_series(tmp_path / name)
        assert series.thetas[:, 0].tolist() == [0.5, 1.0, 4.0]
        assert series.field_info == {"density": 1, "velocity": 3}
        check(series, 3, "density", grid=None)
        check(series, 3, "velocity", 3, grid=None)


def test_npz_of_unnamed_steps(tmp_path):
    np.savez(tmp_path / "a.npz", *(volume(step)[..., 0] for step in range(11)))
    check(open_series(tmp_path / "a.npz", fields=["density"]), 11, "density", grid=None)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "float64", "int32"])
def test_raw_in_one_file_or_several(tmp_path, dtype):
    steps(3).astype(dtype).tofile(tmp_path / "all.raw")
    check(open_series(tmp_path / "all.raw", dims=GRID.dims, dtype=dtype), 3, "value", grid=Grid(GRID.dims))
    (tmp_path / "set").mkdir()
    for step in range(3):
        volume(step, 2).astype(dtype).tofile(tmp_path / "set" / f"t{step}.raw")
    series = open_series(tmp_path / "set", dims=GRID.dims, dtype=dtype, fields=["uv"], components=2)
    check(series, 3, "uv", 2, grid=None)


def test_raw_data_may_have_any_unknown_extension(tmp_path):
    steps(2).tofile(tmp_path / "all.dat")
    check(open_series(tmp_path / "all.dat", dims=GRID.dims, dtype="float32"), 2, "value", grid=None)


def test_steps_are_read_from_maps_not_into_memory(tmp_path):
    """A raw file far larger than memory opens and gives one plane at its end (it is sparse on disk)."""
    n = 2048
    with open(tmp_path / "huge.raw", "wb") as file:
        file.truncate(8 * n**3)
        file.seek(8 * n**3 - 1)
        file.write(b"\x07")
    series = open_series(tmp_path / "huge.raw", dims=(n, n, n), dtype="uint8")
    assert len(series) == 8
    plane = series.read(7, ["value"], (n - 1, n))
    assert plane[0, -1, -1, 0] == 7 and plane.sum() == 7


def test_numpy_files_need_no_vtk_and_no_other_library(tmp_path):
    np.save(tmp_path / "a.npy", steps(2)[..., 0])
    write_nrrd(tmp_path / "a.nrrd", 0)
    program = f"""
import sys
from hyperinr.filters.readers.series import open_series
open_series(r"{tmp_path}/a.npy").read(1, ["value"])
open_series(r"{tmp_path}/a.nrrd").read(0, ["value"])
others = ("vtk", "scipy", "torch", "xarray", "netCDF4", "nibabel", "tifffile", "h5py")
print([name for name in sys.modules if name.startswith(others)])
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


# NRRD beyond the plain file.


def test_nrrd_gzip_and_detached_data(tmp_path):
    write_nrrd(tmp_path / "packed.nrrd", 0, "gzip")
    check(open_series(tmp_path / "packed.nrrd"), 1, "value")
    write_nrrd(tmp_path / "apart.nhdr", 0, header="data file: apart.raw\nbyte skip: 8\n")
    header, data = (tmp_path / "apart.nhdr").read_bytes().split(b"\n\n", 1)
    (tmp_path / "apart.nhdr").write_bytes(header + b"\n")
    (tmp_path / "apart.raw").write_bytes(b"8 bytes." + data)
    check(open_series(tmp_path / "apart.nhdr"), 1, "value")


def test_nrrd_components_spacings_and_short_axes(tmp_path):
    head = b"NRRD0004\ntype: double\nendian: big\nencoding: raw\n"
    data = volume(0, 3).astype(">f8").tobytes()
    vectors = b"dimension: 4\nsizes: 3 7 6 5\nkinds: vector domain domain domain\nspacings: nan 0.5 0.25 2\n\n"
    (tmp_path / "v.nrrd").write_bytes(head + vectors + data)
    check(open_series(tmp_path / "v.nrrd"), 1, "value", 3, grid=Grid(GRID.dims, spacing=GRID.spacing))
    (tmp_path / "short.nrrd").write_bytes(head + b"dimension: 3\nsizes: 3 42 5\n\n" + data)
    assert open_series(tmp_path / "short.nrrd").grid.dims == (3, 42, 5)  # VTK would take 3 for components
    (tmp_path / "plane.nrrd").write_bytes(head + b"dimension: 2\nsizes: 21 30\n\n" + data)
    assert open_series(tmp_path / "plane.nrrd").grid.dims == (21, 30, 1)


def test_nrrd_space_directions_turn_the_grid(tmp_path):
    write_nrrd(tmp_path / "a.nrrd", 0)
    content = (tmp_path / "a.nrrd").read_bytes().replace(b"(0.5,0,0) (0,0.25,0)", b"(0,0.5,0) (-0.25,0,0)")
    (tmp_path / "a.nrrd").write_bytes(content)
    grid = open_series(tmp_path / "a.nrrd").grid
    assert grid.spacing == GRID.spacing
    np.testing.assert_allclose(np.reshape(grid.direction, (3, 3)) @ (1, 0, 0), (0, 1, 0))
    np.testing.assert_allclose(np.reshape(grid.direction, (3, 3)) @ (0, 1, 0), (-1, 0, 0))
