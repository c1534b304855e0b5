"""NetCDF, Zarr and GRIB by the CF conventions: values that are no data, axes by their attributes, one clock for all files."""

from __future__ import annotations

import sys

import netCDF4
import numpy as np
import pytest
import xarray

from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import BackendError, DataError

SHAPE = (4, 5, 6)


def values(n: int = 3) -> np.ndarray:
    return np.arange(n * np.prod(SHAPE), dtype=np.float32).reshape(n, *SHAPE)


def write(path, data=None, dims=("time", "lev", "lat", "lon"), **changes):
    """A healthy file by xarray, with changed coordinates where asked; a coordinate that is None is left out."""
    data = values() if data is None else data
    sizes = dict(zip(dims, data.shape))
    coordinates = {
        "time": ("time", np.arange(sizes.get("time", 0)), {"units": "hours since 2000-01-01"}),
        "lev": ("lev", np.arange(sizes.get("lev", 0)) * 100.0),
        "lat": ("lat", np.arange(sizes.get("lat", 0)) * 2.0, {"units": "degrees_north"}),
        "lon": ("lon", np.arange(sizes.get("lon", 0)) * 3.0, {"units": "degrees_east"}),
    }
    coordinates.update(changes)
    coordinates = {name: part for name, part in coordinates.items() if name in dims and part is not None}
    xarray.Dataset({"T": (dims, data)}, coordinates).to_netcdf(path, engine="netcdf4")
    return path


def write_variable(path, stored, kind, **attributes):
    """One variable written number for number by netCDF4, as (time, y, x) of two steps."""
    fill = attributes.pop("_FillValue", None)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in zip(("time", "y", "x"), (2, 3, 4)):
            file.createDimension(name, size)
        variable = file.createVariable("v", kind, ("time", "y", "x"), fill_value=fill)
        variable.set_auto_maskandscale(False)
        variable.setncatts(attributes)
        if stored is not None:
            variable[:] = stored
    return path


def missing(path) -> set[int]:
    """Numbers of the points of both steps that are no data, as the reader gives them."""
    series = open_series(path)
    read = np.stack([np.asarray(series.loader(step, "v", None), np.float32) for step in range(2)])
    return set(np.flatnonzero(np.isnan(read)).tolist())


STORED = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize(
    "kind, attributes, expected",
    [
        ("i2", {"_FillValue": 7, "scale_factor": 0.01, "add_offset": 5.0}, {7}),
        ("f4", {"missing_value": np.float64(7)}, {7}),
        ("f8", {"missing_value": np.array([7.0, 9.0])}, {7, 9}),
        ("i4", {"valid_range": np.array([2, 20], "i4")}, {0, 1, 21, 22, 23}),
        ("i2", {"valid_max": np.int16(20), "scale_factor": 0.5}, {21, 22, 23}),  # packed as the values are
        ("i2", {"valid_max": np.float32(10), "scale_factor": 0.5}, {21, 22, 23}),  # as its type says, unpacked
        ("f4", {"valid_min": np.float32(3)}, {0, 1, 2}),
        ("u1", {"_FillValue": 3}, {3}),
        ("f4", {"missing_value": "none"}, set()),
        ("f4", {"_FillValue": np.float32(-3e38)}, set()),
        ("f4", {"missing_value": np.float32(np.nan)}, set()),
    ],
)
def test_values_that_are_no_data_are_nan(tmp_path, kind, attributes, expected):
    path = write_variable(tmp_path / "a.nc", STORED.astype(kind), kind, **attributes)
    assert missing(path) == expected
    steps = np.stack([open_series(path).read(step, ["v"]) for step in range(2)])
    assert set(np.flatnonzero(np.isnan(steps)).tolist()) == expected, "NaN says that a point is masked"


@pytest.mark.parametrize("kind", ["i2", "i4", "f4", "f8"])
def test_cells_that_were_never_written_are_no_data(tmp_path, kind):
    path = write_variable(tmp_path / "a.nc", None, kind)
    with netCDF4.Dataset(path, "a") as file:
        file["v"][0] = STORED[0]
    assert missing(path) == set(range(12, 24))


