"""A known motion is found, small and large."""

from __future__ import annotations

import numpy as np
from series import waves

from hyperinr_core.training.teachers.optical_flow import optical_flow


def test_flow_finds_a_known_motion():
    series = waves()
    first, second = (series.read(step, ["w"])[None, ..., 0] for step in (0, 1))
    motion = optical_flow(first, second, (True, True, True))
    assert motion.shape == (3, 32, 32, 32)
    np.testing.assert_allclose(motion.mean(axis=(1, 2, 3)), [1, 0, 2], atol=0.1)


def test_motion_of_many_points_is_found_from_coarse_to_fine():
    n = 64
    x, y, z = np.meshgrid(*[np.arange(n)] * 3, indexing="ij")

    def ball(center):
        return np.exp(-((x - 32) ** 2 + (y - 32) ** 2 + (z - center) ** 2) / 80).astype(np.float32)[None]

    motion = optical_flow(ball(25.0), ball(39.0), (False, False, False))
    inside = ball(32.0)[0] > 0.5
    np.testing.assert_allclose(motion[2][inside].mean(), 14, atol=1)
