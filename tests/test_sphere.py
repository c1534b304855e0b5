"""Directions and angles; weights of lights on the sphere: exact on lights, continuous, and without a seam."""

from __future__ import annotations

import numpy as np
import pytest
from models import random_model

from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.sphere import (
    LIGHT_ROLES,
    LightSphere,
    angles_of,
    camera_frames,
    direction_of,
    light_angles,
    light_directions,
)
from hyperinr_core.volume import Parameter

LIGHTS = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
)


def scattered(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(0, 360, n), np.degrees(np.arccos(rng.uniform(-1, 1, n)))], axis=1)


def dense(coefficients, n: int) -> np.ndarray:
    weights = np.zeros(n)
    np.add.at(weights, coefficients[0], coefficients[1])
    return weights


def weights_by(positions: np.ndarray, kind: str):
    space = space_of(LIGHT_ROLES, positions)
    assert type(space) is LightSphere
    return lambda theta: space.weights(theta, kind)


@pytest.mark.parametrize("kind", list(LightSphere.kinds))
def test_weights_are_a_mean_and_exact_on_lights(kind):
    positions = scattered(40)
    weigh = weights_by(positions, kind)
    for index, position in enumerate(positions):
        np.testing.assert_allclose(dense(weigh(position), 40), np.eye(40)[index], atol=1e-7)
    for theta in scattered(100, 1):
        indices, weights = weigh(theta)
        assert weights.min() > 0 and weights.sum() == pytest.approx(1) and len(set(indices.tolist())) == len(indices)


def test_a_light_with_an_encoder_takes_that_one_alone():
    positions = scattered(60)
    sphere = space_of(LIGHT_ROLES, positions)
    for kind in (sphere.barycentric, sphere.inverse_distance):
        assert [kind(position)[0].tolist() for position in positions] == [[index] for index in range(60)]


def test_barycentric_weights_point_to_the_light():
    positions = scattered(60)
    sphere = space_of(LIGHT_ROLES, positions)
    for theta in scattered(100, 1):
        indices, weights = sphere.barycentric(theta)
        mean = weights @ light_directions(positions[indices])
        np.testing.assert_allclose(mean / np.linalg.norm(mean), light_directions(theta), atol=1e-9)


@pytest.mark.parametrize("kind", list(LightSphere.kinds))
def test_azimuth_has_no_seam_and_a_pole_no_azimuth(kind):
    weigh = weights_by(scattered(50), kind)
    for polar in (10.0, 90.0, 170.0):
        ends = [dense(weigh(np.array([azimuth, polar])), 50) for azimuth in (0.0, 360.0)]
        np.testing.assert_allclose(*ends, atol=1e-9)
        near = [dense(weigh(np.array([azimuth, polar])), 50) for azimuth in (1e-6, 360 - 1e-6)]
        np.testing.assert_allclose(*near, atol=1e-5)
    pole = [dense(weigh(np.array([azimuth, 0.0])), 50) for azimuth in (0.0, 77.0, 200.0)]
    np.testing.assert_allclose(pole, [pole[0]] * 3, atol=1e-9)


def test_barycentric_weights_are_continuous():
    sphere = space_of(LIGHT_ROLES, scattered(50))
    path = np.stack([np.linspace(0, 360, 4001), np.linspace(20, 160, 4001)], axis=1)
    weights = np.stack([dense(sphere.barycentric(theta), 50) for theta in path])
    assert abs(np.diff(weights, axis=0)).max() < 0.02


@pytest.mark.parametrize(
    "positions", [[[10, 20]], [[0, 90], [120, 90], [240, 90]], [[a, 90] for a in range(0, 360, 40)]]
)
def test_lights_that_span_no_triangles_fall_back_to_distance(positions):
    positions = np.array(positions, float)
    sphere = space_of(LIGHT_ROLES, positions)
    theta = np.array([33.0, 60.0])
    n = len(positions)
    np.testing.assert_allclose(dense(sphere.barycentric(theta), n), dense(sphere.inverse_distance(theta), n))


def test_models_of_lights_keep_their_interpolation(tmp_path):
    model = random_model(parameters=LIGHTS, n_encoders=12, interpolation="barycentric")
    hinr.save(model, tmp_path / "s.hinr")
    again = hinr.load(tmp_path / "s.hinr")
    assert again.interpolation == "barycentric" and len(again.interpolation_weights((12.0, 34.0))[0]) <= 3
    assert len(again.interpolation_weights((12.0, 34.0), "idw")[0]) == 4
    with pytest.raises(ParameterError, match="expected one of barycentric, idw"):
        again.interpolation_weights((12.0, 34.0), "linear")
    others = (LIGHTS[0], Parameter("time", "time", (0.0, 1.0)))
    with pytest.raises(ParameterError, match="expected one of idw for 2"):
        random_model(parameters=others, interpolation="barycentric")


def test_angles_and_directions_are_each_other_s_inverse():
    np.testing.assert_allclose(direction_of(90, 0), (0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(direction_of(12, 90), (0, 0, 1), atol=1e-12)
    for azimuth, elevation in ((0, 0), (132, 20), (359, -80)):
        np.testing.assert_allclose(angles_of(direction_of(azimuth, elevation)), (azimuth, elevation))


def test_angles_of_lights_and_back():
    lights = scattered(40)
    np.testing.assert_allclose(light_angles(light_directions(lights)), lights)
    for (azimuth, polar), direction in zip(lights, light_directions(lights)):
        np.testing.assert_allclose(direction_of(azimuth, 90 - polar), direction, atol=1e-12)


def test_cameras_are_right_handed_and_keep_z_up():
    frames = camera_frames(scattered(30) - [0, 90])
    np.testing.assert_allclose(frames @ frames.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (30, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(frames), 1)
    assert (frames[:, 1, 2] >= 0).all() and np.allclose(frames[:, 0, 2], 0)
    np.testing.assert_allclose(camera_frames(np.array([0.0, 0.0])), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-12)
