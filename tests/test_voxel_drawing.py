"""What the page of `hyperinr view` gets of volumes: codes of values, the light that arrives, and sentences for what is wrong."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from masked import masked_model
from models import random_model

from hyperinr.plugin.commands import view
from hyperinr.plugin.commands.view import answer, questions
from hyperinr.plugin.voxel_drawing import LIGHT_NUMBERS, VoxelDrawing
from hyperinr_core import hinr
from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.light.shadow import ambient_occlusion, transmittance
from hyperinr_core.pictures.look import looks_of, magnitude
from hyperinr_core.pictures.transfer import TransferFunction, extinction
from hyperinr_core.spaces.sphere import light_directions
from hyperinr_core.volume import Field, Grid, Parameter

SCALAR_AND_VECTOR = (Field("density", 1, ((-1.0, 3.0),), "kg/m^3"), Field("velocity", 3, ((-1.0, 1.0),) * 3, "m/s"))
LIGHT = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
)
AT = {"time": 0.5}


def codes_of(drawing, field="density", values=AT):
    """(nz, ny, nx) as the browser has them."""
    return np.frombuffer(drawing.voxels(values, field), "<u2").reshape(drawing.grid.shape)


def values_of(codes, field):
    """What codes stand for."""
    low, high = field["range"]
    return low + (codes.astype(float) - 1) / 65534 * (high - low)


def light_of(drawing, number=0, **others):
    """What the page asks for before anything is moved."""
    told = drawing.description()
    items = {item["name"]: item for item in (*told["fields"][number]["items"], *told["view"])}
    numbers = {name: items[name]["value"] for name in LIGHT_NUMBERS}
    return {"kind": "shadow", **numbers, "opacities": items["opacities"]["points"], **others}


def test_codes_stand_for_the_model_s_values_and_lengths_of_vectors():
    model = random_model((16, 14, 12), fields=SCALAR_AND_VECTOR)
    drawing = VoxelDrawing(model, "m")
    inr = model.generate(0.5)
    truth = inr.split(inr.sample_grid())
    for field, name in zip(drawing.description()["fields"], ("density", "velocity")):
        low, high = field["range"]
        expected = np.clip(magnitude(truth[name]), low, high)
        assert np.ptp(expected) > 0.1 * (high - low)
        np.testing.assert_allclose(
            values_of(codes_of(drawing, name), field), expected, atol=0.51 * (high - low) / 65534
        )


def test_masked_points_have_code_0_and_others_never():
    model = masked_model()
    inr = model.generate(0.5)
    masked = np.isnan(inr.split(inr.sample_grid())["density"])
    drawing = VoxelDrawing(model, "m")
    assert masked.any() and not masked.all() and drawing.description()["masked"]
    np.testing.assert_array_equal(codes_of(drawing) == 0, masked)
    light = np.frombuffer(drawing.light(AT, "density", light_of(drawing)), np.uint8)
    assert light.max() == 255 and len(light) == masked.size


def test_a_large_volume_is_sent_with_fewer_points_over_the_same_box():
    drawing = VoxelDrawing(random_model((40, 20, 2)), "m", points=20)
    grid = drawing.description()["grid"]
    assert grid["dims"] == (20, 10, 2) and codes_of(drawing).shape == (2, 10, 20)
    assert grid["spacing"][0] * 19 == pytest.approx(0.5 * 39)


def test_axes_that_go_back_are_told_as_vtk_js_has_them():
    model = dataclasses.replace(
        random_model(), grid=Grid((12, 10, 8), (0, 0, 0), (1, -2, 3), (0, -1, 0, 1, 0, 0, 0, 0, 1))
    )
    grid = VoxelDrawing(model, "m").description()["grid"]
    assert grid["spacing"] == [1, 2, 3]
    assert grid["axes"] == [0, 1, 0, 1, 0, 0, 0, 0, 1]  # x along y, and y along x since it goes back


def test_light_is_what_the_sweep_leaves_of_it_by_the_opacities_asked_for():
    model = random_model((16, 14, 12))
    drawing = VoxelDrawing(model, "m")
    told = drawing.description()
    light = light_of(drawing, azimuth=30.0, elevation=20.0, density=2.0, opacities=[[0.0, 0.0], [0.5, 0.1], [1.0, 0.9]])
    low, high = light["low"], light["high"]
    function = TransferFunction(((0, 0, 0, 0), (1, 1, 1, 1)), ((low, 0.0), ((low + high) / 2, 0.1), (high, 0.9)))
    inr = model.generate(0.5)
    tau = extinction(inr.split(inr.sample_grid())["density"], function, told["unit"] / 2)
    expected = transmittance(tau, model.grid, light_directions(np.array([30.0, 70.0])))
    got = np.frombuffer(drawing.light(AT, "density", light), np.uint8).reshape(model.grid.shape) / 255
    np.testing.assert_allclose(got, expected, atol=0.003)
    assert np.ptp(got) > 0.1
    around = np.frombuffer(drawing.light(AT, "density", {**light, "kind": "occlusion"}), np.uint8)
    expected = np.minimum(2 * ambient_occlusion(tau, model.grid), 1)  # as ParaView's filter has it
    np.testing.assert_allclose(around / 255, expected.ravel(), atol=0.003)


def test_a_shadow_model_answers_for_the_light():
    model, shadow = random_model(), random_model(parameters=LIGHT, fields=(Field("shadow", 1, ((0.0, 1.0),)),))
    drawing = VoxelDrawing(model, "m", shadow=shadow)
    got = np.frombuffer(drawing.light(AT, "density", light_of(drawing, azimuth=400.0, elevation=30.0)), np.uint8)
    expected = shadow.generate((40.0, 60.0)).sample_grid().ravel()
    np.testing.assert_allclose(got / 255, np.clip(expected, 0, 1), atol=0.003)
    with pytest.raises(DataError, match="expected a light"):
        VoxelDrawing(model, "m", shadow=random_model())
    with pytest.raises(DataError, match="expected the same box"):
        VoxelDrawing(model, "m", shadow=random_model((12, 10, 9), parameters=LIGHT))


def test_the_page_starts_with_the_look_that_paraview_shows():
    model = random_model((16, 16, 16), fields=SCALAR_AND_VECTOR)
    looks = looks_of(model)
    told = VoxelDrawing(model, "m").description()
    for field in told["fields"]:
        look, items = looks[field["name"]], {item["name"]: item for item in field["items"]}
        assert (items["colors"]["value"], items["low"]["value"], items["high"]["value"]) == (
            look.colors,
            look.low,
            look.high,
        )
        places = [look.low + x * (look.high - look.low) for x, _ in items["opacities"]["points"]]
        assert places == pytest.approx([value for value, _ in look.opacities])
        assert [alpha for _, alpha in items["opacities"]["points"]] == [alpha for _, alpha in look.opacities]
    json.dumps(told)


def test_planes_have_neither_opacities_nor_light():
    drawing = VoxelDrawing(random_model((30, 20, 1)), "plane")
    told = drawing.description()
    assert told["kind"] == "plane" and told["view"] == [] and codes_of(drawing).shape == (1, 20, 30)
    assert [item["name"] for item in told["fields"][0]["items"]] == ["colors", "low", "high"]


def test_wrong_requests_are_answered_with_a_sentence():
    drawing = VoxelDrawing(random_model(), "m")
    voxels, light = (questions(drawing)[name] for name in ("voxels", "light"))
    good = light_of(drawing)
    assert answer(voxels, AT, "density")["milliseconds"] > 0
    assert (
        answer(voxels, {"time": 99.0}, "density")["data"] == answer(voxels, {"time": 2.0}, "density")["data"]
    )  # clamped
    for ask, values, others, message in (
        (voxels, {"time": "x"}, ["density"], "time is 'x'"),
        (voxels, {"time": float("nan")}, ["density"], "expected a finite number"),
        (voxels, {}, ["density"], "expected one for each of"),
        (voxels, [], ["density"], "no set of values"),
        (voxels, AT, [None], "the field is None; expected one of density"),
        (voxels, AT, [["density"]], "the field is ['density']"),
        (light, AT, ["density", None], "the light is None; expected kind, azimuth"),
        (light, AT, ["density", {**good, "low": 10**400}], "low is 1"),
        (light, AT, ["density", {**good, "kind": "moon"}], "kind is 'moon'; expected shadow or occlusion"),
        (light, AT, ["density", {**good, "azimuth": "south"}], "azimuth is 'south'"),
        (light, AT, ["density", {**good, "opacities": 3}], "opacities are 3; expected pairs"),
        (light, AT, ["density", {**good, "opacities": [[0, 1, 2]]}], "expected pairs"),
        (light, AT, ["density", {**good, "opacities": [[0, 2], [1, 0]]}], "expected fractions"),
        (light, AT, ["density", {**good, "opacities": [[1, 0], [0, 0]]}], "points that go back"),
    ):
        assert message in answer(ask, values, *others)["error"]


def test_a_shadow_is_for_volumes(tmp_path):
    hinr.save(random_model((12, 10, 1)), tmp_path / "m.hinr")
    with pytest.raises(HyperINRError, match="which has no volume; expected one of a volume, leave it out"):
        view.shown_of(str(tmp_path / "m.hinr"), 96, "shadow.hinr", "auto")


def test_a_build_without_vtk_js_says_so_for_volumes(tmp_path, monkeypatch):
    monkeypatch.setattr(view, "VTK_JS", tmp_path / "vtk.js")
    hinr.save(random_model(), tmp_path / "m.hinr")
    with pytest.raises(HyperINRError, match=r"vtk\.js, which draws volumes .* install it again with the network"):
        view.shown_of(str(tmp_path / "m.hinr"), 96, None, "auto")
