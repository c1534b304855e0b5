"""Many steps of training in a row on a GPU, which does what `Trainer.step` does, without the host in between.

The host computes ahead what it knows of each step: a seed, the steps of the series that are drawn from, which encoders they are
blended of, and at which rates those learn. Where a step has fewer of them than another, rows of no encoder fill its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import triton

from hyperinr_core.training.evaluators import triton_kernels as kernels
from hyperinr_core.training.evaluators.base import adam_rate
from hyperinr_core.training.evaluators.triton import POINTS, TritonEvaluator
from hyperinr_core.training.loop import Blend, State
from hyperinr_core.training.replay import Replay
from hyperinr_core.training.resident import ResidentSeries
from hyperinr_core.training.settings import TrainingConfig

#: Parts of a row begin where vectors of so many numbers may.
ALIGNED = 4


class Rows:
    """A row of numbers for each iteration, as the kernels read them; float32 as int32 of the same bits.

    Parameters
    ----------
    blends : of each step of the series.

    Attributes
    ----------
    n_blended : encoders that a table is blended of, at most. n_stepped : encoders that an iteration steps, at most.
    places : of the parts of a row: what `draw_kernel`, `network_kernel`, `blend_rows_kernel` and `adam_rows_kernel` read, the
        last for the encoders and for the network.
    width : of a row.
    """

    def __init__(
        self,
        resident: ResidentSeries,
        blends: Sequence[Blend],
        training: TrainingConfig,
        n_iterations: int,
    ) -> None:
        stream = resident.stream
        self._resident, self._step_weights = resident, stream.step_weights.astype(np.float32)
        self._training, self._n_iterations = training, n_iterations
        self._n_scenes, self.n_blended = stream.shape[0], max(len(blend.rows) for blend in blends)
        # a table that is blended of fewer has its first encoder again, with no weight
        self._blended = np.stack([np.resize(blend.rows[:1], self.n_blended) for blend in blends]).astype(np.int32)
        self._weights = np.zeros((len(blends), self.n_blended), np.float32)
        for step, (rows, weights, _) in enumerate(blends):
            self._blended[step, : len(rows)], self._weights[step, : len(rows)] = rows, weights
        n_encoders = len(np.unique(self._blended))
        self.n_stepped = min(n_encoders, self._n_scenes * self.n_blended)
        sizes = {
            "draw": 2 + self._n_scenes,
            "step_weights": self._n_scenes,
            "blend": 2 * self._n_scenes * self.n_blended,
            "tables": self.n_stepped * (2 + self._n_scenes),
            "network": 3,
        }
        self.places, self.width = {}, 0
        for name, size in sizes.items():
            self.places[name] = slice(self.width, self.width + size)
            self.width += -(-size // ALIGNED) * ALIGNED

    def of(self, iteration: int, count: int, table_steps: np.ndarray) -> np.ndarray:
        """(count, width) int32 for the iterations from one on; table_steps (N,), of all encoders, count on."""
        rows = np.zeros((count, self.width), np.int32)
        draw, step_weights, blend, tables, network = (rows[:, place] for place in self.places.values())
        chosen = [self._resident.choose(number) for number in range(iteration, iteration + count)]
        steps = np.array([each for _, each in chosen])
        draw[:, :2] = np.array([seed for seed, _ in chosen])[:, None].view(np.int32)
        draw[:, 2:] = steps
        step_weights[:] = _bits(self._step_weights[steps])
        blended, weights = self._blended[steps], self._weights[steps]
        half = self._n_scenes * self.n_blended
        blend[:, :half], blend[:, half:] = blended.reshape(count, -1), _bits(weights).reshape(count, -1)
        numbers, training = np.arange(iteration, iteration + count)[:, None], self._training
        decay, betas = 0.5 * (1 + np.cos(np.pi * numbers / self._n_iterations)), (training.beta1, training.beta2)
        self._set_adam(tables, blended, weights, table_steps, (training.lr_encoding * decay, *betas))
        network[:, 1:2] = _bits(adam_rate(numbers + 1, training.lr_network * decay, *betas))
        network[:, 2] = _bits(np.ones(1))
        return rows

    def _set_adam(
        self,
        tables: np.ndarray,
        blended: np.ndarray,
        weights: np.ndarray,
        table_steps: np.ndarray,
        settings: tuple[np.ndarray, float, float],
    ) -> None:
        """What steps encoders, of which tables were blended (count, S, K) with weights: those that took part, then none."""
        (count, n_scenes, _), n = blended.shape, self.n_stepped
        each, scene = np.arange(count)[:, None], np.arange(n_scenes)
        mixing = np.zeros((count, len(table_steps), n_scenes), np.float32)
        took = np.zeros(mixing.shape[:2], bool)
        for rows, shares in zip(np.moveaxis(blended, 2, 0), np.moveaxis(weights, 2, 0)):
            took[each, rows] = True
            mixing[each, rows, scene] += shares
        stepped = np.argsort(~took, axis=1, kind="stable")[:, :n]
        is_one = np.take_along_axis(took, stepped, axis=1)
        counts = np.take_along_axis(table_steps + np.cumsum(took, axis=0), stepped, axis=1)
        table_steps += took.sum(axis=0)
        tables[:, :n] = np.where(is_one, stepped, -1)
        tables[:, n : 2 * n] = _bits(adam_rate(np.maximum(counts, 1), *settings))
        tables[:, 2 * n :] = _bits(np.take_along_axis(mixing, stepped[:, :, None], axis=1)).reshape(count, -1)


def _bits(numbers: np.ndarray) -> np.ndarray:
    """Of float32, as int32."""
    return numbers.astype(np.float32).view(np.int32)


class GraphLoop:
    """Iterations of a run on a GPU that holds the series.

    Parameters
    ----------
    blends : of each step of the series, without a guide's level.
    """

    def __init__(
        self,
        evaluator: TritonEvaluator,
        resident: ResidentSeries,
        blends: Sequence[Blend],
        training: TrainingConfig,
        n_iterations: int,
    ) -> None:
        self._evaluator, self._resident, self._training = evaluator, resident, training
        self._rows = Rows(resident, blends, training, n_iterations)
        stream, device = resident.stream, resident.points.device
        self._points = torch.empty((*stream.shape, resident.points.shape[1]), device=device)
        self._targets = torch.empty((*stream.shape, resident.values.shape[2]), device=device)
        self._loss = torch.zeros((), device=device)
        self._keep_zeros = False
        self.replay = Replay(self._rows.width, device)
        self._draw(torch.zeros(self._rows.width, dtype=torch.int32, device=device))  # compiles it now

    def run(self, state: State, iteration: int, most: int, keep_zeros: bool) -> tuple[int, torch.Tensor]:
        """Launch iterations, `most` at most, and as many as take about a tenth of a second: how many, and the last one's loss.

        Parameters
        ----------
        state : the tensors that were given at first.
        keep_zeros : whether numbers of tables that are zero stay so.
        """
        self._state = state
        if keep_zeros != self._keep_zeros:
            self._keep_zeros = keep_zeros
            self.replay.forget()
        count = min(most, self.replay.count)
        self.replay.run(self._step, self._rows.of(iteration, count, state.table_steps))
        return count, self._loss.clone()

    def wait(self) -> None:
        """Until all that was launched is done."""
        self.replay.wait()

    def _step(self, row: torch.Tensor) -> None:
        """One iteration, on the device alone."""
        state, evaluator, moments = self._state, self._evaluator, self._state.moments
        draw, step_weights, blend, tables, network = (row[place] for place in self._rows.places.values())
        n_scenes = len(step_weights)
        self._draw(draw)
        blended = evaluator.blend_numbered(state.tables, blend, n_scenes, self._rows.n_blended)
        given = self._points, self._targets, step_weights.view(torch.float32)
        self._loss, grad, mlp_grad = evaluator.gradients(blended, state.mlp, *given, self._training.loss)
        settings = self._training.beta1, self._training.beta2, self._training.eps
        m, v = moments["tables_m"], moments["tables_v"]
        evaluator.adam_numbered(state.tables, tables, grad, m, v, settings, self._keep_zeros)
        whole = state.mlp[None], network, mlp_grad[None], moments["mlp_m"][None], moments["mlp_v"][None]
        evaluator.adam_numbered(*whole, settings)

    def _draw(self, numbers: torch.Tensor) -> None:
        n_scenes, n_points, n_dims = self._points.shape
        resident, n_outputs = self._resident, self._targets.shape[2]
        kernels.draw_kernel[(triton.cdiv(n_points, POINTS), n_scenes)](
            resident.points, resident.values, numbers, self._points, self._targets, n_points, len(resident.points),
            n_outputs, D=n_dims, BLOCK=POINTS,
        )  # fmt: skip
