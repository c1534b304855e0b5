"""NetCDF with groups: what is in them is found, and sees the dimensions, times and coordinates around it."""

from __future__ import annotations

import json

import netCDF4
import numpy as np
import pytest
import xarray
from click.testing import CliRunner

from hyperinr.filters.readers.series import open_series
from hyperinr.plugin.commands.inspect import inspect
from hyperinr_core.errors import DataError

SHAPE = (3, 4, 5, 6)


def numbers(start=0.0):
    return start + np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)


def line(group, name, points, **attributes):
    """A dimension of a group and the coordinate along it."""
    group.createDimension(name, len(points))
    group.createVariable(name, "f8", (name,))[:] = points
    group[name].setncatts(attributes)


def nested(path):
    """Times and the lower axes outside, levels in `air`, fields in `air/model` and in `sea`, which has a grid of its own."""
    with netCDF4.Dataset(path, "w") as file:
        line(file, "time", [0, 6, 12], units="hours since 2000-01-01")
        line(file, "lat", 10 + 2.0 * np.arange(5), units="degrees_north")
        line(file, "lon", 5 + 3.0 * np.arange(6), units="degrees_east")
        air = file.createGroup("air")
        line(air, "lev", 100.0 * np.arange(4), positive="up")
        model = air.createGroup("model")
        model.createVariable("T", "f4", ("time", "lev", "lat", "lon"))[:] = numbers()
        model["T"].units = "K"
        model.createVariable("q", "f4", ("time", "lev", "lat", "lon"))[:] = numbers(1000)
        sea = file.createGroup("sea")
        line(sea, "lat", 0.5 * np.arange(3), units="degrees_north")
        line(sea, "time", [1.0, 2.0], units="days since 2001-01-01")
        sea.createVariable("ice", "f4", ("time", "lat", "lon"))[:] = np.arange(36).reshape(2, 3, 6)
    return path


def test_fields_in_groups_see_what_is_around_them(tmp_path):
    series = open_series(nested(tmp_path / "a.nc"))
    assert list(series.field_info) == ["air/model/T", "air/model/q"]
    assert series.grid.dims == (6, 5, 4)
    assert series.grid.origin == (5, 10, 0) and series.grid.spacing == (3, 2, 100)
    assert series.thetas.ravel().tolist() == [0, 6, 12]
    assert series.units == {"air/model/T": "K", "time": "hours since 2000-01-01"}
    np.testing.assert_array_equal(series.read(1, ["air/model/q"])[..., 0], numbers(1000)[1])


def test_a_group_may_have_dimensions_of_the_same_name(tmp_path):
    series = open_series(nested(tmp_path / "a.nc"), fields=["sea/ice"])
    assert series.grid.dims == (6, 3, 1) and series.grid.spacing[:2] == (3, 0.5)
    assert series.thetas.ravel().tolist() == [1, 2] and series.units["time"] == "days since 2001-01-01"
    np.testing.assert_array_equal(series.read(1, ["sea/ice"])[0, ..., 0], np.arange(18, 36).reshape(3, 6))


def test_inspect_lists_them(tmp_path):
    nested(tmp_path / "a.nc")
    result = CliRunner().invoke(inspect, [str(tmp_path / "a.nc"), "--json"])
    assert [field["name"] for field in json.loads(result.stdout)["fields"]] == ["air/model/T", "air/model/q"]
    with pytest.raises(DataError, match="no field 'T'; expected one of air/model/T, air/model/q, sea/ice"):
        open_series(tmp_path / "a.nc", fields=["T"])


def test_attributes_name_what_lies_in_other_groups(tmp_path):
    """Curved axes that a field in one group names as they lie in another, and their bounds, which are no fields."""
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, n in (("y", 5), ("x", 6), ("corner", 4)):
            file.createDimension(name, n)
        places = file.createGroup("places")
        y, x = np.meshgrid(np.arange(5.0), np.arange(6.0), indexing="ij")
        for name, points, units in (("lat", y + 0.1 * x, "degrees_north"), ("lon", x - 0.1 * y, "degrees_east")):
            places.createVariable(name, "f8", ("y", "x"))[:] = points
            places[name].setncatts({"units": units, "bounds": f"{name}_corners"})
            places.createVariable(f"{name}_corners", "f8", ("y", "x", "corner"))[:] = 0
        found = file.createGroup("found")
        found.createVariable("time", "f8", ())[:] = 7.0
        found.createVariable("v", "f4", ("y", "x"))[:] = x + 10 * y
        found["v"].coordinates = "/places/lat lon"
        file.createGroup("other").createVariable("time", "f8", ())[:] = 9.0
    series = open_series(tmp_path / "a.nc", dims=(12, 10, 1))
    assert list(series.field_info) == ["found/v"] and series.thetas.ravel().tolist() == [7]
    assert "curved" in series.notes[0]
    lon, lat = (axis[5] for axis in (np.linspace(-0.4, 5, 12), np.linspace(0, 4.5, 10)))
    x = (lon + 0.1 * lat) / 1.01
    expected = x + 10 * (lat - 0.1 * x)
    assert series.read(0, ["found/v"])[0, 5, 5, 0] == pytest.approx(expected, abs=0.2)


def test_groups_as_xarray_writes_them(tmp_path):
    part = xarray.Dataset(
        {"u": (("time", "z", "y", "x"), numbers())},
        {"time": ("time", [0.0, 1, 2]), "x": ("x", 2.0 * np.arange(6))},
    )
    xarray.Dataset(attrs={"title": "run"}).to_netcdf(tmp_path / "a.nc", engine="netcdf4")
    part.to_netcdf(tmp_path / "a.nc", mode="a", group="out/fine", engine="netcdf4", unlimited_dims=["time"])
    series = open_series(tmp_path / "a.nc")
    assert list(series.field_info) == ["out/fine/u"] and len(series) == 3 and series.grid.spacing[0] == 2
    np.testing.assert_array_equal(series.read(2, ["out/fine/u"])[..., 0], numbers()[2])
