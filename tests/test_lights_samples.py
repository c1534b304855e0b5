"""The stream of shadows: true, the same for an iteration, and of the lights that it may show."""

from __future__ import annotations

import numpy as np
from light_models import FUNCTION, GRID, config, pillars

from hyperinr_core.light.lights import poisson_lights
from hyperinr_core.training.lights.samples import LightStream
from hyperinr_core.training.lights.task import (
    ShadowConfig,
    light_series,
    truth_of,
)


def stream_of(lights_only=False, **training):
    truth = truth_of(pillars(), GRID, FUNCTION, ShadowConfig())
    series = light_series(truth, poisson_lights(6, 0), "pillars")
    return LightStream(series, truth, config(**training), series.thetas if lights_only else None), truth


def test_batches_are_true_and_depend_on_the_iteration_alone():
    stream, truth = stream_of(batch_steps=2, batch_points=50)
    for iteration in (0, 1, 700, 5):
        batch = stream.draw(iteration)
        assert batch.points.shape == (2, 50, 3) and batch.targets.shape == (2, 50, 1)
        for theta, points, targets in zip(batch.thetas, batch.points, batch.targets):
            x, y, z = np.rint(points * (np.array(GRID.dims) - 1)).astype(int).T
            np.testing.assert_allclose(targets[:, 0], truth(theta)[z, y, x], atol=1e-3)
    again, _ = stream_of(batch_steps=2, batch_points=50)
    first, second = stream.draw(700), again.draw(700)
    np.testing.assert_array_equal(first.points, second.points)
    np.testing.assert_array_equal(first.targets, second.targets)


def test_lights_only_never_shows_another_light():
    stream, _ = stream_of(lights_only=True)
    seen = np.concatenate([stream.draw(i).thetas for i in range(60)])
    assert {tuple(theta) for theta in seen.tolist()} <= {tuple(light) for light in stream.series.thetas.tolist()}
