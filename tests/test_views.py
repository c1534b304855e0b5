"""Weights over views: exact on encoders, continuous, without a seam, linear in other parameters; cameras."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models import random_model
from view_models import VIEW, picture_model

from hyperinr_core import hinr
from hyperinr_core.errors import FormatError, ParameterError
from hyperinr_core.spaces import space_of
from hyperinr_core.spaces.views import Views, ViewSpace, angle_columns, distinct_views
from hyperinr_core.volume import Parameter

TIME = Parameter("time", "time", (0.0, 10.0), "s")


def scattered(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))], axis=1)


def dense(coefficients, n: int) -> np.ndarray:
    weights = np.zeros(n)
    np.add.at(weights, coefficients[0], coefficients[1])
    return weights


def views_at(angles: np.ndarray) -> Views:
    return Views(angles, np.arange(len(angles)))


@pytest.mark.parametrize("kind", list(ViewSpace.kinds))
def test_weights_are_a_mean_and_exact_on_views(kind):
    positions = scattered(40)
    views = views_at(positions)
    for index, position in enumerate(positions):
        np.testing.assert_allclose(dense(views.weights(position, kind), 40), np.eye(40)[index], atol=1e-7)
    for view in scattered(100, 1):
        _, weights = views.weights(view, kind)
        assert weights.min() > 0 and weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("kind", list(ViewSpace.kinds))
def test_azimuth_has_no_seam(kind):
    views = views_at(scattered(50))
    for elevation in (-60.0, 0.0, 45.0):
        ends = [dense(views.weights(np.array([azimuth, elevation]), kind), 50) for azimuth in (-180.0, 180.0, 540.0)]
        np.testing.assert_allclose(ends, [ends[0]] * 3, atol=1e-9)
        near = [dense(views.weights(np.array([azimuth, elevation]), kind), 50) for azimuth in (1e-7, 360 - 1e-7)]
        np.testing.assert_allclose(*near, atol=1e-5)


def test_barycentric_weights_are_linear_in_the_angles():
    grid = np.array([(azimuth, elevation) for azimuth in range(0, 360, 30) for elevation in range(-90, 91, 30)], float)
    views = views_at(grid)
    for view in scattered(50, 2) % [360, 90]:
        rows, weights = views.weights(view, "barycentric")
        azimuths = (grid[rows, 0] - view[0] + 180) % 360 - 180
        assert len(rows) <= 3 and weights @ azimuths == pytest.approx(0, abs=1e-6)
        assert weights @ grid[rows, 1] == pytest.approx(view[1])


def test_views_on_a_line_fall_back_to_inverse_distance():
    ring = np.stack([np.arange(0, 360, 60.0), np.zeros(6)], axis=1)
    one = views_at(ring[:1])
    assert one.weights(np.array([10.0, 0.0]), "barycentric")[1].tolist() == [1.0]
    for view in ([10.0, 0.0], [355.0, 5.0]):
        assert dense(views_at(ring).weights(np.array(view), "barycentric"), 6).argmax() == 0


def test_other_parameters_are_linear_between_their_values():
    views = scattered(10)
    positions = np.array([(*view, time) for time in (0.0, 1.0, 4.0) for view in views])
    space = space_of((*(p.role for p in VIEW), "time"), positions)
    for view in scattered(20, 3):
        at = {t: dense(space.weights(np.array([*view, t]), "barycentric"), 30) for t in (1.0, 4.0, 1.75, 9.0)}
        np.testing.assert_allclose(at[1.75], 0.75 * at[1.0] + 0.25 * at[4.0], atol=1e-12)
        np.testing.assert_allclose(at[9.0], at[4.0])
        assert at[1.0][10:20].sum() == pytest.approx(1) and not at[1.0][20:].any()


def test_a_combination_without_views_is_an_error():
    positions = np.array([[0.0, 0.0, 1.0, 5.0], [10.0, 0.0, 2.0, 6.0]])
    with pytest.raises(ParameterError, match="at 2 of the 4 combinations"):
        space_of((*(p.role for p in VIEW), "time", "free"), positions)


def test_a_file_with_such_a_combination_is_refused(tmp_path):
    parameters = (*VIEW, TIME, dataclasses.replace(TIME, name="mass", role="free"))
    model = random_model((8, 6, 1), parameters, n_encoders=4, interpolation="idw")
    hinr.save(model, tmp_path / "m.hinr")
    with pytest.raises(FormatError, match="at 4 of the 16 combinations"):
        hinr.load(tmp_path / "m.hinr")


def test_a_model_of_views_survives_its_file(tmp_path):
    model = picture_model()
    hinr.save(model, tmp_path / "m.hinr")
    read = hinr.load(tmp_path / "m.hinr")
    assert read.interpolation == "barycentric"
    for kind in ("barycentric", "idw"):
        found, expected = (m.generate((33.0, -20.0), "reference", kind).sample_grid() for m in (read, model))
        np.testing.assert_allclose(found, expected, atol=1e-4)
    seam = [read.generate((phi, 10.0)).sample_grid() for phi in (0.0, 360.0)]
    np.testing.assert_allclose(*seam, atol=1e-4)


def test_barycentric_needs_both_angles():
    assert angle_columns(("time", "view_polar", "view_azimuth")) == (2, 1)
    assert angle_columns(("view_azimuth", "time")) is None
    with pytest.raises(ParameterError, match="expected one of idw"):
        random_model((8, 6, 1), (VIEW[0], TIME), interpolation="barycentric")


def test_views_a_full_turn_apart_are_one():
    angles = np.array([[-180.0, 10], [180, 10], [0, 10], [360, 10], [360 - 1e-12, 10], [0, -10], [0, 90], [90, 90]])
    assert distinct_views(angles).tolist() == [4, 4, 1, 1, 1, 0, 2, 3]
