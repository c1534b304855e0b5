"""`hyperinr train-views`: what it holds out, what it remembers, times and other parameters, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from view_models import balls_database, call, views

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.evaluate_views import evaluate_views
from hyperinr.plugin.commands.train_views import held_out_steps, train_views
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, HyperINRError, ParameterError
from hyperinr_core.pictures.picture_set import is_picture


def test_the_model_remembers_what_it_did_not_see(trained_views, balls):
    model = hinr.load(trained_views[0])
    assert is_picture(model.grid, model.fields) and model.interpolation == "barycentric"
    seen = set(zip(*(parameter.values for parameter in model.parameters)))
    held_out = {tuple(theta) for theta in model.provenance["held_out"]}
    everything = {tuple(theta) for theta in open_pictures(balls).thetas.tolist()}
    assert len(held_out) == 24 and not seen & held_out and seen | held_out == everything
    assert [parameter.bounds for parameter in model.parameters] == [(0, 360), (-90, 90)]
    assert model.provenance["views"]["teacher"] == "radiance"
    assert len(model.quality["training_psnr_db"]["rgb"]) == 24


def test_a_view_is_not_held_out_while_it_is_trained_on_a_full_turn_away(tmp_path):
    angles = [(azimuth, elevation) for azimuth in range(-180, 181, 60) for elevation in (-30, 0, 30, 60)]
    pictures = open_pictures(balls_database(tmp_path / "turn.cdb", angles))
    for share, every in ((0.5, None), (0.0, 2), (0.0, 3)):
        out = held_out_steps(pictures, share, every, 3)
        kept = np.setdiff1d(np.arange(28), out)
        seen, unseen = ({(a % 360, e) for a, e in pictures.thetas[rows].tolist()} for rows in (kept, out))
        assert not seen & unseen and len(seen | unseen) == 24


def test_time_gets_encoders_at_each_of_its_values(tmp_path, quick_views):
    database = balls_database(tmp_path / "t.cdb", views(12), times=(0.6, 1.0))
    call(train_views, database, "-o", tmp_path / "t.hinr", "--every", 2, "--teacher", "none", "--config", quick_views)
    model = hinr.load(tmp_path / "t.hinr")
    assert sorted(set(model.encoder_positions[:, 2])) == [0.6, 1.0] and len(model.encoder_positions) == 12
    assert len(model.provenance["held_out"]) == 12
    between = [model.generate((*model.encoder_positions[0, :2], time)).sample_grid() for time in (0.6, 0.8, 1.0)]
    assert np.abs(between[0] - between[2]).max() > 20 and np.abs(between[1] - between[0]).max() > 5
    report = json.loads(call(evaluate_views, tmp_path / "t.hinr", database, "--json").output)
    assert len(report["pictures"]) == 12 and {"phi", "theta", "time"} <= set(report["pictures"][0])


def test_time_alone_and_other_parameters_need_no_views(tmp_path, quick_views):
    database = balls_database(tmp_path / "t.cdb", [(30.0, 20.0)], times=(0.5, 0.7, 0.9, 1.1))
    call(train_views, database, "-o", tmp_path / "t.hinr", "--config", quick_views)
    model = hinr.load(tmp_path / "t.hinr")
    assert [parameter.name for parameter in model.parameters] == ["time"] and model.interpolation == "linear"
    assert min(model.quality["training_psnr_db"]["rgb"]) > 20


def test_commands_say_what_is_wrong(balls, trained_views, quick_views, tmp_path):
    out = ["-o", tmp_path / "x.hinr"]
    other = balls_database(tmp_path / "o.cdb", views(9), size=24)
    time = balls_database(tmp_path / "t.cdb", [(30.0, 20.0)], times=(0.5, 0.7))
    cases = [
        (train_views, [balls, *out, "--role", "phi=sideways"], ParameterError, "expected NAME=ROLE"),
        (train_views, [balls, *out, "--holdout", 0.5, "--every", 2], ParameterError, "expected one of them"),
        (train_views, [time, *out, "--holdout", 0.5], ParameterError, "1 are left to train on"),
        (train_views, [time, *out, "--teacher", "radiance"], ParameterError, "needs an azimuth and an elevation"),
        (train_views, [balls, "-o", tmp_path / "none" / "x.hinr"], DataError, "no folder that can be written to"),
        (evaluate_views, [trained_views[0], other], DataError, "24, 24. pixels"),
        (evaluate_views, [trained_views[0], balls, "--plot", tmp_path / "x.xyz"], HyperINRError, "cannot be written"),
    ]
    for command, arguments, kind, message in cases:
        with pytest.raises(kind, match=message):
            call(command, *arguments)
    assert not (tmp_path / "x.hinr").exists() and not list(tmp_path.glob("x.hinr*"))
