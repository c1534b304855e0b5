"""HDF5 by h5py: images in .vtkhdf with their steps, and openPMD's meshes."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError

SHAPE = (4, 5, 6)


def values(n: int = 3, *components: int) -> np.ndarray:
    shape = (n, *SHAPE, *components)
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def write_vtkhdf(path, times=(0.0, 0.5, 2.0), offsets=None, cells=False):
    with h5py.File(path, "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Version"] = (2, 0)
        root.attrs["Type"] = np.bytes_("ImageData")
        root.attrs["WholeExtent"] = (2, 8, 0, 5, 0, 4) if cells else (2, 7, 0, 4, 0, 3)
        root.attrs["Origin"], root.attrs["Spacing"] = (1.0, 2.0, 3.0), (0.5, 1.0, 2.0)
        root.attrs["Direction"] = np.eye(3).ravel()
        data = root.create_group("CellData" if cells else "PointData")
        data["p"], data["u"] = values(), values(3, 3)
        data["names"] = np.full((3, *SHAPE), b"a")
        if times:
            steps = root.create_group("Steps")
            steps.attrs["NSteps"], steps["Values"] = len(times), times
            if offsets:
                steps.create_group("PointDataOffsets")["p"] = offsets
    return path


def test_steps_of_images_whatever_the_vtk(tmp_path):
    series = open_series(write_vtkhdf(tmp_path / "a.vtkhdf"))
    assert (series.thetas[:, 0].tolist(), series.field_info) == ([0, 0.5, 2], {"p": 1, "u": 3})
    assert (series.grid.dims, series.grid.origin, series.grid.spacing) == ((6, 5, 4), (2, 2, 3), (0.5, 1, 2))
    np.testing.assert_array_equal(series.read(2, ["u"], (1, 3)), values(3, 3)[2, 1:3])
    np.testing.assert_array_equal(series.read(1, ["p"])[..., 0], values()[1])


def test_arrays_that_stay_are_stored_once(tmp_path):
    series = open_series(write_vtkhdf(tmp_path / "a.vtkhdf", (0, 1, 2, 3), offsets=[0, 0, 2, 1]), fields=["p"])
    assert [series.read(step, ["p"])[0, 0, 0, 0] for step in range(4)] == [0, 0, 240, 120]


def test_arrays_on_cells_lie_at_their_centres(tmp_path):
    series = open_series(write_vtkhdf(tmp_path / "a.vtkhdf", cells=True))
    assert (series.grid.dims, series.grid.origin) == ((6, 5, 4), (2.25, 2.5, 4))
    np.testing.assert_array_equal(series.read(2, ["p"])[..., 0], values()[2])


def test_vtkhdf_of_other_things(tmp_path):
    path = write_vtkhdf(tmp_path / "a.vtkhdf")
    with h5py.File(path, "a") as file:
        file["VTKHDF"].attrs["Type"] = np.bytes_("UnstructuredGrid")
    with pytest.raises(DataError, match=r"a\.vtkhdf cannot be read"):
        open_series(path)


def write_openpmd(path, iterations=(0, 100, 20), labels=("z", "y", "x"), geometry="cartesian"):
    """rho, of steps in no order of their numbers as text, E with a constant component, and a finer mesh."""
    order = ["zyx".index(label) for label in labels]
    with h5py.File(path, "w") as file:
        file.attrs["openPMD"], file.attrs["meshesPath"] = np.bytes_("1.1.0"), np.bytes_("fields/")
        for number, iteration in enumerate(sorted(iterations)):
            group = file.create_group(f"data/{iteration}")
            group.attrs["time"], group.attrs["timeUnitSI"] = float(iteration), 1e-3
            fields = group.create_group("fields")
            fields["rho"] = values()[number].transpose(order)
            fields["rho"].attrs["unitSI"] = 2.0
            for name in "xy":
                fields[f"E/{name}"] = values()[number].transpose(order) + (name == "y")
            constant = fields["E"].create_group("z")
            constant.attrs["value"], constant.attrs["shape"], constant.attrs["unitSI"] = (
                7.0,
                np.array(SHAPE)[order],
                1.0,
            )
            fields["fine"] = np.zeros((8, 3))
            for name in ("rho", "E", "fine"):
                attributes = fields[name].attrs
                attributes["geometry"], attributes["dataOrder"] = np.bytes_(geometry), np.bytes_("C")
                attributes["axisLabels"] = np.array(labels if name != "fine" else ("y", "x"), "S")
                attributes["gridSpacing"] = np.array([3.0, 2.0, 1.0])[order] if name != "fine" else np.ones(2)
                attributes["gridGlobalOffset"] = np.array([30.0, 20.0, 10.0])[order] if name != "fine" else np.zeros(2)
                attributes["gridUnitSI"] = 0.1
    return path


@pytest.mark.parametrize("labels", [("z", "y", "x"), ("x", "y", "z"), ("y", "z", "x")])
def test_openpmd_in_si_units(tmp_path, labels):
    series = open_series(write_openpmd(tmp_path / "a.h5", labels=labels))
    assert (series.thetas[:, 0].tolist(), series.units) == ([0, 0.02, 0.1], {"time": "s"})
    assert (series.grid.dims, series.field_info) == ((6, 5, 4), {"E": 3, "rho": 1})
    np.testing.assert_allclose(series.grid.origin, (1, 2, 3))
    np.testing.assert_allclose(series.grid.spacing, (0.1, 0.2, 0.3))
    np.testing.assert_array_equal(series.read(1, ["rho"], (1, 3))[..., 0], 2 * values()[1, 1:3])
    expected = np.stack([values()[2], values()[2] + 1, np.full(SHAPE, 7)], axis=-1)
    np.testing.assert_array_equal(series.read(2, ["E"]), expected)
    assert series.notes == ("fine of a.h5 lie on other grids, and are left out",)
    assert open_series(tmp_path / "a.h5", fields=["fine"]).grid.dims == (3, 8, 1)


def test_units_may_be_beyond_float32(tmp_path):
    with h5py.File(write_openpmd(tmp_path / "a.h5"), "a") as file:
        rho = file["data/0/fields/rho"]
        about = dict(rho.attrs)
        del file["data/0/fields/rho"]
        file["data/0/fields/rho"] = values()[0].astype(np.float32)
        file["data/0/fields/rho"].attrs.update({**about, "unitSI": 1e38})
    found = open_series(tmp_path / "a.h5", fields=["rho"]).loader(0, "rho", None)
    np.testing.assert_allclose(np.squeeze(found), values()[0].astype(np.float64) * 1e38)


def test_openpmd_in_a_file_for_each_iteration(tmp_path):
    for iteration in (5, 10, 100):
        write_openpmd(tmp_path / f"data{iteration:08}.h5", [iteration])
    assert open_series(tmp_path).thetas[:, 0].tolist() == [0.005, 0.01, 0.1]


def test_other_hdf5_and_other_geometries_are_named(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"] = values()
    with pytest.raises(DataError, match="is HDF5 but no openPMD file"):
        open_series(tmp_path / "a.h5")
    with pytest.raises(DataError, match="in thetaMode geometry; expected cartesian"):
        open_series(write_openpmd(tmp_path / "b.h5", geometry="thetaMode"))
