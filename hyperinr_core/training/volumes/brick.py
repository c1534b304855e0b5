"""Training on one brick of a series: a box of its grid, which knows of what it is a part."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.crop import cut_out
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.task import Context, Lesson
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Grid, VolumeSeries

#: Points that a brick has beyond each of its cuts.
OVERLAP = 4


class Brick(Volumes):
    """Fields of a box of a series, at any theta within it.

    Parameters
    ----------
    series : whole. number : of the brick, from 0.
    """

    def __init__(self, series: VolumeSeries, cuts: Cuts, number: int, names: Sequence[str] | None = None) -> None:
        if not 0 <= number < len(cuts):
            raise ParameterError(f"brick {number + 1} is asked for; expected 1 to {len(cuts)}")
        x0, x1, y0, y1, z0, z1 = cuts.extent(number)
        super().__init__(cut_out(series, (slice(z0, z1 + 1), slice(y0, y1 + 1), slice(x0, x1 + 1))), names)
        self._whole, self._cuts, self._number = series, cuts, number

    def learn(self, config: RunConfig, context: Context) -> Lesson:
        lesson = super().learn(config, context)
        brick = told(self._cuts, self._number, self._whole, config)
        return dataclasses.replace(lesson, provenance={**lesson.provenance, "brick": brick})


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
