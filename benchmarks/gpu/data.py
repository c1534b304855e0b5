"""What the host does while a GPU trains: drawing batches, whole runs, and CoordNet's fit. Part of measure.py."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hyperinr_core.training.run import train
from hyperinr_core.training.samples import SampleStream, scan_fields
from hyperinr_core.training.settings import preset
from hyperinr_core.training.task import Report, Tell
from hyperinr_core.training.teachers import create
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Grid, VolumeSeries

FIELD = "value"

#: Steps of a batch and points of each: a CPU's default, a GPU's, and more of one.
BATCHES = ((1, 2400), (16, 1200), (1, 1 << 16), (1, 1 << 18))


class Data:
    """Points a second of what a training run is made of, on a series of the size of the paper's.

    Parameters
    ----------
    report : gets "data", millions of points a second.
    """

    def __init__(self, dry: bool, report: dict[str, Any]) -> None:
        self._dry, self._report = dry, report
        self._n, self._seconds = (8, 0.01) if dry else (128, 3.0)
        self._device = "cpu" if dry else "cuda"
        self._batches = ((2, 32),) if dry else BATCHES

    def measure(self) -> None:
        """Drawing alone, then runs as they are called, then CoordNet's fit."""
        found = self._report.setdefault("data", {})
        series = waves(self._n, 4 if self._dry else 20)
        for batch in self._batches:
            found[f"drawing batches of {batch[0]} x {batch[1]}"] = self._drawing(series, *batch)
        for batch in self._batches:
            found[f"a run with batches of {batch[0]} x {batch[1]}"] = self._run(series, *batch)
        found["fitting CoordNet"] = self._fit(series)

    def _drawing(self, series: VolumeSeries, n_steps: int, n_points: int) -> float:
        fields = scan_fields(series.select([0]), [FIELD], 1 << 32)
        stream = SampleStream(series, fields, n_steps, n_points, 1 << 32, 0)
        first = 4 * len(series)
        for iteration in range(first):  # by then almost all steps were read
            stream.draw(iteration)
        n, start = 0, time.perf_counter()
        while time.perf_counter() - start < self._seconds / 6:
            stream.draw(first + n)
            n += 1
        stream.close()
        return n * stream.batch_size / (time.perf_counter() - start) / 1e6

    def _run(self, series: VolumeSeries, n_steps: int, n_points: int) -> float:
        """Between the reports of a run, so that its beginning and end do not count."""
        heard: list[tuple[float, int]] = []

        def hear(report: Report) -> None:
            heard.append((time.perf_counter(), report.samples))
            if heard[-1][0] - heard[0][0] > self._seconds:
                raise _Enough

        training = {"batch_steps": n_steps, "batch_points": n_points, "base": "never"}
        if self._dry:
            training["samples"] = 3 * n_steps * n_points
        small = {"log2_hashmap_size": 8} if self._dry else {}
        config = preset("best", series.grid).replace(
            training=training, distillation={"teacher": "none"}, encoding=small
        )
        with TemporaryDirectory() as folder, suppress(_Enough):
            path, tell = Path(folder) / "model.hinr", Tell(report=hear)
            train(Volumes(series), path, config, device=self._device, tell=tell)
        (first, before), (last, after) = heard[0], heard[-1]
        return (after - before) / max(last - first, 1e-9) / 1e6

    def _fit(self, series: VolumeSeries) -> float:
        """Of two fits of different length, so that their beginning does not count."""
        seconds, counts = [], (1, 1) if self._dry else (800_000, 4_000_000)
        for samples in counts:
            start = time.perf_counter()
            teacher = create("coordnet", series, FIELD)
            if self._dry:
                teacher.batch_points = 32
            teacher.fit(FitSettings(samples=samples, device=self._device))
            seconds.append(time.perf_counter() - start)
        return (counts[1] - counts[0]) / max(seconds[1] - seconds[0], 1e-9) / 1e6


class _Enough(Exception):
    """A run was heard for long enough."""


def waves(n: int, n_steps: int) -> VolumeSeries:
    """Steps of a wave that moves."""
    axis = np.linspace(0, 6, n, dtype=np.float32)
    wave = np.sin(axis)[:, None, None] * np.sin(axis)[:, None] * np.sin(axis)
    steps = [wave * np.float32(1 + step / n_steps) for step in range(n_steps)]
    return VolumeSeries(
        Grid((n, n, n)),
        np.linspace(0, 1, n_steps),
        {FIELD: 1},
        lambda step, name, z_range: steps[step][slice(*(z_range or (0, n)))],
        "waves",
    )
