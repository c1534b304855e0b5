"""Compiles what the GPU backend and its training launch, for cards that are not there; prints a line of JSON for each kernel.

    python tests/compile_kernels.py

Launches are the package's own: only the driver is another one, which names a card and runs nothing.
"""

from __future__ import annotations

import functools
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.runtime.driver import driver
from triton.runtime.jit import JITFunction

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import cuda
from hyperinr_core.config import EncodingConfig, NetworkConfig

# no driver is here, and the kernels' arguments are on the CPU: they are looked at and not read
cuda.require = lambda name: None
cuda.device = lambda: torch.device("cpu")

from hyperinr_core.backends import triton as backend_module  # noqa: E402 - it asks for CUDA at once
from hyperinr_core.backends.triton import TritonBackend  # noqa: E402
from hyperinr_core.motion import triton as carrying  # noqa: E402
from hyperinr_core.motion.motion import Gap  # noqa: E402
from hyperinr_core.motion.splines import Nodes  # noqa: E402
from hyperinr_core.motion.steps import Step  # noqa: E402
from hyperinr_core.training.evaluators import triton_kernels as kernels  # noqa: E402
from hyperinr_core.training.evaluators.base import Adam  # noqa: E402
from hyperinr_core.training.evaluators.triton import POINTS, TritonEvaluator  # noqa: E402

#: Where Triton keeps NVIDIA's tools.
TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"

# made for a trial of few points, which compiles variants of its own; how many programs run at a time only a driver knows
TritonBackend._try_once = lambda self: None
backend_module.resident_programs = lambda compiled: 4

#: Points along an axis, and of a batch: they divide as those of real grids and batches do.
N_AXIS, N_POINTS = 64, 4096

_compile = JITFunction.run


class Card:
    """A driver for one kind of card, as far as compiling asks for one."""

    def __init__(self, capability: int) -> None:
        self.capability = capability

    def get_current_device(self) -> int:
        """A device for each kind: Triton keeps kernels by device."""
        return self.capability

    def get_current_stream(self, device: int) -> int:
        """Nothing is sent there."""
        return 0

    def get_current_target(self) -> GPUTarget:
        """What to compile for."""
        return GPUTarget("cuda", self.capability, 32)


def compile_for(capability: int, n_hidden: int, precision: str) -> None:
    """Everything that the default model launches, with so many hidden layers."""
    seen: set[str] = set()

    def record(self, *arguments, grid, warmup, **options):
        start = time.perf_counter()
        kernel = _compile(self, *arguments, grid=grid, warmup=True, **options)
        if kernel.hash not in seen:
            seen.add(kernel.hash)
            case = {"kernel": kernel.name, "capability": capability, "hidden": n_hidden, "precision": precision}
            print(
                json.dumps({**case, **measured(kernel), "seconds": round(time.perf_counter() - start, 2)}), flush=True
            )

    JITFunction.run = record
    driver.set_active(Card(capability))
    architecture = Architecture(EncodingConfig(), NetworkConfig(n_hidden_layers=n_hidden), 1)
    sample(architecture, precision)
    train(architecture, precision)
    carry(every=capability == 90)


def sample(architecture: Architecture, precision: str) -> None:
    """Blend, and values on a grid, by rows of whole tiles and of others, without matrices kept and by points, and at points."""
    rows, network = np.zeros((3, architecture.n_table), np.float16), np.zeros(architecture.n_mlp, np.float32)
    backend = TritonBackend(architecture, rows, network, precision=precision)
    table = backend.blend(np.array([0, 2]), np.array([0.5, 0.5]))
    one = np.ones(1, np.float32)
    ways = (N_AXIS, True, True), (N_AXIS + 6, True, True), (N_AXIS, True, False), (N_AXIS, False, False)
    for n, backend.by_rows, backend._kept in ways:
        backend._prepared.clear()
        axis = np.linspace(0, 1, n, dtype=np.float32)
        backend.sample_grid(table, (axis,) * 3, np.empty((n, n, n, 1), np.float32), one, one)
    backend.sample(table, np.zeros((N_POINTS, 3), np.float32))


