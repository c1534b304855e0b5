"""Points of bytes and PSNR, against numbers computed here."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models import random_model
from moving_models import random_motion

from hyperinr_core import hinr
from hyperinr_core.errors import ParameterError
from hyperinr_core.measure import sizes
from hyperinr_core.measure.sizes import (
    CODED,
    FILE,
    Truth,
    codec_points,
    coded_points,
    file_point,
    is_model,
    least,
    saw_every_step,
    truth_of,
)  # fmt: skip
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

DIMS = (12, 10, 8)


def truth() -> Truth:
    """Five steps at uneven times, of which the first, third and last are key frames; values rise with the square of time."""
    thetas = np.array([0.0, 1.0, 4.0, 5.0, 8.0])
    values = (thetas**2).astype(np.float32)[:, None, None, None] * np.ones((1, 2, 3, 4), np.float32)
    return Truth(values, values, thetas, np.array([0, 2, 4]), (0.0, 64.0), "v")


def test_a_point_means_over_all_steps_and_over_those_held_out():
    values = truth().values.copy()
    values[1] += 6.4  # 20 dB
    values[3] += 0.64  # 40 dB
    point = truth().point("some", "0.1", 1234, values, None, 0.25)
    assert point == {
        "method": "some", "setting": "0.1", "bytes": 1234, "psnr_held_out": 30.0, "psnr_trained": 150.0, "psnr_all": 102.0,
        "encode_s": None, "decode_s": 0.25,
    }  # fmt: skip


def test_a_series_without_held_out_steps_has_no_psnr_of_them():
    every = Truth(truth().values, truth().values, truth().thetas, np.arange(5), (0.0, 64.0), "v")
    assert every.point("some", "", 1, every.values, 1.0, 1.0)["psnr_held_out"] is None


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
    stored, coded = file_point(str(tmp_path / "m.hinr"), covered), *coded_points(network, covered)
    assert (stored["method"], stored["setting"]) == (FILE, "m") and stored["psnr_held_out"] > 100
    assert stored["bytes"] == (tmp_path / "m.hinr").stat().st_size
    assert (coded["method"], coded["setting"]) == (CODED, "30 dB")
    assert 29 < coded["psnr_all"] < 36 and coded["bytes"] < stored["bytes"]


def test_the_least_bytes_for_as_many_db_lie_between_points():
    rows = [
        ("ZFP", 10_000, 20.0),
        ("ZFP", 40_000, 30.0),
        ("ZFP", 50_000, 29.0),
        ("ZFP", 160_000, 40.0),
        ("SZ3", 30_000, 24.0),
        ("SZ3", 60_000, 34.0),
    ]
    points = [{"method": method, "bytes": n_bytes, "psnr_held_out": psnr} for method, n_bytes, psnr in rows]
    assert least(points, 25.0) == (pytest.approx(20_000), "ZFP"), "half way in dB, the geometric mean of bytes"
    assert least(points, 19.0) == (pytest.approx(10_000), "ZFP"), "no less than was measured"
    assert least(points, 32.0) == (pytest.approx(30_000 * 2**0.8), "SZ3")
    assert least(points, 35.0) == (pytest.approx(80_000), "ZFP"), "the point of more bytes and less dB is none"
    assert least(points, 41.0) is None and least([], 1.0) is None


def test_rivals_see_every_step_or_the_training_steps_alone():
    carried = random_motion((8, 10, 12), times=(0.0, 4.0, 8.0))
    whole = Truth(
        np.random.default_rng(0).random((5, 8, 10, 12), np.float32), None, truth().thetas, truth().keys, (0.0, 1.0), "v"
    )
    whole = dataclasses.replace(whole, numbers=whole.values)
    points = [point for point in codec_points(whole, carried) if point["method"].endswith("zlib")]
    assert [saw_every_step(point) for point in points] == [True, False, False] and not any(map(is_model, points))
    every, linear, moved = points
    assert every["psnr_all"] == linear["psnr_trained"] == moved["psnr_trained"] == 150
    motion_mb = float(moved["setting"].split()[2])
    assert moved["bytes"] - linear["bytes"] == pytest.approx(1e6 * motion_mb, abs=500) and motion_mb > 0
    assert moved["psnr_held_out"] != linear["psnr_held_out"] < 20


def test_a_model_of_two_values_is_refused(tmp_path):
    model = random_model(DIMS, fields=(Field("a", 1, ((0.0, 1.0),)), Field("b", 1, ((0.0, 1.0),))))
    with pytest.raises(ParameterError, match="one scalar over time"):
        truth_of(model, None)
