"""The shadow pass as a VTK algorithm, without ParaView."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models import random_model
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_STRING
from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPiecewiseFunction
from vtkmodules.vtkCommonExecutionModel import vtkTrivialProducer
from vtkmodules.vtkRenderingCore import vtkDiscretizableColorTransferFunction

from hyperinr.filters.image import hide, to_image
from hyperinr.filters.shadow import BOTH, FROM_EVERYWHERE, HyperINRShadow
from hyperinr_core import hinr
from hyperinr_core.config import EncodingConfig
from hyperinr_core.light import shadow
from hyperinr_core.pictures import transfer
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.volume import Field, Grid, Parameter

GRID = Grid((20, 18, 16), origin=(5.0, -3.0, 1.0), spacing=(0.5, 1.0, 2.0))
LIGHTS = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
)


def ball() -> np.ndarray:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID.shape), indexing="ij")
    return np.clip(1.2 - 2 * np.sqrt(x**2 + y**2 + z**2), 0, 1).astype(np.float32)


def colors_of(low=0.0, high=1.0, steps=((0.0, 0.0), (1.0, 1.0))):
    """Red to white, as ParaView keeps it."""
    colors, opacity = vtkDiscretizableColorTransferFunction(), vtkPiecewiseFunction()
    colors.AddRGBPoint(low, 1.0, 0.0, 0.0)
    colors.AddRGBPoint(high, 1.0, 1.0, 1.0)
    for x, alpha in steps:
        opacity.AddPoint(x, alpha)
    colors.SetScalarOpacityFunction(opacity)
    return colors


def pass_of(arrays=None, grid=GRID, **settings):
    """A filter over arrays, and the list of what it says."""
    producer, said = vtkTrivialProducer(), []
    producer.SetOutput(to_image(grid, {"density": ball()} if arrays is None else arrays))
    filter_ = HyperINRShadow()
    for event in ("ErrorEvent", "WarningEvent"):

        def note(caller, name, text):
            said.append(text)

        note.CallDataType = VTK_STRING
        filter_.AddObserver(event, note)
    filter_.SetInputConnection(producer.GetOutputPort())
    for name, value in settings.items():
        getattr(filter_, f"Set{name}")(*(value if isinstance(value, tuple) else (value,)))
    return filter_, said


def array(filter_, name):
    filter_.Update()
    image = filter_.GetOutputDataObject(0)
    nx, ny, nz = image.GetDimensions()
    values = vtk_to_numpy(image.GetPointData().GetArray(name))
    return (
        values.reshape(nz, ny, nx, -1).squeeze(-1).copy() if values.ndim == 1 else values.reshape(nz, ny, nx, -1).copy()
    )


def truth(azimuth, elevation, opacities=((0.0, 0.0), (1.0, 1.0)), unit=None):
    function = transfer.TransferFunction(((0, 0, 0, 0), (1, 1, 1, 1)), opacities)
    tau = transfer.extinction(ball(), function, unit or shadow.default_unit_distance(GRID))
    return shadow.transmittance(tau, GRID, direction_of(azimuth, elevation))


def test_without_a_model_it_sweeps():
    filter_, said = pass_of(Azimuth=200.0, Elevation=-30.0, ColorMap=colors_of())
    np.testing.assert_allclose(array(filter_, "density shadow"), truth(200, -30), atol=1e-6)
    np.testing.assert_array_equal(array(filter_, "density"), ball())
    image = filter_.GetOutputDataObject(0)
    assert image.GetOrigin() == GRID.origin and image.GetSpacing() == GRID.spacing and not said


def test_rgba_is_colour_times_light_and_the_opacity():
    filter_, _ = pass_of(Azimuth=10.0, Elevation=60.0, ColorMap=colors_of(), Ambient=0.3, Strength=0.8)
    rgba, light = array(filter_, "density shaded"), 0.3 + 0.7 * (1 - 0.8 * (1 - truth(10, 60)))
    assert rgba.dtype == np.uint8
    seen = ball() > 0
    np.testing.assert_allclose(rgba[..., 3], 255 * ball(), atol=1.01)
    np.testing.assert_allclose(rgba[seen, 0], 255 * light[seen], atol=1.01)
    np.testing.assert_allclose(rgba[seen, 1], 255 * (ball() * light)[seen], atol=2.01)


def test_light_from_everywhere_alone_and_beside_the_one():
    settings = {"Azimuth": 10.0, "Elevation": 60.0, "Ambient": 0.3, "Strength": 0.8, "ColorMap": colors_of()}
    filter_, said = pass_of(Lighting=FROM_EVERYWHERE, **settings)
    function = transfer.TransferFunction(((0, 0, 0, 0), (1, 1, 1, 1)), ((0.0, 0.0), (1.0, 1.0)))
    tau = transfer.extinction(ball(), function, shadow.default_unit_distance(GRID))
    occlusion, seen = array(filter_, "density occlusion"), ball() > 0
    np.testing.assert_array_equal(occlusion, shadow.ambient_occlusion(tau, GRID))
    assert filter_.GetOutputDataObject(0).GetPointData().GetArray("density shadow") is None
    sky = 1 - 0.8 * (1 - np.minimum(2 * occlusion, 1))
    np.testing.assert_allclose(array(filter_, "density shaded")[seen, 0], (255 * (0.3 + 0.7 * sky))[seen], atol=1.01)
    filter_.SetLighting(BOTH)
    np.testing.assert_allclose(array(filter_, "density shadow"), truth(10, 60), atol=1e-6)
    light = 0.3 * sky + 0.7 * (1 - 0.8 * (1 - truth(10, 60)))
    np.testing.assert_allclose(array(filter_, "density shaded")[seen, 0], (255 * light)[seen], atol=1.01)
    assert not said


def test_occlusion_is_kept_while_the_one_light_moves(monkeypatch):
    filter_, _ = pass_of(Lighting=BOTH, ColorMap=colors_of())
    first = array(filter_, "density occlusion")
    monkeypatch.setattr(shadow, "ambient_occlusion", lambda *_: pytest.fail("it was swept again"))
    filter_.SetAzimuth(200.0)
    np.testing.assert_array_equal(array(filter_, "density occlusion"), first)
    monkeypatch.undo()
    filter_.SetShadowDims(10, 0, 8)
    assert 1e-3 < abs(array(filter_, "density occlusion") - first).mean() < 0.05


def test_editing_the_colour_map_moves_the_shadow():
    colors = colors_of()
    filter_, _ = pass_of(Azimuth=0.0, Elevation=90.0, ColorMap=colors)
    array(filter_, "density shadow")
    colors.GetScalarOpacityFunction().AddPoint(1.0, 0.3)
    np.testing.assert_allclose(array(filter_, "density shadow"), truth(0, 90, ((0, 0), (1, 0.3))), atol=1e-6)
    before = filter_.GetMTime()
    filter_.SetColorMap(None)
    after = filter_.GetMTime()
    colors.GetScalarOpacityFunction().AddPoint(1.0, 0.9)
    assert before < after == filter_.GetMTime(), "a colour map that was taken away is still listened to"


def test_unit_distance_and_shadow_dims():
    filter_, _ = pass_of(Azimuth=90.0, Elevation=0.0, ColorMap=colors_of(), UnitDistance=3.0)
    np.testing.assert_allclose(array(filter_, "density shadow"), truth(90, 0, unit=3.0), atol=1e-6)
    assert filter_.GetUnitDistanceInUse() == 3.0
    filter_.SetShadowDims(10, 0, 8)
    coarse = array(filter_, "density shadow")
    assert coarse.shape == GRID.shape and 1e-3 < abs(coarse - truth(90, 0, unit=3.0)).mean() < 0.05


def test_a_part_of_the_image_has_the_whole_one_s_shadow(tmp_path):
    hinr.save(light_model(), tmp_path / "s.hinr")
    for settings in ({}, {"Model": str(tmp_path / "s.hinr")}):
        filter_, _ = pass_of(Azimuth=40.0, Elevation=20.0, ColorMap=colors_of(), **settings)
        whole = {name: array(filter_, name) for name in ("density shadow", "density shaded", "density")}
        part, _ = pass_of(Azimuth=40.0, Elevation=20.0, ColorMap=colors_of(), **settings)
        part.UpdateExtent((3, 9, 0, 17, 5, 8))
        image = part.GetOutputDataObject(0)
        assert image.GetExtent() == (3, 9, 0, 17, 5, 8)
        for name, values in whole.items():
            found = vtk_to_numpy(image.GetPointData().GetArray(name)).reshape(4, 18, 7, -1)
            np.testing.assert_array_equal(
                found, values[5:9, :, 3:10].reshape(4, 18, 7, -1), err_msg=f"{settings} {name}"
            )


def light_model(dims=GRID.dims, guide=0):
    encoding = EncodingConfig(n_levels=4, log2_hashmap_size=9, guide_resolution=guide)
    return random_model(dims, LIGHTS, (Field("shadow", 1, ((0.0, 1.0),)),), n_encoders=9, encoding=encoding)


@pytest.mark.parametrize("guide", [0, 12])
def test_a_model_answers_where_something_is_seen(tmp_path, guide):
    model = light_model(guide=guide)
    hinr.save(model, tmp_path / "s.hinr")
    filter_, said = pass_of(Model=str(tmp_path / "s.hinr"), Azimuth=-20.0, Elevation=30.0, ColorMap=colors_of())
    found = array(filter_, "density shadow")
    expected = hinr.load(tmp_path / "s.hinr").generate((340.0, 60.0)).sample_grid()[..., 0]
    seen = ball() > 0
    np.testing.assert_allclose(found[seen], expected[seen], atol=1e-5)
    assert (found[0, 0, 0], said) == (1.0, [])


def test_a_model_for_something_else_is_said_once(tmp_path):
    provenance = {"transfer_function": {"digest": "0" * 12}}
    model = dataclasses.replace(light_model((8, 8, 8)), provenance=provenance)
    hinr.save(model, tmp_path / "s.hinr")
    filter_, said = pass_of(Model=str(tmp_path / "s.hinr"), ColorMap=colors_of())
    array(filter_, "density shadow")
    filter_.SetAzimuth(77.0)
    assert array(filter_, "density shadow").shape == GRID.shape
    assert len(said) == 2 and "another transfer function" in said[0] and "dims (8, 8, 8)" in said[1]


def test_clear_and_opaque_volumes_work():
    for alpha, light in ((0.0, 1.0), (1.0, None)):
        filter_, said = pass_of(ColorMap=colors_of(steps=((0.0, alpha), (1.0, alpha))))
        found = array(filter_, "density shadow")
        assert not said and np.isfinite(found).all() and (light is None or (found == light).all())


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"density": np.full(GRID.shape, np.nan, np.float32)}, "no value but NaN"),
        ({"density": np.full(GRID.shape, np.inf, np.float32)}, "holds infinity"),
        ({"wind": np.zeros((*GRID.shape, 3), np.float32)}, "no point array None of one component"),
    ],
)
def test_bad_input_is_one_error(arrays, words):
    filter_, said = pass_of(arrays)
    filter_.Update()
    assert len(said) == 1 and words in said[0] and filter_.GetOutputDataObject(0).GetNumberOfPoints() == 0


def test_a_model_of_time_is_refused(tmp_path):
    hinr.save(random_model(), tmp_path / "t.hinr")
    for name, words in (("t.hinr", "expected light_azimuth, light_polar"), ("none.hinr", "is not there")):
        filter_, said = pass_of(Model=str(tmp_path / name))
        filter_.Update()
        assert len(said) == 1 and words in said[0]


def test_what_no_light_changes_is_kept_while_the_arrays_are_the_same():
    image = to_image(GRID, {"density": ball()})
    filter_, _ = pass_of()
    kept = []
    for azimuth in (10.0, 20.0):
        again, producer = vtkImageData(), vtkTrivialProducer()  # another image each time, as ParaView hands on
        again.ShallowCopy(image)
        producer.SetOutput(again)
        filter_.SetInputConnection(producer.GetOutputPort())
        filter_.SetAzimuth(azimuth)
        filter_.Update()
        kept.append(filter_._shading)
    assert kept[0] is kept[1]
    image.GetPointData().GetArray("density").Modified()
    filter_.SetAzimuth(30.0)
    filter_.Update()
    assert filter_._shading is not kept[1]


def test_hidden_points_cast_no_shadow_and_stay_hidden():
    values = ball()
    image = to_image(GRID, {"density": values})
    shown = np.broadcast_to(np.arange(GRID.dims[0]) > 9, GRID.shape)
    hide(image, shown)
    producer, filter_ = vtkTrivialProducer(), HyperINRShadow()
    producer.SetOutput(image)
    filter_.SetInputConnection(producer.GetOutputPort())
    found = array(filter_, "density shadow")
    bare, _ = pass_of({"density": np.where(shown, values, 0)}, ColorMap=colors_of(high=float(values.max())))
    other, _ = pass_of({"density": np.where(shown, values, np.nan)}, ColorMap=colors_of(high=float(values.max())))
    np.testing.assert_allclose(array(other, "density shadow"), array(bare, "density shadow"), atol=1e-6)
    assert np.isfinite(found).all() and np.isnan(array(filter_, "density")[~shown]).all()
    assert (array(filter_, "density shaded")[~shown][:, 3] == 0).all()
    ghosts = filter_.GetOutputDataObject(0).GetPointData().GetArray("vtkGhostType")
    np.testing.assert_array_equal(vtk_to_numpy(ghosts) == 2, ~shown.ravel())
