"""`hyperinr rate-distortion`: what its points say is what a reader of them would find."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import zlib

import numpy as np
import pytest
from click.testing import CliRunner
from models import random_model

from hyperinr.plugin.commands.rate_distortion import rate_distortion
from hyperinr_core import hinr
from hyperinr_core.errors import DataError
from hyperinr_core.measure.sizes import TARGETS
from hyperinr_core.volume import Field, Parameter

DIMS = (12, 10, 8)


@pytest.fixture
def trained(tmp_path):
    """Paths of a model and of its series: what it says itself at the five training steps and the four between."""
    field, time = (
        Field("value", 1, ((-3.0, 3.0),)),
        Parameter("time", "time", (0.0, 8.0), "", (0.0, 2.0, 4.0, 6.0, 8.0)),
    )
    model = random_model(DIMS, (time,), (field,))
    hinr.save(model, tmp_path / "m.hinr")
    steps = np.stack([hinr.load(tmp_path / "m.hinr").generate(float(t)).sample_grid()[..., 0] for t in range(9)])
    np.save(tmp_path / "series.npy", steps)
    return tmp_path / "m.hinr", tmp_path / "series.npy", steps


def test_every_point_is_measured(trained, tmp_path):
    path, series, steps = trained
    small = tmp_path / "small.hinr"
    shutil.copyfile(path, small)
    result = CliRunner().invoke(
        rate_distortion, [str(path), str(series), "--also", str(small), "-o", str(tmp_path / "rd")]
    )
    assert result.exception is None, result.output
    points = json.loads((tmp_path / "rd.json").read_text())["points"]
    by = {(point["method"], point["setting"]): point for point in points}
    whole = by["HyperINR, file", "m"]
    assert whole["bytes"] == os.path.getsize(path) and whole["psnr_held_out"] > 100, "the series is the model's own"
    assert by["HyperINR, file", "small"] | {"setting": "m", "decode_s": 0} == whole | {"decode_s": 0}
    coded = [point for point in points if point["method"] == "HyperINR, compress"]
    assert [p["bytes"] for p in coded] == sorted((p["bytes"] for p in coded), reverse=True)
    assert all(float(p["setting"].split()[0]) - 1 < p["psnr_all"] < float(p["setting"].split()[0]) + 6 for p in coded)
    zlibs = by["zlib", "0"]
    assert zlibs["bytes"] == sum(len(zlib.compress(step.tobytes(), 6)) for step in steps) and zlibs["psnr_all"] == 150
    keys = by["key frames, linear, zlib", "0"]
    middle = [(steps[t - 1] + steps[t + 1]) / 2 for t in (1, 3, 5, 7)]
    expected = np.mean([-10 * np.log10(np.mean((m - steps[t]) ** 2) / 36) for m, t in zip(middle, (1, 3, 5, 7))])
    assert keys["psnr_held_out"] == pytest.approx(expected, abs=0.01) and keys["bytes"] < zlibs["bytes"]
    assert keys["psnr_trained"] == 150 and keys["psnr_all"] == pytest.approx((5 * 150 + 4 * expected) / 9, abs=0.01)
    assert not any("carried" in point["method"] for point in points), "the model has no motion"
    assert all((point["encode_s"] is None) == (point["method"] == "HyperINR, file") for point in points)
    page = (tmp_path / "rd.md").read_text()
    assert page.count("\n|") == len(points) + len(TARGETS) + 2 + 4
    assert f"| HyperINR, file, m | {whole['bytes'] / 1e6:.3f} | {whole['psnr_held_out']:.2f} | none | " in page
    assert (tmp_path / "rd.png").stat().st_size > 10_000


def test_another_series_is_refused(trained, tmp_path):
    path, _, steps = trained
    np.save(tmp_path / "other.npy", steps[:, 1:])
    with pytest.raises(DataError, match="as the model was trained on"):
        raise CliRunner().invoke(rate_distortion, [str(path), str(tmp_path / "other.npy")]).exception


def test_compressors_that_are_not_installed_are_named_and_left_out(trained, tmp_path, monkeypatch):
    for package in ("zfpy", "pysz", "hdf5plugin"):
        monkeypatch.setitem(sys.modules, package, None)
    path, series, _ = trained
    result = CliRunner().invoke(rate_distortion, [str(path), str(series), "-o", str(tmp_path / "rd")])
    assert "SZ3 is not measured: the package pysz is not installed" in result.output
    points = json.loads((tmp_path / "rd.json").read_text())["points"]
    methods = {"HyperINR, file", "HyperINR, compress", "zlib", "key frames, linear, zlib"}
    assert {point["method"] for point in points} == methods


def other_steps(model):
    times = dataclasses.replace(model.parameters[0], values=(0.0, 1.0, 4.0, 6.0, 8.0))
    return dataclasses.replace(model, parameters=(times,))


def other_field(model):
    return dataclasses.replace(model, fields=(dataclasses.replace(model.fields[0], name="else"),))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (other_steps, r"other.hinr was trained on 5 steps .* expected the first model's, 5 of .* from 0 to 8"),
        (other_field, r"other.hinr has else; expected \w+ alone, over time"),
    ],
)
def test_a_model_of_other_steps_or_fields_is_refused(trained, tmp_path, change, told):
    path, series, _ = trained
    hinr.save(change(hinr.load(path)), tmp_path / "other.hinr")
    also = ["--also", str(tmp_path / "other.hinr")]
    result = CliRunner().invoke(rate_distortion, [str(path), str(series), *also])
    with pytest.raises(DataError, match=told):
        raise result.exception
    assert "HyperINR, file" not in result.output, "refused before anything is measured"
