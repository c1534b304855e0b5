"""Promises that training and compress keep, and those that they refuse in one sentence."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
from bound_models import bounded_model, series_of
from click.testing import CliRunner
from masked import coast, masked_blob, masked_model, wall
from models import random_model
from moving_models import moving_model
from series import moving_blob, waves
from small import SMALL

from hyperinr.filters import about
from hyperinr.plugin.commands.compress import compress
from hyperinr.plugin.commands.model import info
from hyperinr.plugin.commands.train import train as train_command
from hyperinr_core import hinr
from hyperinr_core.bounding import LEAST, ROUNDING, Promise, bounded
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.run import train
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries


def errors_of(model, series):
    """(F,) the largest error at the training steps, over points that are not masked."""
    worst = []
    for step, (time,) in enumerate(series.thetas):
        inr = model.generate(time)
        for name, found in inr.split(inr.sample_grid()).items():
            truth = np.asarray(series.loader(step, name, None), np.float64)
            np.testing.assert_array_equal(np.isnan(found), np.isnan(truth))
            worst.append(np.nanmax(abs(found - truth)))
    return np.max(np.reshape(worst, (len(series), -1)), axis=0)


@pytest.mark.parametrize("kind", ["plain", "masked", "waves"])
def test_training_keeps_its_promise(tmp_path, kind):
    series = {"plain": moving_blob, "masked": lambda: masked_blob(coast), "waves": lambda: waves(16)}[kind]()
    config = SMALL if kind != "waves" else SMALL.replace(motion={"carry": "always"})
    if kind == "waves":
        config = config.replace(distillation={"teacher": "auto"})
    model = train(Volumes(series), tmp_path / "m.hinr", config, promise=Promise(series, 0.01, True))
    loaded = hinr.load(tmp_path / "m.hinr")
    for found in (model, loaded):
        assert (errors_of(found, series) <= found.largest_errors).all()
    name = loaded.fields[0].name
    low, high = loaded.fields[0].whole_range
    assert loaded.largest_errors[0] == pytest.approx(0.01 * (high - low))
    assert loaded.quality == model.quality
    assert np.mean(loaded.quality["training_psnr_db"][name]) > 40 and loaded.quality["unbounded_psnr_db"][name]
    assert (loaded.motion is not None) == (kind == "waves")
    sizes = hinr.read_header(tmp_path / "m.hinr")["tables"]["sizes"]
    assert (sum(sizes) < 0.2 * model.encoder_params.nbytes) == (kind == "waves"), "previews need fewer bytes"


def test_the_largest_size_counts_what_is_stored(tmp_path):
    series, promise = moving_blob(), Promise(moving_blob(), 0.01, True)
    train(Volumes(series, ["density"]), tmp_path / "m.hinr", SMALL, promise=promise)
    size, tables = os.path.getsize(tmp_path / "m.hinr"), hinr.read_header(tmp_path / "m.hinr")["tables"]
    most = size - sum(tables["sizes"]) // 2
    train(Volumes(series, ["density"]), tmp_path / "s.hinr", SMALL.replace(budget={"max_bytes": most}), promise=promise)
    assert os.path.getsize(tmp_path / "s.hinr") <= most
    small = hinr.load(tmp_path / "s.hinr")
    assert (errors_of(small, series.select(range(5)))[0] <= small.largest_errors).all()


def test_a_constant_field_keeps_a_share_of_nothing(tmp_path):
    series = VolumeSeries(Grid((6, 6, 6)), [0.0, 1.0], {"c": 1}, lambda s, n, z: np.full((6, 6, 6), 7.5), "constant")
    model = train(
        Volumes(series),
        tmp_path / "m.hinr",
        SMALL.replace(training={"samples": 2000}),
        promise=Promise(series, 0.1, True),
    )
    assert (model.generate(0.0).sample_grid() == 7.5).all() and 0 < model.largest_errors[0] < 1e-4


def test_a_promise_that_float32_has_no_room_for_is_refused_before_training(tmp_path):
    series = moving_blob()
    for error, relative, message in (
        (1e-9, True, "max-error is 1e-09 of the range of density; expected"),
        (1e-7, False, "max-error is 1e-07 for density; expected"),
    ):
        with pytest.raises(ParameterError, match=message):
            train(Volumes(series, ["density"]), tmp_path / "m.hinr", SMALL, promise=Promise(series, error, relative))
    assert not (tmp_path / "m.hinr").exists() and not checkpoint_path(tmp_path / "m.hinr").exists()


def test_the_least_error_that_is_not_refused_is_kept():
    plain = random_model()
    series = series_of(plain)
    least = LEAST * ROUNDING * 3  # the field is -1 to 3
    model = bounded(plain, Promise(series, 1.001 * least))
    assert (errors_of(model, series) <= 1.001 * least).all()
    with pytest.raises(ParameterError, match="which float32 keeps of numbers up to 3"):
        bounded(plain, Promise(series, 0.999 * least))
    pressure = random_model(fields=(Field("p", 1, ((101325.0, 101325.01),)),))
    assert (errors_of(bounded(pressure, Promise(series_of(pressure), 1e-7)), series_of(pressure)) <= 1e-7).all()
    with pytest.raises(ParameterError, match=r"max-error is 1e-10 for p; expected 4\.77e-09 or more"):
        bounded(pressure, Promise(series_of(pressure), 1e-10))


def with_steps(series, change):
    """The series with what `change` does to a step's array."""

    def load(step, name, planes):
        return change(series.loader(step, name, None).copy())[slice(*(planes or (None,)))]

    return dataclasses.replace(series, loader=load)


