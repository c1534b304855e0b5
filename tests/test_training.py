"""Training reaches the data, can be cut off anywhere, and draws what it says."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import torch
from masked import coast, masked_blob, wall
from series import moving_blob

from hyperinr_core import hinr
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.table_coding import levels
from hyperinr_core.training import trainer as trainer_module
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.pruning import Pruning
from hyperinr_core.training.run import train
from hyperinr_core.training.samples import SampleStream, check_precision, scan_fields
from hyperinr_core.training.settings import DistillationConfig, RunConfig, TrainingConfig, preset, with_file
from hyperinr_core.training.task import Tell
from hyperinr_core.training.trainer import Interrupted, choose_device
from hyperinr_core.training.volumes.survey import survey
from hyperinr_core.training.volumes.task import Volumes, encoder_positions, measure_quality
from hyperinr_core.volume import Grid, VolumeSeries

SMALL = RunConfig(
    EncodingConfig(n_levels=4, n_features_per_level=2, log2_hashmap_size=10, per_level_scale=1.5),
    NetworkConfig(16, 2),
    TrainingConfig(samples=400_000, batch_steps=2, batch_points=1000, lr_encoding=1e-2, lr_network=5e-3),
    distillation=DistillationConfig(teacher="none"),
)


def with_training(**changes) -> RunConfig:
    return SMALL.replace(training=changes)


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


@pytest.mark.parametrize("cut", [1, 60, 199])
def test_interrupted_run_continues_to_the_same_bytes(tmp_path, monkeypatch, cut):
    series = moving_blob()
    train(Volumes(series, ["density"]), tmp_path / "whole.hinr", SMALL)
    draw = SampleStream.draw

    def draw_and_interrupt(self, iteration):
        if iteration == cut:
            os.kill(os.getpid(), signal.SIGINT)
        return draw(self, iteration)

    monkeypatch.setattr(SampleStream, "draw", draw_and_interrupt)
    with pytest.raises(Interrupted):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", SMALL)
    monkeypatch.setattr(SampleStream, "draw", draw)
    assert not (tmp_path / "cut.hinr").exists()
    with pytest.raises(ParameterError, match="--resume"):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", SMALL)
    with pytest.raises(DataError, match="other data or settings"):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", with_training(seed=1), resume=True)
    train(Volumes(series, ["density"]), tmp_path / "cut.hinr", SMALL, resume=True)
    assert (tmp_path / "cut.hinr").read_bytes() == (tmp_path / "whole.hinr").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["cut.hinr", "whole.hinr"]


def test_killed_run_continues_from_its_last_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "CHECKPOINT_SECONDS", 0.0)
    series = moving_blob()
    config = with_training(samples=40_000)
    train(Volumes(series, ["density"]), tmp_path / "whole.hinr", config)
    draw = SampleStream.draw

    def draw_and_die(self, iteration):
        if iteration == 13:
            raise RuntimeError("killed")
        return draw(self, iteration)

    monkeypatch.setattr(SampleStream, "draw", draw_and_die)
    with pytest.raises(RuntimeError, match="killed"):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config)
    monkeypatch.setattr(SampleStream, "draw", draw)
    train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config, resume=True)
    assert (tmp_path / "cut.hinr").read_bytes() == (tmp_path / "whole.hinr").read_bytes()


def test_damaged_checkpoint_is_named(tmp_path):
    checkpoint_path(tmp_path / "m.hinr").write_bytes(b"half")
    with pytest.raises(DataError, match="no whole checkpoint"):
        train(Volumes(moving_blob(), ["density"]), tmp_path / "m.hinr", SMALL, resume=True)


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


def test_only_valid_points_are_drawn():
    series = masked_blob(wall)
    found = survey(series, ["density"], 1 << 30)
    stream = SampleStream(found.series, found.fields, 2, 500, 1 << 30, seed=1)
    for iteration in range(5):
        batch = stream.draw(iteration)
        x, y, z = np.moveaxis(batch.points.astype(np.float64), -1, 0)
        assert not wall(x + 1e-6, y, z, batch.thetas[:, :1]).any()
    stream.close()


def test_a_slab_without_a_value_is_never_drawn():
    series = masked_blob(lambda x, y, z, t: z < 0.5, dims=(40, 36, 32))
    found = survey(series, ["density"], 1 << 20)
    stream = SampleStream(found.series, found.fields, 2, 500, 1 << 20, seed=1)
    assert min(stream.draw(iteration).points[..., 2].min() for iteration in range(40)) > 0.5
    stream.close()


def one_step(values) -> VolumeSeries:
    values = np.asarray(values).reshape(2, 2, 2)
    return VolumeSeries(Grid((2, 2, 2)), [0.0], {"p": 1}, lambda *_: values, "this")


def test_variation_that_float32_does_not_tell_is_warned_of(caplog):
    pressure = 2e5 + np.linspace(0, 0.1, 8)
    series = one_step(pressure)
    check_precision(series, scan_fields(series, ["p"], 1 << 20))
    assert "p varies from 200000 to 200000.1, of which float32 tells about 6 values apart" in caplog.text
    caplog.clear()
    for values in (pressure.astype(np.float32), np.full(8, 2e5), np.linspace(0, 1e-30, 8), 2e5 + np.arange(8.0)):
        series = one_step(values)
        check_precision(series, scan_fields(series, ["p"], 1 << 20))
    assert not caplog.text


def test_numbers_below_float32_and_fields_too_large_for_the_format_are_refused(tmp_path):
    with pytest.raises(DataError, match="'p' of 0 to 3e-45; expected numbers of"):
        train(Volumes(one_step(np.linspace(0, 3e-45, 8))), tmp_path / "m.hinr", SMALL)
    wide = np.zeros((2, 2, 2, 18), np.float32)
    series = VolumeSeries(Grid((2, 2, 2)), [0.0], {"p": 18}, lambda *_: wide, "this")
    with pytest.raises(DataError, match="18 components"):
        train(Volumes(series), tmp_path / "m.hinr", SMALL)


def test_unknown_field_lists_the_known(tmp_path):
    with pytest.raises(DataError, match="no field 'speed'; expected one of density, motion"):
        train(Volumes(moving_blob(), ["speed"]), tmp_path / "m.hinr", SMALL)


def test_missing_folder_is_found_before_training(tmp_path):
    with pytest.raises(DataError, match="no folder that can be written to"):
        train(Volumes(moving_blob(), ["density"]), tmp_path / "no" / "m.hinr", SMALL)


def test_points_carry_the_values_of_their_voxels():
    series = moving_blob()
    fields = scan_fields(series, ["density", "motion"], 1 << 30)
    stream = SampleStream(series, fields, 2, 500, 1 << 30, seed=3)
    batch = stream.draw(7)
    assert batch.points.shape == (2, 500, 3) and batch.targets.shape == (2, 500, 3)
    for scene, theta in enumerate(batch.thetas):
        step = int(np.flatnonzero(series.thetas[:, 0] == theta[0])[0])
        index = np.round(batch.points[scene] * (np.array(series.grid.dims) - 1)).astype(int)
        values = series.read(step, ["density", "motion"])[index[:, 2], index[:, 1], index[:, 0]]
        low, high = np.array([pair for field in fields for pair in field.value_range]).T
        np.testing.assert_allclose(batch.targets[scene] * (high - low) + low, values, atol=1e-5)


def test_series_larger_than_memory_is_streamed():
    series = moving_blob(dims=(16, 16, 40), n_steps=8)
    reads = []
    load = series.loader

    def counted(step, name, z_range):
        reads.append(z_range)
        return load(step, name, z_range)

    series.loader = counted
    memory = 60_000  # the series takes 328 kB
    fields = scan_fields(series, ["density"], memory)
    reads.clear()
    stream = SampleStream(series, fields, 2, 256, memory, seed=0)
    seen = set()
    for iteration in range(400):
        batch = stream.draw(iteration)
        resident = sum(values.nbytes for values in stream._resident.values())
        assert resident <= memory
        seen.update(batch.thetas[:, 0])
    assert len(seen) == 8
    assert max(stop - start for start, stop in reads) < 40
    n_blocks = len(stream._blocks)
    turns = [[stream._block(turn * n_blocks + place) for place in range(n_blocks)] for turn in range(3)]
    assert turns[0] != turns[1] != turns[2] and all(set(turn) == set(stream._blocks) for turn in turns)
    # an interrupted run starts in the middle and must draw the same
    again = SampleStream(series, fields, 2, 256, memory, seed=0).draw(399)
    np.testing.assert_array_equal(again.targets, batch.targets)


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


def test_settings_file_changes_only_what_it_names(tmp_path):
    path = tmp_path / "c.json"
    path.write_text('{"training": {"samples": 5}, "network": {"n_neurons": 32}}')
    config = with_file(SMALL, path)
    assert config.training == SMALL.training.replace(samples=5) and config.network.n_neurons == 32
    path.write_text('{"training": {"sample": 5}}')
    with pytest.raises(ParameterError, match=r"unknown keys \['sample'\]"):
        with_file(SMALL, path)


def test_named_device_must_be_there():
    with pytest.raises(ParameterError, match="expected auto, cpu or cuda"):
        choose_device("tpu")


@pytest.mark.parametrize("cut", [45, 90])
def test_a_sparse_model_is_as_sparse_as_asked_and_resumes_to_the_same_bytes(tmp_path, monkeypatch, cut):
    series, config = moving_blob(), with_training(sparsity=0.7)
    whole = train(Volumes(series, ["density"]), tmp_path / "whole.hinr", config)
    assert np.mean(whole.encoder_params == 0) >= 0.7
    assert min(whole.quality["training_psnr_db"]["density"]) > 30
    assert "tables" in hinr.read_header(tmp_path / "whole.hinr")
    dense = train(Volumes(series, ["density"]), tmp_path / "dense.hinr", SMALL)
    assert np.mean(dense.encoder_params == 0) < 0.1
    assert os.path.getsize(tmp_path / "whole.hinr") < 0.4 * os.path.getsize(tmp_path / "dense.hinr")
    again = hinr.load(tmp_path / "whole.hinr")
    np.testing.assert_array_equal(again.encoder_params, whole.encoder_params)
    np.testing.assert_array_equal(again.generate(0.6).sample_grid(), whole.generate(0.6).sample_grid())
    stored = {**again.quality, "teacher_psnr_db": {}}
    assert again.quality == whole.quality and stored == {**measure_quality(again, series), "teacher_psnr_db": {}}

    step = trainer_module.Trainer.step

    def stopping(self):
        if self.iteration == cut:  # within the rounds of pruning
            self.save_state(checkpoint_path(tmp_path / "cut.hinr"))
            raise Interrupted
        return step(self)

    monkeypatch.setattr(trainer_module.Trainer, "step", stopping)
    with pytest.raises(Interrupted):
        train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config)
    monkeypatch.setattr(trainer_module.Trainer, "step", step)
    train(Volumes(series, ["density"]), tmp_path / "cut.hinr", config, resume=True)
    assert (tmp_path / "cut.hinr").read_bytes() == (tmp_path / "whole.hinr").read_bytes()


def test_pruning_spares_coarse_levels():
    grid = hash_grid(EncodingConfig(n_levels=2, n_features_per_level=2, log2_hashmap_size=10, per_level_scale=4))
    tables = torch.rand((3, grid.n_params), generator=torch.Generator().manual_seed(0)) + 0.5
    moments = torch.ones_like(tables)
    pruning = Pruning(0.5, 100, grid)
    for iteration in range(1, 101):
        pruning.prune(iteration, tables, [moments])
    coarse, fine = ((tables[:, part] == 0).float().mean() for part in levels(grid))
    assert coarse == 0 and 0.5 < fine < 0.6  # all alike in size, and the fine level has 8 times as many
    assert torch.equal(tables == 0, moments == 0)


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
