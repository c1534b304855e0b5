"""benchmarks/gpu through Triton's interpreter: every part of it runs and is in the report. Its times mean nothing here."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hyperinr.plugin.demo.turbulence import Flow, random_flow

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def found(monkeypatch):
    """The benchmark's modules can be imported, as they are where the script runs."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def call(monkeypatch, folder, *options):
    """The report and the table of a dry run."""
    from gpu import measure

    monkeypatch.setattr(sys, "argv", ["measure.py", "--dry", "-o", str(folder), *options])
    measure.main()
    file = folder / f"gpu_dry{'_paper' if '--paper' in options else ''}.json"
    return json.loads(file.read_text()), file.with_suffix(".md").read_text()


def test_every_part_is_measured(monkeypatch, tmp_path):
    report, table = call(monkeypatch, tmp_path)
    states = {name: part["state"] for name, part in report["parts"].items()}
    missing = {name: state for name, state in states.items() if state != "measured"}
    assert all(state.startswith("BackendError") for state in missing.values()), missing
    assert all("tcnn" in name for name in missing), missing
    assert {"limits", "host", "coordnet", "data", "other deep", "other plane", "other guide"} <= set(states)
    assert report["complete"]
    assert {"triton", "triton by points", "triton float32", "torch"} == set(report["decode"]["4^3"])
    assert {"triton", "torch"} == set(report["training"]["2 x 32"])
    assert list(report["blend"]) == ["2 of 3", "4 of 5"]
    assert report["host"]["points"] == 125
    assert set(report["iterations"]) == {"1 x 64", "2 x 32"} and report["iterations"]["2 x 32"]["alone"] > 0
    assert {"ms", "carry_ms", "step_ms", "native_ms"} <= set(report["carried"]["4^3"]) and "Carried, 4^3" in table
    assert {"decode 4^3 over torch", "training 1 x 64 over torch"} <= set(report["ratios"])
    assert "| 4^3 | triton |" in table and "Not measured: decode tcnn 4^3" in table
    assert "An iteration of 2 x 32 with its draws: alone " in table


def test_a_part_that_fails_or_is_wrong_leaves_the_others(monkeypatch, tmp_path):
    from hyperinr_core.backends.torch import TorchBackend
    from hyperinr_core.backends.triton import TritonBackend

    evaluate = TorchBackend._evaluate
    monkeypatch.setattr(TritonBackend, "blend", lambda *arguments: 1 / 0)
    monkeypatch.setattr(TorchBackend, "_evaluate", lambda *arguments: evaluate(*arguments) + 1)
    report, table = call(
        monkeypatch, tmp_path, "--only", "decode triton 4", "--only", "decode torch", "--only", "limits"
    )
    assert "ZeroDivisionError" in report["parts"]["decode triton 4^3"]["state"]
    assert "differs from the reference" in report["parts"]["decode torch 4^3"]["state"]
    assert list(report["decode"]["4^3"]["torch"]) == ["deviation"], "what is wrong is not timed"
    assert report["parts"]["limits"]["state"] == "measured" and "GB/s" in table


def test_values_that_were_not_written_are_found(monkeypatch, tmp_path):
    from hyperinr_core.backends.torch import TorchBackend

    evaluate = TorchBackend._evaluate_rows

    def forgetful(self, table, axes, start, stop, *numbers):
        values = evaluate(self, table, axes, start, stop, *numbers)
        values[-1] = float("nan")
        return values

    monkeypatch.setattr(TorchBackend, "_evaluate_rows", forgetful)
    report, _ = call(monkeypatch, tmp_path, "--only", "decode torch")
    assert "differs from the reference by nan" in report["parts"]["decode torch 4^3"]["state"]


def test_a_fused_kernel_that_was_given_up_is_not_timed():
    from gpu.models import check_way

    measured = SimpleNamespace(_module=SimpleNamespace(jit_fusion=False))
    with pytest.raises(ArithmeticError, match="gave up"):
        check_way("tcnn jit", measured)
    check_way("tcnn", measured)
    measured._module.jit_fusion = True
    check_way("tcnn jit", measured)


