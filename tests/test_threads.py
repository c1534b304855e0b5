"""Work that threads share: results in order, and ended by an exception."""

from __future__ import annotations

import time

import numpy as np
import pytest
from drifts import drift

from hyperinr_core.backends import native
from hyperinr_core.training.motion.build import build
from hyperinr_core.training.motion.evidence import examine
from hyperinr_core.training.motion.pairs import Pairs
from hyperinr_core.training.motion.velocity import Velocity, scales
from hyperinr_core.training.threads import in_order, workers


@pytest.mark.parametrize("n_workers", [1, 4])
def test_results_come_in_the_order_of_the_items(n_workers):
    def slow_first(item):
        time.sleep(0.01 * (8 - item))
        return item**2

    assert list(in_order(slow_first, range(8), n_workers)) == [item**2 for item in range(8)]


@pytest.mark.parametrize("n_workers", [1, 3])
def test_an_exception_ends_what_is_not_begun(n_workers):
    begun = []

    def work(item):
        begun.append(item)
        if item == 2:
            raise ValueError("the third")
        time.sleep(0.02)
        return item

    with pytest.raises(ValueError, match="the third"):
        list(in_order(work, range(100), n_workers))
    assert len(begun) < 10


@pytest.mark.parametrize("n_workers", [1, 3])
def test_an_exception_where_results_are_used_ends_it_too(n_workers):
    begun = []

    def work(item):
        begun.append(item)
        time.sleep(0.02)

    with pytest.raises(KeyError):
        for _ in in_order(work, range(100), n_workers):
            raise KeyError
    assert len(begun) < 10


def test_one_thread_for_two_processors_as_memory_allows(monkeypatch):
    monkeypatch.setattr(native, "n_threads", lambda: 16)
    assert workers(100, 350) == 3 and workers(1, 1 << 40) == 8 and workers(100, 0) == 1
    monkeypatch.setattr(native, "n_threads", lambda: 2)
    assert workers(1, 1 << 40) == 1


@pytest.mark.parametrize("traced", [False, True])
def test_motion_is_the_same_whatever_the_number_of_threads(monkeypatch, traced):
    found = []
    for processors in (2, 8):
        monkeypatch.setattr(native, "n_threads", lambda n=processors: n)
        series, around = drift(n_steps=6), (True, True, True)
        velocity = Velocity(series, ["U"], next(scales(series.grid, series.thetas[:, 0])), around) if traced else None
        pairs = Pairs(series, "c", around, velocity, memory_bytes=1 << 32)
        assert pairs.n_workers == processors // 2
        evidence = examine(pairs, (0.0, 1.0))
        found.append((evidence, build({"c": (pairs, evidence)})))
    (evidence, motion), (again, motion_again) = found
    assert evidence.trust == again.trust > 0 and evidence.ways == again.ways and evidence.psnr == again.psnr
    for name in ("paths", "trust", "error"):
        np.testing.assert_array_equal(getattr(motion, name), getattr(motion_again, name))
