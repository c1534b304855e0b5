"""Axes that are periodic, and samples across their ends."""

from __future__ import annotations

import numpy as np
from series import waves

from hyperinr_core.training.teachers.lattice import Lattice, periodic_axes


def test_periodic_axes_are_found():
    assert periodic_axes([waves().read(0, ["w"])]) == (True, True, True)
    cut = waves(dims=(32, 20, 32)).read(0, ["w"])
    assert periodic_axes([cut]) == (True, False, True)
    assert periodic_axes([np.ones((9, 9, 9, 1), np.float32)]) == (False, False, False)
    assert periodic_axes([np.random.default_rng(0).random((1, 9, 9, 1))])[0] is False


def test_lattice_samples_across_a_periodic_end_and_stops_at_a_border():
    n = 24
    values = np.cos(np.arange(n) * 2 * np.pi / n).astype(np.float32)[None].repeat(8, axis=0)
    positions = np.array([[3.0, 3.0], [n + 2.5, -0.5]], np.float32)
    wrapped, bounded = Lattice((8, n), (False, True)), Lattice((8, n), (False, False))
    found = wrapped.sample(wrapped.padded(values, 3), positions, 3)
    np.testing.assert_allclose(found, np.cos(np.array([2.5, -0.5]) * 2 * np.pi / n), atol=1e-3)
    found = bounded.sample(bounded.padded(values, 3), positions, 3)
    np.testing.assert_allclose(found, [values[0, -1], values[0, 0]], atol=1e-3)
