"""The motion that a model stores: what stands where a path is in the middle of a gap was, or will be, so far away at its ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hyperinr_core.motion import kernel
from hyperinr_core.motion.reference import ERROR, N_CHANNELS, N_FIXED_POINT, N_STEPS, TRUST, here, weighted
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.once import Once
from hyperinr_core.spaces.line import catmull_rom_weights

#: Share of a gap over which the speed of a path is measured.
NUDGE = 1e-3

#: What a stored trust or error is a share of.
BYTE = 255


@dataclass(frozen=True, eq=False)
class Motion:
    """Paths through the gaps between a model's encoders, and how far they are to be believed.

    Coefficients are those of cubic B-splines on a coarse lattice over the training grid, see `Nodes`.

    Attributes
    ----------
    shape : (nz, ny, nx) of the training grid.
    periodic : (3,) z, y, x: whether the point after the last is the first.
    nodes : (3,) nodes of the coarse lattice along each axis.
    times : (N,) of the encoders, increasing; there are N - 1 gaps.
    paths : (M, N - 1, 2, 3, cz, cy, cx) int16: for M motions and each gap the offset from where a path is in the middle of the
        gap to its places at the first and at the last end, z, y, x, in steps of `path_step` points.
    path_step : points.
    anchored : (M,) whether paths pass through their middle half way in time, as traced ones do; those that optical flow finds
        are known at the ends alone.
    owners : (F,) the motion of each field.
    trust : (F, N - 1, cz, cy, cx) uint8, of 255, how much what paths carry replaces linear interpolation.
    error : (F, N - 1, cz, cy, cx) uint8, of 255 times `largest_error`: the root mean squared error that is expected in the middle
        of a gap.
    largest_error : (F,) in the fields' units.
    bend : (F,) from 0 to 1, how much Catmull-Rom replaces linear interpolation in place.
    """

    shape: tuple[int, int, int]
    periodic: tuple[bool, bool, bool]
    nodes: tuple[int, int, int]
    times: np.ndarray
    paths: np.ndarray
    path_step: float
    anchored: tuple[bool, ...]
    owners: tuple[int, ...]
    trust: np.ndarray
    error: np.ndarray
    largest_error: tuple[float, ...]
    bend: tuple[float, ...]

    @property
    def n_bytes(self) -> int:
        """Of the stored numbers."""
        return self.paths.nbytes + self.trust.nbytes + self.error.nbytes

    @cached_property
    def lattice(self) -> Nodes:
        """Of the coefficients."""
        return Nodes(self.shape, self.periodic, self.nodes)

    def moment(self, field: int, time: float) -> Moment:
        """What a field needs at a time, at the nearest of the encoders' own beyond them; those of one gap are made quickly."""
        time = self._within(time)
        return self.gap(field, self._gap_at(time)).at(time)

    def known(self, field: int, time: float) -> Known:
        """What else is known of a field at such a time."""
        time = self._within(time)
        return self.gap(field, self._gap_at(time)).known(time)

    def gap(self, field: int, gap: int) -> Gap:
        """The paths of a field through a gap; the latest are kept."""

        def found() -> Gap:
            beside = [self._ends(field, g) if 0 <= g < len(self.times) - 1 else None for g in (gap - 1, gap + 1)]
            return Gap.of(
                self.lattice,
                self.times,
                gap,
                self._ends(field, gap),
                beside,
                self.trust[field, gap] / np.float32(BYTE),
                self.error[field, gap] / np.float32(BYTE),
                self.anchored[self.owners[field]],
                self.bend[field],
                self.largest_error[field],
            )

        return self._gaps.get((field, gap), found)

    def _within(self, time: float) -> float:
        return float(np.clip(time, self.times[0], self.times[-1]))

    def _gap_at(self, time: float) -> int:
        return int(np.clip(np.searchsorted(self.times, time) - 1, 0, len(self.times) - 2))

    def _ends(self, field: int, gap: int) -> np.ndarray:
        return self.paths[self.owners[field], gap] * np.float32(self.path_step)

    @cached_property
    def _gaps(self) -> Once[Gap]:
        return Once(2 * len(self.owners))


