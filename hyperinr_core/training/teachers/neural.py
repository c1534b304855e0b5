"""What the neural teachers share: batches of points in space and parameters, their fit, slabs of a grid."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import nn

from hyperinr_core.errors import ParameterError
from hyperinr_core.training.samples import Batch, SampleStream, scan_fields
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.teachers.fitting import Fit
from hyperinr_core.training.teachers.graph_fit import GraphFit
from hyperinr_core.training.teachers.sine_network import OMEGA
from hyperinr_core.volume import Field, VolumeSeries

#: Points of a grid evaluated at a time.
SLAB_POINTS = 1 << 16

#: The class of a teacher's network.
Network = TypeVar("Network", bound=nn.Module)


class Neural(Teacher, Generic[Network]):
    """One network over all scene parameters and positions, (theta, x) in [-1, 1] to values in [-1, 1].

    Subclasses build the network and may change the class attributes.

    Attributes
    ----------
    in_half : whether a GPU fits with products in half precision, in steps that are recorded.
    """

    learning_rate = 1e-4
    weight_decay = 0.0
    epsilon = 1e-8
    loss = "l1"
    batch_points = 8000
    in_half = True

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
        records = self._device.type == "cuda" and self.in_half and hasattr(torch.amp, "GradScaler")  # torch before 2.3
        kind = GraphFit if records else Fit
        kind(self, network, field, stream, settings).run()
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
        unit = self.unit(batch.thetas)
        thetas = np.repeat(unit[:, None], batch.points.shape[1], axis=1).astype(np.float32)
        both = np.concatenate([batch.points, thetas], axis=-1)
        return torch.from_numpy(2 * both.reshape(-1, self.n_inputs) - 1)

    def unit(self, thetas: np.ndarray) -> np.ndarray:
        """Thetas (S, P) in [0, 1]."""
        unit: np.ndarray = (thetas - self._low) / self._extent
        return unit

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
