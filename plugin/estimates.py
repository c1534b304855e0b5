"""What a training will cost: its file in exact arithmetic, its memory roughly."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hyperinr.filters.memory import from_windows
from hyperinr_core.architecture import Architecture
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.motion.build import HALO, LONGEST
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.volumes.distillation import PER_GAP

if TYPE_CHECKING:
    from hyperinr_core.training.volumes.task import Volumes

#: Bytes of a table's number while it is trained: the number, its gradient and Adam's two means of it.
TRAINED_BYTES = 4 * 4

#: Bytes of the program and its libraries, volumes at hand while motion is looked for, and those that each processor has while
#: flow is tried as a teacher. They were measured, on series of 64^3 and 128^3, to a fifth or so.
PROGRAM_BYTES, VOLUMES_OF_MOTION, VOLUMES_OF_FLOW = 300 << 20, 90, 75

#: The least memory for training data that is advised.
LEAST_MEMORY_MB = 64


@dataclass(frozen=True)
class Estimate:
    """Bytes of the file without a base, of the checkpoints beside it, and of memory."""

    file_bytes: int
    checkpoint_bytes: int
    memory_bytes: int

    def line(self) -> str:
        """For people."""
        return (
            f"costs: a file of at most {size(self.file_bytes)}, more where fields are smooth in time; about "
            f"{size(self.memory_bytes)} of memory"
        )


def estimate(task: Volumes, config: RunConfig) -> Estimate:
    """What training on all steps of a series, or of a brick of one, will cost."""
    series, names = task.series, task.names
    n_outputs = sum(series.field_info[name] for name in names)
    architecture = Architecture(config.encoding, config.network, n_outputs)
    n_encoders = config.encoders.count or len(series)
    n_table, n_mlp = n_encoders * architecture.n_table, architecture.n_mlp
    stored = 2 * n_table + 4 * n_mlp + 8 * n_encoders * len(series.parameters)
    data, search = _bytes_of_data(task, n_outputs, config)
    memory = PROGRAM_BYTES + data + max(search, TRAINED_BYTES * (n_table + n_mlp))  # tables are made after the search
    return Estimate(stored, 2 * 3 * 4 * (n_table + n_mlp), memory)


def check_room(task: Volumes, config: RunConfig, output: Path) -> Estimate:
    """What training will cost; ParameterError, with the nearest that fits, where there is no room for it."""
    costs, free = estimate(task, config), free_memory()
    if costs.memory_bytes > free:
        smaller, memory_mb = costs, config.training.memory_mb
        while smaller.memory_bytes > free and memory_mb > LEAST_MEMORY_MB:
            memory_mb //= 2
            smaller = estimate(task, config.replace(training={"memory_mb": memory_mb}))
        raise ParameterError(
            f"training takes about {size(costs.memory_bytes)} of memory, and {size(free)} are free; expected less: "
            + (
                f'--config with {{"training": {{"memory_mb": {memory_mb}}}}} takes about {size(smaller.memory_bytes)}'
                if smaller.memory_bytes <= free
                else "fewer fields, --carry never --teacher none, or a part of the grid"
            )
        )
    needed, room = costs.file_bytes + costs.checkpoint_bytes, shutil.disk_usage(output.absolute().parent).free
    if needed > room:
        raise ParameterError(
            f"{output} and its checkpoints take about {size(needed)}, and {output.absolute().parent} has {size(room)} left; "
            f"expected room for them, or --max-bytes {room // 16} and less"
        )
    return costs


def free_memory() -> float:
    """Bytes that this process may still take: of the machine, of its group and of its own limit; infinite where nobody knows."""
    of_windows = from_windows()
    found = [math.inf if of_windows is None else of_windows]
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = _read("/proc/meminfo").splitlines()
        found.append(1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1]))
    with contextlib.suppress(OSError, ValueError):  # version 2 of control groups, as containers and Slurm set them
        group = Path("/sys/fs/cgroup") / _read("/proc/self/cgroup").split("::", 1)[-1].strip().lstrip("/")
        limit, used = (_read(group / f"memory.{name}") for name in ("max", "current"))
        found.append(int(limit) - int(used))
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        limit_of_addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit_of_addresses != resource.RLIM_INFINITY:
            found.append(limit_of_addresses - os.sysconf("SC_PAGE_SIZE") * int(_read("/proc/self/statm").split()[0]))
    return max(min(found), 0)


def _read(path: str | Path) -> str:
    return Path(path).read_text(encoding="utf-8")


def _bytes_of_data(task: Volumes, n_outputs: int, config: RunConfig) -> tuple[int, int]:
    """Of the training steps, read and drawn from, with a teacher's volumes; and of the search for motion, or for a teacher."""
    series, most, learning = task.series, config.training.memory_bytes, config.distillation
    volume = 4 * series.grid.n_points * n_outputs
    steps = 2 * min(volume * len(series), most)
    if config.tries_motion:
        around = 4 * task.searched.n_points * n_outputs
        steps += min(around * len(series), most) - min(volume * len(series), most)
        return steps, VOLUMES_OF_MOTION * min(around, 4 * (LONGEST + 2 * HALO) ** 3 * n_outputs)
    n_taught = 0 if learning.teacher == "none" else learning.count or PER_GAP * (len(series) - 1)
    steps += min(volume * n_taught, most // 2) + min(volume * n_taught, most)
    return steps, (VOLUMES_OF_FLOW * volume * (os.cpu_count() or 1) if learning.teacher in ("auto", "flow") else 0)


def size(n_bytes: float) -> str:
    """Bytes for people."""
    power = min(int(math.log10(max(n_bytes, 1)) // 3), 4)
    return f"{n_bytes / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
