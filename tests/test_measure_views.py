"""Pictures that a model and interpolation predict, against numbers computed here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from view_models import balls_database, picture_model

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.report import scores
from hyperinr_core.measure.views import (
    InterpolatedViews,
    held_out_and_trained,
    measure_views,
    p_value,
    predicted,
)
from hyperinr_core.pictures.picture_set import RANGE, to_bytes
from hyperinr_core.volume import Parameter

SEEN = [(0.0, -40.0), (120.0, -40.0), (240.0, -40.0), (0.0, 40.0), (120.0, 40.0), (240.0, 40.0)]
UNSEEN = [(60.0, 10.0), (180.0, -10.0), (300.0, 30.0)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return open_pictures(balls_database(tmp_path_factory.mktemp("views") / "b.cdb", SEEN + UNSEEN, size=16))


@pytest.fixture
def model():
    """A model that says it was trained on SEEN alone."""
    azimuths, elevations = zip(*SEEN)
    parameters = (
        Parameter("phi", "view_azimuth", (0.0, 360.0), "deg", azimuths),
        Parameter("theta", "view_elevation", (-90.0, 90.0), "deg", elevations),
    )
    model = picture_model((16, 16), parameters=parameters)
    return dataclasses.replace(model, provenance={"held_out": [list(theta) for theta in UNSEEN]})


def test_pictures_are_parted_as_the_model_remembers(model, pictures):
    held_out, trained = held_out_and_trained(model, pictures, "m.hinr")
    assert held_out.thetas.tolist() == [list(theta) for theta in UNSEEN]
    assert trained.thetas.tolist() == [list(theta) for theta in SEEN]


def test_other_models_and_pictures_are_refused(model, pictures):
    no_memory = dataclasses.replace(model, provenance={})
    with pytest.raises(ParameterError, match=r"m\.hinr is no model of pictures"):
        held_out_and_trained(no_memory, pictures, "m.hinr")
    with pytest.raises(DataError, match="has 2 of the 3 held-out and 6 of the 6 training pictures"):
        held_out_and_trained(model, pictures.select(range(8)), "m.hinr")
    everything = dataclasses.replace(model, provenance={"held_out": []})
    with pytest.raises(DataError, match="was trained on every picture"):
        held_out_and_trained(everything, pictures, "m.hinr")


def test_interpolation_repeats_training_pictures_and_blends_between_them(pictures):
    interpolate = InterpolatedViews(pictures.select(range(6)))
    np.testing.assert_array_equal(interpolate(np.array(SEEN[4])), pictures.picture(4))
    middle = np.array([90.0, 10.0])
    # in the plane of the angles, where azimuth goes on after a turn
    distances = [min(np.hypot(*(middle - seen + (turn, 0))) for turn in (-360, 0, 360)) for seen in SEEN]
    nearest = np.argsort(distances)[:4]
    weights = 1 / np.array(distances)[nearest]
    blend = sum(w * pictures.picture(int(step)) for w, step in zip(weights / weights.sum(), nearest))
    np.testing.assert_allclose(interpolate(middle).astype(int), blend, atol=0.6)


def test_time_alone_is_blended_linearly(tmp_path):
    steps = open_pictures(balls_database(tmp_path / "t.cdb", [(30.0, 20.0)], size=16, times=(0.5, 0.7)))
    interpolate = InterpolatedViews(steps)
    middle = interpolate(np.array([0.6]))
    expected = to_bytes((steps.picture(0).astype(np.float32) + steps.picture(1)) / 2)
    np.testing.assert_allclose(middle.astype(int), expected, atol=1)


def test_the_report_is_that_of_pictures_scored_by_hand(model, pictures):
    held_out, trained = held_out_and_trained(model, pictures, "m.hinr")
    interpolate, heard = InterpolatedViews(trained), []
    report = measure_views(model, held_out, interpolate, progress=lambda *counts: heard.append(counts))
    assert list(report) == ["held_out", "difference", "p_value", "wins", "pictures"]
    assert heard == [(1, 3), (2, 3), (3, 3)]
    expected = []
    for step, theta in enumerate(UNSEEN):
        truth = held_out.picture(step)[None]
        rivals = predicted(model, held_out, step), interpolate(np.array(theta))
        expected.append([scores(values[None], truth, RANGE)["psnr"] for values in rivals])
        entry = report["pictures"][step]
        assert (entry["phi"], entry["theta"]) == theta
        assert [entry["model"]["psnr"], entry["interpolation"]["psnr"]] == expected[-1]
    differences = np.subtract(*np.transpose(expected))
    assert report["difference"] == pytest.approx(differences.mean())
    assert report["p_value"] == pytest.approx(ttest_1samp(differences, 0).pvalue)


def test_what_does_not_scatter_has_no_p_value():
    assert p_value(np.array([1.0])) is None and p_value(np.array([2.0, 2.0])) is None
    assert p_value(np.array([1.0, 1.1, 0.9])) < 0.01
