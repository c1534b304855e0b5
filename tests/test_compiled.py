"""Kernels as a GPU would run them: machine code is made here without one, for cards of capability 8.0 and 9.0.

The interpreter accepts what the compiler refuses, and knows nothing of registers, shared memory and matrix units.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

pytest.importorskip("triton")

SCRIPT = Path(__file__).parent / "compile_kernels.py"

MODULES = (
    "hyperinr_core.backends.triton_kernels",
    "hyperinr_core.backends.triton_rows",
    "hyperinr_core.training.evaluators.triton_kernels",
    "hyperinr_core.motion.triton_kernels",
)

#: Bytes of shared memory that a block can have, by the card's capability.
SHARED = {80: 163 * 1024, 90: 227 * 1024}


#: Every kernel that is launched, and whether it multiplies matrices; a new one is launched in compile_kernels.py, too.
KERNELS = {
    "blend_kernel": False,
    "grid_kernel": True,
    "points_kernel": True,
    "rows_kernel": True,
    "encode_kernel": False,
    "network_kernel": True,
    "scatter_kernel": False,
    "blend_rows_kernel": False,
    "draw_kernel": False,
    "adam_kernel": False,
    "adam_rows_kernel": False,
    "now_kernel": False,
    "along_kernel": False,
    "carry_kernel": False,
}

#: Most bytes of a thread that do not fit into registers, by kernel, capability and hidden layers; none elsewhere. They are
#: those of the least able of Triton 3.3 to 3.7.
SPILLED = {
    ("network_kernel", 90, 4): 752,
    ("network_kernel", 90, 2): 88,
    ("network_kernel", 80, 4): 2216,
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """What was measured of each variant of each kernel, by the kernel's name."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(tmp_path_factory.mktemp("kernels"))
    environment["TRITON_DISABLE_LINE_INFO"] = "1"  # which changes no instruction and takes time
    result = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    found = defaultdict(list)
    for line in result.stdout.splitlines():
        found[json.loads(line)["kernel"]].append(json.loads(line))
    return found


def test_every_kernel_has_a_line_and_is_launched(compiled):
    modules = [importlib.import_module(name) for name in MODULES]
    assert set(KERNELS) == {name for module in modules for name in vars(module) if name.endswith("_kernel")}
    for name in KERNELS:
        assert {entry["capability"] for entry in compiled[name]} == set(SHARED), f"{name} in compile_kernels.py"


@pytest.mark.parametrize("name", KERNELS)
def test_registers_suffice(name, compiled):
    for entry in compiled[name]:
        assert entry["spilled"] <= SPILLED.get((name, entry["capability"], entry["hidden"]), 0), entry


@pytest.mark.parametrize("name", KERNELS)
def test_shared_memory_is_the_card_s(name, compiled):
    for entry in compiled[name]:
        assert entry["shared"] <= SHARED[entry["capability"]], entry


@pytest.mark.parametrize("name", KERNELS)
def test_the_matrix_unit_multiplies(name, compiled):
    for entry in compiled[name]:
        assert (entry["matrix_unit"] > 0) == KERNELS[name], entry