def other_mask(values):
    values[1, 2, 3] = np.nan
    return values


def test_what_cannot_be_bounded_is_said():
    plain = random_model()
    series = series_of(plain)
    lights = random_model(parameters=(*plain.parameters, Parameter("b", "free", (0.0, 1.0))))
    silent = dataclasses.replace(plain, parameters=(dataclasses.replace(plain.parameters[0], values=()),))
    # a motion from steps that are not those that were trained on
    elsewhere = dataclasses.replace(moving_model(), encoder_positions=np.linspace(0, 2, 5)[:, None] ** 1.1 / 2**0.1)
    cases = [
        (lights, series, ParameterError, "the model has the parameters time, b; expected one"),
        (silent, series, ParameterError, "does not say what steps it was trained on"),
        (plain, series.select([0, 1, 2]), DataError, "has no step at time 1.5"),
        (plain, moving_blob(), DataError, r"has dims \(16, 14, 12\)"),
        (plain, with_steps(series, other_mask), DataError, "has other masked points in 'density' than the model"),
        (masked_model(wall), series, DataError, "has other masked points"),
        (elsewhere, series, DataError, "at step 1 would be off by"),
    ]
    for model, given, kind, message in cases:
        with pytest.raises(kind, match=message) as caught:
            bounded(model, Promise(given, 0.01))
        assert "\n" not in str(caught.value)


@pytest.fixture
def saved(tmp_path):
    """A model that is carried, and the steps it was trained on, as files."""
    plain = moving_model(dims=(24, 20, 16))
    hinr.save(plain, tmp_path / "m.hinr")
    series = series_of(plain)
    np.save(tmp_path / "s.npy", np.stack([series.read(step, ["density"])[..., 0] for step in range(5)]))
    return tmp_path


def compressed(folder, *words):
    """What `compress` says of the model of a folder; its exception, if any."""
    times = ["--times", "0,0.5,1,1.5,2"] if "s.npy" in words else []
    words = [str(folder / word) if word == "s.npy" else word for word in words]
    return CliRunner().invoke(compress, [str(folder / "m.hinr"), *words, *times, "-o", str(folder / "c.hinr")])


