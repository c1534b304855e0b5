"""The kernel's loop of training against the same steps one by one, which are tested against torch."""

from __future__ import annotations

import ctypes
import dataclasses

import numpy as np
import pytest
import torch
from light_models import FUNCTION, GRID, config, pillars
from masked import coast, masked_blob
from series import moving_blob
from small import SMALL, with_training

from hyperinr_core.backends import native
from hyperinr_core.errors import ParameterError
from hyperinr_core.training import loop as loop_module
from hyperinr_core.training.distributed import World
from hyperinr_core.training.drawing import FINE, RUN, placed
from hyperinr_core.training.lights.task import Lights, ShadowConfig
from hyperinr_core.training.loop import Data, Loop, Scene
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes

FEW = {"samples": 8000, "batch_steps": 1, "batch_points": 200}


class Drawn:
    """A stream that draws batches itself, as those of lights and views do."""

    def __init__(self, stream):
        self.series, self.batch_size = stream.series, stream.batch_size
        self.draw, self.close = stream.draw, stream.close


def lesson_of(task, settings, tmp_path):
    return task.learn(settings, Context(tmp_path / "teacher", "cpu", World(), Tell()))


def blob_lesson(tmp_path, fields=("density",), series=None, teacher="none", **training):
    settings = with_training(**{**FEW, **training}).replace(distillation={"teacher": teacher})
    return lesson_of(Volumes(series or moving_blob(), fields), settings, tmp_path)


def state_of(trainer):
    return [trainer._tables, trainer._mlp, *trainer._moments.values(), torch.from_numpy(trainer._table_steps)]


def looped(lesson):
    """A trainer whose run is over, and how many iterations its loop did."""
    trainer, done = Trainer(lesson), []
    run = trainer._loop.run

    def counted(*args):
        result = run(*args)
        done.append(result[0] if result else 0)
        return result

    trainer._loop.run = counted
    while trainer.iteration < trainer.n_iterations:
        trainer.advance()
    return trainer, sum(done)


def stepped(lesson):
    trainer = Trainer(lesson)
    while trainer.iteration < trainer.n_iterations:
        trainer.step()
    return trainer


@pytest.mark.parametrize(
    ("options", "at_least"),
    [
        ({}, 30),
        ({"loss": "l1", "seed": 3}, 30),
        ({"batch_steps": 3}, 8),
        ({"fields": ("density", "motion")}, 30),
        ({"series": masked_blob(coast)}, 30),
        ({"sparsity": 0.6}, 30),
        ({"rate": 30.0}, 30),
        ({"rate": 25.0, "batch_steps": 3}, 8),
    ],
    ids=["plain", "l1", "several steps", "fields", "masked", "sparse", "rate", "rate of several steps"],
)
def test_the_loop_gives_the_bytes_of_single_steps(tmp_path, options, at_least):
    lesson = blob_lesson(tmp_path, **options)
    (trainer, done), alone = looped(lesson), stepped(lesson)
    assert done >= at_least
    for found, expected in zip(state_of(trainer), state_of(alone)):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("n_tables", [1, 4])
def test_blended_tables_are_learned_as_by_single_steps(tmp_path, n_tables):
    """A teacher's volumes lie between encoders; the sums of torch and of the kernel may round differently."""
    lesson = blob_lesson(tmp_path, teacher="linear", batch_steps=n_tables, samples=40 * 200 * n_tables)
    (trainer, done), alone = looped(lesson), stepped(lesson)
    assert done >= 10
    for found, expected in zip(state_of(trainer), state_of(alone)):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_batches_that_a_stream_draws_are_learned_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(loop_module, "BATCH_BYTES", 20_000)  # of six batches
    lesson = blob_lesson(tmp_path)
    lesson = dataclasses.replace(lesson, stream=Drawn(lesson.stream))
    (trainer, done), alone = looped(lesson), stepped(lesson)
    assert done == 40
    for found, expected in zip(state_of(trainer), state_of(alone)):
        assert torch.equal(found, expected)


def test_a_guide_s_level_is_there_for_each_light(tmp_path):
    task = Lights(pillars(), GRID, FUNCTION, ShadowConfig(lights=4, encoders=6, guide=8, teacher="none"), "p")
    lesson = lesson_of(task, config(samples=4000, batch_points=200), tmp_path)
    (trainer, done), alone = looped(lesson), stepped(lesson)
    assert done == trainer.n_iterations
    for found, expected in zip(state_of(trainer), state_of(alone)):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_a_window_of_a_series_that_does_not_fit_moves_on(tmp_path):
    series = moving_blob(dims=(40, 40, 40))
    lesson = blob_lesson(tmp_path, series=series, samples=60_000, memory_mb=1)
    assert lesson.stream.n_resident_bytes is None
    (trainer, done), alone = looped(lesson), stepped(lesson)
    assert done > 100
    for found, expected in zip(state_of(trainer), state_of(alone)):
        assert torch.equal(found, expected)


