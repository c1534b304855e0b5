"""Fields that float32 does not tell the values of are learned as well as any, and come out in float64."""

from __future__ import annotations

import dataclasses

import netCDF4
import numpy as np
import pytest
from click.testing import CliRunner
from masked import masked_model
from models import based_model, random_model
from series import moving_blob
from small import SMALL, with_training

from hyperinr.filters.coarse import sample_coarsely
from hyperinr.filters.image import image_of
from hyperinr.filters.readers.series import open_series
from hyperinr.plugin.commands.model import sample
from hyperinr.plugin.understanding import range_in_words
from hyperinr.plugin.voxel_drawing import VoxelDrawing
from hyperinr_core import hinr
from hyperinr_core.compression import Compression
from hyperinr_core.errors import FormatError
from hyperinr_core.measure.methods import Comparison
from hyperinr_core.measure.series import measure_series
from hyperinr_core.measure.sizes import FILE, file_point, truth_of
from hyperinr_core.shift import Shift, is_coarse, restored_model, shifted_model, shifts_for, shifts_of
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Field, Grid, VolumeSeries

#: Offset and size of variation: pressure, time stamps, beyond and below float32.
KINDS = [(101325.0, 0.01), (1.6e18, 1e9), (-3e40, 1e39), (0.0, 1e-42)]


def netcdf(path, offset, size):
    """The moving blob in float64, and as it is."""
    blob = moving_blob()
    with netCDF4.Dataset(path, "w") as file:
        for name, n in zip("tzyx", (len(blob), *blob.grid.shape)):
            file.createDimension(name, n)
        for name, kind in (("p", "f8"), ("density", "f4")):
            file.createVariable(name, kind, tuple("tzyx"))
        for step in range(len(blob)):
            values = blob.read(step, ["density"])[..., 0]
            file["density"][step] = values
            file["p"][step] = offset + size * values.astype(np.float64)
    return path


@pytest.mark.parametrize(("offset", "size"), KINDS)
def test_such_a_field_is_learned_measured_and_coded_like_any_other(tmp_path, offset, size):
    series = open_series(netcdf(tmp_path / "a.nc", offset, size), fields=["p"])
    settings = with_training(samples=200_000)
    train(Volumes(series, ["p"]), tmp_path / "m.hinr", settings)
    train(Volumes(open_series(tmp_path / "a.nc", fields=["density"])), tmp_path / "d.hinr", settings)
    model, plain = hinr.load(tmp_path / "m.hinr"), hinr.load(tmp_path / "d.hinr")
    reached = np.mean(plain.quality["training_psnr_db"]["density"])
    assert np.mean(model.quality["training_psnr_db"]["p"]) == pytest.approx(reached, abs=0.5)
    assert measure_series(model, series, ["p"])["p"]["trained"]["model"]["psnr"] == pytest.approx(reached, abs=0.5)
    point = file_point(str(tmp_path / "m.hinr"), truth_of(model, series))
    assert point["method"] == FILE and point["psnr_all"] == pytest.approx(reached, abs=0.5)
    values = model.generate(2.0).sample_grid()[..., 0]
    assert values.dtype == np.float64
    error = (values - series.loader(2, "p", None)[..., 0]) / size
    assert np.abs(error).mean() == pytest.approx(
        np.abs(plain.generate(2.0).sample_grid() - moving_blob().read(2, ["density"])).mean(), rel=0.2
    )
    steps = Compression(model).coarsest_above(30)
    assert 30 <= Compression(model).psnr(steps) < 36


def pressure_beside_density():
    """A random model of two fields, of which the first is coarse."""
    return random_model(fields=(Field("p", 1, ((101325.0, 101325.01),)), Field("density", 1, ((-1.0, 3.0),))))


