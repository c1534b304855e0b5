"""Many steps of training in one call of the CPU kernel, which does what `Trainer.step` does, without Python in between.

Python keeps what the kernel reads: windows of a series, from which the kernel draws by seed and iteration, or batches that a
stream drew.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from ctypes import c_double, c_float, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from hyperinr_core.backends import native
from hyperinr_core.training.evaluators.native import LOSSES, NativeEvaluator
from hyperinr_core.training.rate import FREE, Cost
from hyperinr_core.training.samples import Batch, Resident, SampleStream
from hyperinr_core.training.settings import TrainingConfig
from hyperinr_core.training.task import Stream

#: What a call should take: as long as a wish to stop waits.
CALL_SECONDS = 0.15

#: Calls grow by so much, since the first ones take longer than the next.
GROWTH = 4

#: Bytes of the batches, and of the guide's levels for them, that are drawn for one call.
BATCH_BYTES = 64 << 20


class Learner(ctypes.Structure):
    """hinr_learner of hyperinr_native.h."""

    _fields_ = [
        *((name, c_void_p) for name in ("tables", "tables_m", "tables_v", "table_steps")),
        ("n_rows", c_int64),
        ("row_length", c_int64),
        *((name, c_void_p) for name in ("mlp", "mlp_m", "mlp_v")),
        ("n_mlp_params", c_int64),
        *((name, c_double) for name in ("lr_tables", "lr_mlp", "beta1", "beta2", "eps")),
        ("n_iterations", c_int64),
        ("kind", c_int32),
        ("keep_zeros", c_int32),
        ("steps", c_void_p),
        ("rates", c_void_p),
        ("n_levels", c_int64),
    ]


class Scene(ctypes.Structure):
    """hinr_scene of hyperinr_native.h."""

    _fields_ = [
        *((name, c_void_p) for name in ("values", "points", "numbers", "bounds")),
        ("n", c_int64),
        ("first", c_int64),
        ("rows", c_void_p),
        ("weights", c_void_p),
        ("n_rows", c_int64),
        ("rest", c_void_p),
        ("step_weight", c_float),
        ("reserved", c_int32),
    ]


class Data(ctypes.Structure):
    """hinr_data of hyperinr_native.h."""

    _fields_ = [
        ("scenes", c_void_p),
        *((name, c_int64) for name in ("n_scenes", "n_tables", "n_points")),
        ("dims", c_int64 * 3),
        ("seed", c_uint64),
        ("drawn", c_int32),
        ("reserved", c_int32),
    ]


_SIGNATURES: dict[str, list[Any]] = {
    "hinr_train": [c_void_p, c_void_p, c_void_p, c_int64, c_int64, ctypes.POINTER(c_double)],
}


class Blend(NamedTuple):
    """What a theta's table is made of: (K,) int64 encoders, (K,) float64 weights, and the guide's level if there is one."""

    rows: np.ndarray
    weights: np.ndarray
    level: np.ndarray | None


@dataclass(frozen=True)
class State:
    """What training changes: encoders (N, M), the network (W,), Adam's moments of both, and each encoder's steps (N,)."""

    tables: torch.Tensor
    mlp: torch.Tensor
    moments: dict[str, torch.Tensor]
    table_steps: np.ndarray


@dataclass(frozen=True)
class Lot:
    """Scenes that a call learns from, for the iterations until `stop`; `kept` owns their memory."""

    data: Data
    stop: int
    kept: object


class Loop:
    """Iterations of a run on the CPU.

    Parameters
    ----------
    stream : a `SampleStream` lends its windows, any other draws batches for a call.
    blend : of a theta (P,).
    """

    def __init__(
        self,
        evaluator: NativeEvaluator,
        stream: Stream,
        training: TrainingConfig,
        n_iterations: int,
        blend: Callable[[np.ndarray], Blend],
    ) -> None:
        self._evaluator, self._stream, self._blend = evaluator, stream, blend
        self._training, self._n_iterations = training, n_iterations
        self._library = native.declared(_SIGNATURES, "loop of training")
        self._count, self._lot = 1, Lot(Data(), 0, None)

    def run(
        self, state: State, iteration: int, most: int, keep_zeros: bool, cost: Cost = FREE
    ) -> tuple[int, float] | None:
        """About CALL_SECONDS of iterations, `most` at most: how many, and the last one's loss.

        None where this one has to be done elsewhere, since some of its data is yet to be read.

        Parameters
        ----------
        keep_zeros : whether numbers of tables that are zero stay so.
        cost : of the bytes that tables take.
        """
        started = time.monotonic()
        lot = self._lot_at(iteration, min(most, self._count))
        if lot is None:
            return None
        count = min(most, self._count, lot.stop - iteration)
        learner, loss = self._learner(state, keep_zeros, cost), c_double()
        code = self._library.hinr_train(
            *(self._evaluator.handle, ctypes.byref(learner), ctypes.byref(lot.data)),
            *(iteration, count, ctypes.byref(loss)),
        )
        native.check(code)
        seconds = max(time.monotonic() - started, 1e-9)
        self._count = max(1, min(GROWTH * self._count, int(CALL_SECONDS * count / seconds)))
        return count, loss.value

    def _learner(self, state: State, keep_zeros: bool, cost: Cost) -> Learner:
        training, moments = self._training, state.moments
        return Learner(
            *(state.tables.data_ptr(), moments["tables_m"].data_ptr(), moments["tables_v"].data_ptr()),
            *(state.table_steps.ctypes.data, *state.tables.shape),
            *(state.mlp.data_ptr(), moments["mlp_m"].data_ptr(), moments["mlp_v"].data_ptr(), state.mlp.numel()),
            *(training.lr_encoding, training.lr_network, training.beta1, training.beta2, training.eps),
            *(self._n_iterations, LOSSES[training.loss], keep_zeros),
            *(_address(cost.steps), _address(cost.rates), self._evaluator.architecture.encoding.n_levels),
        )

    def _lot_at(self, iteration: int, count: int) -> Lot | None:
        if not isinstance(self._stream, SampleStream):
            return self._drawn(self._stream, iteration, count)
        if iteration >= self._lot.stop:
            lot = self._lent(self._stream, iteration)
            if lot is None:
                return None
            self._lot = lot
        return self._lot

    def _lent(self, stream: SampleStream, iteration: int) -> Lot | None:
        """The blocks of a window."""
        window = stream.held(iteration)
        if window is None:
            return None
        blends = [self._blend(stream.series.thetas[block.step]) for block in window.blocks]
        scenes = [
            _scene(resident.values, None, blend, float(stream.step_weights[step]), resident, first)
            for (step, resident, first), blend in zip(window.blocks, blends)
        ]
        return self._lot_of(scenes, stream.shape, window.stop, True, (window, blends))

    def _drawn(self, stream: Stream, iteration: int, count: int) -> Lot:
        """Batches of the next iterations."""
        batches: list[Batch] = []
        blends: list[list[Blend]] = []
        n_bytes = 0
        while len(batches) < count and n_bytes < BATCH_BYTES:
            batch = stream.draw(iteration + len(batches))
            row = [self._blend(theta) for theta in batch.thetas]
            batches.append(batch)
            blends.append(row)
            n_bytes += batch.points.nbytes + batch.targets.nbytes
            n_bytes += sum(blend.level.nbytes for blend in row if blend.level is not None)
        scenes = [
            _scene(targets, points, blend, float(weight))
            for batch, row in zip(batches, blends)
            for targets, points, blend, weight in zip(batch.targets, batch.points, row, batch.step_weights)
        ]
        n_tables, n_points, _ = batches[0].points.shape
        return self._lot_of(scenes, (n_tables, n_points), iteration + len(batches), False, (batches, blends))

    def _lot_of(self, scenes: list[Scene], shape: tuple[int, int], stop: int, drawn: bool, kept: object) -> Lot:
        array = (Scene * len(scenes))(*scenes)
        dims, seed = (c_int64 * 3)(*self._stream.series.grid.dims), self._training.seed
        return Lot(Data(ctypes.addressof(array), len(scenes), *shape, dims, seed, drawn), stop, (array, kept))


def _scene(
    values: np.ndarray,
    points: np.ndarray | None,
    blend: Blend,
    step_weight: float,
    resident: Resident | None = None,
    first: int = 0,
) -> Scene:
    numbers, bounds = (resident.numbers, resident.bounds) if resident else (None, None)
    return Scene(
        *(values.ctypes.data, _address(points), _address(numbers), _address(bounds), len(values), first),
        *(blend.rows.ctypes.data, blend.weights.ctypes.data, len(blend.rows), _address(blend.level), step_weight),
    )


def _address(array: np.ndarray | None) -> int | None:
    return None if array is None else array.ctypes.data
