"""Axes that are curved, uneven or follow the terrain: linear fields come out exactly, at the right places."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr.filters.readers.curved import unrolled
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError

xarray = pytest.importorskip("xarray")
pytest.importorskip("netCDF4")

Z = np.array([0.0, 1, 3, 7, 15, 31])
ROW, COLUMN = np.meshgrid(np.arange(14.0), np.arange(18.0), indexing="ij")
#: A turned grid that passes the date line.
LON, LAT = (COLUMN * np.cos(0.4) - ROW * np.sin(0.4)) + 175, (COLUMN * np.sin(0.4) + ROW * np.cos(0.4)) * 0.5 - 10
EAST = {"units": "degrees_east"}
NORTH = {"units": "degrees_north"}


def linear(x, y, z, time=0.0):
    return 1 + 2 * x - 3 * y + 0.5 * z + 100 * time


def is_exact(path, name="T", tolerance=1e-3):
    series = open_series(path, fields=[name])
    grid = series.grid
    axes = [grid.origin[i] + np.arange(grid.dims[i]) * grid.spacing[i] for i in range(3)]
    z, y, x = np.meshgrid(*axes[::-1], indexing="ij")
    for step in range(len(series)):
        found = np.asarray(series.loader(step, name, None))[..., 0]
        part = np.asarray(series.loader(step, name, (1, 3)))[..., 0]
        assert np.array_equal(part, found[1:3], equal_nan=True), "planes are those of the whole"
        assert np.isfinite(found).mean() > 0.2
        assert np.nanmax(np.abs(found - linear(x, y, z, step))) < tolerance
    return series


def turned(values, dims, extra=None, attributes=None, coordinates=None):
    data = {"T": (dims, values, {"coordinates": "lon lat", **(attributes or {})})}
    data["lon"] = (dims[-2:], (LON + 180) % 360 - 180, EAST)
    data["lat"] = (dims[-2:], LAT, NORTH)
    return xarray.Dataset({**data, **(extra or {})}, coords=coordinates)


def test_uneven_axes(tmp_path):
    x, y = np.linspace(0, 1, 12) ** 1.4 * 30, 20 - np.linspace(0, 1, 10) ** 0.8 * 20
    zz, yy, xx = np.meshgrid(Z, y, x, indexing="ij")
    values = np.stack([linear(xx, yy, zz, step) for step in range(3)])
    coordinates = {"time": np.arange(3.0), "lev": Z, "lat": y, "lon": x}
    xarray.Dataset({"T": (("time", "lev", "lat", "lon"), values)}, coords=coordinates).to_netcdf(tmp_path / "a.nc")
    series = is_exact(tmp_path / "a.nc")
    assert series.grid.spacing[1] > 0 and "axes of a.nc are uneven" in series.notes[0]
    assert open_series(tmp_path / "a.nc", dims=(5, 6, 7)).grid.dims == (5, 6, 7)


def test_curved_axes_over_the_date_line(tmp_path):
    values = np.stack([linear(LON, LAT, Z[:, None, None], step) for step in range(2)])
    data = turned(
        values, ("time", "lev", "y", "x"), coordinates={"time": [0.0, 1.0], "lev": ("lev", Z, {"positive": "up"})}
    )
    data.to_netcdf(tmp_path / "a.nc")
    # a turn of the globe off, as the first longitude decides: 2 x 360
    series = open_series(tmp_path / "a.nc", fields=["T"])
    turns = round((series.grid.origin[0] - LON.min()) / 360)
    data["T"] = data["T"] + 2 * 360 * turns
    data.to_netcdf(tmp_path / "b.nc")
    assert "are curved" in is_exact(tmp_path / "b.nc").notes[0]


def test_what_is_filled_in_is_no_place(tmp_path):
    """Longitudes and latitudes of 0 in parts where an ocean model computes nothing, and a coast."""
    values = linear(LON, LAT, 0.0)[None]
    values[:, :3, :3] = np.nan
    lon, lat = LON.copy(), LAT.copy()
    lon[10:13, 10:13] = lat[10:13, 10:13] = 0
    data = turned(values, ("time", "y", "x"), coordinates={"time": [0.0]})
    data["lon"], data["lat"] = (("y", "x"), lon, EAST), (("y", "x"), lat, NORTH)
    data.to_netcdf(tmp_path / "a.nc")
    grid = open_series(tmp_path / "a.nc", fields=["T"]).grid
    assert grid.origin[0] == pytest.approx(LON.min()) and grid.origin[1] == pytest.approx(LAT.min())
    assert grid.origin[0] + grid.spacing[0] * (grid.dims[0] - 1) == pytest.approx(LON.max())


def stretched(eta):
    """Heights of ROMS's second transformation, and the terms of its formula."""
    s, depth, critical = np.linspace(-1, 0, 9), 100 + 20 * np.sin(COLUMN / 8), 10.0
    curve = s**3
    share = (critical * s[:, None, None] + depth * curve[:, None, None]) / (critical + depth)
    terms = {"C": (("s_rho",), curve), "h": (("y", "x"), depth), "hc": ((), critical)}
    return s, eta + (eta + depth) * share, terms


