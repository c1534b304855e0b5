"""A session that goes on for long: memory stays flat."""

from __future__ import annotations

import json
from pathlib import Path

from models import random_model

from hyperinr.plugin import launch
from hyperinr_core import hinr

SCRIPT = Path(__file__).parent / "paraview_scripts" / "long_run.py"

#: Megabytes that a session may grow by after its first tenth: three images of the test beyond the cache.
MOST_GROWTH = 8


def test_memory_is_flat_over_many_time_changes(tmp_path, amount, figures):
    hinr.save(random_model((72, 72, 72)), tmp_path / "m.hinr")
    count = amount(200, 2000)
    result = launch.run_program(
        [launch.find_program("pvpython"), str(SCRIPT), str(tmp_path / "m.hinr"), str(count)], 1200
    )
    assert result.returncode == 0 and "Traceback" not in result.stderr, result.stderr
    report = json.loads(result.stdout.splitlines()[-1])
    assert [item["changes"] for item in report][-1] == count and len(report) == 10
    sizes = [item["mb"] for item in report]
    assert max(sizes) - sizes[0] < MOST_GROWTH, report
    times = [item["ms"] for item in report]
    figures(
        f"{count} time changes of a 72^3 volume in one pvpython",
        f"{sizes[0]} MB after the first tenth, {sizes[-1]} MB at the end; {times[0]} ms a change in the first tenth, "
        f"{times[-1]} ms in the last",
    )
