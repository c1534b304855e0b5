"""The motion of a whole series, as a model stores it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from hyperinr_core.motion.motion import BYTE, Motion
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.training.motion.evidence import Evidence
from hyperinr_core.training.motion.pairs import MOST_AT_ONCE, Pairs
from hyperinr_core.training.motion.refine import refined
from hyperinr_core.training.threads import in_order

#: Points. Offsets are stored in steps of it, or larger ones where they would not fit.
PATH_STEP = 1 / 32

#: Blocks of a grid whose motion is not found at once have so many points along an axis at most, and so many more on each side
#: that are found besides: what crosses a border is then seen whole.
LONGEST, HALO = 128, 16

#: The largest stored offset, in steps.
MOST_STEPS = 32000


def build(fields: Mapping[str, tuple[Pairs, Evidence]], progress: Callable[[int, int], object] | None = None) -> Motion:
    """Find the motion of every gap, on the inner box of the pairs.

    Parameters
    ----------
    fields : of each field the pairs of its whole series, all of them on one lattice, and what leaving steps out has shown.
    progress : called with how many of how many gaps are done.
    """
    first = next(iter(fields.values()))[0]
    inner = first.inner
    nodes = first.nodes if inner is None else _nodes_of(first, inner)
    n_gaps, shape = len(first.times) - 1, nodes.coefficient_shape
    (nz, ny, nx), (wz, wy, wx) = nodes.shape, nodes.periodic
    ends = np.zeros((len(fields), n_gaps, 2, 3, *shape), np.float32)
    trust = np.zeros((len(fields), n_gaps, *shape), np.uint8)
    for number, (pairs, evidence) in enumerate(fields.values()):
        gaps = range(n_gaps if evidence.trust > 0 else 0)
        for gap, found in enumerate(in_order(partial(_of_gap, pairs, evidence, nodes), gaps, pairs.n_workers)):
            ends[number, gap], match = found
            believed = evidence.trust_at_ends if gap in (0, n_gaps - 1) else evidence.trust
            trust[number, gap] = np.rint(np.clip(believed * match, 0, 1) * BYTE)
            if progress:
                progress(number * n_gaps + gap + 1, len(fields) * n_gaps)
    step = max(PATH_STEP, float(abs(ends).max(initial=0)) / MOST_STEPS)
    errors = [_cut(_errors(pairs, evidence), pairs, nodes) for pairs, evidence in fields.values()]
    largest = [float(error.max(initial=0)) for error in errors]
    return Motion(
        shape=(nz, ny, nx),
        periodic=(wz, wy, wx),
        nodes=nodes.counts,
        times=first.times.copy(),
        paths=np.rint(ends / step).astype(np.int16),
        path_step=step,
        anchored=tuple(evidence.anchored for _, evidence in fields.values()),
        owners=tuple(range(len(fields))),
        trust=trust,
        error=np.stack(
            [np.rint(np.maximum(e, 0) * (BYTE / (most or 1))).astype(np.uint8) for e, most in zip(errors, largest)]
        ),
        largest_error=tuple(largest),
        bend=tuple(evidence.bend for _, evidence in fields.values()),
    )


def _of_gap(pairs: Pairs, evidence: Evidence, nodes: Nodes, gap: int) -> list[np.ndarray]:
    """What `_found` finds, on the lattice of the inner box."""
    found = [_cut(each, pairs, nodes) for each in _found(pairs, gap, evidence.ways, evidence.refined)]
    pairs.forget()
    return found


def _nodes_of(pairs: Pairs, inner: Sequence[slice]) -> Nodes:
    """The lattice of a box of the points, which goes on at its other end where it has all of an axis that does."""
    shape = [part.stop - part.start for part in inner]
    return Nodes(shape, [wraps and n == full for wraps, n, full in zip(pairs.periodic, shape, pairs.lattice.shape)])


def _cut(coefficients: np.ndarray, pairs: Pairs, nodes: Nodes) -> np.ndarray:
    """Coefficients (..., cz, cy, cx) on the lattice of the inner box."""
    if pairs.inner is None:
        return coefficients
    z, y, x = pairs.inner
    return nodes.fit(pairs.nodes.at_points(coefficients)[..., z, y, x])


def _found(pairs: Pairs, gap: int, ways: Sequence[float], finish: bool) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of a gap's ends, and of their match, see `Pairs.blended`; a large grid's from one block after the other."""
    nodes, shape = pairs.nodes, pairs.series.grid.shape
    if pairs.series.grid.n_points <= MOST_AT_ONCE:
        return pairs.blended(gap, gap + 1, ways, finish)
    ends = np.zeros((2, 3, *nodes.coefficient_shape), np.float32)
    match = np.zeros(nodes.coefficient_shape, np.float32)
    for block in blocks(shape, pairs.periodic):
        ends += nodes.fit(_of_block(pairs, block, gap, ways, finish), block.start)
    for block in blocks(shape, pairs.periodic):
        match += nodes.fit(_match_of_block(pairs, block, gap, ends), block.start)
    return ends, np.clip(match, 0, 1)