def test_terrain_following_levels_that_move(tmp_path):
    eta = np.stack([0 * COLUMN, 1 + 0.5 * np.cos(ROW / 5)])
    levels, heights = [], []
    for each in eta:
        levels, height, terms = stretched(each)
        heights.append(height)
    values = np.stack([linear(LON, LAT, height, step) for step, height in enumerate(heights)])
    formula = {
        "standard_name": "ocean_s_coordinate_g2",
        "formula_terms": "s: s_rho C: C eta: zeta depth: h depth_c: hc",
    }
    data = turned(values, ("time", "s_rho", "y", "x"), {"zeta": (("time", "y", "x"), eta), **terms})
    data = data.assign_coords(time=[0.0, 1.0], s_rho=("s_rho", levels, formula))
    data["lon"] = (("y", "x"), LON, EAST)
    data.to_netcdf(tmp_path / "a.nc")
    assert "follow the terrain" in is_exact(tmp_path / "a.nc").notes[0]


@pytest.mark.parametrize("names", [("PH", "PHB"), ("height",)])
def test_heights_of_every_point(names, tmp_path):
    """WRF's geopotential at the faces of levels; or a coordinate of three axes."""
    faces = np.arange(8.0)[:, None, None] * 300 + (7 - np.arange(8.0)[:, None, None]) / 7 * (
        100 + 20 * np.sin(COLUMN / 8)
    )
    middles = (faces[1:] + faces[:-1]) / 2
    dims = ("Time", "bottom_top", "south_north", "west_east")
    values = np.stack([linear(LON, LAT, middles, step) for step in range(2)])
    data = turned(values, dims, attributes={"coordinates": f"lon lat {names[0] if len(names) == 1 else ''}".strip()})
    data["lon"] = (dims[-2:], LON, EAST)
    if len(names) == 2:
        stagger = ("Time", "bottom_top_stag", *dims[2:])
        for name, share in (("PH", 0.1), ("PHB", 0.9)):
            data[name] = (stagger, np.stack([share * 9.81 * faces] * 2))
    else:
        data["height"] = (dims[1:], middles, {"standard_name": "height", "positive": "up"})
    data.to_netcdf(tmp_path / "a.nc")
    is_exact(tmp_path / "a.nc", tolerance=2e-3)


def test_a_coast_stays_in_its_place(tmp_path):
    """Half of the weight decides, so that a coast does not eat a cell of the sea."""
    x = np.linspace(0, 1, 11) ** 1.2 * 10
    values = np.where(x > 5, 1.0, np.nan) * np.ones((2, 4, 11))
    coordinates = {"time": [0.0, 1.0], "lat": np.arange(4.0), "lon": x}
    xarray.Dataset({"T": (("time", "lat", "lon"), values)}, coords=coordinates).to_netcdf(tmp_path / "a.nc")
    series = open_series(tmp_path / "a.nc", dims=(101, 4, 1))
    found = np.isfinite(np.asarray(series.loader(0, "T", None))[0, 0, :, 0])
    places = series.grid.origin[0] + np.arange(101) * series.grid.spacing[0]
    first = int(np.argmax(x > 5))
    assert np.array_equal(found, places >= (x[first] + x[first - 1]) / 2 - 1e-9)


def test_one_curved_axis_of_two(tmp_path):
    values = np.zeros((1, 14, 18))
    data = turned(values, ("time", "y", "x"), coordinates={"time": [0.0]}).drop_vars("lat")
    data.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match="curved axes, lon, but not the other one"):
        open_series(tmp_path / "a.nc", fields=["T"])


def test_longitudes_just_west_of_greenwich_stay_beside_those_east_of_it():
    # -0.4 modulo 360 is not 360 - 0.4 to the last bit
    x = np.array([[-0.4, 0.6], [-0.3, 5.0]])
    np.testing.assert_allclose(unrolled(x), x, atol=1e-9)
    np.testing.assert_allclose(unrolled(x + 360), x, atol=1e-9)
