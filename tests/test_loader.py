"""Components and magnitudes of arrays as fields, whatever reads the arrays."""

from __future__ import annotations

import numpy as np
import pytest
from series_files import GRID, timed_image, volume, write_nrrd

from hyperinr.filters.image import write_image
from hyperinr.filters.readers.loader import Part
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError


def write_npz(path):
    np.savez(path, density=volume(0)[..., 0], velocity=volume(0, 3)[None])
    return path


def write_vti(path):
    write_image(path, timed_image(0))
    return path


def write_nc(path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    xarray.Dataset({"velocity": (("z", "y", "x", "comp"), volume(0, 3))}).to_netcdf(path)
    return path


def write_npy(path):
    np.save(path, volume(0, 3)[None])
    return path


@pytest.mark.parametrize(
    "name, write", [("a.npz", write_npz), ("a.vti", write_vti), ("a.nc", write_nc), ("a.npy", write_npy)]
)
def test_components_and_magnitude(name, write, tmp_path):
    wanted = ["velocity:2", "velocity:mag", "velocity"]
    if name == "a.npy":  # its array has the name that is asked for, if that is one
        wanted = wanted[:1]
    series = open_series(write(tmp_path / name), fields=wanted)
    assert series.field_info == dict(zip(wanted, (1, 1, 3)))
    truth = {
        "velocity": volume(0, 3),
        "velocity:2": volume(0, 3)[..., 2:],
        "velocity:mag": np.linalg.norm(volume(0, 3).astype(np.float64), axis=-1, keepdims=True),
    }
    for field in wanted:
        assert np.allclose(series.read(0, [field]), truth[field], rtol=1e-6)
        assert np.allclose(series.read(0, [field], (1, 3)), truth[field][1:3], rtol=1e-6)


def test_a_component_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="has 1 components of 'density'; expected 'density:1' to name one of 0 to 0"):
        open_series(write_npz(tmp_path / "a.npz"), fields=["density:1"])
    write_nrrd(tmp_path / "a.nrrd", 0)
    assert open_series(tmp_path / "a.nrrd", fields=["rho:0"]).read(0, ["rho:0"]).shape == (*GRID.shape, 1)


@pytest.mark.parametrize("name, array", [("U:0", "U"), ("a:b:12", "a:b"), ("U:x", "U:x"), ("U:", "U:"), (":0", ":0")])
def test_names_of_parts(name, array):
    assert Part.of(name).array == array
