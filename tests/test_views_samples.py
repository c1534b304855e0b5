"""The stream of pixels: true, and the same for an iteration."""

from __future__ import annotations

import numpy as np
from view_models import balls_picture

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr_core.spaces.views import view_angles
from hyperinr_core.training.views import samples
from hyperinr_core.training.views import task as training


def test_batches_are_true_and_depend_on_the_iteration_alone(balls):
    pictures = open_pictures(balls)
    nothing = samples.TaughtPictures(np.empty((0, 2)), np.empty((0, 0)), np.empty((0, 0)))
    config = training.views_preset("fast", pictures.grid).replace(training={"batch_steps": 2, "batch_points": 50})
    streams = [samples.PixelStream(pictures, nothing, config) for _ in range(2)]
    streams[0].draw(3)
    batch, again = (stream.draw(7) for stream in streams)
    np.testing.assert_array_equal(batch.targets, again.targets)
    for theta, points, targets in zip(batch.thetas, batch.points, batch.targets):
        column, row = np.rint(points.T * 31).astype(int)
        truth = balls_picture(view_angles(theta, pictures.roles))[row, column]
        assert (np.abs(targets * 255 - truth).max(axis=1) < 1e-3).mean() > 0.95  # the table rounds angles
