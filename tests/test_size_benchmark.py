"""benchmarks/size.py on grids of a few points: both ways to make a flow, the records, the table."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def size(monkeypatch):
    """The benchmark with few steps on few points."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    import size

    for name, value in {"N_STEPS": 11, "TRAINED": range(0, 11, 5), "COMPARED": [2, 8], "MOST_SIMULATED": 16}.items():
        monkeypatch.setattr(size, name, value)
    return size


def test_a_refined_volume_goes_through_its_points(size):
    x, y, z = np.meshgrid(*[2 * np.pi * np.arange(n) / n for n in (24, 24, 24)], indexing="ij")
    fine = np.sin(3 * x + 1) * np.cos(2 * y) + np.sin(z)
    found = size.refined(fine[::3, ::3, ::3].astype(np.float32), 24)
    np.testing.assert_allclose(found, fine, atol=1e-5)


def test_every_size_is_measured_once(size, monkeypatch, tmp_path):
    (tmp_path / "few.json").write_text('{"training": {"samples": 20000}}')

    def call():
        options = ["--data", str(tmp_path), "--sizes", "16", "20", "-o", str(tmp_path / "out")]
        monkeypatch.setattr(sys, "argv", ["size.py", *options, "--train", "--config", str(tmp_path / "few.json")])
        size.main()
        return json.loads((tmp_path / "out" / "size.json").read_text())

    records = call()
    assert [name.split(" ")[0] for name in records] == ["16^3", "20^3"]
    for record in records.values():
        assert record["samples"] == 20000 and record["file_bytes"] > 0 and record["peak_bytes"] > 1e8
        assert all(len(values) == 2 for values in record["held_out_psnr_db"].values())
        assert set(record["held_out_psnr_db"]) == {"ours", "linear", "flow"}
        assert record["said"][-1].startswith("plan: 20000 points in ")
    table = (tmp_path / "out" / "size.md").read_text()
    assert table.count("\n") == 4 and "| 20^3 --config" in table
    monkeypatch.setattr(size, "train", None)
    assert call() == records