def test_fills_in_another_precision_and_of_unsigned_bytes(tmp_path):
    stored = STORED.astype("f4")
    stored[0, 0, 0] = 1e20
    assert missing(write_variable(tmp_path / "a.nc", stored, "f4", missing_value=1e20)) == {0}
    stored = STORED.astype("i1")
    stored[1, 2, 3] = -1
    path = write_variable(tmp_path / "b.nc", stored, "i1", _Unsigned="true", _FillValue=np.int8(-1))
    assert missing(path) == {23}


def test_packed_values_are_unpacked_in_double_precision(tmp_path):
    path = write_variable(tmp_path / "a.nc", STORED.astype("i2"), "i2", scale_factor=0.25, add_offset=100.0)
    np.testing.assert_array_equal(open_series(path).read(1, ["v"])[0, ..., 0], STORED[1] * 0.25 + 100)
    path = write_variable(tmp_path / "b.nc", STORED.astype("f4"), "f4", scale_factor=1e-4, add_offset=101325.0)
    np.testing.assert_array_equal(open_series(path).loader(1, "v", None)[0, ..., 0], STORED[1] * 1e-4 + 101325.0)


@pytest.mark.parametrize("descending", [("lat",), ("lev",), ("lon",), ("lat", "lev"), ("lev", "lat", "lon")])
def test_descending_axes_are_turned_round(tmp_path, descending):
    step = {"lev": 100.0, "lat": 2.0, "lon": 3.0}
    changes, expected = {}, values()
    for name in descending:
        axis = ("time", "lev", "lat", "lon").index(name)
        changes[name] = (name, np.arange(SHAPE[axis - 1])[::-1] * step[name])
        expected = np.flip(expected, axis)
    series = open_series(write(tmp_path / "a.nc", **changes))
    assert series.grid.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert (series.grid.origin, series.grid.spacing) == ((0, 0, 0), (3, 2, 100))
    np.testing.assert_array_equal(series.read(1, ["T"])[..., 0], expected[1])
    np.testing.assert_array_equal(series.read(1, ["T"], (1, 3))[..., 0], expected[1, 1:3])


@pytest.mark.parametrize(
    "dims", [("lat", "lon", "time", "lev"), ("lon", "lat", "lev", "time"), ("lev", "time", "lon", "lat")]
)
def test_axes_may_come_in_any_order(tmp_path, dims):
    data = np.transpose(values(), [("time", "lev", "lat", "lon").index(name) for name in dims])
    series = open_series(write(tmp_path / "a.nc", data, dims))
    assert (len(series), series.grid.dims) == (3, (6, 5, 4))
    np.testing.assert_array_equal(series.read(2, ["T"], (1, 3))[..., 0], values()[2, 1:3])


@pytest.mark.parametrize("units", [None, "", "hr", "ms", "Myr", "1", "code_time", "seconds since start"])
@pytest.mark.parametrize("name", ["time", "t", "code_time", "Time"])
def test_time_is_what_is_called_so_whatever_its_unit(tmp_path, name, units):
    time = (name, [0.5, 1.5, 9.0], {} if units is None else {"units": units})
    path = tmp_path / "a.nc"
    xarray.Dataset({"T": ((name, "y", "x"), values()[:, 0])}, {name: time}).to_netcdf(path)
    series = open_series(path)
    assert (len(series), series.grid.dims, series.thetas[:, 0].tolist()) == (3, (6, 5, 1), [0.5, 1.5, 9.0])
    assert series.units.get("time", "") == (units or "")


def test_time_without_a_variable_and_along_another_dimension(tmp_path):
    write(tmp_path / "a.nc", time=None)
    assert open_series(tmp_path / "a.nc").thetas[:, 0].tolist() == [0, 1, 2]
    data = xarray.Dataset({"T": (("record", "y", "x"), values()[:, 0]), "clock": ("record", [3.0, 4.0, 6.0])})
    data.clock.attrs["units"] = "days since 1999-01-01"
    data.to_netcdf(tmp_path / "b.nc")
    assert open_series(tmp_path / "b.nc").thetas[:, 0].tolist() == [3, 4, 6]


@pytest.mark.parametrize(
    "times, attributes, expected, units",
    [
        (["2000-02-28", "2000-03-01"], {}, [0, 172800], "seconds since 2000-02-28 00:00:00.000000"),
        ([20000228.0, 20000301.5], {"units": "day as %Y%m%d.%f"}, [0, 2.5], "days since 2000-02-28"),
        (
            [20000228.0, 20000301.5],
            {"units": "day as %Y%m%d.%f", "calendar": "noleap"},
            [0, 1.5],
            "days since 2000-02-28 (noleap)",
        ),
    ],
)
def test_dates_in_words_and_digits(tmp_path, times, attributes, expected, units):
    write(tmp_path / "a.nc", values(2), time=("time", times, attributes))
    series = open_series(tmp_path / "a.nc")
    assert (series.thetas[:, 0].tolist(), series.units["time"]) == (expected, units)


