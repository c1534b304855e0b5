"""A neural teacher's fit on a GPU: steps in half precision that are recorded once and replayed, as one takes longer to launch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from hyperinr_core.training.feed import Feed, Tensors
from hyperinr_core.training.replay import MOST, Replay
from hyperinr_core.training.resident import ResidentSeries, fits
from hyperinr_core.training.teachers.fitting import Fit
from hyperinr_core.training.teachers.sine_network import half_precision


class GraphFit(Fit):
    """A fit whose points are drawn on the device, where the series has room there, or else ahead by the host.

    Products are float16, in which a scale keeps slopes from vanishing; weights and what Adam keeps are float32.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        teacher, stream, device = self._teacher, self._stream, self._device
        self._scaler = torch.amp.GradScaler(device.type)
        (n_scenes, n_points), n_dims = stream.shape, stream.series.grid.n_pos_dims
        self._thetas = 2 * teacher.unit(stream.series.thetas).astype(np.float32) - 1
        self._resident = ResidentSeries(stream, device) if fits(stream, device) else None
        self._feed = Feed(stream, device)
        self._points = torch.empty((n_scenes, n_points, n_dims), device=device)
        self._targets = torch.empty((n_scenes, n_points, teacher.n_outputs), device=device)
        # of a step: the seed of its draws, the chosen steps of the series, and where those are
        self._width = 2 + n_scenes * (1 + self._thetas.shape[1])
        self._replay = Replay(self._width, device)

    def run(self) -> None:
        try:
            super().run()
            self._replay.wait()
        finally:
            self._feed.close()

    def _make_optimizer(self, **options: Any) -> torch.optim.Adam:
        return super()._make_optimizer(fused=True, capturable=self._settings.device != "cpu")

    def _advance(self) -> int:
        if self._resident is None:
            self._replay.run(self._step, self._fed(self._feed.draw(self._iteration)))
            return 1
        left = MOST if self._settings.seconds else self._n_iterations - self._iteration
        count = min(left, self._replay.count)
        rows = np.zeros((count, self._width), np.int32)
        for number, row in enumerate(rows):
            seed, steps = self._resident.choose(self._iteration + number)
            row[:2].view(np.int64)[:] = seed
            self._place(row, steps, self._thetas[steps])
        self._replay.run(self._step, rows)
        return count

    def _fed(self, batch: Tensors) -> np.ndarray:
        """The row (1, width) of a batch of the host's, which is put in its place."""
        self._points.copy_(batch.points)
        self._targets.copy_(batch.targets)
        row = np.zeros(self._width, np.int32)
        self._place(row, [0], 2 * self._teacher.unit(batch.thetas).astype(np.float32) - 1)
        return row[None]

    def _place(self, row: np.ndarray, steps: list[int], thetas: np.ndarray) -> None:
        first = 2 + len(self._points)
        row[2:first] = steps
        row[first:].view(np.float32)[:] = thetas.ravel()

    def _step(self, row: torch.Tensor) -> None:
        """One iteration, on the device alone."""
        (n_scenes, n_points, _), first = self._points.shape, 2 + len(self._points)
        points, targets = self._points, self._targets
        if self._resident:
            points, targets = self._resident.drawn(row[:2].view(torch.int64), row[2:first])
        thetas = row[first:].view(torch.float32).view(n_scenes, 1, -1).expand(-1, n_points, -1)
        inputs = torch.cat([2 * points - 1, thetas], dim=2).flatten(0, 1)
        self._optimizer.zero_grad(set_to_none=True)
        with half_precision(self._network, self._device.type):
            values = self._network(inputs)
        loss = self._loss(values.float(), 2 * targets.flatten(0, 1) - 1)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)  # which looks for slopes that are not finite on the device, being fused
        self._scaler.update()

    def _others(self) -> dict[str, np.ndarray]:
        state = self._scaler.state_dict()
        return {"scale": np.array([state["scale"], state["_growth_tracker"]])}

    def _resume(self, tensors: dict[str, np.ndarray]) -> None:
        if "scale" in tensors:
            scale, good_steps = tensors["scale"].tolist()
            state = {**self._scaler.state_dict(), "scale": scale, "_growth_tracker": int(good_steps)}
            self._scaler.load_state_dict(state)
