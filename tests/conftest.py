"""What every test needs of its surroundings."""

from __future__ import annotations

import os

from hyperinr_core.backends import cuda

# Python started by a test must find the installed package, compiled kernel and all, and not the sources in the current folder.
os.environ["PYTHONSAFEPATH"] = "1"

# Without a GPU, Triton's interpreter runs its kernels on the CPU; with one, the same tests run the compiled kernels.
if not cuda.driver_is_present():
    os.environ["TRITON_INTERPRET"] = "1"