@dataclass(frozen=True, eq=False)
class Gap:
    """Paths through one gap, and on through those beside it.

    Attributes
    ----------
    lattice : of the coefficients.
    steps : (J,) two to four encoders in their order, around the gap.
    start : the time of the gap's first end.
    times : (J,) theirs, less `start`: of differences float64 has digits left where times are large.
    first : which of the J is the gap's first end; the next one is its last.
    coefficients : (pz, py, px, 16) float32, padded, of the channels of a path by where it is in the middle of the gap: offsets to
        the J steps, z, y, x each; trust; error, of `largest_error`.
    anchored, bend, largest_error : as of `Motion`.
    """

    lattice: Nodes
    steps: tuple[int, ...]
    start: float
    times: np.ndarray
    first: int
    coefficients: np.ndarray
    anchored: bool
    bend: float
    largest_error: float = 0.0

    @classmethod
    def of(
        cls,
        lattice: Nodes,
        times: np.ndarray,
        gap: int,
        ends: np.ndarray,
        beside: Sequence[np.ndarray | None],
        trust: np.ndarray,
        error: np.ndarray,
        anchored: bool,
        bend: float,
        largest_error: float = 0.0,
    ) -> Gap:
        """The paths whose ends (2, 3, cz, cy, cx), in points, are those of a gap and of the gaps before and after it.

        Parameters
        ----------
        times : (N,) of all encoders.
        beside : None where there is no gap before, or after.
        trust, error : (cz, cy, cx).
        """
        before, after = beside
        steps = tuple(range(gap - (before is not None), gap + 2 + (after is not None)))
        offsets = [ends[0], ends[1]]
        if before is not None:
            offsets.insert(0, _onward(lattice, ends[0], before, 1))
        if after is not None:
            offsets.append(_onward(lattice, ends[1], after, 0))
        channels = np.zeros((N_CHANNELS, *lattice.coefficient_shape), np.float32)
        _offsets(channels)[: len(offsets)] = offsets
        channels[TRUST], channels[ERROR] = trust, error
        bend = 0.0 if before is None or after is None else bend  # tangents at one side alone are no evidence
        start = float(times[gap])
        chosen = np.asarray(times, np.float64)[list(steps)] - start
        padded = lattice.padded(channels)
        return cls(lattice, steps, start, chosen, gap - steps[0], padded, anchored, bend, largest_error)

    def at(self, time: float) -> Moment:
        """The gap at a time in it, or at one of its ends."""
        time -= self.start
        share = float(time / self.times[self.first + 1])
        weights = self._blend(time)
        return Moment(self, share, weights, self._on_path(time))

    def known(self, time: float) -> Known:
        """What else is known of points at a time."""
        time -= self.start
        end = self.times[self.first + 1]
        channels, found = here(self.lattice, self.coefficients, self._on_path(time))
        # by differences, which cubic pieces allow; through the steps alone, so that speeds go on smoothly from gap to gap
        early, late = np.clip([time - NUDGE * end, time + NUDGE * end], 0, end)
        rates = (self._blend(float(late)) - self._blend(float(early))) / (late - early)
        channels[:3] = weighted(rates, found)
        return Known(self.lattice, self.lattice.padded(self.lattice.interpolate(channels)), self.largest_error)

    def _blend(self, time: float) -> np.ndarray:
        """(J,) Catmull-Rom weights of the steps at a time."""
        return _weights(catmull_rom_weights(self.times, time), len(self.times))

    def _on_path(self, time: float) -> np.ndarray:
        """(J,) weights of the offsets at a time: Catmull-Rom through them, and through the middle where that is on the path."""
        if not self.anchored:
            return self._blend(time)
        middle = self.first + 1
        times = np.insert(self.times, middle, 0.5 * self.times[middle])
        return np.delete(_weights(catmull_rom_weights(times, time), len(times)), middle)


@dataclass(frozen=True, eq=False)
class Moment:
    """A time in a gap.

    Attributes
    ----------
    share : how far through the gap, 0 to 1.
    weights : (J,) of the steps, Catmull-Rom.
    on_path : (J,) weights of the offsets: their sum is how far a path is from its middle.
    """

    gap: Gap
    share: float
    weights: np.ndarray
    on_path: np.ndarray

    @cached_property
    def coefficients(self) -> np.ndarray:
        """(pz, py, px, 16) as of `Gap`, by where a path is now, and with offsets from there."""
        gap = self.gap
        return gap.coefficients if self.is_at_step else kernel.now(gap.lattice, gap.coefficients, self.on_path)

    @property
    def is_at_step(self) -> bool:
        """Whether it is one of the gap's ends, where nothing moves."""
        return self.share in (0.0, 1.0)

    @property
    def steps(self) -> tuple[int, ...]:
        """The gap's; at one of its ends that step alone, as often."""
        steps = self.gap.steps
        return (steps[self.gap.first + int(self.share)],) * len(steps) if self.is_at_step else steps

    @cached_property
    def reach(self) -> tuple[int, int, int]:
        """z, y, x: points that a place may lie away from where it is asked for, at most."""
        largest = abs(self.coefficients.reshape(-1, N_STEPS, 4)[..., :3]).max(axis=(0, 1))
        z, y, x = (0 if self.is_at_step else int(np.ceil(n)) for n in largest)
        return z, y, x


@dataclass(frozen=True, eq=False)
class Known:
    """What a motion knows of points at a time besides their values."""

    lattice: Nodes
    coefficients: np.ndarray
    largest_error: float

    def at(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of positions (3, ...) z, y, x in points.

        Returns
        -------
        Velocity (3, ...) z, y, x in points per unit of time; trust (...) from 0 to 1; the error that is expected (...) float64,
        root mean squared, in the field's units.
        """
        channels = self.lattice.at(self.coefficients, positions)
        return (
            channels[:3],
            np.clip(channels[TRUST], 0, 1),
            np.maximum(channels[ERROR], 0) * np.float64(self.largest_error),
        )


def _weights(coefficients: tuple[np.ndarray, np.ndarray], n: int) -> np.ndarray:
    found = np.zeros(n)
    found[coefficients[0]] = coefficients[1]
    return found


def _offsets(channels: np.ndarray) -> np.ndarray:
    """(N_STEPS, 3, ...) view of the offsets in channels (16, ...)."""
    return channels.reshape(N_STEPS, 4, *channels.shape[1:])[:, :3]


def _onward(lattice: Nodes, offset: np.ndarray, ends: np.ndarray, near: int) -> np.ndarray:
    """Coefficients (3, cz, cy, cx) of the offsets to the far end of the next gap, whose near end lies at an offset."""
    start = lattice.places + lattice.at(lattice.padded(offset), lattice.places)
    padded = lattice.padded(np.concatenate([ends[near], ends[1 - near]]))
    middle = start
    for _ in range(N_FIXED_POINT + 1):
        middle = start - lattice.at(padded, middle)[:3]
    return lattice.interpolate(middle + lattice.at(padded, middle)[3:] - lattice.places)
