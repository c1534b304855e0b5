"""Training on one brick of a series: a box of its grid, which knows of what it is a part."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import ParameterError
from hyperinr_core.motion.motion import Motion
from hyperinr_core.training.crop import cut_out
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.task import Context, Lesson
from hyperinr_core.training.teachers.lattice import ends_meet
from hyperinr_core.training.volumes.task import Around, Volumes
from hyperinr_core.volume import Grid, VolumeSeries

#: Points that a brick has beyond each of its cuts, and that its motion is found on beyond these: no path of a gap, nor of the
#: two gaps around a step that is left out, should be longer.
OVERLAP, HALO = 4, 12


class Brick(Volumes):
    """Fields of a box of a series, at any theta within it; its motion is what the series has there.

    Parameters
    ----------
    series : whole. number : of the brick, from 0.
    """

    def __init__(self, series: VolumeSeries, cuts: Cuts, number: int, names: Sequence[str] | None = None) -> None:
        if not 0 <= number < len(cuts):
            raise ParameterError(f"brick {number + 1} is asked for; expected 1 to {len(cuts)}")
        x0, x1, y0, y1, z0, z1 = cuts.extent(number)
        box = (slice(z0, z1 + 1), slice(y0, y1 + 1), slice(x0, x1 + 1))
        super().__init__(cut_out(series, box), names)
        self._whole, self._cuts, self._number, self._box = series, cuts, number, box
        self._goes_on: list[bool | None] = [None] * 3
        self.around = self._surroundings([True] * 3)

    def learn(self, config: RunConfig, context: Context) -> Lesson:
        if config.tries_motion:
            self._goes_on = [self._ends_meet(axis) for axis in range(3)]
            self.around = self._surroundings([meet is not False for meet in self._goes_on])
        lesson = super().learn(config, context)
        brick = told(self._cuts, self._number, self._whole, config)
        if lesson.motion is not None:
            brick["periodic"] = self._periodic(lesson.motion)
        return dataclasses.replace(lesson, provenance={**lesson.provenance, "brick": brick})

    def _surroundings(self, goes_on: Sequence[bool]) -> Around:
        """HALO more points beyond each cut, and around the ends of axes that go on there."""
        outer, inner = [], []
        for part, n, count, meet in zip(self._box, self._whole.grid.shape, self._cuts.counts[::-1], goes_on):
            far = HALO if count > 1 else 0
            first, last = part.start - far, part.stop + far
            if last - first >= n:
                first, last = 0, n
            elif not meet:
                first, last = max(first, 0), min(last, n)
            outer.append(slice(first, last))
            inner.append(slice(part.start - first, part.stop - first))
        return Around(cut_out(self._whole, outer), tuple(inner))

    def _ends_meet(self, axis: int) -> bool | None:
        """Whether a cut axis goes on at its other end, of a brick that is at one of them; None of any other."""
        n = self._whole.grid.shape[axis]
        if self._cuts.counts[2 - axis] == 1 or (self._box[axis].start >= HALO and self._box[axis].stop <= n - HALO):
            return None
        ends = cut_out(self._whole, [slice(-2, 2) if each == axis else part for each, part in enumerate(self._box)])
        steps = (0, len(ends) - 1)
        return all(ends_meet([np.moveaxis(ends.read(step, [name]), axis, 0) for step in steps]) for name in self.names)

    def _periodic(self, motion: Motion) -> list[bool | None]:
        """Along x, y, z: whether an axis goes on at its other end, None where the brick does not reach that."""
        axes = zip(motion.periodic, self._goes_on, self._cuts.counts[::-1])
        return [wraps if count == 1 else meet for wraps, meet, count in axes][::-1]


def told(cuts: Cuts, number: int, series: VolumeSeries, config: RunConfig) -> dict[str, Any]:
    """What a brick says of itself: where it is in the whole grid, and a digest of all that bricks must have alike.

    Parameters
    ----------
    series : whole, of the training steps alone.
    """
    alike = [config.to_dict(), series.thetas.tolist(), list(series.parameters)]
    return {
        "number": number + 1,
        "counts": list(cuts.counts),
        "overlap": cuts.overlap,
        "grid": {name: list(value) for name, value in dataclasses.asdict(series.grid).items()},
        "settings": hashlib.sha256(json.dumps(alike, sort_keys=True).encode()).hexdigest()[:16],
    }


def largest(grid: Grid, cuts: Cuts) -> Grid:
    """The grid of the brick with most points: what presets go by, so that all bricks have the same settings."""
    grids = {grid.part(cuts.extent(number)).dims: number for number in range(len(cuts))}
    return grid.part(cuts.extent(max(grids.items(), key=lambda item: item[0][0] * item[0][1] * item[0][2])[1]))
