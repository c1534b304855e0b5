"""Transfer functions: what ParaView exports, presets, opacity to extinction, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures import transfer

EXPORTED = {
    "Name": "bones",
    "ColorSpace": "Diverging",
    "RGBPoints": [10, 0, 0, 0, 20, 1, 0.5, 0, 30, 1, 1, 1],
    "Points": [10, 0, 0.5, 0, 20, 0.8, 0.25, 0, 30, 0.4, 0.5, 0],
}


def test_file_as_paraview_exports_it(tmp_path):
    path = tmp_path / "bones.json"
    path.write_text(json.dumps([EXPORTED]))
    function = transfer.load(path, (0.0, 99.0))
    assert function.name == "bones" and function.color_space == "Diverging"
    assert function.colors[1] == (20.0, 1.0, 0.5, 0.0)
    # the midpoint of the second piece: half of the fall after a quarter of the way
    np.testing.assert_allclose(function.opacity(np.array([0, 15, 20, 22.5, 30, 99])), [0, 0.4, 0.8, 0.6, 0.4, 0.4])


@pytest.mark.parametrize("low, high", [(-1.0, 1.0), (0.0, 4095.0), (25000.0, 31000.0), (29.5, 60.0)])
def test_a_file_for_other_values_is_stretched_and_says_so(tmp_path, caplog, low, high):
    path = tmp_path / "bones.json"
    path.write_text(json.dumps([EXPORTED]))
    function = transfer.load(path, (low, high))
    assert (function.colors[0][0], function.colors[-1][0]) == (low, high)
    middle = np.array([low, low + (high - low) / 2, high])
    np.testing.assert_allclose(function.opacity(middle), [0, 0.8, 0.4], atol=1e-6)
    assert f"the data has {low:g} to {high:g}: stretched" in caplog.text


@pytest.mark.parametrize("low, high", [(0.0, 99.0), (10.0, 13.0), (22.0, 35.0), (15.0, 15.0)])
def test_a_file_for_such_values_stays_as_it_is(tmp_path, caplog, low, high):
    path = tmp_path / "bones.json"
    path.write_text(json.dumps([EXPORTED]))
    assert transfer.load(path, (low, high)) == transfer.from_document(EXPORTED, "")
    assert not caplog.text


def test_round_trip_through_paraview_s_json():
    function = transfer.load("Cool to Warm", (-2.0, 6.0))
    again = transfer.from_document([function.to_dict()], "again")
    assert again == function and again.digest == function.digest


def test_preset_and_file_without_opacity_are_ramps():
    function = transfer.load("Grayscale", (50.0, 150.0))
    np.testing.assert_allclose(function.opacity(np.array([0.0, 75.0, 150.0])), [0, 0.25, 1])
    bare = {name: value for name, value in EXPORTED.items() if name != "Points"}
    np.testing.assert_allclose(transfer.from_document(bare, "bare").opacity(np.array([10.0, 15.0, 30.0])), [0, 0.25, 1])


def test_digest_follows_opacity_and_not_colour():
    ramp = transfer.load("Grayscale", (0.0, 1.0))
    assert ramp.digest == transfer.load("X Ray", (0.0, 1.0)).digest
    assert ramp.digest != ramp.with_opacity(((0.0, 0.0), (1.0, 0.9))).digest


def test_a_unit_of_extinction_is_as_opaque_as_said():
    function = transfer.load("Grayscale", (0.0, 1.0))
    tau = transfer.extinction(np.array([[[0.0, 0.3, 1.0]]]), function, 2.5)
    assert 1 - math.exp(-2.5 * tau[0, 0, 1]) == pytest.approx(0.3)
    assert tau[0, 0, 0] == 0 and np.isfinite(tau).all()


def test_opacity_from_the_command_line():
    assert transfer.parse_opacity("0:0,120:0.4, 255:1") == ((0.0, 0.0), (120.0, 0.4), (255.0, 1.0))
    for text in ("", "0", "0:0;1:1", "a:b"):
        with pytest.raises(ParameterError, match="expected value:opacity pairs"):
            transfer.parse_opacity(text)


def test_clear_and_opaque_volumes_are_refused():
    values = np.linspace(0, 1, 8).reshape(2, 2, 2)
    for points, word in (((0.0, 0.0), (1.0, 0.0)), "clear"), (((0.0, 1.0), (1.0, 1.0)), "opaque"):
        function = transfer.load("Grayscale", (0.0, 1.0)).with_opacity(points)
        with pytest.raises(DataError, match=f"{word} for all values of the data, 0 to 1"):
            transfer.extinction(values, function, 1.0)
        assert transfer.extinction(values, function, 1.0, check=False).shape == values.shape


def test_infinity_is_refused():
    function = transfer.load("Grayscale", (0.0, 1.0))
    with pytest.raises(DataError, match="holds infinity"):
        transfer.extinction(np.array([[[0.5, np.inf]]]), function, 1.0)


def test_masked_points_cast_no_shadow():
    function = transfer.load("Grayscale", (0.0, 1.0))
    found = transfer.extinction(np.array([[[0.5, np.nan, 0.7]]], np.float32), function, 1.0)
    assert found[0, 0, 1] == 0 and (found[0, 0, [0, 2]] > 0).all()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no readable JSON"),
        ("[]", "no colour map"),
        ("7", "no colour map"),
        ('{"RGBPoints": [0, 0, 0]}', "expected rows of 4"),
        ('{"RGBPoints": [1, 0, 0, 0, 0, 1, 1, 1]}', "that go back"),
        ('{"RGBPoints": [0, 0, 0, 0, 1, 2, 1, 1]}', "beyond 0 to 1"),
        ('{"RGBPoints": [0, 0, 0, 0, 1, 1, 1, 1], "Points": [0, 0, 0.5, 0.7, 1, 1, 0.5, 0]}', "sharpness"),
        ('{"RGBPoints": [0, 0, 0, 0, 1, 1, 1, 1], "Points": [0, 0, 0.5, 0, NaN, 1, 0.5, 0]}', "finite"),
    ],
)
def test_bad_files_are_one_sentence(tmp_path, text, words):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        transfer.load(path, (0.0, 1.0))


def test_a_name_that_is_nothing():
    with pytest.raises(ParameterError, match=r"no file and no preset; expected .*Grayscale"):
        transfer.load("Greyscale", (0.0, 1.0))
