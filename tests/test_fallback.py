"""A backend that fails hands over to one that keeps its tables differently."""

from __future__ import annotations

import numpy as np
from test_backends import CASES, random_model

from hyperinr_core.backends.fallback import FallbackBackend
from hyperinr_core.backends.reference import ReferenceBackend
from hyperinr_core.errors import BackendError


class Foreign:
    """A backend whose tables nobody else can read, and which fails at the second request."""

    name, slab_points, resident = "foreign", 1 << 20, None
    n_asked = 0

    def __init__(self, reference):
        self._reference = reference

    def blend(self, *arguments):
        return {"mine": self._reference.blend(*arguments)}

    def sample(self, table, points):
        self.n_asked += 1
        if self.n_asked == 2:
            raise BackendError("the memory is full, for this test")
        return self._reference.sample(table["mine"], points)


def test_a_table_is_blended_again_for_the_backend_that_takes_over(caplog):
    reference = ReferenceBackend(*random_model(CASES["volume"]))
    backend = FallbackBackend(iter([Foreign(reference), reference]))
    blending = np.array([0, 1]), np.array([0.25, 0.75])
    points = np.random.default_rng(0).random((7, 3), np.float32)
    table, expected = backend.blend(*blending), reference.sample(reference.blend(*blending), points)
    for name in ("foreign", "reference", "reference"):
        np.testing.assert_array_equal(backend.sample(table, points), expected)
        assert backend.name == name
    assert "going on with the reference backend" in caplog.text
