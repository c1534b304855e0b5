"""HyperINR among its rivals: distilled, trained on the given steps alone, and with a network for each encoder."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.training import checkpoint
from hyperinr_core.training.budget import pace
from hyperinr_core.training.distributed import World
from hyperinr_core.training.samples import scan_fields
from hyperinr_core.training.settings import batch_for, preset
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes, series_parameters
from hyperinr_core.volume import VolumeSeries


class Distilled(Teacher):
    """What `hyperinr train` makes, with the teacher that leaving steps out chooses.

    Attributes
    ----------
    folder : where volumes of the teacher that was asked for stay for other students of it; nowhere when None.
    """

    taught_by = "auto"
    folder: Path | None = None

    def __init__(self, series: VolumeSeries, field: str) -> None:
        super().__init__(series, field)
        self.config = preset("default", series.grid, n_steps=len(series))
        self._model: HyperINR | None = None

    @property
    def model(self) -> HyperINR:
        """What was trained."""
        if self._model is None:
            raise ParameterError(f"{type(self).__name__} was not fitted; expected fit before evaluate")
        return self._model

    @property
    def n_bytes(self) -> int:
        return self.model.n_bytes

    def fit(self, settings: FitSettings) -> None:
        """Train for the samples or the seconds given, of which the teacher takes its share; goes on from a state."""
        self._model = self._train(self.series, settings)

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        return self.model.generate(theta).sample_grid()

    def _train(self, series: VolumeSeries, settings: FitSettings) -> HyperINR:
        started = time.monotonic()
        memory_mb = max(1, settings.memory_bytes >> 20)
        batch = batch_for(settings.device, self.config.encoding.log2_hashmap_size)
        config = self.config.replace(
            training={"seed": settings.seed, "memory_mb": memory_mb, **batch},
            distillation={"teacher": self.taught_by, **({"storage": "file"} if self.folder else {})},
        )
        with tempfile.TemporaryDirectory() as folder:
            context = Context(self.folder or Path(folder) / "teacher", settings.device, World(), Tell())
            lesson = Volumes(series, [self.field]).learn(config, context)
            path = settings.state
            begun = None if path is None else checkpoint.read_total(path)
            samples = begun or settings.samples or config.training.samples
            if settings.seconds and not begun:
                left = max(settings.seconds - (time.monotonic() - started), 0.0)
                samples = max(1, int(left * pace(lesson, settings.device)))
            lesson = replace(lesson, config=config.replace(training={"samples": samples}))
            trainer = Trainer(lesson, settings.device)
            if path is not None and begun:
                trainer.load_state(path)
            heard = settings.progress
            model = trainer.run(path, None if heard is None else lambda report: heard(report.samples / report.total))
            trainer.save_state(path)  # what is finished stays so until the caller deletes it
            if self.folder is None:
                lesson.forget()
        return model


class Direct(Distilled):
    """Trained on the given steps alone."""

    taught_by = "none"


class Separate(Direct):
    """The paper's naive design (section 5.2): a whole network for each step, of which all parameters are interpolated."""

    def fit(self, settings: FitSettings) -> None:
        """Train the networks one after the other, each from another seed and with its share of the budget."""
        n = len(self.series)
        share = replace(settings, samples=settings.samples // n, seconds=settings.seconds / n)
        states = [settings.state and Path(f"{settings.state}.{step}") for step in range(n)]
        models = [
            self._train(self.series.select([step]), replace(share, seed=settings.seed + step, state=states[step]))
            for step in range(n)
        ]
        for state in filter(None, states):
            state.unlink(missing_ok=True)
        self._ranges = [model.fields for model in models]
        self._networks = np.stack([model.mlp_params for model in models])
        self._model = replace(
            models[0],
            parameters=series_parameters(self.series),
            fields=scan_fields(self.series, [self.field], settings.memory_bytes),
            encoder_positions=self.series.thetas,
            encoder_params=np.concatenate([model.encoder_params for model in models]),
        )

    @property
    def n_bytes(self) -> int:
        """Every network counts."""
        return self.model.n_bytes - self.model.mlp_params.nbytes + self._networks.nbytes

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        steps, weights = self.model.interpolation_weights(theta)
        network = np.tensordot(weights, self._networks[steps], axes=1).astype(np.float32)
        limits = tuple(map(tuple, sum(w * np.array(self._ranges[i][0].value_range) for i, w in zip(steps, weights))))
        fields = (replace(self.model.fields[0], value_range=limits),)
        return replace(self.model, mlp_params=network, fields=fields).generate(theta).sample_grid()
