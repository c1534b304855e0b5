"""Training on shadows: it beats interpolation, says what it is for, and goes on only as the run that it was."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from light_models import FUNCTION, GRID, config, pillars
from small import at_iteration

from hyperinr_core import hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.light import shadow
from hyperinr_core.light.lights import poisson_lights
from hyperinr_core.measure.shadows import InterpolatedLights, measure_lights, truth_for
from hyperinr_core.training.distributed import World
from hyperinr_core.training.lights.samples import LightStream
from hyperinr_core.training.lights.task import (
    Lights,
    ShadowConfig,
    _quality,
    fitted_teacher,
    light_series,
    truth_of,
)
from hyperinr_core.training.run import train
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.teachers.coordnet import CoordNet
from hyperinr_core.volume import Grid


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("shadow") / "s.hinr"
    shadows = ShadowConfig(lights=12, encoders=40)
    model = train(Lights(pillars(), GRID, FUNCTION, shadows, "pillars"), path, config())
    return path, model


def test_a_model_beats_interpolation_on_lights_it_never_saw(trained):
    path, _ = trained
    model = hinr.load(path)
    truth, _ = truth_for(model, pillars(), str(path))
    report = measure_lights(model, truth, InterpolatedLights(model, truth), poisson_lights(25, 1000))
    assert report["wins"] > 0.8 and len(report["lights"]) == 25
    assert report["held_out"]["model"]["psnr"] > report["held_out"]["interpolation"]["psnr"] + 2


def test_the_stored_quality_is_that_of_the_file(trained):
    path, model = trained
    loaded, lights_seen = hinr.load(path), poisson_lights(12, config().training.seed)
    for light in lights_seen[:3]:
        found, expected = (one.generate(light).sample_grid() for one in (loaded, model))
        np.testing.assert_array_equal(found, expected)
    truth, _ = truth_for(loaded, pillars(), str(path))
    assert loaded.quality == model.quality == _quality(loaded, truth, lights_seen)


def test_a_model_of_scattering_learns_the_mean_of_the_noise(tmp_path):
    grid = Grid((10, 10, 10))
    values = pillars()[:10, :10, :10].copy()
    shadows = ShadowConfig(kind="scatter", lights=4, encoders=40, paths=1)
    model = train(Lights(values, grid, FUNCTION, shadows, "pillars"), tmp_path / "s.hinr", config())
    truth = dataclasses.replace(truth_for(model, values, "s")[0], n_paths=256)
    noisy = truth_of(values, grid, FUNCTION, shadows)
    for light in poisson_lights(3, 50):
        found = model.generate(light).sample_grid()[..., 0]
        error = np.sqrt(np.mean((found - truth(light)) ** 2))
        assert error < 0.7 * np.sqrt(np.mean((noisy(light) - truth(light)) ** 2))


def test_a_model_says_what_it_was_made_for(trained):
    _, model = trained
    assert model.interpolation == "barycentric" and len(model.encoder_positions) == 40
    assert [p.role for p in model.parameters] == ["light_azimuth", "light_polar"]
    assert len(model.parameters[0].values) == 12 == len(model.quality["training_psnr_db"]["shadow"])
    assert model.provenance["transfer_function"]["digest"] == FUNCTION.digest
    assert model.provenance["shadow"]["unit_distance"] == shadow.default_unit_distance(GRID)


@pytest.mark.parametrize("change", [{}, {"kind": "scatter"}, {"teacher": "none"}], ids=str)
def test_equal_seeds_give_equal_bytes(tmp_path, change):
    shadows = ShadowConfig(lights=4, encoders=6, guide=8, **change)
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        settings = config(samples=12_000, seed=seed)
        train(Lights(pillars(), GRID, FUNCTION, shadows, "p"), tmp_path / f"{name}.hinr", settings)
    one, same, other = ((tmp_path / f"{name}.hinr").read_bytes() for name in ("one", "same", "other"))
    assert one == same != other


def test_clear_transfer_functions_and_infinity_are_refused_before_training(tmp_path):
    clear = FUNCTION.with_opacity(((0.0, 0.0), (1.0, 0.0)))
    broken = pillars()
    broken[3, 3, 3] = np.inf
    for values, function, words in ((pillars(), clear, "clear for all values"), (broken, FUNCTION, "holds infinity")):
        with pytest.raises(DataError, match=words):
            train(Lights(values, GRID, function, ShadowConfig(), "pillars"), tmp_path / "s.hinr", config())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [
        ("encoding.guide_resolution", 8, "--guide sets it"),
        ("training.base", "always", "only hyperinr train"),
        ("encoders.count", 99, "--encoders sets it"),
        ("encoders.gaussian", 0.5, "--gaussian sets it"),
        ("distillation.teacher", "coordnet", "--teacher sets it"),
        ("distillation.teacher_samples", 128, "only a --teacher that is a network"),
        ("distillation.storage", "file", "only hyperinr train"),
    ],
)
def test_a_setting_that_lights_do_not_use_is_an_error(tmp_path, name, value, instead):
    part, setting = name.split(".")
    settings = config(samples=4000).replace(**{part: {setting: value}})
    with pytest.raises(ParameterError, match=f"{name} is {value!r}, which this training does not use.*{instead}"):
        train(Lights(pillars(), GRID, FUNCTION, ShadowConfig(**FEW), "p"), tmp_path / "s.hinr", settings)


def test_the_guide_makes_a_better_model(tmp_path):
    score = {}
    for guide in (0, 8):
        shadows = ShadowConfig(lights=6, encoders=10, guide=guide)
        model = train(
            Lights(pillars(), GRID, FUNCTION, shadows, "p"), tmp_path / f"{guide}.hinr", config(samples=300_000)
        )
        again = hinr.load(tmp_path / f"{guide}.hinr")
        truth, _ = truth_for(again, pillars(), "p")
        score[guide] = measure_lights(again, truth, InterpolatedLights(again, truth), poisson_lights(8, 9))["held_out"][
            "model"
        ]
        assert (model.guide is None) == (guide == 0) == (again.guide is None)
    assert score[8]["psnr"] > score[0]["psnr"] + 2


@pytest.mark.parametrize(
    "change", [{"kind": "soft"}, {"albedo": 0.5}, {"guide": 6}, {"encoders": 7}, {"unit_distance": 0.2}]
)
def test_an_unfinished_run_is_not_resumed_as_another(tmp_path, change, monkeypatch):
    path = interrupted(tmp_path, monkeypatch)
    with pytest.raises(DataError, match="belongs to a run with other data or settings"):
        train(
            Lights(pillars(), GRID, FUNCTION, ShadowConfig(**{**FEW, **change}), "p"),
            path,
            config(samples=20_000),
            resume=True,
        )


def test_an_unfinished_run_is_not_resumed_for_another_volume_or_function(tmp_path, monkeypatch):
    path = interrupted(tmp_path, monkeypatch)
    thinner = FUNCTION.with_opacity(((0.0, 0.0), (1.0, 0.2)))
    for values, function in ((pillars() * 0.9, FUNCTION), (pillars(), thinner)):
        with pytest.raises(DataError, match="belongs to a run with other data or settings"):
            train(Lights(values, GRID, function, ShadowConfig(**FEW), "p"), path, config(samples=20_000), resume=True)
    with pytest.raises(ParameterError, match="add --resume to continue it"):
        train(Lights(pillars(), GRID, FUNCTION, ShadowConfig(**FEW), "p"), path, config(samples=20_000))
    model = train(
        Lights(pillars(), GRID, FUNCTION, ShadowConfig(**FEW), "p"), path, config(samples=20_000), resume=True
    )
    whole = train(
        Lights(pillars(), GRID, FUNCTION, ShadowConfig(**FEW), "p"), tmp_path / "w.hinr", config(samples=20_000)
    )
    np.testing.assert_array_equal(model.encoder_params, whole.encoder_params)


FEW = {"lights": 4, "encoders": 6, "guide": 8}


def interrupted(folder, monkeypatch):
    """The path of a model whose run stopped half-way."""

    def stop(trainer):
        trainer.save_state(folder / "s.hinr.checkpoint")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        at_iteration(patch, 5, stop)
        with pytest.raises(KeyboardInterrupt):
            train(
                Lights(pillars(), GRID, FUNCTION, ShadowConfig(**FEW), "p"), folder / "s.hinr", config(samples=20_000)
            )
    return folder / "s.hinr"


def test_coordnet_learns_from_the_training_lights_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(CoordNet, "batch_points", 64)
    shadows = ShadowConfig(lights=4, encoders=6, guide=8, teacher="coordnet")
    settings = config(samples=8_000).replace(distillation={"teacher_samples": 128})
    grid = Grid((8, 8, 8))
    asked = []
    model = train(Lights(pillars()[:8, :8, :8], grid, FUNCTION, shadows, "p"), tmp_path / "s.hinr", settings)
    truth = truth_of(pillars()[:8, :8, :8], grid, FUNCTION, shadows)
    series = light_series(truth, poisson_lights(4, 0), "p")
    teacher = fitted_teacher("coordnet", series, settings, Context(tmp_path, "cpu", World(), Tell()))
    pool = np.array([[10.0, 40.0], *series.thetas])[[1, 2, 3, 4, 0]]
    evaluate = teacher.evaluate
    monkeypatch.setattr(teacher, "evaluate", lambda light: asked.append(light) or evaluate(light))
    stream = LightStream(series, truth, settings, pool, teacher)
    batches = [stream.draw(i) for i in range(30)]
    assert {tuple(batch.thetas[0]) for batch in batches} == {tuple(light) for light in pool}
    assert len(asked) == 1 and tuple(asked[0]) == (10.0, 40.0), "the teacher is asked for the other light, once"
    assert len(model.encoder_positions) == 6 and model.provenance["shadow"]["teacher"] == "coordnet"
    np.testing.assert_allclose(evaluate(np.array([0.0, 70.0])), evaluate(np.array([360.0, 70.0])), atol=1e-5)
