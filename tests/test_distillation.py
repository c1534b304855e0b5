"""What a model is taught between the training steps, where it is kept, and that it helps."""

from __future__ import annotations

import os

import numpy as np
import pytest
from series import moving_blob
from small import SMALL

from hyperinr_core.errors import DataError
from hyperinr_core.hinr import load
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import DistillationConfig
from hyperinr_core.training.teachers import create
from hyperinr_core.training.volumes.distillation import DistillationSet, distillation_thetas
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Grid, VolumeSeries

FIELD = "density"


def distilled(tmp_path, series=None, **settings) -> DistillationSet:
    series = moving_blob() if series is None else series
    config = DistillationConfig(teacher="linear", **settings)
    return DistillationSet(series, {FIELD: create("linear", series, FIELD)}, config, tmp_path / "t", 1 << 30, seed=0)


def test_training_steps_keep_the_truth_and_gaps_get_the_teacher(tmp_path):
    series = moving_blob()
    found = distilled(tmp_path, series)
    found.precompute(2)
    assert len(found) == 5 + 4 * 4 and found.is_truth.sum() == 5
    for step, theta in enumerate(found.series.thetas):
        values = found.series.read(step, [FIELD])
        if found.is_truth[step]:
            original = int(np.flatnonzero(series.thetas[:, 0] == theta[0])[0])
            np.testing.assert_array_equal(values, series.read(original, [FIELD]))
        else:
            np.testing.assert_allclose(values, create("linear", series, FIELD).evaluate(theta), atol=1e-6)


@pytest.mark.parametrize("storage", ["memory", "file", "on_demand"])
def test_storages_hold_the_same_volumes(tmp_path, storage):
    found, expected = distilled(tmp_path, storage=storage), distilled(tmp_path, storage="on_demand")
    found.precompute(2)
    assert (tmp_path / "t" / "teacher_0.npy").exists() == (storage == "file")
    for step in range(len(found)):
        for z_range in (None, (3, 7)):
            np.testing.assert_array_equal(
                found.series.read(step, [FIELD], z_range), expected.series.read(step, [FIELD], z_range)
            )
    found.remove()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_does_not_fit_goes_to_a_file(tmp_path):
    series = moving_blob()
    teachers = {FIELD: create("linear", series, FIELD)}
    config = DistillationConfig(teacher="linear")
    size = 4 * series.grid.n_points * 16
    assert DistillationSet(series, teachers, config, tmp_path, 2 * size, 0).storage == "memory"
    assert DistillationSet(series, teachers, config, tmp_path, 2 * size - 2, 0).storage == "file"


def test_killed_teacher_goes_on_where_it_was(tmp_path, monkeypatch):
    found = distilled(tmp_path, storage="file")
    fill, filled = DistillationSet._fill, []

    def fill_and_die(self, step):
        if len(filled) == 6:
            raise RuntimeError("killed")
        filled.append(step)
        return fill(self, step)

    monkeypatch.setattr(DistillationSet, "_fill", fill_and_die)
    with pytest.raises(RuntimeError, match="killed"):
        found.precompute(1)
    monkeypatch.setattr(DistillationSet, "_fill", lambda self, step: filled.append(step) or fill(self, step))
    again = distilled(tmp_path, storage="file")
    again.precompute(1)
    assert len(filled) == 16 and len(set(filled)) == 16
    expected = distilled(tmp_path, storage="on_demand")
    for step in range(len(again)):
        np.testing.assert_array_equal(again.series.read(step, [FIELD]), expected.series.read(step, [FIELD]))


def test_volumes_of_another_run_are_not_taken(tmp_path):
    distilled(tmp_path, storage="file").precompute(1)
    other = moving_blob(thetas=[0, 0.1, 0.2, 0.3, 2.0])
    found = distilled(tmp_path, other, storage="file")
    found.precompute(1)
    expected = distilled(tmp_path, other, storage="on_demand")
    np.testing.assert_array_equal(found.series.read(1, [FIELD]), expected.series.read(1, [FIELD]))


def test_no_room_is_said(tmp_path, monkeypatch):
    def full(*args):
        raise OSError("No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(DataError, match=r"no room for 0\.0 GB of teacher volumes .*on_demand"):
        distilled(tmp_path, storage="file").precompute(1)


def test_gaps_are_divided_by_their_own_length():
    thetas = distillation_thetas(moving_blob(thetas=[0, 1, 11]), DistillationConfig(), 0)
    np.testing.assert_allclose(thetas[:, 0], [0.2, 0.4, 0.6, 0.8, 3, 5, 7, 9])


def test_a_placed_theta_on_a_training_step_is_the_truths():
    thetas = distillation_thetas(moving_blob(n_steps=5), DistillationConfig(count=9), 0)
    np.testing.assert_allclose(thetas[:, 0], [0.25, 0.75, 1.25, 1.75])


def test_a_taught_model_follows_the_motion(tmp_path):
    whole = moving_blob(n_steps=5)
    series, config = whole.select([0, 2, 4]), SMALL.replace(training={"samples": 1_000_000})
    truth = whole.read(1, [FIELD])

    def error(teacher):
        train(Volumes(series, [FIELD]), tmp_path / "m.hinr", config.replace(distillation={"teacher": teacher}))
        return np.square(load(tmp_path / "m.hinr").generate(0.5).sample_grid() - truth).mean()

    assert error("flow") < 0.5 * error("linear")
    assert sorted(os.listdir(tmp_path)) == ["m.hinr"]


def test_the_choice_and_its_evidence_are_stored(tmp_path):
    heard = []
    from hyperinr_core.training.task import Tell

    config = SMALL.replace(training={"samples": 20_000}, distillation={"teacher": "auto"}, motion={"carry": "never"})
    tell = Tell(chosen=lambda name, choice: heard.append((name, choice)))
    model = train(Volumes(moving_blob(), [FIELD]), tmp_path / "m.hinr", config, tell=tell)
    stored = load(tmp_path / "m.hinr").provenance["teachers"][FIELD]
    assert [name for name, _ in heard] == [FIELD] and stored == heard[0][1].to_dict()
    assert set(stored["leave_one_out_psnr_db"]) == {"linear", "catmull_rom", "spline", "flow"}
    assert len(model.quality["teacher_psnr_db"][FIELD]) == 16


def test_teacher_steps_count_less_when_asked(tmp_path):
    config = SMALL.replace(training={"samples": 200_000}, distillation={"teacher": "linear"})
    kept = train(Volumes(moving_blob(), [FIELD]), tmp_path / "a.hinr", config)
    ignored = train(Volumes(moving_blob(), [FIELD]), tmp_path / "b.hinr", config.replace(distillation={"weight": 0.0}))
    between = [np.mean(model.quality["teacher_psnr_db"][FIELD]) for model in (kept, ignored)]
    assert between[0] > between[1]


def test_an_untaught_model_blends_as_left_out_steps_ask(tmp_path):
    times = np.linspace(0, 3, 9)
    pattern = np.random.default_rng(1).random((8, 8, 8)).astype(np.float32)
    loader = lambda step, name, z_range: pattern[slice(*(z_range or (0, 8)))] * np.sin(2 * times[step])  # noqa: E731
    swing = VolumeSeries(Grid((8, 8, 8)), times, {"c": 1}, loader, "a swing")
    config = SMALL.replace(training={"samples": 2000})
    model = train(Volumes(swing, ["c"]), tmp_path / "m.hinr", config)
    assert model.interpolation == "catmull_rom"
    assert model.provenance["teachers"]["c"]["teacher"] == "none"
