"""Models on their way into a file: within bytes, within a bound, and as their tables were learned."""

from __future__ import annotations

import dataclasses
import logging
import os
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from masked import masked_model
from series import moving_blob, waves
from small import SMALL, with_training
from test_bounding import errors_of

from hyperinr.plugin.commands.model import info
from hyperinr_core import hinr
from hyperinr_core.bounding import Promise
from hyperinr_core.compression import Compression
from hyperinr_core.errors import ParameterError
from hyperinr_core.training import finish, watch
from hyperinr_core.training.rate import Rate
from hyperinr_core.training.run import train
from hyperinr_core.training.task import Tell
from hyperinr_core.training.volumes.task import Volumes
from hyperinr_core.training.watch import Interrupted

CARRIED = {"motion": {"carry": "always"}, "distillation": {"teacher": "auto"}}


def tables_of(path):
    return hinr.read_header(path).get("tables")


def test_bytes_that_a_bound_alone_exceeds_are_refused_before_the_training(tmp_path, monkeypatch):
    series, heard = moving_blob(), []
    config = SMALL.replace(budget={"max_bytes": 12_000})
    with pytest.raises(ParameterError, match=r"max-bytes is 12000; expected [0-9]+ at least"):
        tell = Tell(report=heard.append)
        train(Volumes(series, ["density"]), tmp_path / "m.hinr", config, promise=Promise(series, 1e-4, True), tell=tell)
    assert not heard and not os.path.exists(tmp_path / "m.hinr")


@pytest.mark.parametrize("carried", [False, True])
def test_a_bound_within_bytes_keeps_to_both(tmp_path, carried):
    series = waves(16) if carried else moving_blob()
    names = None if carried else ["density"]
    config = SMALL.replace(**CARRIED) if carried else SMALL
    train(Volumes(series, names), tmp_path / "m.hinr", config, promise=Promise(series, 0.01, True))
    bound = hinr.load(tmp_path / "m.hinr").bound.n_bytes
    most = bound + (70_000 if carried else 45_000)
    train(
        Volumes(series, names), tmp_path / "s.hinr", config.replace(budget={"max_bytes": most}),
        promise=Promise(series, 0.01, True),
    )  # fmt: skip
    small = hinr.load(tmp_path / "s.hinr")
    assert os.path.getsize(tmp_path / "s.hinr") <= most and (small.motion is not None) == carried
    learned = series if carried else series.select(range(5))
    assert (errors_of(small, learned)[:1] <= small.largest_errors).all()


