"""What every test needs of its surroundings."""

from __future__ import annotations

import os

# Python started by a test must find the installed package, compiled kernel and all, and not the sources in the current folder.
os.environ["PYTHONSAFEPATH"] = "1"
