"""Tables that take few bytes once they are coded: what coding will make of them is part of what is learned.

From a third of a run on numbers pay for their size, and soon tables are evaluated as they will be stored, rounded to a step
for each level, while gradients pass as though they were not (Bengio et al., 2013); the network and the numbers beside learn to
do with what is left. Coded by Laplace's distribution of its level's mean magnitude b a number takes |number| / (b ln 2) bits
more than a zero, as in Shacira (Girish et al., 2023), whose distributions are learned. What a bit is worth follows from the
error of rounding that is asked for: at the best point one bit more in any number takes off 2 ln 2 times the error that it has.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from hyperinr_core.compression import Compression
from hyperinr_core.hash_grid import HashGrid
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.table_coding import levels

#: The part of a run from which on numbers pay, that from which on they are rounded, and those at which steps are measured again.
BEGIN, MEASURED = 0.3, (0.4, 0.6, 0.8)

#: How often in a run the mean magnitudes of levels are taken.
N_ROUNDS = 100


class Cost(NamedTuple):
    """What bytes cost now, (L,) float32 or None: steps that tables are rounded to, and what sizes of numbers add to gradients."""

    steps: np.ndarray | None = None
    rates: np.ndarray | None = None


#: No cost.
FREE = Cost()


class Rate:
    """When, and by how much, a run pays for bytes.

    Parameters
    ----------
    target : PSNR in dB of rounded tables against those as they are; 0 for no rounding.
    n_iterations : of the run.
    grid : of the tables, whose levels it knows.
    """

    def __init__(self, target: float, n_iterations: int, grid: HashGrid) -> None:
        self._target, self._grid = target, grid
        self._rounds = {round(BEGIN * n_iterations) + 1 + n * max(n_iterations // N_ROUNDS, 1) for n in range(N_ROUNDS)}
        self._measured = {round(share * n_iterations) + 1 for share in MEASURED}
        self.cost = FREE

    def left(self, iteration: int) -> int:
        """Iterations until prices change; endless where they never do."""
        due = self._rounds | self._measured if self._target else ()
        return min((at - iteration for at in due if at > iteration), default=sys.maxsize)

    def look(self, iteration: int, tables: torch.Tensor, model: Callable[[], HyperINR]) -> None:
        """Take the prices that hold after this iteration from tables (N, M) and from the model as it is."""
        if not self._target:
            return
        if iteration in self._measured:
            steps = np.array(Compression(model()).steps_at(self._target), np.float32)
            self.cost = self.cost._replace(steps=steps)
        if iteration in self._rounds:
            self.cost = self.cost._replace(rates=self._rates(tables))

    @property
    def state(self) -> np.ndarray:
        """(2, L) float32 that `resume` takes; NaN for what is not known."""
        unknown = np.full(len(levels(self._grid)), np.nan, np.float32)
        return np.stack([unknown if part is None else part for part in self.cost])

    def resume(self, state: np.ndarray) -> None:
        """Go on with the prices of a run."""
        self.cost = Cost(*(None if np.isnan(part).any() else np.ascontiguousarray(part) for part in state))

    def rounded(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (R, M) as they are evaluated."""
        if self.cost.steps is None:
            return rows
        steps = torch.from_numpy(self._spread(self.cost.steps)).to(rows.device)
        return torch.round(rows * torch.reciprocal(steps)) * steps

    def gradient(self, rows: torch.Tensor) -> torch.Tensor | None:
        """(R, M) of what the sizes of rows cost; None where they cost nothing."""
        if self.cost.rates is None:
            return None
        return torch.sign(rows) * torch.from_numpy(self._spread(self.cost.rates)).to(rows.device)

    def _rates(self, tables: torch.Tensor) -> np.ndarray:
        parts = levels(self._grid)
        bit = 2 * math.log(2) * 10 ** (-self._target / 10) / parts[-1].stop
        means = [float(tables[:, part].abs().mean()) for part in parts]
        return np.array([bit / math.log(2) / mean if mean > 0 else 0 for mean in means], np.float32)

    def _spread(self, of_levels: np.ndarray) -> np.ndarray:
        return np.repeat(of_levels, [part.stop - part.start for part in levels(self._grid)])


def with_numbers(model: HyperINR, tables: torch.Tensor, network: torch.Tensor) -> HyperINR:
    """A model with the numbers of a run."""
    numbers = {"encoder_params": tables.cpu().numpy(), "mlp_params": network.cpu().numpy()}
    return dataclasses.replace(model, **numbers)
