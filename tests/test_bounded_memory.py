"""Memory that training and measuring take: what they may keep, and a few volumes, however long the series is."""

from __future__ import annotations

import gc
import tracemalloc
import weakref

import numpy as np
import pytest
from models import random_model
from small import with_training

from hyperinr_core.measure.series import measure_series
from hyperinr_core.training.run import train
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

N = 48
VOLUME = 4 * N**3


def series(n_steps: int) -> VolumeSeries:
    """A wave that goes by, made anew whenever it is read."""
    z, y, x = np.meshgrid(*(np.linspace(0, 6, N, dtype=np.float32),) * 3, indexing="ij", sparse=True)

    def load(step, name, z_range):
        part = slice(*(z_range or (None,)))
        return np.sin(x + y - 0.3 * step) * np.cos(z[part])

    return VolumeSeries(Grid((N, N, N)), np.arange(float(n_steps)), {"wave": 1}, load, "waves.pvd")


def peak(act) -> int:
    """Most bytes of arrays that were held at a time."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("carry", ["never", "always"])
def test_training_holds_what_it_may_however_long_the_series_is(tmp_path, carry):
    config = with_training(samples=50_000, memory_mb=1, base="never").replace(motion={"carry": carry})

    def learn(n_steps):
        return peak(lambda: train(Volumes(series(n_steps)), tmp_path / f"{n_steps}.hinr", config))

    learn(4)  # what is imported and compiled on the way does not count
    short, long = learn(4), learn(10)
    assert 2 * VOLUME < long < 1.5 * short


def test_no_two_sets_of_tables_are_in_memory(tmp_path, monkeypatch):
    """The run's are made when those are gone that its pace was measured on, and are gone when its model is measured."""
    made, alive = [], []

    def held():
        alive.append(sum(trainer() is not None for trainer in made))

    class Watched(Trainer):
        def __init__(self, *given):
            held()
            super().__init__(*given)
            made.append(weakref.ref(self))

    for room in ("run", "budget"):
        monkeypatch.setattr(f"hyperinr_core.training.{room}.Trainer", Watched)
    monkeypatch.setattr("hyperinr_core.training.finish._measured", lambda model, *_: held() or (model, None))
    monkeypatch.setattr("hyperinr_core.training.budget.look", lambda *_: 40.0)
    gc.disable()  # by counting references alone
    try:
        train(Volumes(series(3)), tmp_path / "m.hinr", with_training(samples=10_000).replace(motion={"carry": "never"}))
    finally:
        gc.enable()
    assert alive == [0, 0, 0, 0], "a pace, a run, and a model as it is and coded"


def test_measuring_holds_a_few_blocks_however_large_the_grid_and_long_the_series_is(monkeypatch):
    model = random_model(
        (N, N, N),
        (Parameter("time", "time", (0.0, 23.0), "", (0.0, 23.0)),),
        (Field("wave", 1, ((-1.0, 1.0),)),),
        n_encoders=2,
    )

    def measured(n_steps):
        data = series(24).select(np.linspace(0, 23, n_steps).round().astype(int))
        return peak(lambda: measure_series(model, data, ["wave"], backend="native"))

    measured(3)
    whole, long = measured(4), measured(24)
    monkeypatch.setattr("hyperinr_core.measure.series.BLOCK_NUMBERS", N**3 // 8)
    assert long < 1.2 * whole
    assert measured(24) < 0.6 * whole
