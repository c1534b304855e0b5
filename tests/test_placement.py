"""Where encoders are put: apart from each other, or near the training steps."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.placement import place, poisson_disks
from hyperinr_core.training.settings import PlacementConfig
from hyperinr_core.volume import Grid, VolumeSeries


def in_two_parameters(n=10) -> VolumeSeries:
    thetas = np.random.default_rng(0).uniform([0, -50], [1, 50], (n, 2))
    return VolumeSeries(
        Grid((6, 6, 6)),
        thetas,
        {"c": 1},
        lambda step, name, z_range: np.full((6, 6, 6), thetas[step].sum()),
        "lights",
        ("a", "b"),
        ("free", "free"),
    )


def test_poisson_disks_keep_a_distance():
    points = poisson_disks(60, 2, np.random.default_rng(1))
    assert points.shape == (60, 2) and points.min() >= 0 and points.max() <= 1
    apart = np.linalg.norm(points[:, None] - points[None], axis=2) + 9 * np.eye(60)
    random = np.random.default_rng(1).random((60, 2))
    closest_random = (np.linalg.norm(random[:, None] - random[None], axis=2) + 9 * np.eye(60)).min()
    assert apart.min() > 0.05 > closest_random


def test_gaussians_stand_on_the_training_thetas():
    series = in_two_parameters()
    positions = place(series, PlacementConfig(count=40, gaussian=1.0, sigma=0.01), 3)
    low, high = series.thetas.min(axis=0), series.thetas.max(axis=0)
    apart = np.linalg.norm((positions[:, None] - series.thetas[None]) / (high - low), axis=2)
    assert len(positions) == 40 and apart.min(axis=1).max() < 0.06
    assert (positions >= low).all() and (positions <= high).all()


def test_shares_are_mixed_and_seeded():
    series = in_two_parameters()
    config = PlacementConfig(count=40, poisson=0.5, gaussian=0.25)
    first, again, other = place(series, config, 1), place(series, config, 1), place(series, config, 2)
    assert first.shape == (40, 2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    with pytest.raises(ParameterError, match=r"exceed 1"):
        PlacementConfig(poisson=0.8, gaussian=0.3)