def test_dates_in_letters_as_wrf_writes_them(tmp_path):
    letters = np.array([list(f"2005-08-28_{hour:02}:30:00") for hour in (0, 3)], "S1")
    data = {"T": (("Time", "south_north", "west_east"), values(2)[:, 0]), "Times": (("Time", "DateStrLen"), letters)}
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as file:
        for name, (dims, array) in data.items():
            for dim, size in zip(dims, array.shape):
                if dim not in file.dimensions:
                    file.createDimension(dim, size)
            file.createVariable(name, array.dtype, dims)[:] = array
    series = open_series(tmp_path / "a.nc")
    assert (series.thetas[:, 0].tolist(), series.units["time"][:29]) == ([0, 10800], "seconds since 2005-08-28 00:3")


def test_a_file_of_one_step_has_its_time_in_a_number(tmp_path):
    for number, time in enumerate((7.0, 3.0)):
        data = xarray.Dataset({"T": (("y", "x"), values()[0, 0]), "timestep": 0.5}, {"time": time})
        data["time"].attrs["units"] = "days since 2000-01-01"
        data.to_netcdf(tmp_path / f"{number}.nc")
    assert open_series(tmp_path).thetas[:, 0].tolist() == [3, 7]


def test_longitudes_may_pass_the_date_line(tmp_path):
    write(tmp_path / "a.nc", lon=("lon", [150.0, 160, 170, 180, -170, -160], {"units": "degrees_east"}))
    grid = open_series(tmp_path / "a.nc").grid
    assert (grid.origin[0], grid.spacing[0]) == (150, 10)


def test_vectors_along_a_dimension_of_their_own(tmp_path):
    data = np.arange(2 * np.prod(SHAPE) * 3, dtype="f4").reshape(2, *SHAPE, 3)
    xarray.Dataset({"u": (("t", "comp", "z", "y", "x"), np.moveaxis(data, -1, 1))}).to_netcdf(tmp_path / "a.nc")
    series = open_series(tmp_path / "a.nc")
    assert (len(series), series.field_info) == (2, {"u": 3})
    np.testing.assert_array_equal(series.read(1, ["u"], (1, 3)), data[1, 1:3])


def test_files_of_one_series_share_the_first_ones_clock(tmp_path):
    for number, (time, units) in enumerate(
        [
            ([0, 12], "hours since 2001-01-01"),
            ([1, 1.5], "days since 2001-01-01"),
            ([0, 60], "minutes since 2001-01-03"),
        ]
    ):
        write(tmp_path / f"{number}.nc", values(2), time=("time", np.array(time, float), {"units": units}))
    series = open_series(tmp_path)
    assert series.thetas[:, 0].tolist() == [0, 12, 24, 36, 48, 49]
    assert series.units["time"] == "hours since 2001-01-01"


def test_calendars_count_and_are_told(tmp_path):
    for number, (year, calendar) in enumerate([(2000, "noleap"), (2001, "365_day")]):
        attributes = {"units": f"days since {year}-01-01", "calendar": calendar}
        write(tmp_path / f"{number}.nc", values(2), time=("time", [0.0, 31.0], attributes))
    series = open_series(tmp_path)
    assert series.thetas[:, 0].tolist() == [0, 31, 365, 396]  # 2000 has no 29 February there
    assert series.units["time"] == "days since 2000-01-01 (noleap)"
    write(tmp_path / "2.nc", values(2), time=("time", [0.0, 1.0], {"units": "days since 2003-01-01"}))
    with pytest.raises(DataError, match=r"2\.nc has times in .*calendar standard beside noleap"):
        open_series(tmp_path)


def test_units_that_cannot_be_converted_are_refused(tmp_path):
    write(tmp_path / "0.nc", values(2), time=("time", [0.0, 1.0], {"units": "Myr"}))
    write(tmp_path / "1.nc", values(2), time=("time", [2.0, 3.0], {"units": "kyr"}))
    with pytest.raises(DataError, match=r"1\.nc has times in 'kyr' after files in 'Myr'"):
        open_series(tmp_path)


