"""Arrays to images and back, and files that are whole or not there."""

from __future__ import annotations

import gc
import resource
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy

from hyperinr.filters.image import from_image, hide, masked_image, to_image, with_nan, write_image, write_pvd
from hyperinr.filters.readers.series import open_series
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.volume import Grid

TURNED = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
GRID = Grid((5, 4, 3), (1.0, 2.0, 3.0), (0.5, 0.25, 2.0), TURNED)


def fields(shape=GRID.shape):
    rng = np.random.default_rng(1)
    return {
        "density": rng.standard_normal(shape).astype(np.float32),
        "velocity": rng.standard_normal((*shape, 3)),
    }


def test_round_trip_keeps_grid_values_and_types():
    grid, arrays = from_image(to_image(GRID, fields()))
    assert grid == GRID
    assert list(arrays) == ["density", "velocity"]
    for name, values in fields().items():
        assert arrays[name].dtype == values.dtype
        np.testing.assert_array_equal(arrays[name], values)


def test_points_lie_where_the_grid_says():
    image = to_image(GRID, {})
    x, y, z = 3, 2, 1
    expected = np.array(GRID.origin) + np.reshape(TURNED, (3, 3)) @ (np.array([x, y, z]) * GRID.spacing)
    np.testing.assert_allclose(image.GetPoint(x + 5 * (y + 4 * z)), expected)


def test_x_runs_fastest_and_components_are_interleaved():
    arrays = fields()
    image = to_image(GRID, arrays)
    index = 3 + 5 * (2 + 4 * 1)
    assert image.GetPointData().GetArray("density").GetValue(index) == arrays["density"][1, 2, 3]
    assert image.GetPointData().GetArray("velocity").GetTuple3(index) == tuple(arrays["velocity"][1, 2, 3])


def test_memory_is_shared_and_kept_alive():
    values = np.zeros(GRID.shape, np.float32)
    image = to_image(GRID, {"v": values})
    values[1, 2, 3] = 7
    image.GetPointData().GetArray("v").Modified()
    assert image.GetPointData().GetArray("v").GetRange() == (0, 7)
    del values
    gc.collect()
    np.full(GRID.shape, 5, np.float32)  # would take freed memory of that size
    assert image.GetPointData().GetArray("v").GetRange() == (0, 7)


def test_a_trailing_component_axis_of_one_is_a_scalar():
    image = to_image(GRID, {"v": np.ones((*GRID.shape, 1), np.float32)})
    assert image.GetPointData().GetArray("v").GetNumberOfComponents() == 1
    assert image.GetPointData().GetScalars().GetName() == "v"


def test_slices_and_flags_become_arrays():
    flags = (np.arange(GRID.n_points * 2).reshape(*GRID.shape, 2) % 3 == 0)[..., 0]
    _, arrays = from_image(to_image(GRID, {"flags": flags}))
    np.testing.assert_array_equal(arrays["flags"], flags)


def test_a_region_is_the_extent():
    region = (1, 3, 0, 2, 2, 2)
    image = to_image(GRID, fields((1, 3, 3)), region)
    assert image.GetExtent() == region
    assert image.GetOrigin() == GRID.origin
    grid, arrays = from_image(image)
    assert grid.dims == (3, 3, 1)
    np.testing.assert_allclose(grid.origin, image.GetPoint(0))
    np.testing.assert_array_equal(arrays["density"], fields((1, 3, 3))["density"])


def test_an_array_of_another_shape_is_refused():
    with pytest.raises(ParameterError, match=r"'v' has shape \(2, 2, 2\); expected \(3, 4, 5\)"):
        to_image(GRID, {"v": np.zeros((2, 2, 2))})


def test_from_image_leaves_out_ghosts_and_strings():
    from vtkmodules.vtkCommonCore import vtkStringArray

    image = to_image(GRID, {"v": np.ones(GRID.shape), "vtkGhostType": np.zeros(GRID.shape, np.uint8)})
    words = vtkStringArray()
    words.SetName("words")
    words.SetNumberOfValues(GRID.n_points)
    image.GetPointData().AddArray(words)
    assert list(from_image(image)[1]) == ["v"]


def test_vti_round_trip_through_the_file(tmp_path):
    write_image(tmp_path / "a.vti", to_image(GRID, fields()))
    series = open_series(tmp_path / "a.vti")
    assert series.grid == GRID
    assert series.field_info == {"density": 1, "velocity": 3}
    np.testing.assert_array_equal(series.read(0, ["velocity"]), fields()["velocity"].astype(np.float32))
    content = (tmp_path / "a.vti").read_bytes()
    assert b"vtkZLibDataCompressor" in content and b'format="binary"' in content
    assert [path.name for path in tmp_path.iterdir()] == ["a.vti"]


