"""`hyperinr bench` on tiny grids: every figure that it promises is there and makes sense."""

from __future__ import annotations

import json

import pytest
import torch
from click.testing import CliRunner

from hyperinr.plugin.commands import bench
from hyperinr_core.backends.native import supported_isas
from hyperinr_core.training.settings import TrainingConfig
from hyperinr_core.training.teachers.sine_network import CoordNetwork


@pytest.fixture
def report(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "GRIDS", (4, 8, 12))
    monkeypatch.setattr(bench, "COORDNET_POINTS", 64)
    monkeypatch.setattr(bench, "best", lambda run, *_: (run(), 2.0)[1])
    n_threads = torch.get_num_threads()
    try:
        result = CliRunner().invoke(
            bench.bench, ["--json", "--output", str(tmp_path / "table.md")], catch_exceptions=False
        )
    finally:
        torch.set_num_threads(n_threads)
    assert result.exit_code == 0
    assert "| 8^3 | native_fp32 | 2.0 | 2.0 |" in (tmp_path / "table.md").read_text()
    assert "a whole run on 4^3" in (tmp_path / "table.md").read_text()
    return json.loads(result.stdout)


def test_the_report_is_complete(report):
    ways = {"native_fp32", "torch_eager", "coordnet_fp32", "coordnet_bf16"}
    if supported_isas()[-1].endswith("bf16"):
        ways.add("native_bf16")
        assert report["limits"]["bf16_gflops"] > 0
    assert report["limits"]["fp32_gflops"] > 0
    assert set(report["decode"]) == {"4", "8", "12"} and set(report["decode"]["8"]) == ways
    assert report["blend_ms"] == 2.0 and report["machine"]["precision"] in ("float32", "bfloat16")
    n_samples = TrainingConfig().batch_steps * TrainingConfig().batch_points
    rates = [report["training"][way]["samples_per_s"] for way in ("native", "torch_eager")]
    assert rates == [n_samples / 0.002] * 2
    assert report["training"]["run"]["samples_per_s"] == n_samples * bench.RUN_ITERATIONS / 0.002


def test_shares_and_ratios_follow_from_the_times(report):
    entry = report["decode"]["8"]["native_fp32"]
    operations = 2 * (32 * 64 + 3 * 64 * 64 + 64) * 8**3
    products_ms = operations / (report["limits"]["fp32_gflops"] * 1e6)
    assert entry["encoding_ms"] == 2.0 and entry["of_limit"] == pytest.approx(max(products_ms, 2.0) / entry["ms"])
    assert report["ratios"]["native_fp32_over_coordnet_fp32"] == pytest.approx(8**3 / 64)


def test_coordnet_keeps_activations_in_range():
    torch.manual_seed(0)
    network = CoordNetwork(4, 2)
    hidden = network.blocks(torch.rand(500, 4) * 2 - 1)
    assert network(torch.rand(5, 4)).shape == (5, 2)
    assert hidden.abs().max() <= 1 and hidden.std() > 0.1
    assert len(network.blocks) == 3 + 10 + 1