def test_models_do_not_depend_on_the_number_of_threads(tmp_path, monkeypatch):
    lesson = blob_lesson(tmp_path, batch_points=1200, samples=24_000)
    states = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        states.append(state_of(looped(lesson)[0]))
    for other in states[1:]:
        assert all(torch.equal(a, b) for a, b in zip(states[0], other))


@pytest.mark.parametrize(
    ("n_scenes", "n_tables", "sizes"),
    [(1, 1, [1]), (5, 2, [4096]), (7, 7, [1, 30, 1_500_000_000]), (12_000, 300, [9]), (12_000, 240, [11])],
)
def test_draws_are_numpy_s(n_scenes, n_tables, sizes):
    n_points, seed = 50, 2**63 - 1
    sizes = [sizes[i % len(sizes)] for i in range(n_scenes)]
    bounds = {size: uneven(size) for size in set(sizes)}
    scenes = (Scene * n_scenes)(*(Scene(n=size, bounds=bounds[size].ctypes.data) for size in sizes))
    data = Data(ctypes.addressof(scenes), n_scenes, n_tables, n_points, (ctypes.c_int64 * 3)(1, 1, 1), seed, 1)
    chosen, places = np.empty(n_tables, np.uint32), np.empty((n_tables, n_points), np.uint32)
    address = ctypes.c_void_p
    library = native.declared({"hinr_draw": [address, ctypes.c_int64, address, address]}, "draws")
    for iteration in (0, 1, 10**9):
        native.check(library.hinr_draw(ctypes.byref(data), iteration, chosen.ctypes.data, places.ctypes.data))
        rng = np.random.Generator(np.random.Philox(key=[seed, 2 * iteration]))
        assert chosen.tolist() == rng.choice(n_scenes, n_tables, replace=False).tolist()
        for row, number in zip(places, chosen):
            size = sizes[number]
            np.testing.assert_array_equal(row, placed(bounds[size], size, rng.integers(0, FINE, n_points)))


def uneven(n_values):
    """Bounds of runs that are drawn more and less often."""
    widths = np.random.default_rng(1).uniform(0.2, 2.0, -(-n_values // RUN))
    bounds = np.append(0, np.cumsum(widths))
    return bounds / bounds[-1]


def test_calls_take_as_long_as_a_wish_to_stop_may_wait(tmp_path, monkeypatch):
    clock = {"now": 0.0, "slow": 0.001}

    def monotonic():
        clock["now"] += clock["slow"]  # from before a call to after it
        return clock["now"]

    trainer = Trainer(blob_lesson(tmp_path, samples=40_000_000))
    while trainer._loop.run(*arguments(trainer)) is None:
        trainer.step()
    monkeypatch.setattr(loop_module.time, "monotonic", monotonic)
    counts = [trainer._loop.run(*arguments(trainer))[0] for _ in range(4)]
    assert counts == [counts[0] * loop_module.GROWTH**n for n in range(4)]
    clock["slow"] = 1.5
    before = trainer._loop.run(*arguments(trainer))[0]
    assert trainer._loop.run(*arguments(trainer))[0] == int(before * loop_module.CALL_SECONDS / 1.5)


def arguments(trainer):
    return loop_module.State(trainer._tables, trainer._mlp, trainer._moments, trainer._table_steps), 100, 10**6, False


def test_no_call_goes_past_a_round_of_pruning_or_the_end(tmp_path):
    trainer, _ = looped(blob_lesson(tmp_path, sparsity=0.5, samples=20_000))
    assert trainer.iteration == trainer.n_iterations == 100
    assert (trainer._tables == 0).float().mean() >= 0.5


def test_an_encoder_that_does_not_exist_is_refused(tmp_path):
    trainer = Trainer(blob_lesson(tmp_path))
    blend = loop_module.Blend(np.array([99]), np.ones(1), None)
    training = SMALL.training.replace(**FEW)
    loop = Loop(trainer.evaluator, Drawn(trainer._stream), training, 10, lambda theta: blend)
    with pytest.raises(ParameterError, match="an encoder index does not exist"):
        loop.run(*arguments(trainer))
