"""Models of radiance fields as the HyperINR Source puts them out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from radiance_models import ball_model
from test_source import reader_of, values

from hyperinr.filters.source import HyperINRPlaneSource, HyperINRSource
from hyperinr_core.errors import FormatError
from hyperinr_core.radiance import file


@pytest.fixture(params=[False, True], ids=["one scene", "times"])
def path(request, tmp_path):
    file.save(ball_model(times=request.param), tmp_path / "ball.hinr")
    return str(tmp_path / "ball.hinr")


def theta_of(model, phi, elevation, time=0.0):
    given = {"phi": phi, "theta": elevation, "time": time}
    return [given[parameter.name] for parameter in model.parameters]


def test_the_picture_is_the_model_s_at_the_sliders_angles_in_any_size(path):
    model = file.load(path)
    reader, errors, warnings = reader_of(path, Parameter1=30.0, Parameter2=20.0)
    reader.Update()
    assert np.array_equal(values(reader, "rgb")[0], model.picture(theta_of(model, 30, 20)))
    reader.SetDims(32, 20, 0)
    reader.Update()
    assert np.array_equal(values(reader, "rgb")[0], model.picture(theta_of(model, 30, 20), (32, 20)))
    reader.SetUseRegion(1)
    reader.SetRegionPosition(4.0, 2.0, 0.0)
    reader.SetRegionSize(2.0, 3.0, 0.0)
    reader.Update()
    whole, (x0, x1, y0, y1, _, _) = reader.GetOutputDataObject(0), reader.GetOutputDataObject(0).GetExtent()
    assert x1 - x0 < 31 and whole.GetNumberOfPoints() == (x1 - x0 + 1) * (y1 - y0 + 1)
    part = model.picture(theta_of(model, 30, 20), (32, 20))[y0 : y1 + 1, x0 : x1 + 1]
    assert np.array_equal(values(reader, "rgb")[0], part)
    assert not errors and not warnings


def test_time_is_asked_of_the_pipeline(tmp_path):
    file.save(ball_model(times=True), tmp_path / "ball.hinr")
    model = file.load(tmp_path / "ball.hinr")
    reader, errors, _ = reader_of(str(tmp_path / "ball.hinr"), Parameter1=30.0, Parameter2=20.0)
    reader.UpdateTimeStep(1.25)
    assert np.array_equal(values(reader, "rgb")[0], model.picture(theta_of(model, 30, 20, 1.25)))
    assert reader.GetHasTime() and reader.GetNumberOfParameters() == 2 and not errors


def test_as_a_volume_it_is_what_the_field_holds(path):
    field = file.load(path).scenes[0]
    reader, errors, _ = reader_of(path, Show="volume")
    reader.Update()
    image = reader.GetOutputDataObject(0)
    assert image.GetDimensions() == field.dims
    assert np.allclose((image.GetOrigin(), image.GetSpacing()), (field.origin, [field.spacing] * 3))
    colors, extinction = field.volume()
    assert np.allclose(values(reader, "extinction")[..., 0], extinction, rtol=1e-3, atol=1e-3)
    rgba = values(reader, "color")
    opaque = 1 - np.exp(-extinction * field.spacing)
    assert rgba.dtype == np.uint8 and np.abs(rgba[..., 3] - 255 * opaque).max() < 1
    solid = opaque > 0.5
    assert solid.any() and np.abs(rgba[solid][:, :3] - 255 * colors[solid]).max() < 1
    assert json.loads(reader.GetLook())["kind"] == "colors" and not errors


def test_the_volume_has_one_box_at_all_times_and_any_dims(tmp_path):
    file.save(ball_model(times=True), tmp_path / "ball.hinr")
    reader, errors, _ = reader_of(str(tmp_path / "ball.hinr"), Show="volume", Dims=(12, 16, 20))
    sizes = []
    for time in (0.0, 2.0):
        reader.UpdateTimeStep(time)
        image = reader.GetOutputDataObject(0)
        sizes.append((values(reader, "color")[..., 3] > 127).sum())
    assert image.GetDimensions() == (12, 16, 20) and sizes[0] > 3 * sizes[1] > 0 and not errors


def test_picture_and_volume_are_chosen_in_the_panel(path):
    reader, errors, _ = reader_of(path)
    reader.Update()
    assert reader.GetHasRadiance() == 1 and json.loads(reader.GetLook())["kind"] == "picture"
    reader.SetShow("volume")
    reader.Update()
    assert reader.GetOutputDataObject(0).GetPointData().GetArray("color") is not None
    assert "radiance fields, " in reader.GetModelSize()
    reader.SetShow("picture")
    reader.Update()
    assert values(reader, "rgb").shape == (1, 12, 16, 3) and not errors


@pytest.mark.parametrize("show", ["picture", "volume"])
def test_a_damaged_scene_is_one_sentence_and_an_empty_image(path, show, monkeypatch):
    def damaged(self, number):
        raise FormatError("ball.hinr cannot be used: a scene is damaged")

    monkeypatch.setattr(file.CodedScenes, "_decode", damaged)
    reader, errors, _ = reader_of(path, Show=show)
    reader.Update()
    assert len(errors) == 1 and "a scene is damaged" in errors[0]
    assert reader.GetOutputDataObject(0).GetNumberOfPoints() == 0
    assert reader.GetLook() is not None and reader.GetDataBounds()[0] <= 0


def test_it_opens_with_the_reader_of_planes(path):
    assert HyperINRPlaneSource().CanReadFile(path) == 1
    assert HyperINRSource().CanReadFile(path) == 0
