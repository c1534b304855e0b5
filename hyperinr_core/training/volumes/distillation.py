"""The distillation set: the training steps as they are, and a teacher's volumes in between (HyperINR section 2.1)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.training.placement import place
from hyperinr_core.training.settings import DistillationConfig
from hyperinr_core.training.teachers.base import Teacher
from hyperinr_core.volume import VolumeSeries

#: Teacher volumes in each gap between training steps unless a count is set: the paper has five steps for each given one.
PER_GAP = 4

#: Two thetas closer than this share of their range are one, and a training step there answers with the truth.
SAME = 1e-9


class DistillationSet:
    """A teacher's volumes at thetas between the training steps.

    `series` serves truth and teacher alike to whatever reads a series; `is_truth` tells them apart.

    Parameters
    ----------
    teachers : one for each field, fitted; None where another process has it.
    folder : where volumes are kept when they do not fit into memory, and where an interrupted run finds them again.
    """

    def __init__(
        self,
        series: VolumeSeries,
        teachers: Mapping[str, Teacher | None],
        config: DistillationConfig,
        folder: Path,
        memory_bytes: int,
        seed: int,
    ) -> None:
        self._truth, self._names, self._folder = series, list(teachers), folder
        self._teachers = {name: teacher for name, teacher in teachers.items() if teacher is not None}
        thetas = distillation_thetas(series, config, seed)
        self._order = np.concatenate([np.arange(len(series)), np.full(len(thetas), -1)])
        everything = np.concatenate([series.thetas, thetas])
        rank = np.lexsort(everything.T[::-1])
        self._thetas, self._order = everything[rank], self._order[rank]
        self.is_truth = self._order >= 0
        self.storage = _storage(config, self._n_bytes(), memory_bytes)
        self._volumes: dict[str, np.ndarray] = {}
        self.series = VolumeSeries(
            series.grid,
            self._thetas,
            {name: series.field_info[name] for name in self._names},
            self._load,
            series.source,
            series.parameters,
            series.roles,
            series.units,
            mask=series.mask and series.mask.along(self._thetas, _bounds(series)),
        )

    def __len__(self) -> int:
        return len(self._thetas)

    def precompute(self, n_workers: int, progress: Callable[[int, int], object] | None = None) -> None:
        """Evaluate the teachers at every theta, as the storage asks; volumes that an earlier run left are kept."""
        if self.storage == "on_demand":
            return
        missing = [int(step) for step in np.flatnonzero(~self.is_truth)]
        done = self._open_storage(missing)
        total, missing = len(missing), [step for step in missing if step not in done]
        with ThreadPoolExecutor(n_workers) as pool:
            pending = [pool.submit(self._fill, step) for step in missing]
            try:
                for count, future in enumerate(as_completed(pending), start=1):
                    done.add(future.result())
                    if self.storage == "file":
                        self._note(done)
                    if progress:
                        progress(total - len(missing) + count, total)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def attach(self) -> None:
        """Read the volumes that another process's set keeps in the folder."""
        self._volumes = {name: np.load(path, mmap_mode="r") for name, path in self._paths().items()}

    def remove(self) -> None:
        """Delete what was kept on disk."""
        self._volumes.clear()
        for path in (*self._paths().values(), self._folder / "done.json"):
            path.unlink(missing_ok=True)

    def _load(self, step: int, name: str, z_range: tuple[int, int] | None) -> np.ndarray:
        if self.is_truth[step]:
            return self._truth.read(int(self._order[step]), [name], z_range)
        planes = slice(*(z_range or (0, self._truth.grid.dims[2])))
        if self.storage == "on_demand":
            return self._teachers[name].evaluate(self._thetas[step])[planes]
        return self._volumes[name][self._slot(step)][planes]

    def _fill(self, step: int) -> int:
        for name, teacher in self._teachers.items():
            self._volumes[name][self._slot(step)] = teacher.evaluate(self._thetas[step])
        return step

    def _slot(self, step: int) -> int:
        return int(np.count_nonzero(~self.is_truth[:step]))

    def _open_storage(self, missing: Sequence[int]) -> set[int]:
        """Make room for the volumes; the steps that are there already."""
        shapes = {name: (len(missing), *self._truth.grid.shape, self._truth.field_info[name]) for name in self._names}
        if self.storage == "memory":
            self._volumes = {name: np.empty(shape, np.float32) for name, shape in shapes.items()}
            return set()
        self._folder.mkdir(exist_ok=True)
        key, done = self._key(), set()
        try:
            noted = json.loads((self._folder / "done.json").read_text(encoding="utf-8"))
            if noted["key"] == key and all(path.exists() for path in self._paths().values()):
                done = set(noted["steps"])
        except (OSError, ValueError, KeyError):
            pass  # nothing was noted, or not to its end
        try:
            self._volumes = {
                name: np.lib.format.open_memmap(path, "r+" if done else "w+", np.float32, shapes[name])
                for name, path in self._paths().items()
            }
        except OSError as error:
            raise DataError(
                f"{self._folder} has no room for {self._n_bytes() / 1e9:.1f} GB of teacher volumes ({error}); "
                "free some, or set storage to on_demand"
            ) from error
        return done

    def _note(self, done: set[int]) -> None:
        for volumes in self._volumes.values():
            if isinstance(volumes, np.memmap):
                volumes.flush()
        part = self._folder / "done.part"
        part.write_text(json.dumps({"key": self._key(), "steps": sorted(done)}), encoding="utf-8")
        os.replace(part, self._folder / "done.json")

    def _key(self) -> list:
        names = sorted((name, type(teacher).__name__) for name, teacher in self._teachers.items())
        return json.loads(json.dumps([names, self._thetas.tolist(), repr(self._truth.grid), self._truth.source]))

    def _paths(self) -> dict[str, Path]:
        return {name: self._folder / f"teacher_{place}.npy" for place, name in enumerate(self._names)}

    def _n_bytes(self) -> int:
        n_values = sum(self._truth.field_info[name] for name in self._names)
        return 4 * self._truth.grid.n_points * n_values * int(np.count_nonzero(~self.is_truth))


def _bounds(series: VolumeSeries) -> np.ndarray:
    return np.stack([series.thetas.min(axis=0), series.thetas.max(axis=0)], axis=1)


def distillation_thetas(series: VolumeSeries, config: DistillationConfig, seed: int) -> np.ndarray:
    """(D, P) thetas for the teacher; none of them a training theta, where the truth is known."""
    if config.count == 0 and len(series.parameters) == 1:
        times = series.thetas[:, 0]
        shares = np.arange(1, PER_GAP + 1) / (PER_GAP + 1)
        return np.concatenate([low + shares * (high - low) for low, high in zip(times, times[1:])] or [[]])[:, None]
    count = config.count or PER_GAP * len(series)
    thetas = place(series, config.replace(count=count), seed)
    extent = np.ptp(series.thetas, axis=0) + 1e-300
    apart = abs(thetas[:, None] - series.thetas[None]) / extent
    return thetas[(apart.max(axis=2) > SAME).all(axis=1)]


def _storage(config: DistillationConfig, n_bytes: int, memory_bytes: int) -> str:
    if config.storage != "auto":
        return config.storage
    return "memory" if n_bytes <= memory_bytes // 2 else "file"
