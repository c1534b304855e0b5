"""The paper's table on a GPU: forced turbulence, 20 of 100 steps, CoordNet's teacher and the optical flow's. Part of gpu.py."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch

from hyperinr.filters.readers.series import open_series
from hyperinr_core import hinr
from hyperinr_core.measure.series import measure_series
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import preset
from hyperinr_core.training.task import Tell
from hyperinr_core.training.volumes.task import Volumes

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))

FIELD = "vorticity"


def paper_table(dry: bool, folder: Path) -> list[dict[str, Any]]:
    """A row for each teacher: seconds for all and for the teacher, PSNR in dB on the held-out steps.

    Parameters
    ----------
    folder : for the simulated series and the models.
    """
    from turbulence import write_series

    n, n_steps, every = (16, 7, 3) if dry else (128, 100, 5)
    series = open_series([write_series(folder / "turbulence", "forced", n, n_steps)])
    return [row(teacher, series, every, dry, folder) for teacher in ("coordnet", "flow")]


def row(teacher: str, series: Any, every: int, dry: bool, folder: Path) -> dict[str, Any]:
    """One teacher's way from the training steps to a file, measured."""
    training_series = series.select(list(range(0, len(series), every)))
    config = preset("fast", series.grid)
    config = config.replace(distillation={"teacher": teacher})
    if dry:
        config = config.replace(
            training={"samples": 4800}, encoding={"log2_hashmap_size": 8}, distillation={"teacher_samples": 2000}
        )
    clock = _TeacherClock()
    start = time.perf_counter()
    path = folder / f"{teacher}.hinr"
    device = "cpu" if dry else "cuda"
    train(Volumes(training_series, [FIELD]), path, config, device=device, tell=Tell(progress=clock.hear))
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    means = measure_series(hinr.load(path), series, [FIELD])[FIELD]["held_out"]
    return {
        "teacher": teacher,
        "seconds": seconds,
        "teacher_seconds": clock.seconds,
        "psnr": means["model"]["psnr"],
        "linear": means["linear"]["psnr"],
        "steps": len(series),
        "trained": len(training_series),
        "n": series.grid.dims[0],
    }


class _TeacherClock:
    """Seconds from the first to the last that is heard of the teacher."""

    def __init__(self) -> None:
        self._first: float | None = None
        self.seconds = 0.0

    def hear(self, *_: Any) -> None:
        now = time.perf_counter()
        self._first = self._first if self._first is not None else now
        self.seconds = now - self._first
