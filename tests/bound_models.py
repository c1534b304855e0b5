"""Models that keep to a bound, of random numbers, and the series that they keep to, for tests that need no training."""

from __future__ import annotations

import numpy as np
from models import random_model

from hyperinr_core.bounding import Promise, bounded
from hyperinr_core.volume import VolumeSeries


def series_of(model, noise=0.05, seed=0) -> VolumeSeries:
    """What a model of one parameter was trained on, if it was trained badly: its own values at its training steps, and noise."""
    rng, times = np.random.default_rng(seed), sorted(model.parameters[0].values)
    steps = []
    for time in times:
        inr = model.generate(time, "reference", model.interpolation)
        values = inr.sample_grid()
        scales = [high - low for field in model.fields for low, high in field.value_range]
        steps.append(inr.split(values + noise * np.array(scales) * rng.standard_normal(values.shape)))
    kinds = {field.name: field.n_components for field in model.fields}

    def load(step, name, planes):
        return steps[step][name].astype(np.float64 if name in model.shifts else np.float32)[slice(*(planes or (None,)))]

    return VolumeSeries(model.grid, times, kinds, load, "noise")


def bounded_model(model=None, error=0.01, relative=True, **options):
    """A random model, or the one given, that keeps to a bound."""
    model = random_model(**options) if model is None else model
    return bounded(model, Promise(series_of(model), error, relative))
