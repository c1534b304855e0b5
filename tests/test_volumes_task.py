"""Training on volumes reaches the data, whatever they are, and refuses what cannot be learnt before it begins."""

from __future__ import annotations

import os

import numpy as np
import pytest
from masked import coast, masked_blob, wall
from series import moving_blob
from small import SMALL, with_training

from hyperinr_core import hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import RunConfig, preset
from hyperinr_core.training.task import Tell
from hyperinr_core.training.volumes.task import Volumes, encoder_positions
from hyperinr_core.volume import Grid, VolumeSeries


def test_training_reaches_the_data(tmp_path):
    series = moving_blob()
    reports = []
    model = train(Volumes(series, ["density"]), tmp_path / "m.hinr", SMALL, tell=Tell(report=reports.append))
    assert min(model.quality["training_psnr_db"]["density"]) > 32
    assert reports[-1].samples == reports[-1].total == 400_000
    assert not checkpoint_path(tmp_path / "m.hinr").exists()
    loaded = hinr.load(tmp_path / "m.hinr")
    truth = series.read(2, ["density"])
    assert np.abs(loaded.generate(1.0).sample_grid() - truth).mean() < 0.2
    assert [field.name for field in loaded.fields] == ["density"]


def test_several_fields_and_vectors_share_a_model(tmp_path):
    series = moving_blob()
    model = train(Volumes(series, ["density", "motion"]), tmp_path / "m.hinr", SMALL)
    inr = model.generate(0.5)
    arrays = inr.split(inr.sample_grid())
    assert arrays["density"].shape == (12, 14, 16) and arrays["motion"].shape == (12, 14, 16, 2)
    truth = series.read(1, ["motion"])
    assert np.abs(arrays["motion"] - truth).mean() < 0.3


def test_constant_field_is_reproduced(tmp_path):
    series = VolumeSeries(Grid((6, 6, 6)), [0.0, 1.0], {"c": 1}, lambda s, n, z: np.full((6, 6, 6), 7.5), "constant")
    model = train(Volumes(series, ["c"]), tmp_path / "m.hinr", with_training(samples=2000))
    assert (model.generate(0.5).sample_grid() == 7.5).all()
    sparse = train(Volumes(series, ["c"]), tmp_path / "s.hinr", with_training(samples=2000, sparsity=0.9))
    assert (sparse.generate(0.5).sample_grid() == 7.5).all()
    assert (hinr.load(tmp_path / "s.hinr").generate(0.5).sample_grid() == 7.5).all()


def test_single_step_is_a_static_volume(tmp_path):
    model = train(Volumes(moving_blob(n_steps=1), ["density"]), tmp_path / "m.hinr", SMALL)
    assert model.theta_bounds.tolist() == [[0.0, 0.0]]
    assert min(model.quality["training_psnr_db"]["density"]) > 32


def test_plane_uses_two_dimensional_encoders(tmp_path):
    series = moving_blob(dims=(20, 16, 1))
    config = preset("fast", series.grid)
    assert config.encoding.n_pos_dims == 2 and config.encoding.base_resolution == 8
    encoding = config.encoding.replace(n_levels=3)
    config = RunConfig(encoding, SMALL.network, SMALL.training.replace(samples=80_000, batch_points=100))
    config = config.replace(distillation={"teacher": "none"})
    model = train(Volumes(series, ["density"]), tmp_path / "m.hinr", config)
    assert min(model.quality["training_psnr_db"]["density"]) > 25


def test_infinity_is_found_before_training(tmp_path):
    series = moving_blob()
    clean = series.loader

    def load(step, name, z_range):
        values = clean(step, name, z_range).copy()
        if step == 3:
            values[4, 5, 6] = np.inf
        return values

    series.loader = load
    with pytest.raises(DataError, match=r"step 3 .* at point \(6, 5, 4\)"):
        train(Volumes(series, ["density"]), tmp_path / "m.hinr", SMALL)
    assert os.listdir(tmp_path) == []


def test_unknown_field_lists_the_known(tmp_path):
    with pytest.raises(DataError, match="no field 'speed'; expected one of density, motion"):
        train(Volumes(moving_blob(), ["speed"]), tmp_path / "m.hinr", SMALL)


def test_missing_folder_is_found_before_training(tmp_path):
    with pytest.raises(DataError, match="no folder that can be written to"):
        train(Volumes(moving_blob(), ["density"]), tmp_path / "no" / "m.hinr", SMALL)


def test_encoder_positions():
    series = moving_blob(thetas=[0, 0.5, 2])
    assert encoder_positions(series, SMALL).ravel().tolist() == [0, 0.5, 2]
    assert encoder_positions(series, SMALL.replace(encoders={"count": 5})).ravel().tolist() == [0, 0.5, 1, 1.5, 2]


