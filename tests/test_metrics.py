"""PSNR and SSIM against numbers worked out by hand, and the edges where their formulas divide by zero."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from hyperinr_core.errors import DataError
from hyperinr_core.measure.metrics import psnr, ssim


def volume(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def test_psnr_of_a_known_error():
    truth = volume(4, 5, 6)
    assert psnr(truth + 0.5, truth, (0.0, 5.0)) == pytest.approx(20.0, abs=1e-5)
    assert psnr(truth + 0.5, truth, (-25.0, 25.0)) == pytest.approx(40.0, abs=1e-5)


def test_psnr_of_a_perfect_match_is_infinite():
    assert psnr(volume(3, 3, 3), volume(3, 3, 3), (0.0, 1.0)) == math.inf


def test_psnr_does_not_overflow_or_cancel_in_small_types():
    truth = np.full((8, 8), 200, np.uint8)
    assert psnr(np.full((8, 8), 199, np.uint8), truth, (0, 255)) == pytest.approx(20 * math.log10(255))
    assert psnr(np.full((8, 8), 201, np.uint8), truth, (0, 255)) == pytest.approx(20 * math.log10(255))


def test_components_of_a_vector_are_averaged():
    truth = volume(8, 9, 10, 2)
    values = truth + np.float32([0.1, 0.0]) * (volume(8, 9, 10, 1, seed=1) - 0.5)
    scalars = [ssim(values[..., c], truth[..., c], (0, 1)) for c in range(2)]
    assert scalars[0] < 0.999
    assert ssim(values, truth, (0, 1)) == pytest.approx(np.mean(scalars))


@pytest.mark.parametrize("shape", [(9, 8, 10), (1, 16, 20)])
def test_ssim_is_that_of_scikit_image(shape):
    truth, values = 3 * volume(*shape), 3 * volume(*shape, seed=1)
    expected = structural_similarity(values.squeeze(), truth.squeeze(), data_range=4.0)
    assert ssim(values, truth, (-0.5, 3.5)) == pytest.approx(expected, abs=1e-5)
    assert ssim(truth, truth, (-0.5, 3.5)) == pytest.approx(1.0)


@pytest.mark.parametrize("shape", [(5, 9, 9), (4, 9, 9), (2, 9, 9), (1, 1, 3), (1, 1, 1)])
def test_ssim_of_short_axes_falls_with_the_error(shape):
    truth = volume(*shape)
    noise = volume(*shape, seed=1) - 0.5
    scores = [ssim(truth + np.float32(size) * noise, truth, (0, 1)) for size in (0.0, 0.2, 2.0)]
    assert scores[0] == pytest.approx(1.0)
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize(("constant", "expected"), [(4.0, 20.0), (0.0, 20 * math.log10(1 / 0.4))])
def test_a_constant_field_is_measured_against_its_magnitude(constant, expected):
    truth = np.full((8, 8, 8), constant, np.float32)
    assert psnr(truth + 0.4, truth, (constant, constant)) == pytest.approx(expected, abs=1e-5)
    assert psnr(truth, truth, (constant, constant)) == math.inf
    assert ssim(truth, truth, (constant, constant)) == pytest.approx(1.0)


@pytest.mark.parametrize("metric", [psnr, ssim])
def test_another_shape_is_refused_even_where_numpy_would_broadcast(metric):
    with pytest.raises(DataError, match=r"shape \(8, 8, 1\); expected the truth's \(8, 8, 8\)"):
        metric(volume(8, 8, 1), volume(8, 8, 8), (0, 1))


def test_ssim_of_a_volume_like_those_of_simulations():
    z, y, x = np.meshgrid(*(np.linspace(0, 6, n) for n in (30, 25, 40)), indexing="ij")
    truth = (1e3 * np.sin(x) * np.cos(y + z)).astype(np.float32)
    values = truth + 50 * volume(30, 25, 40)
    expected = structural_similarity(values, truth, data_range=2e3)
    assert 0.5 < expected < 0.999 and ssim(values, truth, (-1e3, 1e3)) == pytest.approx(expected, abs=1e-5)


def test_ssim_needs_no_scikit_image(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    assert ssim(volume(8, 8, 8), volume(8, 8, 8), (0, 1)) == pytest.approx(1.0)


def test_masked_points_do_not_count():
    rng = np.random.default_rng(0)
    truth = rng.random((9, 10, 11)).astype(np.float32)
    values = (truth + 0.1 * rng.standard_normal(truth.shape)).astype(np.float32)
    masked = np.zeros(truth.shape, bool)
    masked[:, :4], masked[4, 8, 8] = True, True
    holed = np.where(masked, np.nan, truth)
    assert psnr(values, holed, (0, 1)) == pytest.approx(psnr(values[~masked], truth[~masked], (0, 1)))
    assert psnr(holed, values, (0, 1)) == psnr(values, holed, (0, 1))
    whatever = np.where(masked, 1e6, values)
    assert ssim(whatever, holed, (0, 1)) == ssim(values, holed, (0, 1)) == pytest.approx(ssim(holed, values, (0, 1)))
    assert ssim(holed, holed, (0, 1)) == 1


def test_a_window_of_ssim_is_of_the_points_that_count():
    """Against the definition, window by window."""
    rng = np.random.default_rng(1)
    truth = rng.random((12, 13))
    values, masked = truth + 0.2 * rng.standard_normal(truth.shape), rng.random(truth.shape) < 0.3
    each = []
    for y, x in np.ndindex(6, 7):
        window = np.s_[y : y + 7, x : x + 7]
        if not masked[y + 3, x + 3]:
            a, b = values[window][~masked[window]], truth[window][~masked[window]]
            covariance = np.cov(a, b)
            alike = (2 * a.mean() * b.mean() + 1e-4) * (2 * covariance[0, 1] + 9e-4)
            each.append(alike / ((a.mean() ** 2 + b.mean() ** 2 + 1e-4) * (np.trace(covariance) + 9e-4)))
    assert ssim(values, np.where(masked, np.nan, truth), (0, 1)) == pytest.approx(np.mean(each), abs=1e-5)


def test_nothing_to_compare_is_an_error():
    with pytest.raises(DataError, match="no point holds a value in both"):
        psnr(np.array([1.0, np.nan]), np.array([np.nan, 1.0]), (0, 1))