def train(architecture: Architecture, precision: str) -> None:
    """Loss and gradients, and a step of Adam."""
    evaluator = TritonEvaluator(architecture, precision)
    tables, network = torch.zeros((2, architecture.n_table)), torch.zeros(architecture.n_mlp)
    points, targets = torch.zeros((2, N_POINTS, 3)), torch.zeros((2, N_POINTS, 1))
    evaluator.loss(tables, network, points, targets, torch.ones(2), "l1")
    evaluator.values(tables, network, points)
    evaluator.blend(tables, [0, 1], np.eye(2), None)
    adam = Adam(1, 1e-2, 0.9, 0.99, 1e-15)
    evaluator.adam_step(network, network, network, network, adam)
    evaluator.adam_rows(tables, [0, 1], np.ones((2, 2)), tables, tables, tables, [adam, adam])
    drawn = points, targets, torch.zeros(4, dtype=torch.int32), points, targets
    kernels.draw_kernel[(1, 2)](*drawn, N_POINTS, N_POINTS, 1, D=3, BLOCK=POINTS)


def carry(every: bool) -> None:
    """Steps of a volume and of a plane along a motion, at points of the grid and at others; those of a volume between two, too.

    It is half of all that is compiled, and differs little between cards: without `every` only four steps of a volume.
    """
    four, two = ([0.0, 1.0, 2.0, 3.0], 1), ([0.0, 1.0], 0)
    volume, plane = (N_AXIS,) * 3, (1, N_AXIS, N_AXIS)
    carry_between(volume, *four)
    if every:
        carry_between(volume, *two)
        carry_between(plane, *four)


def carry_between(shape: tuple[int, int, int], times: list[float], gap: int) -> None:
    """Steps of a volume (nz, ny, nx) at these times, at the middle of one of the gaps between them."""
    nodes, planes = Nodes(shape, (False,) * 3), shape[0]
    ends, trust = np.zeros((2, 3, *nodes.coefficient_shape)), np.zeros(nodes.coefficient_shape)
    extent = (planes if planes == 1 else planes + 6, N_AXIS + 6, N_AXIS + 6)
    start = (0 if planes == 1 else -3, -3, -3)
    step = Step(shape, (False,) * 3, start, *(torch.zeros((1, *extent)) for _ in range(2)))
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    beside = [ends if 0 <= other < len(times) - 1 else None for other in (gap - 1, gap + 1)]
    found = Gap.of(nodes, np.array(times), gap, ends, beside, trust, trust, True, 0.5)
    moment = found.at(times[gap] + 0.5)
    lattice = carrying.now(moment, carrying.channels_first(found, torch.device("cpu")))
    for places in (axes, [axis / 2 for axis in axes]):
        carrying.carry(moment, [step] * len(times), places, lattice)


@functools.cache  # depths share kernels
def measured(kernel) -> dict:
    """Registers, spilled and shared bytes, and how many instructions of the matrix unit the machine code has."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage = said(TOOLS / "cuobjdump", "-res-usage", file.name)
        # it has none where the PTX that it is made of has none; to disassemble takes longer than to assemble
        multiplies = "mma." in kernel.asm["ptx"]
        code = said(TOOLS / "nvdisasm", "--no-dataflow", "--print-code", file.name) if multiplies else ""
    numbers = dict(re.findall(r"(REG|STACK|LOCAL):(\d+)", usage))
    return {
        "registers": int(numbers["REG"]),
        "spilled": int(numbers["STACK"]) + int(numbers["LOCAL"]),
        "shared": kernel.metadata.shared,
        "matrix_unit": len(re.findall(r"\b(?:HMMA|HGMMA)\.", code)),
    }


def said(*words) -> str:
    """What a program prints."""
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    for card, n_hidden_layers in ((80, 4), (90, 4), (90, 2)):
        compile_for(card, n_hidden_layers, "float16")
