"""HyperINR itself where methods are compared."""

from __future__ import annotations

import numpy as np
import pytest
from series import moving_blob

from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings


@pytest.mark.parametrize("name", ["hyperinr", "hyperinr_direct", "hyperinr_separate"])
def test_hyperinr_takes_part_in_comparisons(name):
    series = moving_blob(n_steps=3)
    student = create(name, series, "density")
    student.config = student.config.replace(encoding={"n_levels": 4, "log2_hashmap_size": 10})
    student.fit(FitSettings(samples=600_000))
    for step, theta in enumerate(series.thetas):
        assert psnr(student.evaluate(theta), series.read(step, ["density"]), (0, 10)) > 25
    assert student.evaluate(np.array([0.7])).shape == (12, 14, 16, 1)
    assert student.n_bytes > 3 * 2 * 1000


def test_a_budget_of_seconds_ends():
    for name in ("siren", "hyperinr_direct"):
        teacher = create(name, moving_blob(n_steps=2), "density")
        teacher.fit(FitSettings(seconds=0.3))
        assert np.isfinite(teacher.evaluate(np.array([1.0]))).all()
