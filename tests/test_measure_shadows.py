"""Shadows that a model and interpolation predict, against numbers computed here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models import random_model

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.light.lights import ShadowTruth, light_parameters, poisson_lights
from hyperinr_core.measure.metrics import psnr, ssim
from hyperinr_core.measure.shadows import (
    RANGE,
    InterpolatedLights,
    measure_lights,
    paired_scores,
    truth_for,
    twice,
)
from hyperinr_core.pictures.transfer import TransferFunction, extinction
from hyperinr_core.volume import Field, Grid

GRID = Grid((14, 13, 12))
FUNCTION = TransferFunction(((0, 0, 0, 0), (1, 1, 1, 1)), ((0.0, 0.0), (1.0, 0.3)), name="test")
LIGHTS = poisson_lights(6, 3)


def pillars(grid: Grid = GRID) -> np.ndarray:
    """Two pillars and a beam."""
    values = np.zeros(grid.shape, np.float32)
    values[2:10, 4:8, 4:8] = values[2:10, 9:12, 9:12] = values[9:11, 4:12, 6:9] = 1
    return values


def truth(kind: str = "hard", grid: Grid = GRID, **noise: int) -> ShadowTruth:
    return ShadowTruth(extinction(pillars(grid), FUNCTION, 0.2), grid, kind, **noise)


def shadow_model(lights: np.ndarray = LIGHTS, kind: str = "hard"):
    """A model of shadows with random parameters, which says what it was made for."""
    model = random_model(GRID.dims, light_parameters(lights), (Field("shadow", 1, (RANGE,)),), n_encoders=9)
    settings = {"kind": kind, "diameter": 10.0, "albedo": 0.9, "g": 0.3, "unit_distance": 0.2}
    return dataclasses.replace(
        model, grid=GRID, provenance={"shadow": settings, "transfer_function": FUNCTION.to_dict()}
    )


def test_the_truth_is_what_the_model_was_made_for():
    found, function = truth_for(shadow_model(kind="soft"), pillars(), "s.hinr")
    assert (found.kind, found.diameter, found.grid) == ("soft", 10.0, GRID)
    np.testing.assert_allclose(found.tau, truth().tau, rtol=1e-6)
    assert function.digest == FUNCTION.digest


def test_other_models_are_refused():
    with pytest.raises(ParameterError, match=r"t\.hinr is no shadow model"):
        truth_for(random_model(GRID.dims), pillars(), "t.hinr")
    with pytest.raises(DataError, match="does not say which lights it was trained on"):
        InterpolatedLights(shadow_model(np.empty((0, 2))), truth())


def test_interpolation_repeats_training_lights_and_blends_between_them():
    interpolate = InterpolatedLights(shadow_model(), truth())
    np.testing.assert_allclose(interpolate(LIGHTS[2]), truth()(LIGHTS[2]), atol=1e-6)
    volumes = np.stack([truth()(light) for light in LIGHTS])
    between = interpolate(np.array([10.0, 50.0]))
    assert (between >= volumes.min(axis=0) - 1e-6).all() and (between <= volumes.max(axis=0) + 1e-6).all()
    assert not np.isclose(volumes, between, atol=1e-3).all(axis=(1, 2, 3)).any()


def test_noise_of_training_lights_is_not_that_of_the_truth():
    noisy = truth("scatter", n_paths=2)
    volumes = InterpolatedLights(shadow_model(), noisy).twice(LIGHTS[0]) + twice(noisy, LIGHTS[0], 0)
    errors = [volume - truth("scatter", n_paths=100)(LIGHTS[0]) for volume in volumes]
    alike = np.corrcoef([error.ravel() for error in errors]) - np.eye(4)
    assert abs(alike).max() < 0.3


def test_the_report_is_that_of_shadows_scored_by_hand():
    model, unseen, heard = shadow_model(), poisson_lights(4, 50), []
    interpolate = InterpolatedLights(model, truth())
    report = measure_lights(model, truth(), interpolate, unseen, progress=lambda *counts: heard.append(counts))
    assert list(report) == ["held_out", "wins", "lights"] and heard == [(done, 4) for done in (1, 2, 3, 4)]
    wins = []
    for light, entry in zip(unseen, report["lights"]):
        expected = truth()(light)
        assert (entry["azimuth"], entry["polar"]) == tuple(light)
        for method, values in (
            ("model", model.generate(light).sample_grid()[..., 0]),
            ("interpolation", interpolate(light)),
        ):
            assert entry[method]["psnr"] == pytest.approx(psnr(values, expected, RANGE), abs=1e-3)
            assert entry[method]["ssim"] == pytest.approx(ssim(values, expected, RANGE), abs=1e-5)
        wins.append(entry["model"]["psnr"] > entry["interpolation"]["psnr"])
    assert report["wins"] == np.mean(wins)


def test_noise_of_the_truth_is_not_in_the_psnr():
    few, many = (truth("scatter", n_paths=n) for n in (4, 100))
    light, shadow_of = np.array([30.0, 60.0]), {}
    for noisy in (few, many):
        zeros = [np.zeros(GRID.shape, np.float32)] * 2
        shadow_of[noisy.n_paths] = paired_scores(zeros, twice(noisy, light, 0))["psnr"]
        found = paired_scores(twice(noisy, light, 10), twice(noisy, light, 20))["psnr"]
        assert found > 18 + 5 * (noisy.n_paths > 4)
    assert shadow_of[4] == pytest.approx(shadow_of[100], abs=0.3)
