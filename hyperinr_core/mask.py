"""Where fields hold values: land in an ocean's grid, points outside of a mesh, a moving wall.

In data NaN says that a point is masked. Kept is one bit for each point, in sheets: fields and steps whose masks are equal share
one. At a theta between the training steps a mask is made of those beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: Points. Distances from a border, which lies half way between a valid and a masked point, are the same beyond.
FARTHEST = 64.0

#: Pairs of sheets whose changes stay in memory.
N_KEPT = 4

#: How often filled values become the means of their neighbours.
N_SMOOTHED = 4


@dataclass(frozen=True, eq=False)
class Mask:
    """Which points hold values, for each field at positions in parameter space.

    Attributes
    ----------
    shape : (nz, ny, nx) of the grid.
    positions : (K, P) float64, increasing when P is 1; a single one holds for all thetas.
    sheets : (U, B) uint8, a bit for each point, x fastest, the highest bit of a byte first; 1 is valid.
    owners : (K, F) uint32, the sheet of each field at each position.
    """

    shape: tuple[int, int, int]
    positions: np.ndarray
    sheets: np.ndarray
    owners: np.ndarray

    def valid(self, sheet: int) -> np.ndarray:
        """(nz, ny, nx) bool of a sheet."""
        n_points = math.prod(self.shape)
        return np.unpackbits(self.sheets[sheet], count=n_points).view(bool).reshape(self.shape)

    def at(self, theta: np.ndarray, bounds: np.ndarray) -> list[np.ndarray]:
        """For each field (nz, ny, nx) bool, at theta (P,) within bounds (P, 2); fields whose masks are equal share one array.

        One parameter: signed distances from the border, linear between two positions, so that a border moves. Several:
        the nearest position.
        """
        near, weights = self._near(theta, bounds)
        made: dict[tuple[int, ...], np.ndarray] = {}
        found = []
        for owners in self.owners[near].T:
            key = tuple(int(owner) for owner in owners)
            if key not in made:
                made[key] = self._between(key, weights)
            found.append(made[key])
        return found

    def shares(self) -> np.ndarray:
        """(F,) the masked share of each field's points, mean over the positions."""
        n_points = math.prod(self.shape)
        masked = np.array([1 - np.count_nonzero(self.valid(sheet)) / n_points for sheet in range(len(self.sheets))])
        return masked[self.owners].mean(axis=0)

    def select(self, positions: Sequence[int]) -> Mask:
        """The mask of some positions, which share the sheets."""
        return Mask(self.shape, self.positions[positions], self.sheets, self.owners[positions])

    def of_fields(self, count: int) -> Mask:
        """The mask of the first fields."""
        return Mask(self.shape, self.positions, self.sheets, self.owners[:, :count])

    def compact(self) -> Mask:
        """The same mask without sheets that nobody has, and with one position where all are equal."""
        rows = slice(0, 1) if (self.owners == self.owners[0]).all() else slice(None)
        used, owners = np.unique(self.owners[rows], return_inverse=True)
        return Mask(
            self.shape,
            self.positions[rows],
            self.sheets[used],
            owners.reshape(self.owners[rows].shape).astype(np.uint32),
        )

    def along(self, thetas: np.ndarray, bounds: np.ndarray) -> Mask:
        """The mask at thetas (n, P) within bounds (P, 2), each of which becomes a position."""
        sheets = Sheets()
        owners = [[sheets.add(valid) for valid in self.at(theta, bounds)] for theta in thetas]
        return sheets.mask(self.shape, thetas, owners)

    def cut(self, place: tuple[slice, slice, slice] | tuple[np.ndarray, ...]) -> Mask:
        """The mask of a block of points, given by slices along z, y, x, or an open mesh of points along them."""
        blocks = [self.valid(sheet)[place] for sheet in range(len(self.sheets))]
        nz, ny, nx = blocks[0].shape
        return Mask((nz, ny, nx), self.positions, np.stack([np.packbits(b) for b in blocks]), self.owners)

    def _near(self, theta: np.ndarray, bounds: np.ndarray) -> tuple[list[int], list[float]]:
        """Positions that answer for theta, and how much each of them counts."""
        if len(self.positions) == 1 or self.positions.shape[1] > 1:
            extent = np.where(bounds[:, 1] > bounds[:, 0], bounds[:, 1] - bounds[:, 0], 1)
            return [int(np.argmin(np.square((self.positions - theta) / extent).sum(axis=1)))], [1.0]
        times, time = self.positions[:, 0], theta[0]
        right = int(np.clip(np.searchsorted(times, time), 1, len(times) - 1))
        share = float(np.clip((time - times[right - 1]) / (times[right] - times[right - 1]), 0, 1))
        if share in (0, 1):
            return [right - 1 + int(share)], [1.0]
        return [right - 1, right], [1 - share, share]

    def _between(self, sheets: tuple[int, ...], weights: Sequence[float]) -> np.ndarray:
        """One sheet, or what lies between two, where only those points are looked at that are masked in one of them."""
        if len(set(sheets)) == 1:
            return self.valid(sheets[0])
        between = self.valid(sheets[0]) & self.valid(sheets[1])
        for (points, shares), weight in zip(self._changes(*sheets), weights):
            between[points] = weight > shares
        return between

    def _changes(self, *sheets: int) -> list[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        """For each of two sheets the points that are valid in it alone, and the weights from which on they are between them.

        Where the signed distances from the borders of both, blended, become positive. Those of the latest pairs are kept.
        """
        if sheets not in self._kept:
            while len(self._kept) >= N_KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            first, second = self.valid(sheets[0]), self.valid(sheets[1])
            changes = []
            for one, other in ((first, second), (second, first)):
                points = np.argwhere(one & ~other)
                inside, outside = _distances(points, ~one), _distances(points, other)
                changes.append((tuple(points.T), outside / (inside + outside)))
            self._kept[sheets] = changes
        return self._kept[sheets]

    @cached_property
    def _kept(self) -> dict[tuple[int, ...], list]:
        return {}


class ValidAt:
    """A mask at one theta, made when it is first asked for points (`inr.Valid`)."""

    def __init__(self, mask: Mask, theta: np.ndarray, bounds: np.ndarray) -> None:
        self._mask, self._theta, self._bounds = mask, theta, bounds

    def __call__(self, place: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        distinct = {id(valid): valid for valid in self._whole}
        found = {key: valid[place] for key, valid in distinct.items()}
        return [found[id(valid)] for valid in self._whole]

    @cached_property
    def _whole(self) -> list[np.ndarray]:
        return self._mask.at(self._theta, self._bounds)


def _distances(points: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(n,) from points (n, 3) to half a point before the nearest one that is wanted (nz, ny, nx), at most FARTHEST."""
    from scipy.spatial import cKDTree

    border = np.zeros_like(wanted)  # the nearest one has a neighbour that is not wanted
    for axis in range(3):
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        changes = wanted[tuple(low)] != wanted[tuple(high)]
        border[tuple(low)] |= changes
        border[tuple(high)] |= changes
    places = np.argwhere(border & wanted)
    if not len(places):
        return np.full(len(points), FARTHEST)
    distances, _ = cKDTree(places).query(points, distance_upper_bound=FARTHEST + 0.5, workers=-1)
    return np.minimum(distances - 0.5, FARTHEST)


class Sheets:
    """Collects sheets; equal ones are kept once."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}

    def add(self, valid: np.ndarray) -> int:
        """The number of a sheet (nz, ny, nx) bool."""
        return self._numbers.setdefault(np.packbits(valid).tobytes(), len(self._numbers))

    def mask(self, shape: tuple[int, int, int], positions: np.ndarray, owners: Sequence[Sequence[int]]) -> Mask:
        """The mask of them; arguments as for `Mask`."""
        sheets = np.frombuffer(b"".join(self._numbers), np.uint8).reshape(len(self._numbers), -1)
        return Mask(shape, np.asarray(positions, np.float64), sheets, np.array(owners, np.uint32))


def n_bytes(shape: Sequence[int]) -> int:
    """Bytes of a sheet."""
    return -(-math.prod(map(int, shape)) // 8)


def valid_points(values: np.ndarray) -> np.ndarray:
    """(nz, ny, nx) bool, where no component of values (nz, ny, nx, c) is NaN."""
    return ~np.isnan(values).any(axis=-1)


def filled(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Values (nz, ny, nx, c) float32 with numbers at the points that are not valid, which go on smoothly from those beside them.

    They are means of valid values: of cells of 2 points along each axis, of 4, of 8 and so on, the smallest that hold any,
    interpolated. None is outside of the range of the valid values; without any they are 0.
    """
    weights = valid[..., None].astype(np.float32)
    result = np.where(weights > 0, values, np.float32(0))
    smooth = _pulled(result, weights)
    for _ in range(N_SMOOTHED):
        smooth = np.where(weights > 0, result, _means_of_neighbours(smooth))
    return smooth


def _pulled(sums: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Means, sums over weights; where nothing has weight what the cells of twice the size have."""
    known = weights > 0
    means = np.divide(sums, weights, out=np.zeros_like(sums), where=known)
    if known.all() or max(sums.shape[:3]) == 1:
        return means
    coarse = _pulled(_halved(sums), _halved(weights))
    for axis, n in enumerate(sums.shape[:3]):
        coarse = _doubled(coarse, axis, n)
    return np.where(known, means, coarse)


def _halved(sums: np.ndarray) -> np.ndarray:
    for axis, n in enumerate(sums.shape[:3]):
        sums = np.add.reduceat(sums, np.arange(0, n, 2), axis=axis) if n > 1 else sums
    return sums


def _doubled(coarse: np.ndarray, axis: int, n: int) -> np.ndarray:
    """Linear between the middles of cells of two points."""
    if n == 1:
        return coarse
    last = coarse.shape[axis] - 1
    place = np.clip((np.arange(n) - 0.5) / 2, 0, last)
    low = np.minimum(place.astype(int), max(last - 1, 0))
    share = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(coarse.ndim)])
    return (1 - share) * coarse.take(low, axis) + share * coarse.take(np.minimum(low + 1, last), axis)


def _means_of_neighbours(values: np.ndarray) -> np.ndarray:
    from scipy.ndimage import uniform_filter1d

    return sum(uniform_filter1d(values, 3, axis=axis, mode="nearest") for axis in range(3)) / np.float32(3)