def test_compress_keeps_to_a_bound_and_says_so_wherever_one_looks(saved):
    result = compressed(saved, "s.npy", "--max-error", "0.01", "--relative")
    assert result.exception is None, result.exception
    assert "At every training step density within 0.04 kg/m^3: " in result.output
    model = hinr.load(saved / "c.hinr")
    truth = np.load(saved / "s.npy")
    for time, step in zip(model.encoder_positions[:, 0], truth):
        assert (
            abs(model.generate(time).sample_grid()[..., 0] - step).max()
            <= 0.04
            == pytest.approx(model.largest_errors[0])
        )
    said = CliRunner().invoke(info, [str(saved / "c.hinr")]).output
    assert "at every training step density within 0.04 kg/m^3" in said and "format version 6" in said
    assert about.quality_of(model).endswith(" dB, at every training step density within 0.04 kg/m^3")
    assert "tables" in hinr.read_header(saved / "c.hinr") and os.path.getsize(saved / "c.hinr") < os.path.getsize(
        saved / "m.hinr"
    )
    # once more, without data: what is stored stays true
    (saved / "c.hinr").replace(saved / "m.hinr")
    assert compressed(saved).exception is None
    again = hinr.load(saved / "c.hinr")
    np.testing.assert_array_equal(again.generate(0.5).sample_grid(), model.generate(0.5).sample_grid())
    assert again.largest_errors == model.largest_errors
    assert again.quality["training_psnr_db"] == model.quality["training_psnr_db"]


def test_compress_leaves_room_for_what_is_stored(saved):
    assert compressed(saved, "s.npy", "--max-error", "0.2", "--target-psnr", "30").exception is None
    size = os.path.getsize(saved / "c.hinr")
    assert compressed(saved, "s.npy", "--max-error", "0.2", "--max-bytes", str(size)).exception is None
    assert 0.8 * size < os.path.getsize(saved / "c.hinr") <= size


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-error", "0.1"], "--max-error is given without the series that MODEL was trained on"),
        (["s.npy"], "a series is given without --max-error"),
        (["--relative"], "--relative is given without --max-error"),
        (["s.npy", "--max-error", "1e-9"], "max-error is 1e-09 for density; expected 1.43e-06 or more"),
        (["s.npy", "--max-error", "0.01", "--max-bytes", "900"], "max-bytes is 900, of which 0 are left"),
    ],
)
def test_compress_says_what_cannot_be(saved, words, message):
    result = compressed(saved, *words)
    assert message in str(result.exception) and "\n" not in str(result.exception)
    assert not (saved / "c.hinr").exists()


def test_train_says_what_it_keeps_to_and_that_bricks_cannot(saved):
    (saved / "quick.json").write_text('{"training": {"samples": 20000}, "encoding": {"n_levels": 3}}')
    command = [str(saved / "s.npy"), "--config", str(saved / "quick.json"), "--teacher", "none", "--max-error", "0.05"]
    result = CliRunner().invoke(train_command, [*command, "--every", "2", "-o", str(saved / "t.hinr")])
    assert result.exception is None, result.exception
    model, truth = hinr.load(saved / "t.hinr"), np.load(saved / "s.npy")
    assert f"At every training step {model.fields[0].name} within 0.05: " in result.output
    for step in (0, 2, 4):
        assert abs(model.generate(float(step)).sample_grid()[..., 0] - truth[step]).max() <= 0.05
    result = CliRunner().invoke(train_command, [*command, "--bricks", "2x1x1", "-o", str(saved / "b.hinr")])
    assert "--max-error is given; expected one model along one parameter" in str(result.exception)


def test_a_model_that_keeps_to_a_bound_is_bounded_anew():
    plain = random_model()
    first = bounded_model(plain, 0.01)
    second = bounded(first, Promise(series_of(plain), 0.001, True))
    assert second.largest_errors[0] == pytest.approx(first.largest_errors[0] / 10)
    assert (errors_of(second, series_of(plain)) <= second.largest_errors).all()
