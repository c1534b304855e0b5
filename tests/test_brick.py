"""Training on a brick: what is in its file, and that no seam shows where bricks that were trained apart meet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drifts import SPEED, drift
from series import waves
from small import SMALL

from hyperinr.filters.readers.series import open_series
from hyperinr_core import __version__, hinr
from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import ParameterError
from hyperinr_core.joining import brick_path, folder_of, join
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.brick import Brick, largest, told
from hyperinr_core.training.volumes.task import Volumes

CONFIG = SMALL.replace(motion={"carry": "never"}, training={"samples": 200_000})


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    series, path = waves(24), tmp_path_factory.mktemp("bricks") / "m.hinr"
    cuts = Cuts(series.grid.dims, (2, 1, 1), 4)
    folder_of(path).mkdir()
    for number in range(2):
        train(Brick(series, cuts, number), brick_path(path, number), CONFIG)
    join(path)
    return path


def test_a_brick_is_a_model_of_its_place_and_knows_of_what(path):
    series, cuts = waves(24), Cuts((24, 24, 24), (2, 1, 1), 4)
    model = hinr.load(brick_path(path, 1))
    assert model.grid == series.grid.part((8, 23, 0, 23, 0, 23)) and model.grid.origin == (8, 0, 0)
    assert model.provenance["software"] == f"hyperinr {__version__}"
    assert model.provenance["brick"] == told(cuts, 1, series, CONFIG)
    assert told(cuts, 1, series, CONFIG)["settings"] != told(cuts, 1, series.select([0, 1]), CONFIG)["settings"]
    assert told(cuts, 1, series, CONFIG)["settings"] != told(cuts, 1, series, SMALL)["settings"]
    truth, values = series.read(2, ["w"])[:, :, 8:, 0], model.generate(1.0).sample_grid()[..., 0]
    assert np.sqrt(np.mean((values - truth) ** 2)) < 0.06 * np.ptp(truth)


def test_no_seam_shows(path):
    """Steps from point to point across the seam, and their changes, are as wrong there as at the worst places elsewhere; not
    so without blending. Errors have the pattern of the levels' lattices."""
    truth = waves(24).read(2, ["w"])[..., 0]
    joined = hinr.load(path).generate(1.0).sample_grid()[..., 0] - truth
    first, second = (hinr.load(brick_path(path, n)).generate(1.0).sample_grid()[..., 0] for n in range(2))
    put_together = np.concatenate([first[..., :12], second[..., 4:]], axis=-1) - truth
    for order, seam in ((1, 11), (2, 10)):
        found = changes(joined, order)
        elsewhere = max(found[2:8].max(), found[15:-2].max())
        assert found[8:15].max() < 1.1 * elsewhere < changes(put_together, order)[seam]


def changes(error, order):
    """Root mean squares of differences along x."""
    return np.sqrt(np.mean(np.diff(error, order, axis=2) ** 2, axis=(0, 1)))


def test_of_an_array_on_disk_a_brick_reads_its_own_box(tmp_path):
    np.save(tmp_path / "w.npy", np.zeros((3, 12, 16, 20), np.float32))
    series = Brick(open_series(tmp_path / "w.npy"), Cuts((20, 16, 12), (2, 1, 1), 4), 1).series
    for planes in (None, (2, 4)):
        box = series.loader(0, next(iter(series.field_info)), planes)
        assert isinstance(box, np.memmap) and box.shape[2] == 14  # nothing of it is read yet


VALUES = np.random.default_rng(3).random((2, 12, 16, 20)).astype(np.float32)


