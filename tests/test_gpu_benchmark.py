"""benchmarks/gpu.py through Triton's interpreter: every part of it runs and is in the report. Its times mean nothing here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "gpu.py"


def test_every_part_runs(tmp_path):
    command = [sys.executable, SCRIPT, "--dry", "--paper", "-o", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]
    report = json.loads((tmp_path / "gpu_dry.json").read_text())
    assert set(report["decode"]) == {"4", "6"}
    assert all({"triton", "torch"} <= set(ways) for ways in (*report["decode"].values(), *report["training"].values()))
    assert [entry["used"] for entry in report["blend"]] == [2, 4]
    assert {"forward_fp32_ms", "step_fp32_ms"} <= set(report["coordnet"]) and report["to_host"]["points"] == 216
    assert "decode 6^3 over torch" in report["ratios"]
    assert [row["teacher"] for row in report["paper"]] == ["coordnet", "flow"]
    assert "| 6^3 | triton |" in (tmp_path / "gpu_dry.md").read_text()
    # a teacher that was fitted on the way leaves nothing behind
    assert not list(tmp_path.glob("*.teacher")) and (tmp_path / "coordnet.hinr").exists()
