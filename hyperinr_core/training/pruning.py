"""Fewer numbers in the tables: the smallest are set to zero in rounds while the rest goes on learning.

Magnitude pruning with one threshold for all tables, in rounds with training after each, is how Meta-SparseINR (Lee et al., 2021)
thins networks; the share of zeros follows Zhu and Gupta's cubic (2017). A number of a coarse level matters to more points than
one of a fine level, so that magnitudes are taken over the root of how many numbers the level has. The shared network stays
whole: it is less than a hundredth of the numbers.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable

import torch

from hyperinr_core.hash_grid import HashGrid
from hyperinr_core.table_coding import levels

#: The part of a run in which numbers are taken away, and in how many rounds.
BEGIN, END, N_ROUNDS = 0.2, 0.7, 25


class Pruning:
    """When, and how much, a run prunes.

    Parameters
    ----------
    sparsity : share of the tables' numbers that are zero in the end; 0 for none.
    n_iterations : of the run.
    grid : of the tables, whose levels it knows.
    """

    def __init__(self, sparsity: float, n_iterations: int, grid: HashGrid) -> None:
        self._sparsity = sparsity
        self._weights = torch.cat([torch.full((n,), n**-0.5) for n in (p.stop - p.start for p in levels(grid))])
        self._rounds = {
            round((BEGIN + (END - BEGIN) * n / (N_ROUNDS - 1)) * n_iterations): n + 1 for n in range(N_ROUNDS)
        }
        self._first = min(self._rounds)

    def has_begun(self, iteration: int) -> bool:
        """Whether numbers that are zero have to stay so."""
        return self._sparsity > 0 and iteration >= self._first

    def left(self, iteration: int) -> int:
        """Iterations until the next round; endless after the last one."""
        return min((due - iteration for due in self._rounds if due > iteration), default=sys.maxsize)

    @torch.no_grad()
    def prune(self, iteration: int, tables: torch.Tensor, moments: Iterable[torch.Tensor]) -> None:
        """Zero the smallest of tables (N, M), and their moments, if a round is due after this iteration."""
        done = self._rounds.get(iteration)
        if not self._sparsity or done is None:
            return
        share = self._sparsity * (1 - (1 - done / N_ROUNDS) ** 3)
        sizes = tables.abs() * self._weights.to(tables.device)
        count = min(math.ceil(share * sizes.numel()), sizes.numel() - 1)
        if count < 1:
            return
        kept = sizes > sizes.flatten().kthvalue(count).values
        for tensor in (tables, *moments):
            tensor.mul_(kept)
