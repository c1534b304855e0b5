"""Training points, drawn from a series that may be larger than memory.

What is drawn at iteration i depends on the seed, on i and on what `focus.Focus` made of the run's state alone, so that a run
continued from a checkpoint sees the points that an unbroken one would have seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hyperinr_core.errors import DataError
from hyperinr_core.shift import TINY
from hyperinr_core.training.drawing import FINE, RUN, by_bricks, even, placed
from hyperinr_core.volume import Field, VolumeSeries

#: Least number of blocks to draw from when the series does not fit into memory.
RESIDENT_BLOCKS = 16


@dataclass(frozen=True)
class Batch:
    """Points of a few steps.

    Attributes
    ----------
    thetas : (S, P) float64.
    points : (S, B, D) float32 in [0, 1].
    targets : (S, B, C) float32, values mapped to [0, 1] by the fields' ranges.
    step_weights : (S,) float32, how much each step counts in the loss.
    """

    thetas: np.ndarray
    points: np.ndarray
    targets: np.ndarray
    step_weights: np.ndarray


class Resident(NamedTuple):
    """What is drawn from: (n, C) float32 targets, the (n,) points of the block that they are for, and what each run is drawn.

    bounds: (runs + 1,) float64 from 0 to 1, ascending; a run is drawn as often as its part of them is wide.
    """

    values: np.ndarray
    numbers: np.ndarray
    bounds: np.ndarray


@dataclass(frozen=True)
class Block:
    """Planes z_start to z_stop of one step."""

    step: int
    z_start: int
    z_stop: int


class Held(NamedTuple):
    """A block in memory: its step, what it holds, and the point of the grid that its numbers count from."""

    step: int
    resident: Resident
    first: int


class Window(NamedTuple):
    """Blocks that are drawn from until an iteration."""

    blocks: list[Held]
    stop: int


def scan_fields(
    series: VolumeSeries,
    names: Sequence[str],
    memory_bytes: int,
    each: Callable[[Block, np.ndarray], object] = lambda block, values: None,
    masked: Callable[[Block, np.ndarray], object] = lambda block, values: None,
) -> tuple[Field, ...]:
    """The named fields with their ranges over all steps; reads the whole series once and so finds NaN and Inf.

    Parameters
    ----------
    each : called with every block and its values (nz, ny, nx, C).
    masked : called, before that, with the blocks that have masked points.
    """
    lows, highs = [], []
    for block in _plan(series, names, memory_bytes)[0]:
        values = series.truth(block.step, names, (block.z_start, block.z_stop))
        smallest, largest = values.min(axis=(0, 1, 2)), values.max(axis=(0, 1, 2))
        if np.isnan(smallest).any():
            smallest, largest = np.fmin.reduce(values, axis=(0, 1, 2)), np.fmax.reduce(values, axis=(0, 1, 2))
            masked(block, values)
        each(block, values)
        lows.append(smallest)
        highs.append(largest)
    low, high = np.fmin.reduce(lows), np.fmax.reduce(highs)
    fields, start = [], 0
    for name in names:
        stop = start + series.field_info[name]
        limits = tuple((float(low[i]), float(high[i])) for i in range(start, stop))
        fields.append(Field(name, stop - start, limits, series.units.get(name, "")))
        start = stop
    return tuple(fields)


def check_precision(series: VolumeSeries, fields: Sequence[Field]) -> None:
    """Raise DataError for a field of float32 numbers that are too small for it; those of float64 were shifted."""
    for field in fields:
        low, high = field.whole_range
        if 0 < max(abs(low), abs(high)) < TINY:
            raise DataError(
                f"{series.source} holds {field.name!r} of {low:.6g} to {high:.6g}; expected numbers of {TINY:.3g} at least, "
                "which float32 holds, save it as float64"
            )


class SampleStream:
    """Draws batches from a series, keeping at most so many bytes of it in memory.

    Points that no field has a value at are not drawn; a field that lacks one where another has it gives what it is filled with.

    While the series fits, every step is resident. Otherwise a window over a shuffled order of blocks is, which moves on
    by one block each time about as many points were drawn as a block holds; the next block is read meanwhile.

    Parameters
    ----------
    step_weights : (n,) float32 how much each step counts in the loss; 1 when None.
    """

    def __init__(
        self,
        series: VolumeSeries,
        fields: Sequence[Field],
        batch_steps: int,
        batch_points: int,
        memory_bytes: int,
        seed: int,
        step_weights: np.ndarray | None = None,
    ) -> None:
        self.series, self.fields = series, tuple(fields)
        self._step_weights = np.ones(len(series), np.float32) if step_weights is None else step_weights
        self._names = [field.name for field in fields]
        limits = np.array([pair for field in fields for pair in field.value_range], np.float32)
        self._low = limits[:, 0]
        extent = limits[:, 1] - limits[:, 0]
        self._scale = np.where(extent > 0, 1 / np.where(extent > 0, extent, 1), 0).astype(np.float32)
        self._blocks, self._n_resident = _plan(series, self._names, memory_bytes)
        if series.mask is not None:
            self._blocks = [block for block in self._blocks if len(self._valid(block))]
            self._n_resident = min(self._n_resident, len(self._blocks))
        self._batch_steps = min(batch_steps, self._n_resident)
        self._batch_points = batch_points
        self._seed = seed
        points_per_block = series.grid.n_points * len(series) // len(self._blocks)
        self._period = max(1, points_per_block // (self._batch_steps * batch_points))
        self._resident: dict[int, Resident] = {}
        self._orders: dict[int, np.ndarray] = {}
        self._reader = ThreadPoolExecutor(1, "hyperinr-read")
        self._reading: dict[int, Future[Resident]] = {}

    @property
    def fits(self) -> bool:
        """Whether all blocks are in memory for good."""
        return self._n_resident == len(self._blocks)

    @property
    def batch_size(self) -> int:
        """Points of one batch, over all its steps."""
        return self._batch_steps * self._batch_points

    @property
    def shape(self) -> tuple[int, int]:
        """Steps of one batch, and points of each."""
        return self._batch_steps, self._batch_points

    @property
    def step_weights(self) -> np.ndarray:
        """(n,) float32 how much each step counts in the loss."""
        return self._step_weights

    @property
    def n_resident_bytes(self) -> int | None:
        """What `all_values` and `all_points` take; None where the series does not fit into memory or has gaps."""
        if self.series.mask is not None or not self.fits:
            return None
        return 4 * self.series.grid.n_points * (len(self._blocks) * len(self._low) + self.series.grid.n_pos_dims)

    def all_values(self) -> Iterator[np.ndarray]:
        """(n, C) targets of each step, where all are resident."""
        return (self._values(slot).values for slot in range(len(self._blocks)))

    def all_points(self) -> np.ndarray:
        """(n, D) float32 the grid's points in [0, 1], in the order of the values."""
        block = Block(0, 0, self.series.grid.dims[2])
        return self._unit_points(self._order(block), block)

    def all_bounds(self) -> list[np.ndarray]:
        """`Resident.bounds` of each step, to be changed in place; none while the series does not fit into memory."""
        return [self._values(slot).bounds for slot in range(len(self._blocks))] if self.fits else []

    def draw_evenly(self) -> None:
        """Draw all values of a block equally often."""
        for values, _, bounds in self._resident.values():
            bounds[:] = even(len(values))

    def n_values(self, slot: int) -> int:
        """Of a block."""
        return len(self._values(slot).values)

    def every(self, slot: int, first: int, stride: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Each stride-th value of a step: its theta (P,), points (n, D), targets (n, C) and the runs (n,) they lie in."""
        (values, numbers, _), block = self._values(slot), self._block(slot)
        runs = np.arange(first, len(values), stride) // RUN
        points = self._unit_points(numbers[first::stride], block)
        return self.series.thetas[block.step], points, values[first::stride], runs

    def choose(self, iteration: int, window: range) -> tuple[np.random.Generator, list[int]]:
        """What draws at an iteration, and the slots of a window that it chose first."""
        rng = np.random.Generator(np.random.Philox(key=[self._seed, 2 * iteration]))
        return rng, [window[i] for i in rng.choice(len(window), self._batch_steps, replace=False)]

    def draw(self, iteration: int) -> Batch:
        """The batch of an iteration."""
        rng, chosen = self.choose(iteration, self._window(iteration))
        points = np.empty((len(chosen), self._batch_points, self.series.grid.n_pos_dims), np.float32)
        targets = np.empty((len(chosen), self._batch_points, len(self._low)), np.float32)
        for row, slot in enumerate(chosen):
            values, numbers, bounds = self._values(slot)
            index = placed(bounds, len(values), rng.integers(0, FINE, self._batch_points))
            targets[row] = values[index]
            points[row] = self._unit_points(numbers[index], self._block(slot))
        steps = [self._block(slot).step for slot in chosen]
        return Batch(self.series.thetas[steps], points, targets, self._step_weights[steps])

    def held(self, iteration: int) -> Window | None:
        """The window of an iteration; None while one of its blocks is not there, of which this reads one at a time."""
        window = self._window(iteration)
        missing = next((slot for slot in window if slot not in self._resident), None)
        if missing is not None:
            if missing not in self._reading or self._reading[missing].done():
                self._values(missing)
            return None
        blocks = [self._held(slot) for slot in window]
        if any(block.resident.numbers.dtype != np.int32 for block in blocks):
            return None
        return Window(blocks, sys.maxsize if self.fits else (iteration // self._period + 1) * self._period)

    def close(self) -> None:
        """Stop reading ahead and drop the data."""
        self._reader.shutdown(cancel_futures=True)
        self._resident.clear()

    def _window(self, iteration: int) -> range:
        """Slots (positions in the endless shuffled order) that are in memory at an iteration."""
        if self.fits:
            return range(self._n_resident)
        first = iteration // self._period
        for kept in (self._resident, self._reading):
            for slot in [slot for slot in kept if slot < first]:
                del kept[slot]
        ahead = first + self._n_resident
        if ahead not in self._reading:
            self._reading[ahead] = self._reader.submit(self._read, ahead)
        return range(first, ahead)

    def _values(self, slot: int) -> Resident:
        if slot not in self._resident:
            future = self._reading.pop(slot, None)
            self._resident[slot] = future.result() if future else self._read(slot)
        return self._resident[slot]

    def _held(self, slot: int) -> Held:
        block, (nx, ny, _) = self._block(slot), self.series.grid.dims
        return Held(block.step, self._values(slot), block.z_start * nx * ny)

    def _read(self, slot: int) -> Resident:
        block = self._block(slot)
        values = self.series.read(block.step, self._names, (block.z_start, block.z_stop))
        unit = ((values - self._low) * self._scale).reshape(-1, len(self._low))
        numbers = self._order(block)
        if self.series.mask is not None:
            is_valid = np.zeros(len(unit), bool)
            is_valid[self._valid(block)] = True
            numbers = numbers[is_valid[numbers]]
        return Resident(unit[numbers], numbers, even(len(numbers)))

    def _order(self, block: Block) -> np.ndarray:
        """(n,) points of a block, counted along x first, brick by brick; of two blocks of equal depth one array."""
        depth = block.z_stop - block.z_start
        if depth not in self._orders:
            nx, ny, _ = self.series.grid.dims
            self._orders[depth] = by_bricks((depth, ny, nx))
        return self._orders[depth]

    def _valid(self, block: Block) -> np.ndarray:
        """(n,) points of a block, counted along x first, at which a field has a value."""
        fields = [self.series.valid(block.step, name)[block.z_start : block.z_stop] for name in self._names]
        return np.flatnonzero(np.logical_or.reduce(fields)).astype(np.int32 if fields[0].size < 1 << 31 else np.int64)

    def _block(self, slot: int) -> Block:
        if self.fits:
            return self._blocks[slot]
        turn, place = divmod(slot, len(self._blocks))
        order = np.random.Generator(np.random.Philox(key=[self._seed, 2 * turn + 1])).permutation(len(self._blocks))
        return self._blocks[order[place]]

    def _unit_points(self, index: np.ndarray, block: Block) -> np.ndarray:
        nx, ny, nz = self.series.grid.dims
        columns = [index % nx / max(nx - 1, 1), index // nx % ny / max(ny - 1, 1)]
        if self.series.grid.n_pos_dims == 3:
            columns.append((index // (nx * ny) + block.z_start) / max(nz - 1, 1))
        return np.stack(columns, axis=1).astype(np.float32)


def fits_into(series: VolumeSeries, names: Sequence[str], memory_bytes: int) -> bool:
    """Whether the named fields of all steps fit into so much memory."""
    return _plane_bytes(series, names) * series.grid.dims[2] * len(series) <= memory_bytes


def _plane_bytes(series: VolumeSeries, names: Sequence[str]) -> int:
    nx, ny, _ = series.grid.dims
    return 4 * nx * ny * sum(series.field_info.get(name, 1) for name in names)


def _plan(series: VolumeSeries, names: Sequence[str], memory_bytes: int) -> tuple[list[Block], int]:
    """Blocks of the series, and how many are in memory at a time.

    Whole steps, all resident, when they fit; else slabs, of which one more is being read while the others are used.
    """
    nz, plane_bytes = series.grid.dims[2], _plane_bytes(series, names)
    fits = fits_into(series, names, memory_bytes)
    depth = nz if fits else min(nz, max(1, memory_bytes // (RESIDENT_BLOCKS + 1) // plane_bytes))
    blocks = [Block(step, z, min(z + depth, nz)) for step in range(len(series)) for z in range(0, nz, depth)]
    n_resident = len(blocks) if fits else memory_bytes // (plane_bytes * depth) - 1
    return blocks, min(max(n_resident, 1), len(blocks))
