"""Open Image Denoise on films: nearer to the truth than what it is given, and a sentence where it is not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from test_tracing import CORNER, clouds, shot

from hyperinr_core.errors import BackendError
from hyperinr_core.tracing.open_image_denoise import denoised
from hyperinr_core.tracing.staging import Scene


def test_a_film_is_nearer_to_the_truth():
    noisy, truth = (shot(clouds(), Scene(), CORNER, samples, (64, 48)) for samples in (4, 400))
    smooth = denoised(noisy)
    assert smooth.shape == (48, 64, 4) and smooth.dtype == np.float32
    before, after = (abs(means - truth.means).mean(axis=(0, 1)) for means in (noisy.means, smooth))
    assert (after < 0.8 * before).all()


def test_where_it_is_missing_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyoidn", None)
    with pytest.raises(BackendError, match=r"does not load .*; expected the package pyoidn, pip install"):
        denoised(shot(clouds(), Scene(), CORNER, 1, (16, 16)))
