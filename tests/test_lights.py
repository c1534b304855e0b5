"""Lights over the sphere, and the truth of each."""

from __future__ import annotations

import numpy as np
import pytest
from light_models import FUNCTION, GRID, pillars

from hyperinr_core.errors import ParameterError
from hyperinr_core.light import lights, shadow
from hyperinr_core.light.lights import ShadowTruth, poisson_lights, random_lights
from hyperinr_core.spaces.sphere import direction_of, light_directions
from hyperinr_core.training.lights.task import (
    ShadowConfig,
    truth_of,
)


def angles(positions):
    cosines = light_directions(positions) @ light_directions(positions).T
    return np.degrees(np.arccos(np.clip(cosines, -1, 1)))


def test_poisson_lights_keep_their_distance():
    found = poisson_lights(80, 3)
    between = angles(found) + 360 * np.eye(80)
    ideal = np.degrees(np.sqrt(8 * np.pi / (np.sqrt(3) * 80)))
    assert between.min() > 0.55 * ideal and between.min(axis=1).max() < 1.3 * ideal
    np.testing.assert_array_equal(found, poisson_lights(80, 3))
    assert abs(found - poisson_lights(80, 4)).max() > 1
    assert abs(light_directions(found).mean(axis=0)).max() < 0.1, "one side of the sphere has more lights"


def test_random_lights_are_one_sequence_over_the_whole_sphere():
    whole = random_lights(0, 500, 7)
    np.testing.assert_allclose(whole[120:140], random_lights(120, 20, 7), atol=1e-9)
    assert abs(light_directions(whole).mean(axis=0)).max() < 0.02
    assert angles(whole[:100])[~np.eye(100, dtype=bool)].min() > 4


@pytest.mark.parametrize("kind", lights.KINDS)
def test_truth_is_computed_for_the_light(kind):
    truth = truth_of(pillars(), GRID, FUNCTION, ShadowConfig(kind=kind, diameter=20.0))
    light = np.array([30.0, 50.0])
    direction = direction_of(30.0, 40.0)
    expected = shadow.transmittance(truth.tau, GRID, direction)
    if kind == "soft":
        expected = shadow.soft_transmittance(truth.tau, GRID, direction, 20.0)
    if kind == "scatter":
        expected = shadow.scattered(truth.tau, GRID, direction, 0.9, 0.3, 4, 0)
    np.testing.assert_allclose(truth(light), expected, atol=1e-6)


def test_truth_refuses_what_it_does_not_know():
    with pytest.raises(ParameterError, match="expected one of hard, soft, scatter"):
        ShadowTruth(pillars(), GRID, "neon")
    with pytest.raises(ParameterError, match="expected one of hard, soft, scatter"):
        ShadowConfig(kind="neon")


def test_gaussian_kernels_and_poisson_disks_share_the_encoders():
    centers = poisson_lights(10, 0)
    found = lights.encoder_lights(40, 0.75, 4.0, centers, 1)
    assert found.shape == (40, 2)
    near = np.degrees(np.arccos(np.clip(light_directions(found) @ light_directions(centers).T, -1, 1))).min(axis=1)
    assert near[10:].max() < 20 < near[:10].max(), "Gaussian kernels come after the Poisson disks"
    np.testing.assert_array_equal(lights.encoder_lights(7, 0.0, 4.0, centers, 1), poisson_lights(7, 1))
    assert len(lights.encoder_lights(7, 1.0, 4.0, centers, 1)) == 7
