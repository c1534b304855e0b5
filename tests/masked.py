"""Small series with masked points, for tests."""

from __future__ import annotations

import dataclasses

import numpy as np
from series import moving_blob

from hyperinr_core.volume import VolumeSeries


def coast(x, y, z, t):
    """Land that stays where it is."""
    return (x < 0.3) & (y + z < 1.2)


def wall(x, y, z, t):
    """A wall that moves with time 0 to 2."""
    return x < 0.1 + 0.25 * t


def masked_blob(masked=coast, fields=("density", "motion"), **options) -> VolumeSeries:
    """The blob of `series.moving_blob`, NaN where `masked(x, y, z, t)` says so, in some of its fields."""
    series = moving_blob(**options)
    x, y, z = (axis.transpose() for axis in np.meshgrid(*series.grid.axes(), indexing="ij"))

    def load(step, name, z_range):
        values = series.loader(step, name, None).copy()
        if name in fields:
            values[masked(x, y, z, series.thetas[step, 0])] = np.nan
        return values[slice(*(z_range or (None,)))]

    return dataclasses.replace(series, loader=load)
