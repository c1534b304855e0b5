"""What is drawn where the series lies on the device is what the series holds, by seed and iteration alone."""

from __future__ import annotations

import numpy as np
import torch
from masked import masked_blob, wall
from series import moving_blob
from small import with_training

from hyperinr_core.training.distributed import World
from hyperinr_core.training.resident import ResidentSeries, fits
from hyperinr_core.training.samples import SampleStream, scan_fields
from hyperinr_core.training.task import Context, Tell
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.training.volumes.survey import survey
from hyperinr_core.training.volumes.task import Volumes


def stream_of(series, memory_bytes=1 << 30):
    fields = scan_fields(series, ["density"], memory_bytes)
    weights = np.linspace(0.5, 1.5, len(series), dtype=np.float32)
    return SampleStream(series, fields, 3, 40, memory_bytes, 1, weights)


def test_points_and_targets_are_the_series_s():
    series = moving_blob()
    stream = stream_of(series)
    resident = ResidentSeries(stream, torch.device("cpu"))
    batch, again, other = (resident.draw(iteration) for iteration in (7, 7, 8))
    assert batch.points.shape == (3, 40, 3) and batch.targets.shape == (3, 40, 1)
    assert torch.equal(batch.points, again.points) and not torch.equal(batch.points, other.points)
    assert len({tuple(point) for point in batch.points.reshape(-1, 3).tolist()}) > 90, "steps have points of their own"
    (field,) = scan_fields(series, ["density"], 1 << 30)
    low, high = field.whole_range
    for theta, points, targets, weight in zip(*batch):
        step = series.thetas[:, 0].tolist().index(theta[0])
        values = series.read(step, ["density"])[..., 0]
        x, y, z = (points.numpy() * (np.array(series.grid.dims) - 1)).round().astype(int).T
        np.testing.assert_allclose(targets[:, 0], (values[z, y, x] - low) / (high - low), atol=1e-5)
        assert weight == stream.step_weights[step]
    assert (batch.thetas == stream.draw(7).thetas).all(), "steps are chosen as on the host"


def test_only_a_whole_series_without_gaps_for_which_there_is_room_is_resident(monkeypatch):
    series, device = moving_blob(), torch.device("cuda")
    n_bytes = 4 * series.grid.n_points * (len(series) + 3)
    free = [5 * n_bytes]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free[0], 1 << 40))
    assert fits(stream_of(series), device)
    assert not fits(stream_of(series, memory_bytes=40_000), device)
    found = survey(masked_blob(wall), ["density"], 1 << 30)
    assert not fits(SampleStream(found.series, found.fields, 3, 40, 1 << 30, seed=1), device)
    free[0] = 3 * n_bytes
    assert not fits(stream_of(series), device)


def test_a_model_learns_from_what_is_resident(tmp_path):
    config = with_training(samples=200_000)
    lesson = Volumes(moving_blob(), ["density"]).learn(config, Context(tmp_path, "cpu", World(), Tell()))
    trainer = Trainer(lesson)
    trainer._resident, trainer._loop = ResidentSeries(lesson.stream, torch.device("cpu")), None
    reports = []
    trainer.run(report=reports.append)
    assert reports[-1].psnr > 28
