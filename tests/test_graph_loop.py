"""Steps that a GPU does in a row equal single ones: interpreted on the CPU here, recorded and replayed where there is a GPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from series import moving_blob
from small import with_training

from hyperinr_core import backends
from hyperinr_core.backends.triton import INTERPRETED, kernel_device
from hyperinr_core.training import replay
from hyperinr_core.training import trainer as trainer_module
from hyperinr_core.training.distributed import World
from hyperinr_core.training.evaluators import triton_kernels
from hyperinr_core.training.evaluators.triton import TritonEvaluator
from hyperinr_core.training.resident import ResidentSeries, scattered
from hyperinr_core.training.samples import SampleStream, scan_fields
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.task import Volumes

DEVICE = kernel_device()

#: Iterations that are compared: on a GPU most of them are replayed.
N = 6 if INTERPRETED else 40


def splitmix64(seed, n):
    """Sebastiano Vigna's code, in integers of Python."""
    found, state, mask = [], seed, 2**64 - 1
    for _ in range(n):
        state = state + 0x9E3779B97F4A7C15 & mask
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
        found.append(z ^ z >> 31)
    return found


@pytest.mark.parametrize("seed", [0, 3, 2**62 - 1])
def test_draws_are_splitmix_s(seed):
    n_values = 64**3 + 5
    expected = [(number >> 32) * n_values >> 32 for number in splitmix64(seed, 50)]
    assert scattered(torch.tensor([seed]), 50, n_values).tolist() == expected


def test_all_values_are_drawn_equally_often():
    counts = np.bincount(scattered(torch.tensor([12345]), 200_000, 20).numpy(), minlength=20)
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 44, "chi squared of 19 degrees, exceeded once in a thousand"


@pytest.mark.parametrize("field", ["density", "motion"])
def test_the_kernel_draws_what_the_series_on_the_device_does(field):
    series = moving_blob()
    stream = SampleStream(series, scan_fields(series, [field], 1 << 30), 3, 40, 1 << 30, 1)
    resident = ResidentSeries(stream, DEVICE)
    seed, steps = resident.choose(7)
    assert seed > 1 << 33, "both halves count"
    numbers = torch.tensor([seed & 2**32 - 1, seed >> 32, *steps]).to(torch.int32).to(DEVICE)
    points = torch.full((3, 40, 3), torch.nan, device=DEVICE)
    targets = torch.full((3, 40, resident.values.shape[2]), torch.nan, device=DEVICE)
    triton_kernels.draw_kernel[(2, 3)](
        *(resident.points, resident.values, numbers, points, targets),
        *(40, len(resident.points), targets.shape[2]), D=3, BLOCK=32,
    )  # fmt: skip
    batch = resident.draw(7)
    assert torch.equal(points, batch.points) and torch.equal(targets, batch.targets)


def make_trainer(monkeypatch, tmp_path, **training):
    """One that holds its series, as on a GPU, and products in single precision."""
    monkeypatch.setattr(
        trainer_module, "make_evaluator", lambda architecture, *_: TritonEvaluator(architecture, "float32")
    )
    config = with_training(**{"samples": 24 * N, "batch_steps": 3, "batch_points": 8, **training})
    config = config.replace(
        encoding={"log2_hashmap_size": 6, "n_levels": 2}, network={"n_hidden_layers": 1}, encoders={"count": 4}
    )
    monkeypatch.setattr(replay, "LOT_SECONDS", 1000.0)
    lesson = Volumes(moving_blob(n_steps=7), ["density"]).learn(config, Context(tmp_path, str(DEVICE), World(), Tell()))
    trainer = Trainer(lesson, DEVICE.type)
    if INTERPRETED:
        trainer._focus = None
        trainer._resident = ResidentSeries(lesson.stream, DEVICE)
        trainer._loop = trainer._make_loop()
    return trainer


def state_of(trainer):
    return {"tables": trainer._tables.cpu(), "mlp": trainer._mlp.cpu()} | {
        k: m.cpu() for k, m in trainer._moments.items()
    }


def assert_close(found, wanted):
    """To rounding; a GPU sums in an order that changes, and Adam makes much of what is nearly zero."""
    assert (found - wanted).norm() <= (1e-4 if INTERPRETED else 1e-2) * wanted.norm()


@pytest.mark.parametrize("sparsity", [0.0, 0.6])
def test_steps_in_a_row_equal_single_ones(sparsity, monkeypatch, tmp_path):
    samples = 24 * N if sparsity else 240 * N  # it prunes in the middle of a run
    alone, looped = (make_trainer(monkeypatch, tmp_path, samples=samples, sparsity=sparsity) for _ in range(2))
    calls = 0
    while looped.iteration < N:
        loss = looped.advance(N - looped.iteration)
        calls += 1
    for _ in range(N):
        _, expected = alone.step()
    assert calls < N and looped._loop.replay.is_recorded != INTERPRETED
    assert abs(float(loss) - float(expected)) < (1e-4 if INTERPRETED else 1e-2) * float(expected)
    np.testing.assert_array_equal(looped._table_steps, alone._table_steps)
    assert len(set(alone._table_steps.tolist())) > 1, "some encoders took part more often than others"
    wanted = state_of(alone)
    for name, found in state_of(looped).items():
        assert_close(found, wanted[name])
    if sparsity:
        differing = ((looped._tables == 0) != (alone._tables == 0)).float().mean()
        assert differing <= (0 if INTERPRETED else 0.01) and (looped._tables == 0).float().mean() > 0.5


def test_a_run_goes_on_in_a_row_from_a_checkpoint(monkeypatch, tmp_path):
    whole, first, second = (make_trainer(monkeypatch, tmp_path) for _ in range(3))
    while first.iteration < N // 2:
        first.advance(N // 2 - first.iteration)
    first.save_state(tmp_path / "state")
    second.load_state(tmp_path / "state")
    for trainer in (whole, second):
        while trainer.iteration < N:
            trainer.advance()
    assert_close(second._tables, whole._tables)
    assert_close(second._mlp, whole._mlp)


def test_reports_are_of_the_points_that_were_drawn(monkeypatch, tmp_path):
    trainer, reports = make_trainer(monkeypatch, tmp_path), []
    monkeypatch.setattr(trainer._feed, "draw", None)  # which would draw others
    trainer.run(report=reports.append)
    assert reports[-1].samples == 24 * N and 0 < reports[-1].psnr < 60


def test_steps_that_cannot_be_recorded_are_launched(monkeypatch, caplog):
    def refuse():
        raise RuntimeError("no graphs here\nand more")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", refuse)
    monkeypatch.setattr(backends, "_said", set())
    steps, taken = replay.Replay(2, torch.device("cpu")), []
    steps.records = True
    rows = np.arange(14, dtype=np.int32).reshape(7, 2)
    for part in (rows[:5], rows[5:]):
        steps.run(lambda row: taken.append(row.tolist()), part)
    assert taken == rows.tolist() and not steps.is_recorded
    assert caplog.text.count("they cannot be recorded here (no graphs here)") == 1
