"""The CPU kernel of another processor under QEMU: builds it with a driver, gives it a model and points, and reads what it made.

Needs Debian's g++-aarch64-linux-gnu (or g++, for this processor's own) and qemu-user.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.native import ISAS

HERE = Path(__file__).resolve().parent
NATIVE = HERE.parents[1] / "hyperinr_core" / "native"
SHARED = ("model.cpp", "pool.cpp", "processor.cpp", "sampling.cpp", "gradients.cpp", "training.cpp", "unit_generic.cpp")
#: As CMakeLists.txt has them.
FLAGS = ("-std=c++17", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-static")


@dataclass(frozen=True)
class Processor:
    """A compiler, the unit that it makes with what flags, and what runs its programs."""

    compiler: str
    emulator: tuple[str, ...]
    define: str
    units: tuple[tuple[str, tuple[str, ...]], ...]


_AVX2 = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl")
PROCESSORS = {
    "neon": Processor(
        "aarch64-linux-gnu-g++", ("qemu-aarch64",), "HINR_ARM", (("unit_neon.cpp", ("-fno-schedule-insns",)),)
    ),
    "avx2": Processor(
        "g++",
        ("qemu-x86_64", "-cpu", "max"),
        "HINR_X86",
        (
            ("unit_avx2.cpp", _AVX2),
            ("unit_avx512.cpp", _AVX512),
            ("unit_avx512_bf16.cpp", (*_AVX512, "-mavx512bf16")),
        ),
    ),
}


def build(isa: str, folder: Path, optimize: str = "-O3") -> Path:
    """The driver with the kernel of "neon" or "avx2" in it, made in a folder."""
    processor, objects = PROCESSORS[isa], []
    common = (processor.compiler, *FLAGS, optimize, f"-D{processor.define}", f"-I{NATIVE}")
    sources = [(HERE / "driver.cpp", ()), *((NATIVE / name, ()) for name in SHARED)]
    for source, flags in [*sources, *((NATIVE / name, flags) for name, flags in processor.units)]:
        objects.append(folder / f"{isa}_{source.stem}.o")
        subprocess.run([*common, *flags, "-c", source, "-o", objects[-1]], check=True)
    subprocess.run([*common, *objects, "-o", folder / f"driver_{isa}", "-lpthread"], check=True)
    return folder / f"driver_{isa}"


def build_counter(folder: Path) -> Path:
    """The plugin of QEMU that counts instructions."""
    plugin = folder / "count.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", HERE / "count.c", "-o", plugin], check=True)
    return plugin


@dataclass(frozen=True)
class Job:
    """A model, encoders (N, M) with weights (N), points (B, D) with targets (B, C), and axes x, y (, z)."""

    architecture: Architecture
    encoders: np.ndarray
    weights: np.ndarray
    mlp_params: np.ndarray
    points: np.ndarray
    targets: np.ndarray
    axes: tuple[np.ndarray, ...]

    def write(self, path: Path, isa: str, times: Sequence[int]) -> None:
        """times: how often to blend, decode the grid, sample the points, and train on them."""
        grid, encoding, network = (
            self.architecture.hash_grid,
            self.architecture.encoding,
            self.architecture.network,
        )
        axes = [np.asarray(axis, np.float32) for axis in self.axes] + [np.zeros(1, np.float32)] * (3 - len(self.axes))
        shape = (encoding.n_pos_dims, grid.n_levels, encoding.n_features_per_level)
        sizes = (network.n_neurons, network.n_hidden_layers, self.architecture.n_outputs)
        counts = (*self.encoders.shape, self.mlp_params.size, len(self.points), *(len(axis) for axis in axes))
        with path.open("wb") as file:
            file.write(np.array([ISAS.index(isa), *times, *shape, *sizes, *counts], np.int64).tobytes())
            for numbers, dtype in ((grid.scales, np.float32), (grid.resolutions, np.int64), (grid.offsets, np.int64)):
                file.write(np.asarray(numbers, dtype).tobytes())
            file.write(np.asarray(grid.hashed, np.uint8).tobytes())
            for array in (self.encoders, self.weights, self.mlp_params, self.points, self.targets, *axes):
                file.write(np.asarray(array, np.float32).tobytes())

    def read(self, path: Path) -> dict[str, np.ndarray]:
        """What the driver wrote: table, grid, values, gradients of table and network, the network after Adam, the loss."""
        n_outputs, numbers, start, found = self.architecture.n_outputs, np.fromfile(path, np.float32), 0, {}
        shapes = {
            "table": (self.encoders.shape[1],),
            "grid": (*(len(axis) for axis in self.axes[::-1]), n_outputs),
            "values": (len(self.points), n_outputs),
            "grad_table": (self.encoders.shape[1],),
            "grad_mlp": (self.mlp_params.size,),
            "mlp": (self.mlp_params.size,),
            "loss": (1,),
        }
        for name, shape in shapes.items():
            end = start + int(np.prod(shape))
            found[name], start = numbers[start:end].reshape(shape), end
        return found


def run(driver: Path, isa: str, job: Job, folder: Path, times: Sequence[int] = (1, 1, 1, 1)) -> dict[str, np.ndarray]:
    """What the driver makes of a job."""
    job.write(folder / "job", isa, times)
    subprocess.run([*PROCESSORS[isa].emulator, driver, folder / "job", folder / "out"], check=True)
    return job.read(folder / "out")


def count(driver: Path, isa: str, job: Job, folder: Path, counter: Path, times: Sequence[int]) -> int:
    """Instructions that the driver executes for a job."""
    job.write(folder / "job", isa, times)
    command = [*PROCESSORS[isa].emulator, "-plugin", counter, driver, folder / "job", folder / "out"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    return int(re.search(r"instructions (\d+)", output).group(1))
