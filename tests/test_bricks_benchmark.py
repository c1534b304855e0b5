"""What benchmarks/bricks.py says of seams."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from brick_models import bricked

from hyperinr_core.cuts import Cuts

CUTS = Cuts((32, 32, 32), (2, 2, 2), 4)


@pytest.fixture(scope="module")
def bench():
    sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
    try:
        return importlib.import_module("bricks")
    finally:
        sys.path.pop(0)


def test_errors_that_are_alike_everywhere_show_no_seam(bench):
    noise = np.random.default_rng(0).standard_normal((32, 32, 32))
    assert bench.seams(noise, CUTS) == pytest.approx({"values": 1, "steps": 1, "changes": 1}, abs=0.05)


def test_a_jump_where_bricks_meet_shows(bench):
    noise = np.random.default_rng(0).standard_normal((32, 32, 32))
    noise[:, :, 16:] += 2
    noise[:, 16:] += 2
    noise[16:] += 2
    found = bench.seams(noise, CUTS)
    assert found["steps"] > 1.5 and found["changes"] > 1.2


def test_put_together_each_point_is_of_the_brick_that_it_lies_in(bench, tmp_path):
    model = bricked(tmp_path / "m.hinr", (32, 24, 20), (2, 1, 1), bench.OVERLAP)
    values = bench.put_together(tmp_path / "m.hinr", model.cuts, 0.7)
    for number, part, own in ((0, slice(0, 16), slice(0, 16)), (1, slice(16, 32), slice(4, 20))):
        alone = model.brick(number).generate(0.7).sample_grid()[..., 0]
        np.testing.assert_array_equal(values[..., part], alone[..., own])