def timed_vtkhdf(folder):
    """Two steps of 20 x 16 x 12 in one file, and what they hold."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(folder / "a.vtkhdf", "w") as file:
        root = file.create_group("VTKHDF")
        root.attrs["Version"], root.attrs["Type"] = (2, 0), np.bytes_(b"ImageData")
        root.attrs["WholeExtent"], root.attrs["Direction"] = (0, 19, 0, 15, 0, 11), np.eye(3).ravel()
        root.attrs["Origin"], root.attrs["Spacing"] = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
        root["PointData/w"], root["Steps/Values"] = VALUES, [0.0, 1.0]
        root["Steps"].attrs["NSteps"] = 2
    return str(folder / "a.vtkhdf"), VALUES


def mirrored_netcdf(folder):
    """The same, stored from the last row to the first."""
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("netCDF4")
    axes = {"t": [0.0, 1.0], "z": np.arange(12.0), "y": np.arange(15.0, -1, -1), "x": np.arange(20.0)}
    xarray.Dataset({"w": (tuple("tzyx"), VALUES[:, :, ::-1])}, axes).to_netcdf(folder / "a.nc", engine="netcdf4")
    return str(folder / "a.nc"), VALUES


@pytest.mark.parametrize("write", [timed_vtkhdf, mirrored_netcdf])
def test_of_files_that_can_be_read_in_part_a_brick_reads_its_own_box(tmp_path, monkeypatch, write):
    """Bytes of numbers that libraries are asked for."""
    path, values = write(tmp_path)
    whole = open_series(path)
    series = Brick(whole, Cuts((20, 16, 12), (2, 2, 1), 3), 3).series
    name, read = next(iter(series.field_info)), []
    for file in {id(file): file for file, _ in whole.loader.frames}.values():
        monkeypatch.setitem(file.__dict__, "part", lambda *of, part=file.part: read.append(part(*of)) or read[-1])
    found = series.read(1, [name], (2, 9))[..., 0]
    np.testing.assert_array_equal(found, values[1, 2:9, 5:, 7:])
    assert [each.size for each in read] == [found.size]


def test_presets_go_by_the_largest_brick():
    series = waves(24, dims=(30, 24, 24))
    assert largest(series.grid, Cuts((30, 24, 24), (3, 1, 1), 4)).dims == (18, 24, 24)


def test_a_brick_that_is_not_there_is_refused():
    with pytest.raises(ParameterError, match="brick 3 is asked for; expected 1 to 2"):
        Brick(waves(24), Cuts((24, 24, 24), (2, 1, 1), 4), 2)


def carried(config=SMALL):
    return config.replace(motion={"carry": "always", "velocity": "none"}, training={"samples": 20_000})


@pytest.mark.parametrize("seen_whole", [True, False])
def test_motion_is_found_beyond_a_bricks_borders_and_around_the_box(tmp_path, monkeypatch, seen_whole):
    """The paths of a brick are those of the whole, at its seams too; not so where it knows of its own points alone."""
    if not seen_whole:
        monkeypatch.setattr("hyperinr_core.training.volumes.brick.HALO", 0)
    series = drift(dims=(48, 24, 24)).select(range(4))
    cuts, path = Cuts((48, 24, 24), (3, 1, 1), 4), tmp_path / "m.hinr"
    folder_of(path).mkdir()
    for number in range(3):
        train(Brick(series, cuts, number, ["c"]), brick_path(path, number), carried())
    join(path)
    train(Volumes(series, ["c"]), tmp_path / "whole.hinr", carried())
    motions = [hinr.load(each).generate(1.5).motion("c") for each in (path, tmp_path / "whole.hinr")]
    values = series.read(1, ["c"])[..., 0] > 0.5  # elsewhere nothing is seen to move
    errors = [np.sqrt(np.mean((each.velocity[values] - SPEED) ** 2)) for each in motions]
    assert (errors[0] < 1.2 * errors[1] + 0.05) == seen_whole
    assert hinr.load(path).provenance["periodic"] == ([True] * 3 if seen_whole else [False, True, True])


def test_a_box_that_ends_has_nothing_beyond(tmp_path):
    series = waves(24)
    ramp = replace(series, loader=lambda *asked: series.loader(*asked) + np.linspace(0, 9, 24))
    brick = Brick(ramp, Cuts((24, 24, 24), (2, 1, 1), 4), 1, ["w"])
    train(brick, tmp_path / "m.hinr", carried())
    assert hinr.load(tmp_path / "m.hinr").provenance["brick"]["periodic"][0] is False
    assert brick.around.series.grid.dims == (24, 24, 24) and brick.around.inner[2] == slice(8, 24)