def test_fewer_encoders_than_steps_train_through_the_interpolation(tmp_path):
    model = train(
        Volumes(moving_blob(n_steps=9), ["density"]), tmp_path / "m.hinr", SMALL.replace(encoders={"count": 4})
    )
    assert model.encoder_positions.shape == (4, 1)
    assert np.mean(model.quality["training_psnr_db"]["density"]) > 30


def test_a_run_starts_from_another_model(tmp_path):
    series, short = moving_blob(), with_training(samples=20_000)
    train(Volumes(series, ["density"]), tmp_path / "first.hinr", SMALL)
    initial = hinr.load(tmp_path / "first.hinr")
    cold, warm = (
        np.mean(train(Volumes(series, ["density"]), tmp_path / f"{i}.hinr", short, initial=initial if i else None).quality[
            "training_psnr_db"]["density"]) for i in (0, 1)
    )  # fmt: skip
    assert warm > cold + 2
    assert hinr.load(tmp_path / "1.hinr").provenance["initial"]["source"] == series.source
    assert "initial" not in hinr.load(tmp_path / "0.hinr").provenance
    other = short.replace(encoding={"n_levels": 5}, distillation={"teacher": "auto"})
    with pytest.raises(ParameterError, match=r"n_levels 4.*expected.*n_levels 5.*leave --init-from out"):
        train(Volumes(series, ["density"]), tmp_path / "x.hinr", other, initial=initial, tell=Tell(chosen=pytest.fail))
    assert not (tmp_path / "x.hinr").exists()


def one_step(values) -> VolumeSeries:
    values = np.asarray(values).reshape(2, 2, 2)
    return VolumeSeries(Grid((2, 2, 2)), [0.0], {"p": 1}, lambda *_: values, "this")


def test_numbers_below_float32_and_fields_too_large_for_the_format_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"'p' of 0 to 2\.8026e-45; expected numbers of"):
        train(Volumes(one_step(np.linspace(0, 3e-45, 8, dtype=np.float32))), tmp_path / "m.hinr", SMALL)
    wide = np.zeros((2, 2, 2, 18), np.float32)
    series = VolumeSeries(Grid((2, 2, 2)), [0.0], {"p": 18}, lambda *_: wide, "this")
    with pytest.raises(DataError, match="18 components"):
        train(Volumes(series), tmp_path / "m.hinr", SMALL)


@pytest.mark.parametrize("memory_mb", [4096, 1])
def test_a_step_without_a_value_is_found_before_training(tmp_path, memory_mb):
    series = masked_blob(lambda x, y, z, t: (x > 2) | (t == 1.5), ("motion",), dims=(40, 36, 32))
    with pytest.raises(DataError, match=r"step 3 of a moving blob has no value but NaN in field 'motion'"):
        train(Volumes(series), tmp_path / "m.hinr", with_training(memory_mb=memory_mb))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("memory_mb", [4096, 1])
@pytest.mark.parametrize("base", ["never", "always"])
@pytest.mark.parametrize("scene", [coast, wall])
def test_masked_points_stay_masked_and_the_others_are_learned(tmp_path, scene, base, memory_mb):
    # what does not fit into memory is learned worse with so few samples, masked or not
    dims, enough = ((16, 14, 12), 25) if memory_mb > 1 else ((40, 36, 32), 18)
    series = masked_blob(scene, dims=dims)
    config = with_training(memory_mb=memory_mb, base=base).replace(distillation={"teacher": "linear"})
    model = train(Volumes(series), tmp_path / "m.hinr", config)
    assert min(model.quality["training_psnr_db"]["density"]) > enough
    assert min(model.quality["teacher_psnr_db"]["density"]) > enough
    loaded = hinr.load(tmp_path / "m.hinr")
    for step in range(len(series)):
        truth, found = series.read(step, ["density", "motion"]), loaded.generate(series.thetas[step]).sample_grid()
        np.testing.assert_array_equal(np.isnan(found), np.isnan(truth))
    assert len(loaded.mask.positions) == (1 if scene is coast else len(series))


def test_a_field_that_lacks_values_where_another_has_them(tmp_path):
    series = masked_blob(coast, ("motion",))
    model = train(Volumes(series), tmp_path / "m.hinr", SMALL)
    inr = model.generate(0.5)
    arrays = inr.split(inr.sample_grid())
    assert np.isfinite(arrays["density"]).all()
    np.testing.assert_array_equal(np.isnan(arrays["motion"]), np.isnan(series.read(1, ["motion"])))
    assert min(model.quality["training_psnr_db"]["density"]) > 28
