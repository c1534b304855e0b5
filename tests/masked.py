"""Small series with masked points, for tests."""

from __future__ import annotations

import dataclasses

import numpy as np
from models import random_model
from series import moving_blob

from hyperinr_core.mask import Sheets
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


def masked_model(masked=coast, n_steps=3, names=("density",), **options):
    """A random model with a mask over time 0 to 2; its fields beside those named are not masked."""
    model = random_model(**options)
    x, y, z = (axis.transpose() for axis in np.meshgrid(*model.grid.axes(), indexing="ij"))
    sheets, times = Sheets(), np.linspace(0, 2, n_steps)
    everywhere = np.ones(model.grid.shape, bool)
    owners = [
        [sheets.add(~masked(x, y, z, t) if field.name in names else everywhere) for field in model.fields]
        for t in times
    ]
    return dataclasses.replace(model, mask=sheets.mask(model.grid.shape, times[:, None], owners).compact())