def mixed(path):
    """Fields on two sets of dimensions, integers, dangling bounds, and vertices of cells on more dimensions than any."""
    data = xarray.Dataset(
        {
            "T": (("time", "lev", "lat", "lon"), values()),
            "count": (("time", "lev", "lat", "lon"), values().astype("i8")),
            "ps": (("time", "lat", "lon"), values()[:, 0]),
            "flags": (("time", "lat", "lon"), (values()[:, 1] % 256).astype("u1")),
            "corners": (("time", "lev", "lat", "lon", "corner"), np.zeros((*values().shape, 4))),
        },
        {"time": ("time", [0.0, 1.0, 2.0], {"bounds": "gone", "units": "s"})},
    )
    data["T"].attrs["bounds"] = "corners"
    data.to_netcdf(path)
    return path


def test_the_field_decides_the_dimensions(tmp_path):
    path = mixed(tmp_path / "a.nc")
    series = open_series(path)
    assert (list(series.field_info), series.grid.dims) == (["T", "count"], (6, 5, 4))
    np.testing.assert_array_equal(series.read(1, ["count"])[..., 0], values()[1])
    for name, expected in (("ps", values()[2, 0]), ("flags", values()[2, 1] % 256)):
        series = open_series(path, fields=[name])
        assert (len(series), series.grid.dims) == (3, (6, 5, 1))
        np.testing.assert_array_equal(series.read(2, [name])[0, ..., 0], expected)


def test_fields_that_do_not_lie_together_are_listed(tmp_path):
    path = mixed(tmp_path / "a.nc")
    with pytest.raises(DataError, match=r"T \(time 3, lev 4, lat 5, lon 6\), ps \(time 3, lat 5, lon 6\)"):
        open_series(path, fields=["T", "ps"])
    with pytest.raises(DataError, match=r"no field 'U'; expected one of T, count, flags, ps"):
        open_series(path, fields=["U"])
    staggered = {"u": (("time", "y", "xu"), np.zeros((3, 5, 7))), "v": (("time", "yv", "x"), np.zeros((3, 6, 6)))}
    xarray.Dataset(staggered).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(DataError, match=r"u \(time 3, y 5, xu 7\), v \(time 3, yv 6, x 6\).*choose with --field"):
        open_series(tmp_path / "b.nc")
    assert open_series(tmp_path / "b.nc", fields=["v"]).grid.dims == (6, 6, 1)


def test_members_are_neither_places_nor_times(tmp_path):
    xarray.Dataset({"T": (("member", "time", "y", "x"), values(3))}).to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match="member 3"):
        open_series(tmp_path / "a.nc", fields=["T"])
    xarray.Dataset({"T": (("member", "time", "y", "x"), values(1))}).to_netcdf(tmp_path / "b.nc")
    assert len(open_series(tmp_path / "b.nc")) == 4  # a single one is the file itself


def test_reading_is_silent_in_many_threads(tmp_path, capfd):
    from concurrent.futures import ThreadPoolExecutor

    series = open_series(write(tmp_path / "a.nc", values(6)))
    with ThreadPoolExecutor(4) as pool:
        sums = list(pool.map(lambda step: series.read(step % 6, ["T"]).sum(), range(24)))
    assert sums == [values(6)[step % 6].sum() for step in range(24)]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name, package", [("a.zarr", "zarr"), ("a.grib2", "cfgrib")])
def test_zarr_and_grib_name_what_reads_them(tmp_path, monkeypatch, name, package):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.grib2").touch()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(BackendError, match=f"read by {package}.*pip install '{package}'"):
        open_series(tmp_path / name)


def test_one_curved_axis_is_not_enough(tmp_path):
    data = xarray.Dataset(
        {"T": (("time", "y", "x"), values()[:, 0])}, {"nav_lon": (("y", "x"), np.random.default_rng(1).random((5, 6)))}
    )
    data.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(DataError, match="has curved axes, nav_lon, but not the other one"):
        open_series(tmp_path / "a.nc")


def test_a_missing_library_is_one_sentence(tmp_path, monkeypatch):
    path = write(tmp_path / "a.nc")
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(BackendError, match=r"NetCDF files are read by xarray.*pip install 'hyperinr\[read\]'"):
        open_series(path)
