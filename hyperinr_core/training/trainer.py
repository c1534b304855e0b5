"""Fits a HyperINR to drawn points: interpolate encoders, evaluate, step the few tables that took part."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from hyperinr_core.backends import say_once
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.training import checkpoint
from hyperinr_core.training.distributed import World
from hyperinr_core.training.evaluators import make_evaluator
from hyperinr_core.training.evaluators.base import Adam, Evaluator, weighted_sum
from hyperinr_core.training.evaluators.native import NativeEvaluator
from hyperinr_core.training.feed import Feed, Tensors
from hyperinr_core.training.focus import Focus
from hyperinr_core.training.gpu import LossScale, memory_errors_explained
from hyperinr_core.training.initial import digest_of, initial_model, started_from
from hyperinr_core.training.loop import Blend, Loop, State
from hyperinr_core.training.pruning import Pruning
from hyperinr_core.training.rate import Rate, with_numbers
from hyperinr_core.training.resident import ResidentSeries, fits
from hyperinr_core.training.samples import SampleStream
from hyperinr_core.training.task import Lesson, Report
from hyperinr_core.training.watch import Clock, Interrupted, StopRequest

if TYPE_CHECKING:
    from hyperinr_core.training.graph_loop import GraphLoop

#: Encoders that take part, and the weight of each.
Coefficients = list[tuple[int, float]]

#: Thetas whose interpolation weights are kept: computing those of a batch would take as long as the GPU takes for it.
N_KEPT = 4096


class Trainer:
    """One training run.

    Parameters
    ----------
    lesson : what is learned.
    device : "cpu" or "cuda".
    world : the processes that train together; this one alone when None.
    initial : a model of equal settings, from which the network and the mean of the tables are taken.
    """

    def __init__(
        self, lesson: Lesson, device: str = "cpu", world: World | None = None, initial: HyperINR | None = None
    ) -> None:
        self.config = lesson.config
        self.world = world or World()
        self.device = torch.device(device)
        self._stream = lesson.stream
        self._feed = Feed(lesson.stream, self.device, self.world.share)
        self._resident = None
        if self.device.type == "cuda" and self.world.size == 1 and isinstance(lesson.stream, SampleStream):
            self._resident = ResidentSeries(lesson.stream, self.device) if fits(lesson.stream, self.device) else None
        started = {} if initial is None else {"initial": digest_of(initial)}
        settings = {**lesson.config.to_dict(), **lesson.identity, **started}
        self._digest = checkpoint.fingerprint(lesson.stream.series, lesson.fields, settings)
        model = initial_model(lesson)
        self.model = model if initial is None else started_from(model, initial)
        self.evaluator = make_evaluator(self.model.architecture, self.device.type, self.config.training.precision)
        with memory_errors_explained():
            # on the CPU these are the first model's own numbers, trained in place: it blends encoders and is never sampled
            self._tables = torch.from_numpy(self.model.encoder_params).to(self.device)
            self._mlp = torch.from_numpy(self.model.mlp_params).to(self.device)
            self._moments = {
                "tables_m": torch.zeros_like(self._tables),
                "tables_v": torch.zeros_like(self._tables),
                "mlp_m": torch.zeros_like(self._mlp),
                "mlp_v": torch.zeros_like(self._mlp),
            }
        self._table_steps = np.zeros(len(lesson.positions), np.int64)
        # none of these refers to the trainer: what it holds goes as soon as nobody needs it
        self._coefficients = functools.lru_cache(N_KEPT)(functools.partial(_interpolated, self.model))
        self._scale = LossScale(self.device.type == "cuda" and self.evaluator.scales_loss)
        self._pruning = Pruning(self.config.training.sparsity, self.n_iterations, self.model.architecture.hash_grid)
        grid = self.model.architecture.hash_grid
        self._rate = Rate(self.config.training.rate, self.n_iterations, grid, lesson.table_bytes)
        # a GPU draws evenly: it has batches ahead, and what it holds it draws itself
        self._focus = Focus(lesson.stream, self.n_iterations) if self.device.type == "cpu" else None
        self.iteration = 0
        self._latest: Tensors | None = None
        self._loop = self._make_loop()

    @property
    def batch_size(self) -> int:
        """Points of an iteration."""
        return self._stream.batch_size

    @property
    def rounding(self) -> tuple[tuple[float, ...], float] | None:
        """(L,) what tables were rounded to multiples of while they were learned, and the PSNR in dB of that; None without."""
        found = self._rate.cost.steps
        return None if found is None else (tuple(map(float, found)), self._rate.target)

    @property
    def n_iterations(self) -> int:
        return math.ceil(self.config.training.samples / self._stream.batch_size)

    def run(self, path: Path | None = None, report: Callable[[Report], object] | None = None) -> HyperINR:
        """The model at the end of the budget, its tables as they are stored: what is measured of it is what users get.

        Parameters
        ----------
        path : the checkpoint, written every half minute and when the run is interrupted; deleted by the caller.
        report : called about twice a second; returning True stops the run as a signal does.

        Raises
        ------
        Interrupted after SIGINT, SIGTERM or the report's wish, with the checkpoint written.
        """
        clock = Clock(self.iteration, self.n_iterations)
        with StopRequest() as stop, _quiet_torch(self.evaluator), memory_errors_explained():
            while self.iteration < self.n_iterations:
                loss = self.advance()
                asked = self.world.any(stop.asked, self.device)
                if asked or (path and clock.checkpoint_is_due()):
                    self.save_state(path)
                if asked:
                    raise Interrupted()
                is_due = report and clock.report_is_due(self.iteration == self.n_iterations)
                if report and is_due and report(self._report(float(loss), clock)) is True:
                    stop.asked = True  # and else as it is: a signal may have come meanwhile
        self._feed.close()
        tables, network = self._tables.cpu().numpy().astype(np.float16), self._mlp.cpu().numpy().copy()
        return dataclasses.replace(self.model, encoder_params=tables, mlp_params=network)

    def advance(self, most: int = sys.maxsize) -> torch.Tensor | float:
        """Iterations of about a tenth of a second where a kernel or a graph loops, one elsewhere: the loss of the last."""
        most = max(1, min(most, self.n_iterations - self.iteration))
        rounds = [each.left(self.iteration) for each in (self._pruning, self._rate, self._focus) if each]
        done = self._loop_on(min(most, *rounds))
        if done is None:
            self._latest, loss = self.step()
            return loss
        self._latest = None
        self.iteration += done[0]
        self._turn()
        return done[1]

    def step(self) -> tuple[Tensors, torch.Tensor]:
        """One iteration: the batch that was drawn, and its loss."""
        batch = (self._resident or self._feed).draw(self.iteration)
        loss = self._learn(batch)
        self.iteration += 1
        self._turn()
        return batch, loss

    def rest(self) -> None:
        """Wait for the device, and leave the stream to others: nothing is drawn ahead until the next step."""
        self._feed.drop()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def save_state(self, path: Path | None) -> None:
        """Write everything that `load_state` needs to go on."""
        if path is None or not self.world.leads:
            return
        tensors = {name: tensor.cpu().numpy() for name, tensor in self._moments.items()}
        tensors.update(tables=self._tables.cpu().numpy(), mlp=self._mlp.cpu().numpy(), table_steps=self._table_steps)
        tensors["bounds"] = self._focus.state if self._focus else np.empty(0)
        tensors["rate"] = self._rate.state
        tensors["loss_scale"] = np.array([self._scale.value, self._scale.good_steps])
        checkpoint.write(path, tensors, self.iteration, self._digest, self.config.training.samples)

    def load_state(self, path: Path) -> None:
        """Go on from a checkpoint of the same data and settings; DataError for any other."""
        tensors, self.iteration = checkpoint.read(path, self._digest)
        self._table_steps = tensors["table_steps"]
        self._scale.resume(*tensors["loss_scale"].tolist())
        self._rate.resume(tensors["rate"])
        if self._focus:
            self._focus.resume(tensors["bounds"])
        for name, target in {**self._moments, "tables": self._tables, "mlp": self._mlp}.items():
            target.copy_(torch.from_numpy(tensors[name]))

    def share_state(self) -> None:
        """Let every process go on from where the first one is."""
        if self.world.size == 1:
            return
        counts = [self.iteration, int(self._scale.good_steps), *self._table_steps.tolist()]
        steps = torch.tensor(counts, dtype=torch.int64, device=self.device)
        scale = torch.tensor([self._scale.value], device=self.device)
        self.world.same([steps, scale, self._tables, self._mlp, *self._moments.values()])
        self._rate.resume(self.world.told(self._rate.state))
        if self._focus:
            self._focus.resume(self.world.told(self._focus.state))
        self.iteration, self._scale.good_steps, *table_steps = steps.tolist()
        self._table_steps, self._scale.value = np.array(table_steps), scale.item()

    def _make_loop(self) -> Loop | GraphLoop | None:
        """What does many iterations in a row, where something can."""
        blend_of = functools.partial(_blend_of, self.model, self._coefficients)
        if isinstance(self.evaluator, NativeEvaluator) and self.world.size == 1:
            return Loop(self.evaluator, self._stream, self.config.training, self.n_iterations, blend_of)
        if self._resident is None or self.evaluator.name != "triton" or self.model.guide:
            return None
        from hyperinr_core.training.graph_loop import GraphLoop  # it needs Triton

        blends = [blend_of(theta) for theta in self._stream.series.thetas]
        given = self._resident, blends, self.config.training, self.n_iterations
        try:
            return GraphLoop(cast(Any, self.evaluator), *given)
        except Exception as error:  # compiler and driver raise whatever they like
            say_once(f"each step is launched by the host, which is slower: the GPU cannot draw ({error})")
            return None

    def _loop_on(self, most: int) -> tuple[int, float | torch.Tensor] | None:
        if self._loop is None:
            return None
        given = self._state, self.iteration, most, self._pruning.has_begun(self.iteration)
        if isinstance(self._loop, Loop):
            return self._loop.run(*given, self._rate.cost)
        return self._loop.run(*given) if self._rate.cost.is_free else None

    @property
    def _state(self) -> State:
        return State(self._tables, self._mlp, self._moments, self._table_steps)

    def _turn(self) -> None:
        """What is done at some iterations alone."""
        self._pruning.prune(self.iteration, self._tables, (self._moments["tables_m"], self._moments["tables_v"]))
        if self._rate.is_due(self.iteration):
            if self.world.leads:
                now = functools.partial(with_numbers, self.model, self._tables, self._mlp)
                self._rate.look(self.iteration, self._tables, now)
            self._rate.resume(self.world.told(self._rate.state))  # unlike processors would measure otherwise
        if self._focus:
            self._focus.look(self.iteration, self._values)

    @torch.no_grad()
    def _values(self, theta: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Normalised values (n, C) at points (n, D) of a theta (P,)."""
        rows, mixing = self._blending(theta[None])
        tables = self._blend(rows, mixing, theta[None])
        return self.evaluator.values(tables, self._mlp, torch.from_numpy(points)[None])[0].numpy()

    def _learn(self, batch: Tensors) -> torch.Tensor:
        rows, mixing = self._blending(batch.thetas)
        blended = self._blend(rows, mixing, batch.thetas)
        kind, scale = self.config.training.loss, self._scale.value
        loss, grad, mlp_grad = self.evaluator.gradients(blended, self._mlp, *batch[1:], kind, scale)
        n_all = self._stream.batch_size // len(batch.thetas)
        self.world.mean([mlp_grad, grad, loss], batch.points.shape[1], n_all)
        if self._scale.unscale([mlp_grad, grad]):
            self._optimise(rows, mixing, grad[:, : self._tables.shape[1]], mlp_grad)
        return loss

    def _blending(self, thetas: np.ndarray) -> tuple[list[int], np.ndarray]:
        """Encoders that take part, and the (S, R) matrix that blends them."""
        coefficients = [self._coefficients(tuple(theta)) for theta in thetas.tolist()]
        rows = sorted({index for pairs in coefficients for index, _ in pairs})
        columns = {row: column for column, row in enumerate(rows)}
        mixing = np.zeros((len(thetas), len(rows)))
        for scene, pairs in enumerate(coefficients):
            for index, weight in pairs:
                mixing[scene, columns[index]] = weight
        return rows, mixing

    def _blend(self, rows: list[int], mixing: np.ndarray, thetas: np.ndarray) -> torch.Tensor:
        """Tables (S, M and the guide's level) of a batch."""
        given = [self.model.guide_level(theta) for theta in thetas]
        levels = np.stack([level for level in given if level is not None]) if self.model.guide else None
        if self._rate.cost.steps is None:
            return self.evaluator.blend(self._tables, rows, mixing, levels)
        return self.evaluator.blend(self._rate.rounded(self._tables[rows]), range(len(rows)), mixing, levels)

    def _optimise(self, rows: list[int], mixing: np.ndarray, grad: torch.Tensor, mlp_grad: torch.Tensor) -> None:
        """Adam on the network and on the tables that took part."""
        training = self.config.training
        decay = 0.5 * (1 + math.cos(math.pi * self.iteration / self.n_iterations))
        betas = (training.beta1, training.beta2, training.eps)
        moments = self._moments
        self._table_steps[rows] += 1
        kept = [self._tables[row] != 0 for row in rows] if self._pruning.has_begun(self.iteration) else []
        adams = [Adam(int(self._table_steps[row]), training.lr_encoding * decay, *betas) for row in rows]
        price = self._rate.gradient(self._tables[rows])
        if price is not None:
            own = [weighted_sum(list(grad), weights) for weights in mixing.T]
            grad, mixing = price + torch.stack(own), np.eye(len(rows))
        self.evaluator.adam_rows(self._tables, rows, mixing, grad, moments["tables_m"], moments["tables_v"], adams)
        for row, mask in zip(rows, kept):
            self._tables[row].mul_(mask)
        adam = Adam(self.iteration + 1, training.lr_network * decay, *betas)
        self.evaluator.adam_step(self._mlp, mlp_grad, moments["mlp_m"], moments["mlp_v"], adam)

    @torch.no_grad()
    def _report(self, loss: float, clock: Clock) -> Report:
        batch = self._latest or (self._resident or self._feed).draw(self.iteration - 1)
        rows, mixing = self._blending(batch.thetas)
        tables = self._blend(rows, mixing, batch.thetas)
        error = (self.evaluator.values(tables, self._mlp, batch.points) - batch.targets).square().mean()
        size = self._stream.batch_size
        return Report(
            min(self.iteration * size, self.config.training.samples),
            self.config.training.samples,
            loss,
            -10 * math.log10(max(float(error), 1e-20)),
            clock.seconds_left(self.iteration),
        )


def _interpolated(model: HyperINR, theta: tuple[float, ...]) -> Coefficients:
    """Encoders that answer for theta, and the weight of each."""
    indices, weights = model.interpolation_weights(np.array(theta))
    return list(zip(indices.tolist(), weights.tolist()))


def _blend_of(model: HyperINR, coefficients: Callable[[tuple[float, ...]], Coefficients], theta: np.ndarray) -> Blend:
    """What one theta's table is made of."""
    rows, weights = (np.array(column) for column in zip(*sorted(coefficients(tuple(theta.tolist())))))
    return Blend(rows.astype(np.int64), weights.astype(np.float64), model.guide_level(theta))


@contextlib.contextmanager
def _quiet_torch(evaluator: Evaluator) -> Iterator[None]:
    """Leave the processors to an evaluator's threads: torch's spin for a while after each operation."""
    before = torch.get_num_threads()
    if evaluator.uses_threads:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
