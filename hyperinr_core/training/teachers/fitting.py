"""One fit of a neural teacher: Adam to the end of a budget, with a state to go on from."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from hyperinr_core.training import checkpoint
from hyperinr_core.training.samples import SampleStream
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.volume import Field

if TYPE_CHECKING:
    from hyperinr_core.training.teachers.neural import Neural

#: Seconds between two checkpoints, and between two reports.
CHECKPOINT_SECONDS = 30.0
REPORT_SECONDS = 0.5

#: Points drawn when neither samples nor seconds are set.
DEFAULT_SAMPLES = 20_000_000


class Fit:
    """One fit, whose iterations depend on the seed and their number alone."""

    def __init__(
        self,
        teacher: Neural[Any],
        network: nn.Module,
        field: Field,
        stream: SampleStream,
        settings: FitSettings,
    ) -> None:
        self._teacher, self._network, self._stream, self._settings = teacher, network, stream, settings
        self._optimizer, self._device = self._make_optimizer(), torch.device(settings.device)
        identity = {"teacher": type(teacher).__name__, "seed": settings.seed}
        self._digest = checkpoint.fingerprint(stream.series, [field], identity)
        self._iteration, self._seconds = 0, 0.0
        self._n_iterations = math.ceil((settings.samples or DEFAULT_SAMPLES) / stream.batch_size)

    def run(self) -> None:
        """Iterate to the end of the budget, writing the state now and then and when interrupted."""
        if self._settings.state is not None and self._settings.state.exists():
            self._load(self._settings.state)
        started = written = reported = time.monotonic()
        before = self._seconds
        try:
            while not self._is_over():
                self._iteration += self._advance()
                now = time.monotonic()
                self._seconds = before + now - started
                if now - written > CHECKPOINT_SECONDS:
                    written = now
                    self._save()
                if self._settings.progress and now - reported > REPORT_SECONDS:
                    reported = now
                    self._settings.progress(self._share())
        finally:
            self._save()

    def _share(self) -> float:
        if self._settings.seconds:
            return min(self._seconds / self._settings.seconds, 1.0)
        return self._iteration / self._n_iterations

    def _is_over(self) -> bool:
        return self._share() >= 1

    def _make_optimizer(self, **options: Any) -> torch.optim.Adam:
        rate, eps, decay = self._teacher.learning_rate, self._teacher.epsilon, self._teacher.weight_decay
        return torch.optim.Adam(self._network.parameters(), rate, eps=eps, weight_decay=decay, **options)

    def _advance(self) -> int:
        """Some iterations: how many."""
        batch = self._stream.draw(self._iteration)
        targets = 2 * torch.from_numpy(batch.targets).reshape(-1, self._teacher.n_outputs) - 1
        values = self._network(self._teacher.inputs(batch).to(self._device))
        loss = self._loss(values, targets.to(self._device))
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return 1

    def _loss(self, values: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        error = values - targets
        return error.abs().mean() if self._teacher.loss == "l1" else error.square().mean()

    def _save(self) -> None:
        path: Path | None = self._settings.state
        if path is None:
            return
        path.parent.mkdir(exist_ok=True)
        tensors = {f"network.{name}": value.cpu().numpy() for name, value in self._network.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors.update({f"adam.{number}.{name}": value.cpu().numpy() for name, value in state.items()})
        tensors.update(self._others(), seconds=np.array([self._seconds]))
        checkpoint.write(path, tensors, self._iteration, self._digest)

    def _load(self, path: Path) -> None:
        tensors, self._iteration = checkpoint.read(path, self._digest)
        self._seconds = float(tensors.pop("seconds")[0])
        loaded = {name: torch.from_numpy(value) for name, value in tensors.items()}
        self._network.load_state_dict(
            {name[len("network.") :]: value for name, value in loaded.items() if name.startswith("network.")}
        )
        adam = self._optimizer.state_dict()
        for name, value in loaded.items():
            if name.startswith("adam."):
                _, number, key = name.split(".")
                adam["state"].setdefault(int(number), {})[key] = value
        self._optimizer.load_state_dict(adam)
        self._resume(tensors)

    def _others(self) -> dict[str, np.ndarray]:
        """What else has to be kept."""
        return {}

    def _resume(self, tensors: dict[str, np.ndarray]) -> None:
        """Go on from what `_others` gave, if the state has it: it may come from another device."""
