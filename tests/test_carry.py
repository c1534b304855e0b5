"""Whether a model carries its steps: found by itself, asked for, impossible; and what a trained one is worth."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from click.testing import CliRunner
from drifts import drift
from small import SMALL, with_training

from hyperinr.plugin.cli import hyperinr
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.training.motion import build as search
from hyperinr_core.training.motion.evidence import unexamined
from hyperinr_core.training.run import train
from hyperinr_core.training.task import Tell
from hyperinr_core.training.volumes import carry as choosing
from hyperinr_core.training.volumes import task as volumes_task
from hyperinr_core.training.volumes.carry import find_carry, possible
from hyperinr_core.training.volumes.survey import survey
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.volume import Grid, VolumeSeries

SLOW = {"speed": (1.5, 0.5, -0.75)}
AUTO = SMALL.replace(distillation={"teacher": "auto"})


def asking(carry="auto", teacher="auto", **training):
    return with_training(**training).replace(distillation={"teacher": teacher}, motion={"carry": carry})


def still(n_steps=5, dims=(12, 12, 12)):
    return drift(n_steps, dims, speed=(0, 0, 0), noise=0.3)


IMPOSSIBLE = {
    "two parameters": (
        VolumeSeries(
            Grid((8, 8, 8)), np.random.default_rng(0).random((5, 2)), {"c": 1}, lambda *_: None, "this",
            parameters=("a", "b"), roles=("free", "free"),
        ),
        AUTO, "it has the parameters a, b",
    ),
    "one step": (drift(1), AUTO, "it has one step"),
    "fewer encoders": (drift(5), AUTO.replace(encoders={"count": 3}), "not to lie at the training steps"),
    "placed encoders": (drift(5), AUTO.replace(encoders={"poisson": 1.0}), "not to lie at the training steps"),
    "a thin grid": (drift(5, (12, 12, 3)), AUTO, r"its grid has dims \(12, 12, 3\)"),
    "a point": (drift(5, (1, 1, 1)), AUTO, r"its grid has dims \(1, 1, 1\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_be_carried_says_why(case):
    series, config, reason = IMPOSSIBLE[case]
    assert re.search(reason, possible(series, config))
    found = survey(series, ["c"], 1 << 30) if case not in ("two parameters",) else None
    if found is not None:
        assert find_carry(found, (), config, Tell()) is None
        with pytest.raises(ParameterError, match=f"cannot be carried along a motion: .*{reason}.*leave --carry out"):
            find_carry(found, (), config.replace(motion={"carry": "always"}), Tell())


def test_what_can():
    for series in (drift(2), drift(5), drift(5, (12, 12, 1)), drift(5, (12, 1, 1))):
        assert possible(series, AUTO) == "" == possible(series, AUTO.replace(encoders={"count": len(series)}))


def test_auto_carries_what_moves_unless_a_teacher_is_named():
    found = survey(drift(**SLOW), ["c"], 1 << 30)
    carry = find_carry(found, (), asking(), Tell())
    choice = carry.choices["c"]
    assert choice.teacher == "carry" and "optical flow" in choice.reason
    assert choice.psnr["carry"] > choice.psnr["linear"] + 10
    assert carry.motion.trust.max() > 200
    for teacher in ("none", "linear", "flow"):
        assert find_carry(found, (), asking(teacher=teacher), Tell()) is None
    assert find_carry(found, (), asking("never"), Tell()) is None
    assert find_carry(found, (), asking("always", "none"), Tell()) is not None
    with pytest.raises(ParameterError, match="--teacher is flow, whose volumes it is to learn"):
        find_carry(found, (), asking("always", "flow"), Tell())


def test_where_nothing_moves_it_says_so_and_promises_what_linear_does():
    carry = find_carry(survey(still(), ["c"], 1 << 30), (), asking("always"), Tell())
    choice = carry.choices["c"]
    assert choice.psnr["carry"] > choice.psnr["linear"] - 0.1
    assert not carry.motion.trust.any()
    assert choice.reason == "nothing that moves was found, so training steps are interpolated"


def test_two_steps_are_carried_where_asked_or_where_a_velocity_says_how():
    found = survey(drift(2, **SLOW), ["c", "U"], 1 << 30)
    one = dataclasses.replace(found, fields=found.fields[:1])
    auto, asked, traced = (
        find_carry(one, velocity, asking(carry), Tell())
        for velocity, carry in (((), "auto"), ((), "always"), (("U",), "auto"))
    )
    assert auto is None or not auto.motion.trust.any()
    assert asked.motion.trust.max() > 200 and traced.motion.trust.max() > 200
    assert "leave none to check it with" in traced.choices["c"].reason


@pytest.mark.parametrize("velocity, is_used", [(None, True), ((60.0, 20.0, -30.0), False), ((-1.5, -0.5, 0.75), False)])
def test_a_velocity_is_said_to_be_used_or_not(velocity, is_used):
    found, heard = survey(drift(**SLOW, velocity=velocity), ["c", "U"], 1 << 30), []
    found = dataclasses.replace(found, fields=found.fields[:1])
    carry = find_carry(found, ("U",), asking(), Tell(traced=lambda *said: heard.append(said)))
    names, meaning, share = heard[0]
    assert names == ("U",) and bool(meaning) == is_used and (share > 0.9) == is_used
    assert carry.choices["c"].psnr["carry"] > carry.choices["c"].psnr["linear"] + 10


def test_a_trained_model_is_carried_between_its_steps(tmp_path):
    series, chosen = drift(9, **SLOW), []
    config = asking(samples=1_000_000)
    task = Volumes(series.select(range(0, 9, 2)), ["c"])
    train(task, tmp_path / "m.hinr", config, tell=Tell(chosen=lambda name, choice: chosen.append(choice.teacher)))
    model = hinr.load(tmp_path / "m.hinr")
    assert chosen == ["carry"] and hinr.read_header(tmp_path / "m.hinr")["version"] == 6
    assert [field.name for field in model.fields] == ["c"], "the velocity is not learned"
    scores = []
    for interpolation in (None, "linear"):
        found = [model.generate(t, interpolation=interpolation).sample_grid() for t in (1.0, 3.0, 5.0, 7.0)]
        scores.append(np.mean([psnr(v, series.read(s, ["c"]), (0.0, 3.0)) for v, s in zip(found, (1, 3, 5, 7))]))
    assert scores[0] > scores[1] + 3
    said = CliRunner().invoke(hyperinr, ["compress", str(tmp_path / "m.hinr"), "-o", str(tmp_path / "c.hinr")])
    assert said.exit_code == 0, said.output
    small = hinr.load(tmp_path / "c.hinr")
    np.testing.assert_array_equal(small.motion.paths, model.motion.paths)
    assert psnr(small.generate(3.0).sample_grid(), series.read(3, ["c"]), (0.0, 3.0)) > scores[1] + 2


def test_equal_seeds_and_resumed_runs_give_equal_bytes(tmp_path, monkeypatch):
    series, config = drift(4, (12, 12, 12), **SLOW), asking("always", samples=60_000)

    def halfway(report):
        if report.samples >= 30_000:
            raise KeyboardInterrupt

    for name in ("one", "two"):
        train(Volumes(series, ["c"]), tmp_path / name, config)
    with pytest.raises(KeyboardInterrupt):
        train(Volumes(series, ["c"]), tmp_path / "cut", config, tell=Tell(report=halfway))
    train(Volumes(series, ["c"]), tmp_path / "cut", config, resume=True)
    first = (tmp_path / "one").read_bytes()
    assert (tmp_path / "two").read_bytes() == first == (tmp_path / "cut").read_bytes()
    assert hinr.load(tmp_path / "one").motion is not None


def with_holes(series, where, value=np.nan):
    """A series whose velocity has no numbers in some places."""

    def load(step, name, z_range):
        values = np.array(series.loader(step, name, z_range), np.float32)
        if name == "U":
            values[where(step)] = value
        return values

    return dataclasses.replace(series, loader=load)


HOLES = {
    "NaN somewhere": (lambda step: np.s_[3:6, 4:9, :5], np.nan),
    "NaN in one step": (lambda step: np.s_[:] if step == 2 else np.s_[:0], np.nan),
    "infinity": (lambda step: np.s_[1, 2, 3], np.inf),
}


@pytest.mark.parametrize("case", HOLES)
def test_a_velocity_that_is_not_whole_spoils_nothing(tmp_path, case):
    """It was found by its name, and nobody asked for it."""
    series = with_holes(drift(5, (12, 12, 12), **SLOW), *HOLES[case])
    config, heard = asking("always", samples=20_000), []
    tell = Tell(traced=lambda names, meaning, share: heard.append(meaning))
    model = train(Volumes(series, ["c"]), tmp_path / "m.hinr", config, tell=tell)
    assert model.mask is None and np.isfinite(model.generate(1.5).sample_grid()).all()
    assert len(heard) == 1 and bool(heard[0]) == (case == "NaN somewhere")
    if not heard[0]:
        with pytest.raises(DataError, match="field 'U'"):  # now somebody asked for it
            train(Volumes(series, ["c"]), tmp_path / "n.hinr", config.replace(motion={"velocity": "U"}))


def test_errors_are_in_the_datas_units(tmp_path):
    """Of a field that is learned as multiples of a unit from an offset."""
    plain = drift(4, (12, 12, 12), **SLOW)
    config = asking("always", samples=20_000)

    def load(step, name, z_range):
        values = plain.loader(step, name, z_range).astype(np.float64)
        return 101325 + 1e-3 * values if name == "c" else values

    lifted = dataclasses.replace(plain, loader=load)
    first, second = (
        train(Volumes(series, ["c"]), tmp_path / f"{name}.hinr", config)
        for name, series in (("plain", plain), ("lifted", lifted))
    )
    assert second.motion.largest_error[0] == pytest.approx(1e-3 * first.motion.largest_error[0], rel=0.05)
    found = hinr.load(tmp_path / "lifted.hinr").generate(1.5).sample_grid()
    assert found.dtype == np.float64 and 101324.99 < found.min() < found.max() < 101325.01


def test_masked_points_stay_masked_and_the_velocity_has_no_mask_of_its_own(tmp_path):
    series = drift(4, (12, 12, 12), **SLOW)
    wall = np.arange(12) < 3

    def load(step, name, z_range):
        values = series.loader(step, name, z_range).copy()
        values[:, :, wall if name == "c" else ~wall] = np.nan
        return values

    model = train(
        Volumes(dataclasses.replace(series, loader=load), ["c"]), tmp_path / "m.hinr", asking("always", samples=20_000)
    )
    found = hinr.load(tmp_path / "m.hinr").generate(1.5).sample_grid()
    assert np.isnan(found[:, :, wall]).all() and np.isfinite(found[:, :, ~wall]).all()
    assert model.mask.owners.shape[1] == 1


def test_a_large_series_is_weighed_on_a_block_and_carried_everywhere(tmp_path, monkeypatch):
    from hyperinr_core.training.volumes import survey as module

    monkeypatch.setattr(module, "MOST_POINTS", 14**3)
    series, seen = drift(4, (24, 20, 18), **SLOW), []
    original = volumes_task.find_carry
    monkeypatch.setattr(volumes_task, "find_carry", lambda found, *rest: seen.append(found) or original(found, *rest))
    model = train(Volumes(series, ["c"]), tmp_path / "m.hinr", asking("always", samples=20_000))
    assert seen[0].block.grid.n_points < series.grid.n_points
    assert model.motion.shape == series.grid.shape


def test_minutes_that_the_search_for_motion_would_use_up_are_refused_before_it(monkeypatch):
    found, config = survey(drift(dims=(24, 20, 16), **SLOW), ["c"], 1 << 30), asking()
    hasty = config.replace(budget={"minutes": 1e-4})
    assert find_carry(found, (), hasty, Tell()) is not None  # small enough to be searched at once
    for name, value in (("MOST_AT_ONCE", 1000), ("LONGEST", 24)):
        monkeypatch.setattr(search, name, value)
    assert find_carry(found, (), config.replace(budget={"minutes": 60.0}), Tell()) is not None
    monkeypatch.setattr(choosing, "build", lambda *_: pytest.fail("the search began"))
    refused = (
        r"minutes is 0\.0001, and finding the motion of .* would take about .*; expected .* at least, --bricks, or"
    )
    with pytest.raises(ParameterError, match=refused):
        find_carry(found, (), hasty, Tell())


def promised(decibels):
    """Evidence in place of what leaving steps out shows, by the spacing of the points that are searched."""
    heard = []

    def evidence(pairs, **_):
        heard.append(pairs.every)
        return dataclasses.replace(unexamined(pairs, 1.0), psnr={"carried": [decibels[pairs.every]], "linear": [10.0]})

    return evidence, heard


@pytest.mark.parametrize(
    "points, decibels, tried, taken",
    [
        ("auto", {1: 40.0, 2: 39.95}, [2, 1], 2),
        ("auto", {1: 40.0, 2: 39.5}, [2, 1], 1),
        ("all", {1: 40.0, 2: 45.0}, [1], 1),
        ("half", {1: 45.0, 2: 40.0}, [2], 2),
    ],
)
def test_a_large_grid_is_searched_at_every_second_point_where_nothing_is_lost(
    monkeypatch, points, decibels, tried, taken
):
    found = survey(drift(5, (36, 34, 8), **SLOW), ["c"], 1 << 30)
    config = asking().replace(motion={"points": points})
    evidence, heard = promised(decibels)
    searched = []
    monkeypatch.setattr(choosing, "MOST_AT_ONCE", 1000)
    monkeypatch.setattr(choosing, "_evidence", evidence)
    monkeypatch.setattr(choosing, "build", lambda fields, _: searched.extend(p.every for p, _ in fields.values()))
    reason = find_carry(found, (), config, Tell()).choices["c"].reason
    assert heard == tried and searched == [taken]
    assert ("every second point" in reason) == (taken == 2)


def test_a_grid_that_is_not_large_is_searched_at_all_points(monkeypatch):
    evidence, heard = promised({1: 40.0, 2: 40.0})
    monkeypatch.setattr(choosing, "_evidence", evidence)
    find_carry(survey(drift(5, (36, 34, 8), **SLOW), ["c"], 1 << 30), (), asking(), Tell())
    assert heard == [1]