def test_tables_that_were_learned_for_bytes_stay_so_beside_a_bound(tmp_path):
    series = waves(16)
    config = SMALL.replace(training={"rate": 30.0}, **CARRIED)
    train(Volumes(series), tmp_path / "m.hinr", config, promise=Promise(series, 0.01, True))
    loaded, coding = hinr.load(tmp_path / "m.hinr"), tables_of(tmp_path / "m.hinr")
    assert loaded.motion is not None and (errors_of(loaded, series) <= loaded.largest_errors).all()
    plain = train(Volumes(series), tmp_path / "p.hinr", SMALL.replace(**CARRIED), promise=Promise(series, 0.01, True))
    assert plain.bound is not None
    assert max(coding["steps"]) < max(tables_of(tmp_path / "p.hinr")["steps"]), "those of previews are coarser"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small model, and a lesson that it could have learned from."""
    config = with_training(samples=40_000)
    model = train(Volumes(moving_blob(), ("density",)), tmp_path_factory.mktemp("trained") / "m.hinr", config)
    return model, SimpleNamespace(
        bound=None, config=config, quality=lambda model: {"training_psnr_db": {}}, restored=lambda model: model
    )


def test_steps_that_do_not_suit_the_tables_any_more_are_measured_again(trained):
    model, lesson = trained
    model, coded = finish._stored(model, lesson, ((1e-9,) * model.encoding.n_levels, 30.0))
    assert coded is not None and min(coded[0].steps) > 1e-6


@pytest.mark.parametrize("quality", [0.0, 5.0, 30.0, 60.0])
def test_tables_lose_next_to_nothing(trained, quality):
    model = dataclasses.replace(trained[0], quality={"training_psnr_db": {"density": [quality]}})
    coded, compression = finish._coded_well(model), Compression(model)
    assert coded is not None and len(coded[1]) < model.encoder_params.nbytes
    least = max(compression.tolerable(finish.LOST), finish.LEAST)
    assert compression.psnr(coded[0].steps) > least - 2 * finish.SLACK


@pytest.mark.parametrize("after", [0.5, 3.0])
def test_tables_of_steps_without_a_value_are_coded_by_the_others(trained, after):
    """Masked until a time; from the beginning on until after the end there is nothing that they could be compared by."""
    masked = masked_model(lambda x, y, z, t: (t < after) & (x >= 0))
    model, coded = finish._stored(masked, trained[1], None)
    assert (coded is None) == (after > 2) and model.encoder_params.shape == masked.encoder_params.shape
    by_field = Compression(masked).psnr_by_field([1e-3] * masked.encoding.n_levels) if after < 2 else {}
    assert all(values[0] is None and values[-1] > 20 for values in by_field.values())


def test_what_cannot_be_made_smaller_is_said_and_kept(trained, tmp_path, caplog):
    model, lesson = trained
    lesson.config = lesson.config.replace(budget={"max_bytes": 1000})
    with caplog.at_level(logging.WARNING):
        whole = finish.finished(model, lesson, tmp_path / "m.hinr", None, None, Tell())
    assert "more than max-bytes, 1000: in fewer its tables would be empty" in caplog.text
    np.testing.assert_array_equal(hinr.load(tmp_path / "m.hinr").encoder_params, whole.encoder_params)


def test_a_run_that_pays_for_bytes_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "REPORT_SECONDS", 0.0)  # after every iteration, however fast
    settings = with_training(samples=200_000, batch_steps=1, batch_points=400, rate=30.0)

    def stop_late(report):
        return report.samples > 100_000

    train(Volumes(moving_blob(), ("density",)), tmp_path / "whole.hinr", settings)
    with pytest.raises(Interrupted):
        tell = Tell(report=stop_late)
        train(Volumes(moving_blob(), ("density",)), tmp_path / "m.hinr", settings, tell=tell)
    train(Volumes(moving_blob(), ("density",)), tmp_path / "m.hinr", settings, resume=True)
    whole, again = (hinr.load(tmp_path / name) for name in ("whole.hinr", "m.hinr"))
    np.testing.assert_array_equal(again.encoder_params, whole.encoder_params)
    assert tables_of(tmp_path / "m.hinr")["steps"] == tables_of(tmp_path / "whole.hinr")["steps"]


def test_a_rate_within_bytes_is_the_smaller_of_both(monkeypatch):
    for within, expected in ((0.0, 40.0), (25.0, 25.0), (50.0, 40.0)):
        rate = rate_of(40.0, within, monkeypatch)
        assert rate.target == expected
    assert rate_of(0.0, 0.0, monkeypatch).cost.steps is None


def rate_of(asked, within, monkeypatch):
    """A rate after its first measurement, where so many bytes hold a PSNR."""
    import torch
    from models import random_model

    model = random_model((8, 8, 8))
    monkeypatch.setattr(Rate, "_within", lambda *_: within)
    rate = Rate(asked, 1000, model.architecture.hash_grid, 1000)
    tables = torch.from_numpy(model.encoder_params.astype(np.float32))
    iteration = 0
    while rate.left(iteration) < 500:
        iteration += rate.left(iteration)
        rate.look(iteration, tables, lambda: model)
    return rate


def test_info_says_differences_where_there_are_some(tmp_path):
    folder = os.path.join(os.path.dirname(__file__), "golden")
    for name in ("coded", "coded_differences", "coded_levels"):
        differences = hinr.read_header(os.path.join(folder, f"{name}.hinr"))["tables"]["differences"]
        said = CliRunner().invoke(info, [os.path.join(folder, f"{name}.hinr")]).output
        assert ("differences between neighbouring encoders" in said) == bool(np.any(differences)), name
