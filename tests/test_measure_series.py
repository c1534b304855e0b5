"""A model over time and interpolation of its training volumes, against numbers computed here step by step."""

from __future__ import annotations

import dataclasses
import time as clock

import numpy as np
import pytest
from masked import masked_model, wall
from models import random_model

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.measure.metrics import PSNR_CAP, psnr, ssim
from hyperinr_core.measure.series import measure_series, steps_at, value_range
from hyperinr_core.volume import Field, Grid, Parameter, VolumeSeries

#: The model was trained on every second of these; the last lies beyond it.
TIMES = (0.0, 0.25, 0.5, 0.8, 1.0, 1.3)
TRAINED = (0.0, 0.5, 1.0)
FIELDS = (Field("density", 1, ((-1.0, 3.0),)), Field("velocity", 3, ((0.0, 1.0),) * 3))


def model(fields=FIELDS[:1]):
    return random_model((8, 9, 10), (Parameter("time", "time", (0.0, 1.0), "s", TRAINED),), fields, n_encoders=3)


def truth_at(time: float, name: str) -> np.ndarray:
    """A wave that moves, (10, 9, 8) or (10, 9, 8, 3)."""
    z, y, x = np.meshgrid(*(np.linspace(0, 3, n) for n in (10, 9, 8)), indexing="ij")
    wave = np.sin(x + 2 * y - z + 4 * time).astype(np.float32)
    return wave if name == "density" else np.stack([wave, -2 * wave, 3 + wave], axis=-1)


def series(times=TIMES, dims=(8, 9, 10)) -> VolumeSeries:
    info = {"density": 1, "velocity": 3}

    def load(step, name, z_range):
        return truth_at(times[step], name)[slice(*(z_range or (None,)))]

    return VolumeSeries(Grid(dims), np.array(times), info, load, "waves.pvd")


def test_every_step_within_the_model_is_measured_and_marked():
    steps = measure_series(model(), series(), ["density"])["density"]["steps"]
    assert [step["theta"] for step in steps] == [0.0, 0.25, 0.5, 0.8, 1.0]
    assert [step["trained"] for step in steps] == [True, False, True, False, True]


@pytest.mark.parametrize("name", ["density", "velocity"])
def test_numbers_are_those_of_a_step_done_by_hand(name):
    network, time = model(FIELDS), 0.8
    report = measure_series(network, series(), ["density", "velocity"])[name]
    inside = [truth_at(t, name) for t in TIMES[:5]]
    limits = (min(v.min() for v in inside), max(v.max() for v in inside))
    inr = network.generate(time)
    expected = {
        "model": inr.split(inr.sample_grid())[name],
        "linear": np.float32(0.4) * truth_at(0.5, name) + np.float32(0.6) * truth_at(1.0, name),
    }
    for method, values in expected.items():
        entry = report["steps"][3][method]
        assert entry["psnr"] == pytest.approx(psnr(values, truth_at(time, name), limits), abs=1e-4)
        assert entry["ssim"] == pytest.approx(ssim(values, truth_at(time, name), limits), abs=1e-5)


def test_means_are_over_held_out_and_trained_steps_apart():
    report = measure_series(model(), series(), ["density"])["density"]
    for method in ("model", "linear", "catmull_rom"):
        for metric in ("psnr", "ssim"):
            values = [step[method][metric] for step in report["steps"]]
            assert report["held_out"][method][metric] == pytest.approx(np.mean([values[1], values[3]]))
            assert report["trained"][method][metric] == pytest.approx(np.mean([values[0], values[2], values[4]]))


def test_a_perfect_match_is_the_cap_and_not_infinity():
    report = measure_series(model(), series(), ["density"])["density"]
    for method in ("linear", "catmull_rom"):
        assert report["trained"][method] == {"psnr": PSNR_CAP, "ssim": pytest.approx(1.0)}
    assert report["held_out"]["linear"]["psnr"] < 40


def test_results_stay_in_order_when_a_step_takes_long_to_score(monkeypatch):
    expected = measure_series(model(), series(), ["density"])

    def slow_first_step(values, truth, limits):
        if np.array_equal(truth, truth_at(0.0, "density")):
            clock.sleep(0.2)
        return ssim(values, truth, limits)

    monkeypatch.setattr("hyperinr_core.measure.report.ssim", slow_first_step)
    assert measure_series(model(), series(), ["density"]) == expected


def test_means_of_no_steps_are_none():
    report = measure_series(model(), series(TRAINED), ["density"])["density"]
    assert report["held_out"]["model"] == {"psnr": None, "ssim": None}


