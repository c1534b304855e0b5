"""What a training will cost: its file in exact arithmetic, its memory roughly, its time from this machine's last run."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

from hyperinr.plugin.launch import cache
from hyperinr_core.architecture import Architecture
from hyperinr_core.errors import HyperINRError
from hyperinr_core.files import replacing
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.volumes.distillation import PER_GAP
from hyperinr_core.volume import VolumeSeries

#: What reading or writing a few remembered numbers may meet; then there are none.
_NO_ROOM = (OSError, ValueError, HyperINRError)

#: Bytes of a table's number while it is trained: the number, its gradient and Adam's two means of it.
TRAINED_BYTES = 4 * 4

#: Bytes of the program and its libraries, volumes at hand while motion is looked for, and those that each processor has while
#: flow is tried as a teacher. They were measured, on series of 64^3 and 128^3, to a fifth or so.
PROGRAM_BYTES, VOLUMES_OF_MOTION, VOLUMES_OF_FLOW = 300 << 20, 90, 75


@dataclass(frozen=True)
class Estimate:
    """Bytes of the file without a base, of memory, and seconds, None where this machine has trained nothing like it."""

    file_bytes: int
    memory_bytes: int
    seconds: float | None

    def line(self) -> str:
        """For people."""
        time = "the time shows once it runs"
        if self.seconds is not None:
            time = (
                f"about {_duration(self.seconds)} once motion or teachers are found, at the pace of the last such run"
            )
        return (
            f"costs: a file of {_size(self.file_bytes)}, more where fields are smooth in time; about "
            f"{_size(self.memory_bytes)} of memory; {time}"
        )


def estimate(series: VolumeSeries, names: list[str], config: RunConfig, device: str) -> Estimate:
    """What training on all steps of a series will cost."""
    n_outputs = sum(series.field_info[name] for name in names)
    architecture = Architecture(config.encoding, config.network, n_outputs)
    n_encoders = config.encoders.count or len(series)
    n_table, n_mlp = n_encoders * architecture.n_table, architecture.n_mlp
    stored = 2 * n_table + 4 * n_mlp + 8 * n_encoders * len(series.parameters)
    memory = PROGRAM_BYTES + TRAINED_BYTES * (n_table + n_mlp) + _bytes_of_data(series, n_outputs, config)
    rate = _rates().get(_key(architecture, device))
    return Estimate(stored, memory, None if rate is None else config.training.samples / rate)


def _bytes_of_data(series: VolumeSeries, n_outputs: int, config: RunConfig) -> int:
    """Of the training steps, read and drawn from, of a teacher's volumes, and of the search for motion."""
    volume, most, learning = 4 * series.grid.n_points * n_outputs, config.training.memory_bytes, config.distillation
    steps = 2 * min(volume * len(series), most)
    if config.tries_motion:
        return steps + VOLUMES_OF_MOTION * volume
    n_taught = 0 if learning.teacher == "none" else learning.count or PER_GAP * (len(series) - 1)
    steps += min(volume * n_taught, most // 2) + min(volume * n_taught, most)
    return steps + (VOLUMES_OF_FLOW * volume * (os.cpu_count() or 1) if learning.teacher in ("auto", "flow") else 0)


def remember(architecture: Architecture, device: str, rate: float) -> None:
    """Keep the samples a second of a training for the next estimate; nothing happens where there is no room for it."""
    with contextlib.suppress(*_NO_ROOM):
        rates = {**_rates(), _key(architecture, device): rate}
        with replacing(_file()) as part:
            part.write_text(json.dumps(rates), encoding="utf-8")


def _key(architecture: Architecture, device: str) -> str:
    encoding, network = architecture.encoding.to_dict(), architecture.network.to_dict()
    for name in ("base_resolution", "per_level_scale"):  # of the grid, and of no weight
        del encoding[name]
    return json.dumps([platform.node(), device, encoding, network, architecture.n_outputs], sort_keys=True)


def _file() -> Path:
    return cache() / "rates.json"


def _rates() -> dict[str, float]:
    with contextlib.suppress(*_NO_ROOM):
        return dict(json.loads(_file().read_text(encoding="utf-8")))
    return {}


def _size(n_bytes: float) -> str:
    power = min(int(math.log10(max(n_bytes, 1)) // 3), 4)
    return f"{n_bytes / 1000**power:.3g} {('bytes', 'kB', 'MB', 'GB', 'TB')[power]}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
