"""Tables that take few bytes once they are coded: what coding will make of them is part of what is learned.

From 0.3 of a run on numbers pay for their size, and soon tables are evaluated as they will be stored, rounded to a step
for each level, while gradients pass as though they were not (Bengio et al., 2013); the network and the numbers beside learn to
do with what is left. Coded by Laplace's distribution of its level's mean magnitude b a number takes its magnitude over b ln 2
bits more than a zero, as in Shacira (Girish et al., 2023), whose distributions are learned. What a bit is worth follows from the
error of rounding that is asked for: at the best point one bit more in any number takes off 2 ln 2 times the error that it has.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from hyperinr_core.compression import Compression
from hyperinr_core.errors import ParameterError
from hyperinr_core.hash_grid import HashGrid
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.table_coding import levels

#: The part of a run from which on numbers pay, that from which on they are rounded, and those at which steps are measured again.
BEGIN, MEASURED = 0.3, (0.4, 0.6, 0.8)

#: What is left of the bytes of tables, as they are at each measurement, by the end of the run: asked for where bytes are given.
KEPT = (0.65, 0.9, 0.97)

#: PSNR in dB that are tried for so many bytes; where the highest fits, nothing needs to be learned for it.
LOWEST, HIGHEST, HALVINGS = 10.0, 60.0, 12

#: How often in a run the mean magnitudes of levels are taken.
N_ROUNDS = 100


class Cost(NamedTuple):
    """What bytes cost now, (L,) float32 or None: steps that tables are rounded to, and what sizes of numbers add to gradients."""

    steps: np.ndarray | None = None
    rates: np.ndarray | None = None

    @property
    def is_free(self) -> bool:
        """Whether bytes cost nothing."""
        return self.steps is None and self.rates is None


#: No cost.
FREE = Cost()


class Rate:
    """When, and by how much, a run pays for bytes.

    Parameters
    ----------
    asked : PSNR in dB of rounded tables against those as they are; 0 for any.
    n_iterations : of the run.
    grid : of the tables, whose levels it knows.
    n_bytes : what coded tables may take; 0 for any.

    Attributes
    ----------
    cost : now.
    target : what was asked for, or less where so many bytes do not hold it; 0 for no rounding.
    """

    def __init__(self, asked: float, n_iterations: int, grid: HashGrid, n_bytes: int = 0) -> None:
        self._asked, self._grid, self._n_bytes = asked, grid, n_bytes
        self._rounds = {round(BEGIN * n_iterations) + 1 + n * max(n_iterations // N_ROUNDS, 1) for n in range(N_ROUNDS)}
        self._measured = {round(share * n_iterations) + 1: kept for share, kept in zip(MEASURED, KEPT)}
        self.target, self.cost = asked, FREE
        self._spread: dict[tuple[str, torch.device], torch.Tensor] = {}

    def is_due(self, iteration: int) -> bool:
        """Whether prices change after an iteration."""
        return bool(self._asked or self._n_bytes) and (iteration in self._rounds or iteration in self._measured)

    def left(self, iteration: int) -> int:
        """Iterations until prices change; endless where they never do."""
        due = self._rounds | set(self._measured) if self._asked or self._n_bytes else ()
        return min((at - iteration for at in due if at > iteration), default=sys.maxsize)

    def look(self, iteration: int, tables: torch.Tensor, model: Callable[[], HyperINR]) -> None:
        """Take the prices that hold after this iteration from tables (N, M) and from the model as it is."""
        if not self.is_due(iteration):
            return
        steps, rates = self.cost
        if iteration in self._measured:
            compression = Compression(model())
            with contextlib.suppress(ParameterError):  # where all points are masked steps stay as they are
                if self._n_bytes:
                    within = self._within(compression, tables, self._n_bytes / self._measured[iteration])
                    self.target = min(filter(None, (self._asked, within)), default=0.0)
                steps = np.array(compression.steps_at(self.target), np.float32) if self.target else None
        if iteration in self._rounds and self.target:
            rates = self._rates(tables)
        self._change(Cost(steps, rates))

    def _within(self, compression: Compression, tables: torch.Tensor, n_bytes: float) -> float:
        """The highest PSNR in dB whose steps leave so many bytes; 0 where all do."""
        numbers = tables.cpu().numpy()
        if coded_bytes(numbers, self._grid, compression.steps_at(HIGHEST)) <= n_bytes:
            return 0.0
        low, high = LOWEST, HIGHEST
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            fits = coded_bytes(numbers, self._grid, compression.steps_at(middle)) <= n_bytes
            low, high = (middle, high) if fits else (low, middle)
        return float(np.float32(low))  # as a checkpoint has it

    @property
    def state(self) -> np.ndarray:
        """(3, L) float32 that `resume` takes: costs, NaN for those that are none, and the target."""
        unknown = np.full(len(levels(self._grid)), np.nan, np.float32)
        costs = [unknown if part is None else part for part in self.cost]
        return np.stack([*costs, np.full_like(unknown, self.target)])

    def resume(self, state: np.ndarray) -> None:
        """Go on with the costs of a run."""
        *costs, target = state
        self._change(Cost(*(None if np.isnan(part).any() else np.ascontiguousarray(part) for part in costs)))
        self.target = float(target[0])

    def rounded(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (R, M) as they are evaluated."""
        if self.cost.steps is None:
            return rows
        steps = self._wide("steps", rows.device)
        return torch.round(rows * torch.reciprocal(steps)) * steps

    def gradient(self, rows: torch.Tensor) -> torch.Tensor | None:
        """(R, M) of what the sizes of rows cost; None where they cost nothing."""
        return None if self.cost.rates is None else torch.sign(rows) * self._wide("rates", rows.device)

    def _change(self, cost: Cost) -> None:
        self.cost = cost
        self._spread.clear()

    def _rates(self, tables: torch.Tensor) -> np.ndarray:
        parts = levels(self._grid)
        bit = 2 * math.log(2) * 10 ** (-self.target / 10) / parts[-1].stop
        means = [float(tables[:, part].abs().mean()) for part in parts]
        return np.array([bit / math.log(2) / mean if mean > 0 else 0 for mean in means], np.float32)

    def _wide(self, name: str, device: torch.device) -> torch.Tensor:
        """(M,) what a cost of each level is of each number of a table."""
        if (name, device) not in self._spread:
            counts = [part.stop - part.start for part in levels(self._grid)]
            self._spread[name, device] = torch.from_numpy(np.repeat(getattr(self.cost, name), counts)).to(device)
        return self._spread[name, device]


def coded_bytes(tables: np.ndarray, grid: HashGrid, steps: Sequence[float]) -> float:
    """About what tables (N, M) take, rounded to steps: the entropy of each level's numbers by themselves."""
    bits = 0.0
    for part, step in zip(levels(grid), steps):
        numbers = np.rint(tables[:, part] / np.float32(step)).astype(np.int64).ravel()
        counts = np.bincount(numbers - numbers.min())
        counts = counts[counts > 0]
        bits -= float((counts * np.log2(counts / numbers.size)).sum())
    return bits / 8


def with_numbers(model: HyperINR, tables: torch.Tensor, network: torch.Tensor) -> HyperINR:
    """A model with the numbers of a run."""
    return dataclasses.replace(model, encoder_params=tables.cpu().numpy(), mlp_params=network.cpu().numpy())
