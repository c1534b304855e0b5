"""What an iteration of a training takes as users get it, its draws and all. Part of measure.py."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gpu.data import FIELD, waves

from hyperinr_core.training.distributed import World
from hyperinr_core.training.settings import preset
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes

#: Iterations of a run that do not count, since kernels are compiled in them and the lots grow.
N_WARM = 100


class Iterations:
    """Milliseconds of an iteration, on a series that the GPU holds.

    Parameters
    ----------
    seconds : each way is timed for so long.
    report : gets "iterations", by batch and way: "replayed", as it trains where steps are recorded; "launched", the same steps
        without that; "alone", one after the other as where no series is held by the GPU or another evaluator trains.
    """

    def __init__(self, dry: bool, seconds: float, report: dict[str, Any]) -> None:
        self._dry, self._seconds, self._report = dry, seconds, report
        self._device = "cpu" if dry else "cuda"
        self._series = waves(8, 4) if dry else waves(128, 20)

    def measure(self, n_steps: int, n_points: int) -> None:
        """Every way that there is here."""
        found = self._report.setdefault("iterations", {})[f"{n_steps} x {n_points}"] = {}
        with TemporaryDirectory() as folder:
            for way in ("replayed", "launched", "alone"):
                trainer = self._trainer(Path(folder), n_steps, n_points)
                recording = getattr(trainer._loop, "replay", None)
                if way == "alone":
                    trainer._loop = None
                elif recording is None:
                    continue
                elif way == "launched":
                    recording.records = False
                found[way] = self._ms(trainer)
                if way == "replayed" and not recording.is_recorded:
                    raise RuntimeError("no step was recorded, so that none was replayed")

    def _trainer(self, folder: Path, n_steps: int, n_points: int) -> Trainer:
        small = {"log2_hashmap_size": 8} if self._dry else {}
        training = {"batch_steps": n_steps, "batch_points": n_points, "base": "never", "samples": 10**12}
        config = preset("best", self._series.grid).replace(
            training=training, distillation={"teacher": "none"}, encoding=small
        )
        context = Context(folder, self._device, World(), Tell())
        return Trainer(Volumes(self._series, [FIELD]).learn(config, context), self._device)

    def _ms(self, trainer: Trainer) -> float:
        while trainer.iteration < (1 if self._dry else N_WARM):
            trainer.advance(N_WARM)
        trainer.rest()
        first, start = trainer.iteration, time.perf_counter()
        while trainer.iteration == first or time.perf_counter() - start < self._seconds:
            trainer.advance()
        trainer.rest()
        return 1000 * (time.perf_counter() - start) / (trainer.iteration - first)
