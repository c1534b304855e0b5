"""What a training will cost: its file in exact arithmetic, its memory roughly."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from hyperinr_core.architecture import Architecture
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.volumes.distillation import PER_GAP
from hyperinr_core.volume import VolumeSeries

#: Bytes of a table's number while it is trained: the number, its gradient and Adam's two means of it.
TRAINED_BYTES = 4 * 4

#: Bytes of the program and its libraries, volumes at hand while motion is looked for, and those that each processor has while
#: flow is tried as a teacher. They were measured, on series of 64^3 and 128^3, to a fifth or so.
PROGRAM_BYTES, VOLUMES_OF_MOTION, VOLUMES_OF_FLOW = 300 << 20, 90, 75


@dataclass(frozen=True)
class Estimate:
    """Bytes of the file without a base, and of memory."""

    file_bytes: int
    memory_bytes: int

    def line(self) -> str:
        """For people."""
        return (
            f"costs: a file of {size(self.file_bytes)}, more where fields are smooth in time; about "
            f"{size(self.memory_bytes)} of memory"
        )


def estimate(series: VolumeSeries, names: list[str], config: RunConfig) -> Estimate:
    """What training on all steps of a series will cost."""
    n_outputs = sum(series.field_info[name] for name in names)
    architecture = Architecture(config.encoding, config.network, n_outputs)
    n_encoders = config.encoders.count or len(series)
    n_table, n_mlp = n_encoders * architecture.n_table, architecture.n_mlp
    stored = 2 * n_table + 4 * n_mlp + 8 * n_encoders * len(series.parameters)
    memory = PROGRAM_BYTES + TRAINED_BYTES * (n_table + n_mlp) + _bytes_of_data(series, n_outputs, config)
    return Estimate(stored, memory)


def _bytes_of_data(series: VolumeSeries, n_outputs: int, config: RunConfig) -> int:
    """Of the training steps, read and drawn from, of a teacher's volumes, and of the search for motion."""
    volume, most, learning = 4 * series.grid.n_points * n_outputs, config.training.memory_bytes, config.distillation
    steps = 2 * min(volume * len(series), most)
    if config.tries_motion:
        return steps + VOLUMES_OF_MOTION * volume
    n_taught = 0 if learning.teacher == "none" else learning.count or PER_GAP * (len(series) - 1)
    steps += min(volume * n_taught, most // 2) + min(volume * n_taught, most)
    return steps + (VOLUMES_OF_FLOW * volume * (os.cpu_count() or 1) if learning.teacher in ("auto", "flow") else 0)


def size(n_bytes: float) -> str:
    """Bytes for people."""
    power = min(int(math.log10(max(n_bytes, 1)) // 3), 4)
    return f"{n_bytes / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