def test_only_the_fields_that_need_it_are_float64(tmp_path):
    from vtkmodules.util.vtkConstants import VTK_DOUBLE, VTK_FLOAT

    model = pressure_beside_density()
    inr = model.generate(0.3)
    numbers = shifted_model(model, shifts_of(model.fields)).generate(0.3).sample_grid()
    values = inr.sample_grid()
    parts = inr.split(values)
    assert {name: part.dtype for name, part in parts.items()} == {"p": np.float64, "density": np.float32}
    np.testing.assert_array_equal(parts["density"], numbers[..., 1])
    np.testing.assert_allclose(parts["p"] - 101325.0, numbers[..., 0] * 0.01, atol=1e-10)
    points = inr.sample(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    np.testing.assert_allclose(points[:, 0], parts["p"][[0, -1], [0, -1], [0, -1]], rtol=1e-11)
    image = image_of(inr, values, ["p", "density"], model.grid)
    kinds = [image.GetPointData().GetArray(name).GetDataType() for name in ("p", "density")]
    assert kinds == [VTK_DOUBLE, VTK_FLOAT]
    coarse = inr.split(sample_coarsely(inr, model.grid, model.grid.extent, 2))["p"]
    assert np.ptp(coarse) < 1.5 * np.ptp(parts["p"]) < 0.1
    hinr.save(model, tmp_path / "m.hinr")
    result = CliRunner().invoke(
        sample, [str(tmp_path / "m.hinr"), "--at", "time=0.3", "--field", "p", "-o", str(tmp_path / "p.npy")]
    )
    assert result.exception is None
    np.testing.assert_array_equal(
        np.load(tmp_path / "p.npy"), hinr.load(tmp_path / "m.hinr").generate(0.3).split(values)["p"]
    )


def test_masked_points_are_nan(tmp_path):
    model = dataclasses.replace(masked_model(), fields=(Field("density", 1, ((1e15, 1e15 + 64),)),))
    inr = model.generate(0.5)
    values = inr.sample_grid()
    assert values.dtype == np.float64 and 0 < np.isnan(values).mean() < 0.5
    np.testing.assert_array_equal(np.isnan(values[..., 0]), ~inr.valid()["density"])


def test_a_base_goes_with_its_field():
    model = based_model((12, 10, 8))
    plain = model.generate(0.3).sample_grid()
    shifts = {model.fields[0].name: Shift((1e6,) * model.fields[0].n_components, 1e-3)}
    moved = restored_model(model, shifts)
    assert is_coarse(moved.fields[0].value_range)
    np.testing.assert_allclose((moved.generate(0.3).sample_grid() - 1e6) / 1e-3, plain, atol=1e-5)
    back = shifted_model(moved, shifts)
    np.testing.assert_allclose(back.base.limits, model.base.limits, atol=1e-6)
    np.testing.assert_allclose(back.network_range, model.network_range, atol=1e-6)


def test_a_base_of_a_smooth_field_is_fitted_and_kept(tmp_path):
    x, y, _ = (axis.T for axis in np.meshgrid(*Grid((12, 10, 8)).axes(), indexing="ij"))
    steps = [1e9 + np.sin(2 * x + y + 0.3 * t).astype(np.float64) for t in range(5)]
    series = VolumeSeries(
        Grid((12, 10, 8)), range(5), {"p": 1}, lambda step, _, planes: steps[step][slice(*(planes or (None,)))], "waves"
    )
    train(Volumes(series), tmp_path / "m.hinr", SMALL.replace(training={"samples": 20_000, "base": "always"}))
    model = hinr.load(tmp_path / "m.hinr")
    assert model.base is not None and model.base.limits.min() > 9e8
    assert np.abs(model.generate(2.0).sample_grid()[..., 0] - steps[2]).max() < 0.05
    bad = dataclasses.replace(model, base=dataclasses.replace(model.base, limits=np.array([[0.0, 1e200]])))
    with pytest.raises(FormatError, match=r"a base has limits up to 5\.\d*e\+199 in its fields' extents"):
        hinr.save(bad, tmp_path / "bad.hinr")


def one_field(*steps):
    return VolumeSeries(
        Grid((2, 2, 2)),
        range(len(steps)),
        {"p": 1},
        lambda step, _, planes: steps[step][slice(*(planes or (None,)))],
        "p",
    )


def test_what_needs_a_shift():
    ramp = np.linspace(0, 1, 8).reshape(2, 2, 2)
    for ordinary in (ramp, 2e5 + 100 * ramp, (2e5 + 0.1 * ramp).astype(np.float32), 0 * ramp, ramp.astype(np.int16)):
        assert shifts_for(one_field(ordinary), ["p"]) == {}
    stamps = (1_700_000_000 + 7 * ramp).astype(np.int32)
    assert shifts_for(one_field(stamps), ["p"]) == {"p": Shift((1_700_000_000.0,), 7.0)}
    holes = np.where(ramp < 0.5, np.nan, 1e40 * ramp)
    assert shifts_for(one_field(holes), ["p"])["p"].scale == pytest.approx(np.nanmax(holes) - np.nanmin(holes))
    # it varies in the second of five steps alone, which nobody looks at
    still = 2e5 + 0 * ramp
    shift = shifts_for(one_field(still, still + 0.01 * ramp, still, still, still), ["p"])["p"]
    assert np.ptp(shift.applied(still + 0.01 * ramp)) == pytest.approx(0.01 / 2e5, rel=1e-4)
    # the components of a vector keep their sizes to each other
    vector = VolumeSeries(
        Grid((2, 2, 2)), [0.0], {"U": 2}, lambda *_: np.stack([1e7 + ramp, 5 + 3 * ramp], axis=-1), "U"
    )
    assert shifts_for(vector, ["U"])["U"] == Shift((1e7, 5.0), 3.0)


def test_rivals_are_measured_on_the_variation(tmp_path):
    series = open_series(netcdf(tmp_path / "a.nc", 101325.0, 0.01), fields=["p"])
    comparison = Comparison(series, "p", tmp_path / "c", every=2)
    comparison.run("linear")
    plain = Comparison(open_series(tmp_path / "a.nc", fields=["density"]), "density", tmp_path / "d", every=2)
    plain.run("linear")
    assert comparison.methods["linear"]["psnr"] == pytest.approx(plain.methods["linear"]["psnr"], abs=0.01)
    low, high = comparison._setup["value_range"]
    assert 101324 < low < high < 101326


def test_the_ends_of_a_range_are_told_apart():
    assert range_in_words(-0.5, 2.25) == "-0.5 to 2.25"
    assert range_in_words(101325.0, 101325.01) == "101325 to 101325.01"


@pytest.mark.parametrize(("offset", "size"), KINDS)
def test_the_page_gets_the_variation(offset, size):
    model = random_model()
    name = model.fields[0].name
    drawn = []
    beside = float(np.sign(offset) * 100)  # on the same side of zero, of which the look depends
    for shift in (Shift((beside,), 1.0), Shift((offset,), size)):
        each = restored_model(model, {name: shift})
        drawing = VoxelDrawing(each, "a model")
        low, high = drawing.description()["fields"][0]["range"]
        codes = np.frombuffer(drawing.voxels({each.parameters[0].name: 0.3}, name), "<u2")
        drawn.append(low + codes / 65535 * (high - low))
    shares = [(values - values.min()) / np.ptp(values) for values in drawn]
    assert np.abs(shares[1] - shares[0]).mean() < 0.02 * shares[0].std()
