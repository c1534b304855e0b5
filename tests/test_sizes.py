"""Points of bytes and PSNR, against numbers computed here."""

from __future__ import annotations

import numpy as np
import pytest
from models import random_model

from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.measure import sizes
from hyperinr_core.measure.sizes import CODED, STORED, Truth, model_points, truth_of, verdict
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

DIMS = (12, 10, 8)


def truth() -> Truth:
    """Five steps at uneven times, of which the first, third and last are key frames; values rise with the square of time."""
    thetas = np.array([0.0, 1.0, 4.0, 5.0, 8.0])
    values = (thetas**2).astype(np.float32)[:, None, None, None] * np.ones((1, 2, 3, 4), np.float32)
    return Truth(values, values, thetas, np.array([0, 2, 4]), (0.0, 64.0))


def test_key_frames_are_linear_in_time():
    between = truth().between(truth().values[[0, 2, 4]])
    assert between.shape == (5, 2, 3, 4)
    np.testing.assert_allclose(between[:, 0, 0, 0], [0, 4, 16, 28, 64], atol=1e-5)


def test_a_point_means_over_all_steps_and_over_those_held_out():
    values = truth().values.copy()
    values[1] += 6.4  # 20 dB
    values[3] += 0.64  # 40 dB
    point = truth().point("some", "0.1", 1234, values)
    assert point == {"method": "some", "setting": "0.1", "bytes": 1234, "psnr_all": 102.0, "psnr_held_out": 30.0}


def test_a_series_without_held_out_steps_has_no_psnr_of_them():
    every = Truth(truth().values, truth().values, truth().thetas, np.arange(5), (0.0, 64.0))
    assert every.point("some", "", 1, every.values)["psnr_held_out"] is None


def test_the_model_is_measured_as_it_is_and_coded(tmp_path, monkeypatch):
    time = Parameter("time", "time", (0.0, 4.0), "", (0.0, 2.0, 4.0))
    network = random_model(DIMS, (time,), (Field("value", 1, ((-3.0, 3.0),)),))
    hinr.save(network, tmp_path / "m.hinr")
    steps = [network.generate(float(t)).sample_grid()[..., 0] for t in range(5)]
    steps.append(np.zeros_like(steps[0]))  # beyond the last training step
    series = VolumeSeries(Grid(DIMS), np.arange(6.0), {"value": 1}, lambda step, name, z: steps[step], "run.pvd")
    covered = truth_of(network, series)
    assert covered.thetas.tolist() == [0, 1, 2, 3, 4] and covered.keys.tolist() == [0, 2, 4]
    monkeypatch.setattr(sizes, "TARGETS", (30,))
    stored, coded = model_points(network, str(tmp_path / "m.hinr"), covered)
    assert stored["method"] == STORED and stored["psnr_held_out"] > 100
    assert stored["bytes"] == (tmp_path / "m.hinr").stat().st_size
    assert (coded["method"], coded["setting"]) == (CODED, "30 dB")
    assert 29 < coded["psnr_all"] < 36 and coded["bytes"] < stored["bytes"]


def test_the_verdict_names_the_smallest_size_of_each_rival_that_is_as_good():
    rows = [(CODED, 1_000_000, 30.0), (CODED, 2_000_000, 35.0), ("ZFP", 9_000_000, 40.0), ("ZFP", 5_000_000, 36.0),
            ("ZFP", 100_000, 34.0), ("SZ3", 4_000_000, 35.0)]  # fmt: skip
    points = [{"method": method, "bytes": n_bytes, "psnr_held_out": psnr} for method, n_bytes, psnr in rows]
    assert verdict(points) == (
        "For 35.0 dB on steps that were held out the model takes 2.00 MB; SZ3 4.00 MB, ZFP 5.00 MB for as much or more."
    )
    assert "no other method" in verdict(points[:2])


def test_a_model_of_two_values_is_refused(tmp_path):
    model = random_model(DIMS, fields=(Field("a", 1, ((0.0, 1.0),)), Field("b", 1, ((0.0, 1.0),))))
    with pytest.raises(ParameterError, match="one scalar over time"):
        truth_of(model, None)
