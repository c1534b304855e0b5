"""Refusing what cannot fit, and the bound on images kept."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from hyperinr.filters import memory
from hyperinr.filters.image import to_image
from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Grid


def test_a_grid_larger_than_the_memory_is_refused_with_both_sizes():
    extent = (0, 3999, 0, 3999, 0, 3999)
    with pytest.raises(
        ParameterError, match=r"4000 x 4000 x 4000 points .* take 715.3 GiB and [\d.]+ GiB are free; lower"
    ):
        memory.check_fits(extent, 3)
    memory.check_fits((0, 99, 0, 99, 0, 99), 3)


def test_the_smaller_of_what_the_machine_and_the_job_have_counts(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemFree: 1 kB\nMemAvailable:    4000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    for limit, expected in (("max\n", 4000 << 10), ("2048\n", 2048), ("99999999999\n", 4000 << 10)):
        (tmp_path / "max").write_text(limit)
        monkeypatch.setattr(memory, "CGROUP", tmp_path / "max")
        assert memory.available_bytes() == expected
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "nothing")
    monkeypatch.setattr(memory, "CGROUP", tmp_path / "nothing")
    assert memory.available_bytes() > 1 << 28, "another system's own word"


def test_windows_is_asked_for_its_memory_and_no_other_system():
    free = memory.from_windows()
    assert (free is None) == (sys.platform != "win32") and (free is None or 1 << 26 < free < 1 << 46)


def image(n):
    return to_image(Grid((n, n, n)), {"a": np.zeros((n, n, n), np.float32)})


def test_the_cache_keeps_its_bound_and_drops_what_was_used_longest_ago():
    cache = memory.ImageCache(3 * 1024 * image(20).GetActualMemorySize())
    for key in "abc":
        cache.put(key, image(20))
    assert cache.get("a") is not None
    cache.put("d", image(20))
    assert cache.get("b") is None and all(cache.get(key) is not None for key in "acd")
    cache.put("large", image(40))
    assert cache.get("large") is None and len(cache) == 3
    before = cache.n_bytes
    cache.put("a", image(20))
    assert cache.n_bytes == before
    cache.set_limit(before // 2)
    assert len(cache) == 1 and cache.get("d") is not None, "the one that was used last stays"
    cache.set_limit(0)
    assert len(cache) == 0 and cache.n_bytes == 0
