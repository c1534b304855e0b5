"""Damaged and malicious files: each is refused in one sentence or harmless, in Python and in ParaView."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import hostile
import pytest

from hyperinr.plugin import launch

HERE = Path(__file__).parent

#: Mutations that one process opens.
BATCH = 1000


def test_no_mutation_harms_the_reader(tmp_path, amount, figures):
    total, found, slowest, resident = amount(660, 10_000), Counter(), 0.0, 0
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    for first in range(0, total, BATCH):
        count = min(BATCH, total - first)
        command = [sys.executable, str(HERE / "hostile.py"), str(first), str(count), str(tmp_path)]
        process = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BATCH * hostile.LONGEST
        )
        number = (tmp_path / "number.txt").read_text()
        assert process.returncode == 0, f"mutation {number}: exit {process.returncode}\n{process.stderr}"
        result = json.loads(process.stdout)
        slowest, resident = max(slowest, result.pop("slowest_s")), max(resident, result.pop("resident_mb"))
        found.update(result)
    assert found["refused"] > total / 2 and found["opened"] > total / 20 and found.total() == total
    figures(
        f"{total} mutations through the reader",
        f"{found['refused']} refused, {found['opened']} harmless; slowest {slowest:.3f} s, process at most {resident} MB",
    )


def test_no_mutation_harms_paraview(tmp_path, amount, figures):
    files = hostile.good_files(tmp_path)
    total = amount(44, 500)
    for number in range(total):
        (tmp_path / f"mutation{number}.hinr").write_bytes(hostile.mutation(number, files))
    command = [launch.find_program("pvpython"), str(HERE / "paraview_scripts" / "hostile.py"), str(tmp_path)]
    result = launch.run_program(command, 60 + hostile.LONGEST * total)
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr[-2000:]
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["opened"] + found["refused"] == total and found["refused"] > total / 2
    assert found["silent"] == [] and found["several"] == [] and found["good"] > 0
    figures(
        f"{total} mutations through one pvpython",
        f"{found['refused']} refused, each with one error; {found['opened']} harmless",
    )


@pytest.mark.parametrize("number", range(len(hostile.WAYS)))
def test_a_mutation_is_the_same_each_time_and_not_the_good_file(tmp_path, number):
    files = hostile.good_files(tmp_path)
    assert hostile.mutation(number, files) == hostile.mutation(number, files)
    assert hostile.mutation(number, files) not in files