def _of_block(pairs: Pairs, block: Block, gap: int, ways: Sequence[float], finish: bool) -> np.ndarray:
    """(2, 3, nz, ny, nx) ends of a gap at the points of a block."""
    part = pairs.within(block.around)
    found = part.mixed(gap, gap + 1, ways)
    if finish:
        found = part.nodes.at_points(refined(part, gap, gap + 1, part.searched_nodes.fit(found)))
    else:
        found = part.everywhere(found)
    z, y, x = block.inner
    return found[..., z, y, x]


def _match_of_block(pairs: Pairs, block: Block, gap: int, ends: np.ndarray) -> np.ndarray:
    """(nz, ny, nx) how well the coefficients of a gap's ends match at the points of a block."""
    part, nodes = pairs.within(block.around), pairs.nodes
    start = np.reshape([each.start for each in block.around], (3, 1, 1, 1)).astype(np.float32)
    padded = nodes.padded(ends.reshape(6, *nodes.coefficient_shape))
    fine = nodes.at(padded, part.places + start).reshape(2, *part.places.shape)
    z, y, x = block.inner
    return part.everywhere(part.match(gap, gap + 1, fine))[z, y, x]


def expected_seconds(pairs: Pairs, evidence: Evidence) -> float:
    """How long `build` takes for a field, about, by a block of it; 0 for grids that are small enough to be searched at once."""
    if evidence.trust == 0 or pairs.series.grid.n_points <= MOST_AT_ONCE:
        return 0.0
    all_blocks = list(blocks(pairs.series.grid.shape, pairs.periodic))
    block, ends = all_blocks[len(all_blocks) // 2], np.zeros((2, 3, *pairs.nodes.coefficient_shape), np.float32)
    started = time.perf_counter()
    _of_block(pairs, block, 0, evidence.ways, evidence.refined)
    _match_of_block(pairs, block, 0, ends)
    took = time.perf_counter() - started
    pairs.forget()
    return took * len(all_blocks) * (len(pairs.times) - 1) / pairs.n_workers


@dataclass(frozen=True)
class Block:
    """A part of a grid, along z, y, x.

    Attributes
    ----------
    around : the points that its motion is found on; they may go on beyond the end of a periodic axis.
    inner : which of those are its own. start : the first of its own, on the grid.
    """

    around: tuple[slice, ...]
    inner: tuple[slice, ...]
    start: tuple[int, ...]


def blocks(shape: Sequence[int], periodic: Sequence[bool]) -> Iterator[Block]:
    """Blocks of a grid (nz, ny, nx) that share no point of their own."""
    axes = [_parts(n, wraps) for n, wraps in zip(shape, periodic)]
    for parts in product(*axes):
        around, inner, start = zip(*parts)
        yield Block(around, inner, start)


def _parts(n: int, wraps: bool) -> list[tuple[slice, slice, int]]:
    """What `Block` has of one axis."""
    edges = np.linspace(0, n, -(-n // LONGEST) + 1).round().astype(int).tolist()
    if len(edges) == 2:
        return [(slice(0, n), slice(0, n), 0)]
    found = []
    for start, stop in zip(edges, edges[1:]):
        first, last = (start - HALO, stop + HALO) if wraps else (max(start - HALO, 0), min(stop + HALO, n))
        found.append((slice(first, last), slice(start - first, stop - first), start))
    return found


def _errors(pairs: Pairs, evidence: Evidence) -> np.ndarray:
    """(gaps, cz, cy, cx) root mean squared error of predicting the steps at a gap's ends, or those nearest to it, left out."""
    n_gaps, steps = len(pairs.times) - 1, np.array(sorted(evidence.error))
    found = np.zeros((n_gaps, *pairs.nodes.coefficient_shape), np.float32)
    if not len(steps):
        return found
    made = {}
    for step in steps.tolist():
        squares = evidence.error[step]
        if squares.shape == pairs.lattice.shape:
            made[step] = np.maximum(pairs.nodes.fit(squares), 0)
        else:  # of a block alone
            made[step] = np.full(pairs.nodes.coefficient_shape, squares.mean(), np.float32)
    for gap in range(n_gaps):
        ends = [steps[np.argmin(abs(steps - end))] for end in (gap, gap + 1)]
        found[gap] = np.sqrt(np.mean([made[int(end)] for end in ends], axis=0))
    return found