def test_progress_counts_the_steps():
    calls = []
    measure_series(model(), series(), ["density"], progress=lambda *counts: calls.append(counts))
    assert calls == [(done, 5) for done in range(1, 6)]


def test_times_are_matched_through_the_rounding_of_text():
    assert steps_at(series((0.0, 1 / 3, 2 / 3)), np.array([0.333333334, 0.0])) == [1, 0]
    with pytest.raises(DataError, match=r"waves\.pvd has no step at time 0\.34, which the model was trained on"):
        steps_at(series((0.0, 1 / 3, 2 / 3)), np.array([0.34]))


@pytest.mark.parametrize(
    ("network", "data", "names", "error", "message"),
    [
        (
            model(),
            series(dims=(9, 9, 10)),
            ["density"],
            DataError,
            r"dims \(9, 9, 10\); expected the model's \(8, 9, 10\)",
        ),
        (model(), series(), ["heat"], ParameterError, "no field 'heat'; expected one of density"),
        (
            model((Field("velocity", 1, ((0.0, 1.0),)),)),
            series(),
            ["velocity"],
            DataError,
            "3 components in 'velocity'",
        ),
        (model((Field("heat", 1, ((0.0, 1.0),)),)), series(), ["heat"], DataError, "no field 'heat'"),
        (model(), series((0.0, 0.25, 1.0)), ["density"], DataError, "no step at time 0.5"),
    ],
)
def test_a_series_that_is_not_the_models_is_one_clear_error(network, data, names, error, message):
    with pytest.raises(error, match=message):
        measure_series(network, data, names)


def test_two_parameters_are_refused():
    lights = tuple(Parameter(name, "free", (0.0, 1.0), "", (0.0, 1.0)) for name in "ab")
    with pytest.raises(ParameterError, match="the model has the parameters a, b; expected one"):
        measure_series(random_model((8, 9, 10), lights), series(), ["density"])


def test_points_count_that_both_have_a_value_at():
    model = masked_model(wall, 3)
    inrs = {t: model.generate(t).unmasked() for t in (0.0, 0.5, 1.0, 2.0)}
    truth = {t: inr.sample_grid()[..., 0] + np.float32(0.1) for t, inr in inrs.items()}
    for values in truth.values():
        values[:2] = np.nan
    times = list(truth)
    series = VolumeSeries(
        model.grid, times, {"density": 1}, lambda step, name, z: truth[times[step]][slice(*(z or (None,)))], "here"
    )
    model = dataclasses.replace(model, parameters=(dataclasses.replace(model.parameters[0], values=(0.0, 1.0, 2.0)),))
    entry = measure_series(model, series, ["density"])["density"]["steps"][1]
    limits = value_range(series, "density", range(4))
    predicted = model.generate(0.5).sample_grid()[..., 0]
    assert np.isfinite(limits).all() and np.isnan(predicted[3]).any()
    assert entry["model"]["psnr"] == pytest.approx(psnr(predicted, truth[0.5], limits), abs=1e-4)
    blended = (truth[0.0] + truth[1.0]) / 2
    assert entry["linear"]["psnr"] == pytest.approx(psnr(blended, truth[0.5], limits), abs=1e-3)
    assert all(np.isfinite(entry[method][metric]) for method in ("model", "linear") for metric in ("psnr", "ssim"))


@pytest.mark.parametrize("most", [1, 250, 400])
def test_large_grids_are_compared_in_blocks_of_planes(monkeypatch, most):
    network, data = model(), series()
    whole = measure_series(network, data, ["density"])["density"]
    monkeypatch.setattr("hyperinr_core.measure.series.BLOCK_NUMBERS", most)
    calls, lengths, read = [], set(), data.loader

    def counted(step, name, z_range):
        lengths.add(z_range[1] - z_range[0])
        return read(step, name, z_range)

    data.loader = counted
    found = measure_series(network, data, ["density"], progress=lambda *counts: calls.append(counts))["density"]
    n_planes = max(most // (data.grid.dims[0] * data.grid.dims[1]), 1)
    assert max(lengths) <= n_planes + 6 < data.grid.dims[2] + 6
    assert len(calls) > len(whole["steps"]) and calls[-1][0] == calls[-1][1] == len(calls)
    for one, other in zip(found["steps"], whole["steps"]):
        for method in ("model", "linear", "catmull_rom"):
            assert one[method] == pytest.approx(other[method], abs=1e-4)
