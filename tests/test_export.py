"""`hyperinr export` and `export-cinema`: files that other programs read, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from models import random_model
from moving_models import moving_model
from view_models import picture_model

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.series import open_series
from hyperinr.plugin.commands.export import export, export_cinema, parse_values
from hyperinr_core import hinr
from hyperinr_core.errors import BackendError, DataError, HyperINRError, ParameterError
from hyperinr_core.pictures.picture_set import to_bytes


def call(command, *arguments):
    """Run a command here, letting its errors out."""
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


@pytest.fixture
def volume(tmp_path):
    hinr.save(random_model(), tmp_path / "m.hinr")
    return tmp_path / "m.hinr"


@pytest.fixture
def pictures(tmp_path):
    hinr.save(picture_model(), tmp_path / "p.hinr")
    return tmp_path / "p.hinr"


def test_volumes_are_those_of_the_model_at_these_times(volume, tmp_path):
    call(export, volume, "--times", "0.25:1:0.25", "--dims", 6, 5, 4, "-o", tmp_path / "out.pvd")
    series = open_series(str(tmp_path / "out.pvd"))
    assert series.thetas[:, 0].tolist() == [0.25, 0.5, 0.75, 1.0] and series.grid.dims == (6, 5, 4)
    model = hinr.load(volume)
    for step, time in enumerate(series.thetas[:, 0]):
        expected = model.generate(time).sample_grid(model.grid.with_dims((6, 5, 4)))
        np.testing.assert_array_equal(series.read(step, ["density"]), expected)


def test_of_a_large_grid_few_planes_are_decoded_at_once(tmp_path, monkeypatch):
    model = moving_model(dims=(12, 12, 400))
    hinr.save(model, tmp_path / "m.hinr")
    boxes, decoded = [], type(model).decoded
    monkeypatch.setattr(type(model), "decoded", lambda self, *of: boxes.append(of[2]) or decoded(self, *of))
    monkeypatch.setattr("hyperinr.plugin.commands.model.MOST_AT_ONCE", 12 * 12 * 32)
    call(export, tmp_path / "m.hinr", "--times", "0.6", "-o", tmp_path / "out.pvd")
    assert max(last - first + 1 for (first, last), _, _ in boxes) < 200
    values = open_series(str(tmp_path / "out.pvd")).read(0, ["density"])
    np.testing.assert_array_equal(values, hinr.load(tmp_path / "m.hinr").generate(0.6).sample_grid())


def test_vtkhdf_is_written_or_refused_by_name(volume, tmp_path):
    try:
        from vtkmodules.vtkIOHDF import vtkHDFWriter  # noqa: F401
    except ImportError:
        with pytest.raises(BackendError, match=r"cannot write .vtkhdf; expected a newer one"):
            call(export, volume, "--times", "0.5", "-o", tmp_path / "out.vtkhdf")
        assert {path.name for path in tmp_path.iterdir()} == {"m.hinr"}
        return
    try:
        call(export, volume, "--times", "0.5", "-o", tmp_path / "out.vtkhdf")
    except BackendError as error:  # this VTK writes other things than images
        assert "cannot write images as .vtkhdf" in str(error) and not (tmp_path / "out.vtkhdf").exists()
    else:
        assert (tmp_path / "out.vtkhdf").stat().st_size


def test_a_cinema_database_holds_what_the_model_predicts(pictures, tmp_path):
    call(export_cinema, pictures, "--grid", "phi=0:360:90", "--grid", "theta=-30,15", "-o", tmp_path / "out.cdb")
    written = open_pictures(tmp_path / "out.cdb")
    assert len(written) == 10 and written.roles == ("view_azimuth", "view_elevation")
    model = hinr.load(pictures)
    for step, theta in enumerate(written.thetas):
        np.testing.assert_array_equal(written.picture(step), to_bytes(model.generate(theta).sample_grid()[0]))


BAD = [
    (["--grid", "phi=0:360:90"], ParameterError, "one for each of"),
    (["--grid", "phi=0:720:90", "--grid", "theta=0"], ParameterError, "phi is 720; expected 0 to 360"),
    (["--grid", "phi=0:10:-1", "--grid", "theta=0"], ParameterError, "positive step"),
    (["--grid", "phi=a", "--grid", "theta=0"], ParameterError, "numbers with commas"),
    (["--grid", "phi=0:360:0.001", "--grid", "theta=-90:90:0.1"], ParameterError, "more than 1000000 pictures"),
]


@pytest.mark.parametrize("arguments, kind, message", BAD)
def test_wrong_grids_leave_nothing_behind(pictures, tmp_path, arguments, kind, message):
    with pytest.raises(kind, match=message):
        call(export_cinema, pictures, *arguments, "-o", tmp_path / "out.cdb")
    assert {path.name for path in tmp_path.iterdir()} == {"p.hinr"}


def test_what_is_there_is_not_overwritten(pictures, volume, tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="is there already"):
        call(export_cinema, pictures, "--grid", "phi=0", "--grid", "theta=0", "-o", tmp_path / "out")
    with pytest.raises(DataError, match="is there already"):
        call(export, volume, "--times", "0", "-o", tmp_path / "out.pvd")
    assert not list((tmp_path / "out").iterdir())


def test_models_of_the_wrong_kind(pictures, volume, tmp_path):
    for command, model, arguments, message in (
        (export_cinema, volume, ["--grid", "time=0"], "no model of pictures"),
        (export, pictures, ["--times", "0"], "has no time but phi, theta"),
        (export, volume, ["--times", "0", "--field", "mass"], "no field 'mass'"),
        (export, volume, ["--times", "9"], "expected 0 to 2"),
    ):
        with pytest.raises(HyperINRError, match=message):
            call(command, model, *arguments, "-o", tmp_path / "x.pvd")
    with pytest.raises(ParameterError, match=r"ends in .pvd or .vtkhdf"):
        call(export, volume, "--times", "0", "-o", tmp_path / "x.vti")
    assert {path.name for path in tmp_path.iterdir()} == {"m.hinr", "p.hinr"}


def test_the_last_value_belongs_to_a_range_that_meets_it():
    assert parse_values("x", "0:1:0.1").tolist() == pytest.approx(np.linspace(0, 1, 11).tolist())
    assert parse_values("x", "0:1:0.4").tolist() == pytest.approx([0, 0.4, 0.8])
    assert parse_values("x", "3").tolist() == [3]
