"""The paper's table on a GPU: forced turbulence, 20 of 100 steps, a row for each way to fill the gaps. Part of measure.py."""

from __future__ import annotations

import time
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from gpu.turbulence import simulate

from hyperinr_core import hinr
from hyperinr_core.measure.baselines import Baseline
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import RunConfig, preset
from hyperinr_core.training.task import Tell
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Grid, VolumeSeries

FIELD, VELOCITY = "vorticity", "velocity"

#: Rows in their order, and the seconds that each may take: a way to fill the gaps, and the preset, if it is not the default.
#: What a user gets comes first.
ROWS = {"carry": 120.0, "flow": 120.0, "coordnet": 240.0, "velocity": 120.0, "none, fast": 60.0, "none": 90.0}

#: Points that CoordNet is fitted to; its default is made for CPUs.
TEACHER_SAMPLES = 160_000_000


class Paper:
    """One method call for each row, which goes into the report as it ends.

    Parameters
    ----------
    report : gets "paper".
    """

    def __init__(self, dry: bool, report: dict[str, Any]) -> None:
        self._dry, self._report = dry, report
        self._device = "cpu" if dry else "cuda"
        self._n, self._n_steps, self._every = (16, 7, 3) if dry else (128, 100, 5)
        self._trained = list(range(0, self._n_steps, self._every))

    def simulate(self) -> None:
        """What all rows are of, and what interpolation makes of it."""
        self._report["simulated"] = {"points": self._series.grid.n_points, "linear": self._linear}

    def row(self, name: str) -> None:
        """From the training steps to a file: seconds, and PSNR in dB on the steps held out."""
        config, heard, task = self._config(name), _Heard(), Volumes(self._series.select(self._trained), [FIELD])
        row: dict[str, Any] = {
            "samples": config.training.samples,
            "batch": [config.training.batch_steps, config.training.batch_points],
            "teacher_samples": config.distillation.teacher_samples,
            "linear": self._linear,
            "phases": heard.phases,  # of a row that is ended before its time, too
            "shares": heard.shares,
        }
        self._report.setdefault("paper", {})[name] = row
        tell = Tell(progress=heard.hear, report=lambda report: heard.hear("training", report.samples, report.total))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.hinr"
            heard.begin()
            model = train(task, path, config, device=self._device, tell=tell)
            heard.hear("the end", 1, 1)
            row.update(seconds=sum(heard.phases.values()), bytes=path.stat().st_size)
            stored = hinr.load(path)
        row["evaluator"] = model.provenance["evaluator"]
        row["psnr"] = self._psnr(lambda theta: stored.generate(theta).sample_grid())

    def _config(self, name: str) -> RunConfig:
        teacher, *chosen = name.split(", ")
        config = preset(*chosen or ["default"], self._series.grid, self._device, len(self._trained))
        if teacher in ("velocity", "carry"):
            velocity = VELOCITY if teacher == "velocity" else "none"
            return self._small(config.replace(motion={"carry": "always", "velocity": velocity}))
        samples = TEACHER_SAMPLES if teacher == "coordnet" else 0
        return self._small(config.replace(distillation={"teacher": teacher, "teacher_samples": samples}))

    def _small(self, config: RunConfig) -> RunConfig:
        if not self._dry:
            return config
        few = {"teacher_samples": 2000 if config.distillation.teacher_samples else 0}
        return config.replace(training={"samples": 4800}, encoding={"log2_hashmap_size": 8}, distillation=few)

    @cached_property
    def _series(self) -> VolumeSeries:
        """The simulation in memory, the velocity at the training steps alone."""
        start, times, volumes, velocities = time.perf_counter(), [], [], {}
        for step, (moment, flow) in enumerate(simulate(self._n, self._n_steps, torch.device(self._device))):
            times.append(moment)
            volumes.append(flow.vorticity().square().sum(0).sqrt().cpu().numpy())
            if step in self._trained:
                velocities[step] = flow.velocity().movedim(0, -1).cpu().numpy()
        print(f"simulated in {time.perf_counter() - start:.1f} s", flush=True)

        def load(step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
            whole = volumes[step] if name == FIELD else velocities[step]
            return whole[slice(*(z_range or (0, self._n)))]

        grid = Grid((self._n,) * 3, spacing=(2 * np.pi / self._n,) * 3)
        return VolumeSeries(grid, np.array(times), {FIELD: 1, VELOCITY: 3}, load, "forced turbulence")

    @cached_property
    def _linear(self) -> float:
        """PSNR in dB of interpolation between the training steps."""
        baseline = Baseline(self._series.select(self._trained), (FIELD,))
        return self._psnr(lambda theta: baseline(theta, "linear"))

    def _psnr(self, values: Any) -> float:
        """Mean over the steps between the training steps."""
        steps = [step for step in range(self._trained[-1]) if step not in self._trained]
        truths = {step: self._series.read(step, [FIELD]) for step in steps}
        limits = min(map(np.min, truths.values())), max(map(np.max, truths.values()))
        return float(np.mean([psnr(values(float(self._series.thetas[s, 0])), truths[s], limits) for s in steps]))


class _Heard:
    """Seconds of each phase of a run, and the share that is done, from what is told when a piece of it is."""

    def __init__(self) -> None:
        self.phases: dict[str, float] = {}
        self.shares: dict[str, float] = {}

    def begin(self) -> None:
        self._last = time.perf_counter()

    def hear(self, what: str, done: float, total: float) -> None:
        now = time.perf_counter()
        self.phases[what] = self.phases.get(what, 0.0) + now - self._last
        self._last = now
        self.shares[what] = done / total