def test_pvd_round_trip_through_the_file(tmp_path):
    (tmp_path / "steps & more").mkdir()
    files = [(0.1 * step, f'steps & more/"{step}".vti') for step in range(3)]
    for time, name in files:
        write_image(tmp_path / name, to_image(GRID, {"v": np.full(GRID.shape, time)}))
    write_pvd(tmp_path / "all.pvd", files)
    series = open_series(tmp_path / "all.pvd")
    assert series.thetas[:, 0].tolist() == [0.0, 0.1, 0.2]
    assert series.read(2, ["v"]).max() == np.float32(0.2)


def test_only_vti_is_written(tmp_path):
    with pytest.raises(DataError, match=r"ends in '\.png'; expected \.vti"):
        write_image(tmp_path / "a.png", to_image(GRID, fields()))


@pytest.mark.parametrize("write", [lambda p: write_image(p, to_image(GRID, fields())), lambda p: write_pvd(p, [])])
def test_a_missing_folder_is_one_sentence(tmp_path, write):
    with pytest.raises(DataError, match=r"nowhere/a\.vti cannot be written"):
        write(tmp_path / "nowhere" / "a.vti")


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """A limit on file sizes stands in for the disk: the write fails in the middle, as it does on a full one."""
    program = f"""
        import numpy as np
        from hyperinr.filters.image import to_image, write_image
        from hyperinr_core.volume import Grid
        grid = Grid((64, 64, 64))
        write_image(r"{tmp_path}/a.vti", to_image(grid, {{"v": np.random.default_rng(0).random(grid.shape)}}))
    """
    (tmp_path / "a.vti").write_text("the old file")
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], preexec_fn=_limit_files, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "DataError" in result.stderr.splitlines()[-1] and "a.vti cannot be written" in result.stderr.splitlines()[-1]
    assert "ERR|" not in result.stderr  # nothing from VTK past our sentence
    assert [path.name for path in tmp_path.iterdir()] == ["a.vti"]
    assert (tmp_path / "a.vti").read_text() == "the old file"


def _limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(-3, 5, 24, dtype=np.float32).reshape(2, 3, 4),
        np.arange(96, dtype=np.uint8).reshape(2, 3, 4, 4),
        np.random.default_rng(0).normal(size=(2, 3, 4, 3)),
        np.full((2, 3, 4), np.nan),
        np.where(np.arange(24).reshape(2, 3, 4) == 5, np.inf, 2.0),
    ],
)
def test_vtk_is_told_the_ranges_that_it_would_find(values):
    array = to_image(Grid((4, 3, 2)), {"v": values}).GetPointData().GetArray("v")
    told = ranges_of(array)
    array.Modified()  # makes VTK forget, and look itself
    assert told == pytest.approx(ranges_of(array), nan_ok=True)


def ranges_of(array):
    components = [*range(array.GetNumberOfComponents()), -1]
    return [x for c in components for x in (*array.GetRange(c), *array.GetFiniteRange(c))]


def test_masked_points_and_the_cells_beside_them_are_hidden():
    values = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    values[1, 2, 3] = np.nan
    image = masked_image(Grid((5, 4, 3)), {"a": values, "b": np.where(np.isnan(values), np.nan, 1)})
    points, cells = (
        vtk_to_numpy(each.GetArray("vtkGhostType")) for each in (image.GetPointData(), image.GetCellData())
    )
    assert np.flatnonzero(points).tolist() == [1 * 20 + 2 * 5 + 3] and points.max() == 2
    hidden = cells.reshape(2, 3, 4)
    assert (hidden[:, 1:3, 2:4] == 32).all() and np.count_nonzero(hidden) == 8
    assert image.GetPointData().GetArray("a").GetRange() == (0.0, 59.0)


def test_a_point_that_one_array_has_a_value_at_is_not_hidden():
    first, second = np.ones((2, 3, 4), np.float32), np.ones((2, 3, 4, 2), np.float32)
    first[0, 0, 0] = first[1, 1, 1] = second[1, 1, 1] = np.nan
    image = masked_image(Grid((4, 3, 2)), {"a": first, "b": second})
    assert np.flatnonzero(vtk_to_numpy(image.GetPointData().GetArray("vtkGhostType"))).tolist() == [12 + 4 + 1]
    assert (
        masked_image(Grid((4, 3, 2)), {"a": first, "b": np.ones_like(second)}).GetPointData().GetNumberOfArrays() == 2
    )


def test_hidden_points_and_cells_come_back_as_nan():
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = to_image(Grid((4, 3, 2)), {"a": values})
    shown = values != 7
    hide(image, shown)
    points = vtk_to_numpy(image.GetPointData().GetArray("vtkGhostType"))
    points[0] = 1  # a duplicate, which another process owns: it is no hole
    found = from_image(image)[1]["a"]
    assert found.dtype == np.float32 and np.isnan(found[~shown]).all()
    np.testing.assert_array_equal(found[shown], values[shown])
    plain = with_nan(image)
    assert plain.GetPointData().GetArray("vtkGhostType") is None and plain.GetPointData().GetNumberOfArrays() == 1
    np.testing.assert_array_equal(from_image(plain)[1]["a"], found)
    assert with_nan(plain) is plain
