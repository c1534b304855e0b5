"""`--axes` tells what the axes of an array are, whatever the format says or leaves open."""

from __future__ import annotations

import h5py
import netCDF4
import nibabel
import numpy as np
import pytest

from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError

SIZES = {"t": 3, "z": 4, "y": 5, "x": 6, "c": 2}
#: (t, z, y, x, c), every number another.
VALUES = np.arange(np.prod(list(SIZES.values())), dtype=np.float32).reshape(tuple(SIZES.values()))


def arranged(letters):
    """VALUES with axes of these letters, the first of those that are left out."""
    index = tuple(slice(None) if axis in letters else 0 for axis in SIZES)
    kept = [axis for axis in SIZES if axis in letters]
    return np.ascontiguousarray(VALUES[index].transpose([kept.index(axis) for axis in letters]))


def npy(path, letters):
    np.save(path / "a.npy", arranged(letters))
    return path / "a.npy"


def npz(path, letters):
    np.savez_compressed(path / "a.npz", v=arranged(letters), time=np.arange(SIZES["t"] if "t" in letters else 1) * 2.0)
    return path / "a.npz"


def nifti(path, letters):
    nibabel.save(nibabel.Nifti1Image(arranged(letters).T, np.eye(4)), path / "a.nii.gz")
    return path / "a.nii.gz"


def netcdf(path, letters):
    """Dimensions whose names and order say something else, or nothing."""
    with netCDF4.Dataset(path / "a.nc", "w") as file:
        names = [f"dim{place}" for place in range(len(letters))]
        for name, axis in zip(names, letters):
            file.createDimension(name, SIZES[axis])
        file.createVariable("v", "f4", names)[:] = arranged(letters)
    return path / "a.nc"


@pytest.mark.parametrize("letters", ["xyzt", "tzyx", "czyx", "yxt", "tcyx", "zyx"])
@pytest.mark.parametrize("write", [npy, npz, nifti, netcdf])
def test_axes_in_any_order(write, letters, tmp_path):
    series = open_series(write(tmp_path, letters), axes=letters)
    n, nz, nc = (SIZES[axis] if axis in letters else 1 for axis in "tzc")
    assert len(series) == n and series.grid.dims == (6, 5, nz) and list(series.field_info.values()) == [nc]
    (name,) = series.field_info
    for step in range(n):
        np.testing.assert_array_equal(series.read(step, [name]), VALUES[step, :nz, :, :, :nc])
    if nz > 2:
        np.testing.assert_array_equal(series.read(n - 1, [name], (1, 3)), VALUES[n - 1, 1:3, :, :, :nc])


def test_what_is_measured_goes_with_its_axis(tmp_path):
    image = nibabel.Nifti1Image(arranged("xtzy").T, np.eye(4))
    image.header["pixdim"][1:5] = [2, 3, 0.5, 7]  # of y, z, t, x
    nibabel.save(image, tmp_path / "a.nii")
    series = open_series(tmp_path / "a.nii", axes="xtzy")
    assert series.grid.spacing == (7, 2, 3) and series.thetas.ravel().tolist() == [0, 0.5, 1]
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, axis in (("a", "t"), ("b", "y"), ("d", "x")):
            file.createDimension(name, SIZES[axis])
            file.createVariable(name, "f8", (name,))[:] = 10 + 3.0 * np.arange(SIZES[axis])
        file.createVariable("v", "f4", ("b", "a", "d"))[:] = arranged("ytx")
        file.createVariable("still", "f4", ("b", "d"))[:] = arranged("yx")
    series = open_series(tmp_path / "a.nc", axes="ytx")
    assert list(series.field_info) == ["v"] and series.thetas.ravel().tolist() == [10, 13, 16]
    assert series.grid.origin[:2] == (10, 10) and series.grid.spacing[:2] == (3, 3)


@pytest.mark.parametrize("letters", ["tzy", "tzyxc", "tzyy", "tzyw", "tzcx"])
@pytest.mark.parametrize("write", [npy, npz, nifti, netcdf])
def test_letters_that_do_not_fit(write, letters, tmp_path):
    path = write(tmp_path, "tzyx")
    with pytest.raises(DataError, match=f"4 axes; expected as many letters.*found '{letters}'"):
        open_series(path, axes=letters, fields=["v"] if path.suffix == ".nc" else None)


def test_formats_that_leave_no_doubt_say_so(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["v"] = VALUES
    for name in ("a.h5", "a.vti", "a.raw"):
        (tmp_path / name).touch()
        with pytest.raises(DataError, match=r"a\..* leaves no doubt about its axes; expected --axes for \.npy \.npz"):
            open_series(tmp_path / name, axes="tzyx", dims=(2, 2, 2) if name == "a.raw" else None)
