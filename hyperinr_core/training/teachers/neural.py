"""What the neural teachers share: batches of points in space and parameters, Adam, a state to go on from, slabs of a grid."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import nn

from hyperinr_core.errors import ParameterError
from hyperinr_core.training import checkpoint
from hyperinr_core.training.samples import Batch, SampleStream, scan_fields
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.teachers.sine_network import OMEGA
from hyperinr_core.volume import Field, VolumeSeries

#: Points of a grid evaluated at a time.
SLAB_POINTS = 1 << 16

#: Seconds between two checkpoints, and between two reports.
CHECKPOINT_SECONDS = 30.0
REPORT_SECONDS = 0.5

#: Points drawn when neither samples nor seconds are set.
DEFAULT_SAMPLES = 20_000_000


#: The class of a teacher's network.
Network = TypeVar("Network", bound=nn.Module)


class Neural(Teacher, Generic[Network]):
    """One network over all scene parameters and positions, (theta, x) in [-1, 1] to values in [-1, 1].

    Subclasses build the network and may change the class attributes.
    """

    learning_rate = 1e-4
    weight_decay = 0.0
    epsilon = 1e-8
    loss = "l1"
    batch_points = 8000

    def __init__(self, series: VolumeSeries, field: str) -> None:
        super().__init__(series, field)
        self._low = series.thetas.min(axis=0)
        extent = series.thetas.max(axis=0) - self._low
        self._extent = np.where(extent > 0, extent, 1)
        self.n_inputs = series.grid.n_pos_dims + len(series.parameters)
        self.n_outputs = series.field_info[field]
        self._fitted: tuple[Network, Field] | None = None
        self._device = torch.device("cpu")

    @abstractmethod
    def build(self) -> Network:
        """The network, (B, n_inputs) to (B, n_outputs), positions before parameters; drawn from torch's generator."""

    @property
    def n_params(self) -> int:
        """Trainable numbers of the network."""
        return sum(p.numel() for p in self._trained()[0].parameters())

    @property
    def n_bytes(self) -> int:
        """The network as float32."""
        return 4 * self.n_params

    def fit(self, settings: FitSettings) -> None:
        """Fit to the training steps; a state left by an interrupted fit is continued."""
        field = settings.field or scan_fields(self.series, [self.field], settings.memory_bytes)[0]
        stream = SampleStream(
            self.series, [field], min(4, len(self.series)), self.batch_points // 4, settings.memory_bytes, settings.seed
        )  # fmt: skip
        self._device = torch.device(settings.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network = self.build().to(self._device)
        optimizer = torch.optim.Adam(
            network.parameters(), self.learning_rate, eps=self.epsilon, weight_decay=self.weight_decay
        )
        _Fit(self, network, field, optimizer, stream, settings).run()
        stream.close()
        self._fitted = network, field

    def evaluate(self, theta: np.ndarray) -> np.ndarray:
        grid, (network, field) = self.series.grid, self._trained()
        axes = [2 * axis - 1 for axis in grid.axes(None, grid.n_pos_dims)]
        unit = torch.from_numpy((2 * (np.asarray(theta) - self._low) / self._extent - 1).astype(np.float32))
        with torch.no_grad():
            values = self.on_grid(network, [torch.from_numpy(a).to(self._device) for a in axes], unit.to(self._device))
        low, high = np.array(field.value_range, np.float32).T
        values = (0.5 * (values.cpu().numpy() + 1)) * (high - low) + low
        return values.reshape(*grid.shape, -1).astype(np.float32)

    def on_grid(self, network: Network, axes: list[torch.Tensor], theta: torch.Tensor) -> torch.Tensor:
        """(nz * ny * nx, c) values on the grid of the axes x, y (, z)."""
        shape = [len(axis) for axis in reversed(axes)]
        n_points, parts = math.prod(shape), []
        for start in range(0, n_points, SLAB_POINTS):
            index = torch.arange(start, min(start + SLAB_POINTS, n_points), device=theta.device)
            columns = []
            for axis in axes:
                columns.append(axis[index % len(axis)])
                index = index // len(axis)
            points = torch.stack(columns, dim=1)
            parts.append(network(torch.cat([points, theta.expand(len(points), -1)], dim=1)))
        return torch.cat(parts)

    def inputs(self, batch: Batch) -> torch.Tensor:
        """(S * B, n_inputs) in [-1, 1] of a batch."""
        unit = (batch.thetas - self._low) / self._extent
        thetas = np.repeat(unit[:, None], batch.points.shape[1], axis=1).astype(np.float32)
        both = np.concatenate([batch.points, thetas], axis=-1)
        return torch.from_numpy(2 * both.reshape(-1, self.n_inputs) - 1)

    def _trained(self) -> tuple[Network, Field]:
        if self._fitted is None:
            raise ParameterError(f"{type(self).__name__} was not fitted; expected fit before evaluate")
        return self._fitted


def sine_output(n_inputs: int, n_outputs: int) -> nn.Linear:
    """The linear layer that ends a network of sines, with their initialisation."""
    linear = nn.Linear(n_inputs, n_outputs)
    limit = math.sqrt(6 / n_inputs) / OMEGA
    nn.init.uniform_(linear.weight, -limit, limit)
    return linear


class _Fit:
    """One fit, whose iterations depend on the seed and their number alone."""

    def __init__(
        self,
        teacher: Neural[Network],
        network: Network,
        field: Field,
        optimizer: torch.optim.Adam,
        stream: SampleStream,
        settings: FitSettings,
    ) -> None:
        self._teacher, self._network, self._optimizer, self._stream = teacher, network, optimizer, stream
        self._settings = settings
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
                self._step(self._stream.draw(self._iteration))
                self._iteration += 1
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

    def _step(self, batch: Batch) -> None:
        device = self._teacher._device
        targets = 2 * torch.from_numpy(batch.targets).reshape(-1, self._teacher.n_outputs) - 1
        error = self._network(self._teacher.inputs(batch).to(device)) - targets.to(device)
        loss = error.abs().mean() if self._teacher.loss == "l1" else error.square().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()

    def _save(self) -> None:
        path: Path | None = self._settings.state
        if path is None:
            return
        path.parent.mkdir(exist_ok=True)
        tensors = {f"network.{name}": value.cpu().numpy() for name, value in self._network.state_dict().items()}
        for number, state in self._optimizer.state_dict()["state"].items():
            tensors.update({f"adam.{number}.{name}": value.cpu().numpy() for name, value in state.items()})
        tensors["seconds"] = np.array([self._seconds])
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
