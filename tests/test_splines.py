"""Splines on a coarse lattice: fitted, interpolated, evaluated; around periodic axes, and straight at borders."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.motion.splines import Nodes
from hyperinr_core.spline_base import cubic_weights

SHAPES = {
    "borders": ((20, 24, 31), (False, False, False)),
    "periodic": ((20, 24, 32), (True, False, True)),
    "a plane": ((1, 30, 41), (False, True, False)),
    "few points": ((4, 2, 3), (False, False, True)),
}
CASES = pytest.mark.parametrize("shape, periodic", SHAPES.values(), ids=list(SHAPES))


def waves(places, shape):
    """(2, ...) one long wave along each axis, whole around it, at places in points."""
    phases = [2 * np.pi * p / n for p, n in zip(places, shape)]
    return np.stack([sum(np.cos(phase + i) for i, phase in enumerate(phases)), np.sin(phases[2])]).astype(np.float32)


def grid_of(shape):
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))


@CASES
def test_nodes_lie_from_border_to_border_or_around(shape, periodic):
    nodes = Nodes(shape, periodic)
    assert nodes.places.shape == (3, *nodes.counts)
    for axis, (n, m, wraps) in enumerate(zip(shape, nodes.counts, periodic)):
        assert nodes.coefficient_shape[axis] == (m if wraps or m == 1 else m + 2)
        last = nodes.places[axis].max()
        assert last == pytest.approx(n - n / m if wraps else n - 1)


@CASES
def test_what_is_interpolated_is_met_at_the_nodes(shape, periodic):
    nodes = Nodes(shape, periodic)
    values = np.random.default_rng(0).normal(size=(16, *nodes.counts)).astype(np.float32)
    found = nodes.at(nodes.padded(nodes.interpolate(values)), nodes.places)
    np.testing.assert_allclose(found, values, atol=1e-5)


def test_interpolation_is_straight_at_borders_and_takes_any_number_of_nodes():
    nodes = Nodes((1, 1, 9), (False, False, False), (1, 1, 9))
    coefficients = nodes.interpolate(np.random.default_rng(0).normal(size=(1, 1, 1, 9)))[0, 0, 0]
    for three in (coefficients[:3], coefficients[-3:]):
        assert three @ [1, -2, 1] == pytest.approx(0, abs=1e-5)
    many = Nodes((1, 1, 1 << 17), (False, False, False), (1, 1, 1 << 17))  # their matrix would take 137 GB
    assert many.interpolate(np.ones((1, 1, 1, 1 << 17), np.float32)) == pytest.approx(1)


@CASES
def test_a_fit_comes_back_and_a_smooth_field_is_kept(shape, periodic):
    nodes = Nodes(shape, periodic)
    coefficients = np.random.default_rng(0).normal(size=(16, *nodes.coefficient_shape)).astype(np.float32)
    fine = nodes.at(nodes.padded(coefficients), grid_of(shape))
    again = nodes.at(nodes.padded(nodes.fit(fine)), grid_of(shape))
    np.testing.assert_allclose(again, fine, atol=2e-4)
    values = waves(grid_of(shape), shape)
    if min(shape[1:]) > 4:
        smooth = np.zeros((16, *shape), np.float32)
        smooth[:2] = values
        found = nodes.at(nodes.padded(nodes.fit(smooth)), grid_of(shape))[:2]
        assert np.abs(found - values).max() < 0.02


def test_a_periodic_axis_goes_on_and_a_border_stays():
    nodes = Nodes((8, 9, 16), (False, False, True))
    coefficients = np.random.default_rng(0).normal(size=(16, *nodes.coefficient_shape)).astype(np.float32)
    padded = nodes.padded(coefficients)
    places = np.array([[3.0, 3.0, -5.0], [4.0, 4.0, 4.0], [2.5, 18.5, 2.5]], np.float32)
    found = nodes.at(padded, places)
    np.testing.assert_allclose(found[:, 0], found[:, 1], atol=1e-5)
    places[0] = 0
    np.testing.assert_allclose(found[:, 2], nodes.at(padded, places)[:, 2], atol=1e-6)


def test_padding_is_one_before_and_two_after_a_periodic_axis():
    nodes = Nodes((8, 9, 16), (False, False, True))
    coefficients = np.random.default_rng(0).normal(size=(3, *nodes.coefficient_shape)).astype(np.float32)
    padded = nodes.padded(coefficients)
    cz, cy, cx = nodes.coefficient_shape
    assert padded.shape == (cz, cy, cx + 3, 3) and padded.dtype == np.float32
    np.testing.assert_array_equal(padded[:, :, 0], np.moveaxis(coefficients[..., -1], 0, -1))
    np.testing.assert_array_equal(padded[:, :, -2:], np.moveaxis(coefficients[..., :2], 0, -1))


def test_weights_sum_to_one_and_are_those_of_a_cubic_b_spline():
    found = cubic_weights(np.array([0.0, 0.25, 1.0])).T
    np.testing.assert_allclose(found.sum(axis=0), 1)
    np.testing.assert_allclose(found[:, 0] * 6, [1, 4, 1, 0])
    np.testing.assert_allclose(found[:, 2] * 6, [0, 1, 4, 1])


@CASES
def test_what_coefficients_gather_is_the_transpose_of_what_points_get(shape, periodic):
    nodes, rng = Nodes(shape, periodic), np.random.default_rng(3)
    coefficients = rng.standard_normal((2, *nodes.coefficient_shape)).astype(np.float32)
    values = rng.standard_normal((2, *shape)).astype(np.float32)
    fine = nodes.at_points(coefficients)
    np.testing.assert_allclose(fine, nodes.at(nodes.padded(coefficients), grid_of(shape)), atol=1e-5)
    assert (fine * values).sum() == pytest.approx((coefficients * nodes.gathered(values)).sum(), rel=1e-3)