def test_no_part_begins_after_its_time_and_a_later_run_goes_on(monkeypatch, tmp_path):
    report, table = call(monkeypatch, tmp_path, "--only", "limits", "--seconds", "0")
    assert not report["complete"] and "no time was left: limits." in table
    report, _ = call(monkeypatch, tmp_path, "--only", "limits", "--resume")
    first = report["limits"]
    report, _ = call(monkeypatch, tmp_path, "--only", "limits", "--only", "blend", "--resume")
    assert report["limits"] == first and {"limits", "blend 2 of 3", "blend 4 of 5"} == set(report["parts"])


def test_a_part_that_takes_too_long_is_ended():
    from gpu.guard import Run

    report, written = {}, []
    run = Run(report, 60, (), lambda: written.append(json.dumps(report)))
    run.part("slow", lambda: time.sleep(60), 0.05)
    run.part("quick", lambda: None)
    assert (
        report["parts"]["slow"]["state"] == "it took longer than 0.05 s"
        and report["parts"]["quick"]["state"] == "measured"
    )
    brief = Run({}, 0.05, (), lambda: None)
    brief.part("slow", lambda: time.sleep(60))
    assert brief.report["parts"]["slow"]["state"] == "no time was left", "a later run measures it"
    assert '"begun"' in written[0], "whatever ends the process, the file says what it was at"


def test_a_device_that_is_lost_means_a_new_process():
    from gpu.guard import Run

    def run(**report):
        restarts = []
        Run(report, 60, (), lambda: None, lambda: False, lambda: restarts.append(1)).part("wild", lambda: 1 / 0)
        return report["parts"]["wild"]["state"], restarts

    assert run() == ("ZeroDivisionError: division by zero", [1])
    assert run(parts={"wild": {"state": "begun", "seconds": 0.0}}) == ("it hung, or took the process with it", [])


def test_the_papers_table_has_its_rows(monkeypatch, tmp_path):
    report, table = call(monkeypatch, tmp_path, "--paper")
    rows = report["paper"]
    assert list(rows) == ["carry", "flow", "coordnet", "velocity", "none, fast", "none"], report["parts"]
    assert "fitting the teacher of vorticity" in rows["coordnet"]["phases"] and rows["coordnet"]["teacher_samples"]
    assert "finding the motion" in rows["velocity"]["phases"] and "finding the motion" not in rows["flow"]["phases"]
    assert all(np.isfinite(row["psnr"]) for row in rows.values()) and "| coordnet |" in table
    assert all(set(row["shares"].values()) == {1.0} for row in rows.values()), "what ended is whole"
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".md"}, "no model and no teacher stay behind"


def test_a_row_that_is_ended_says_how_far_it_came():
    from gpu.report import to_markdown

    row = {"samples": 30_000_000, "teacher_samples": 160_000_000, "linear": 30.0}
    row.update(
        phases={"fitting the teacher": 240.0, "training": 2.0}, shares={"fitting the teacher": 1.0, "training": 0.1}
    )
    report = {"commit": "abc", "machine": {}, "paper": {"coordnet": row}}
    table = to_markdown(report)
    assert "fitting the teacher 240.0, training 2.0 (10.0 %, 3.0 M points) |" in table and "Limits" not in table
    row.update(phases={"fitting the teacher": 240.0}, shares={"fitting the teacher": 0.25})
    assert "fitting the teacher 240.0 (25.0 %, 40.0 M points) |" in to_markdown(report)


def test_what_takes_long_is_timed_once():
    from gpu.clock import Clock

    runs = []

    def count(seconds):
        runs.clear()
        return Clock(torch.device("cpu"), 5, 0.02).called(lambda: runs.append(time.sleep(seconds)))

    assert len(count(0.03)) == 1 and len(runs) == 3
    assert len(count(0.0)) == 5


def test_turbulence_on_a_device_is_that_of_the_example():
    from gpu.turbulence import DeviceFlow

    flow = Flow(random_flow(16, 0.8, seed=3), 16, viscosity=0.02, power=0.36)
    twin = DeviceFlow(flow, torch.device("cpu"))
    for each in (flow, twin):
        each.advance(0.3)
    assert twin.time == pytest.approx(flow.time)
    expected = flow.vorticity()
    np.testing.assert_allclose(twin.vorticity().numpy(), expected, atol=1e-4 * abs(expected).max())
