"""Processes that are set apart end with all that they have started."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from hyperinr.filters.processes import apart, end

#: Lives as long as it is let, and says so; started by one that does the same.
BEATS = "import sys, time\nwhile True: open(sys.argv[1], 'a', encoding='utf-8').write('.'); time.sleep(0.05)"
STARTS = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {BEATS!r}, sys.argv[1]]).wait()"


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows' taskkill ends what a process has started; Wine's does not"
)
def test_what_it_has_started_ends_with_it(tmp_path):
    heart = tmp_path / "heart"
    process = subprocess.Popen([sys.executable, "-c", STARTS, str(heart)], **apart())
    deadline = time.monotonic() + 60
    while not (heart.exists() and heart.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    end(process)
    assert process.wait(30)
    time.sleep(0.5)  # what was on its way is written
    before = heart.stat().st_size
    time.sleep(1)
    assert heart.stat().st_size == before > 0
    end(process)  # nothing is left, and nothing is said
