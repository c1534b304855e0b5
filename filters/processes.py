"""Processes that Ctrl-C leaves alone, and ending one with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any


def apart() -> dict[str, Any]:
    """Arguments of `subprocess.Popen` for a process that Ctrl-C is not for, and that opens no window on Windows."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def end(process: subprocess.Popen) -> None:
    """Kill a process that `apart` set apart, and all that it has started; nothing is done where none is left."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(
                command, timeout=10, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, **apart()
            )
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
