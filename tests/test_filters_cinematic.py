"""HyperINR Cinematic as a VTK algorithm, without ParaView."""

from __future__ import annotations

import time

import numpy as np
import pytest
from test_filters_shadow import GRID, ball, colors_of
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.util.vtkConstants import VTK_STRING
from vtkmodules.vtkCommonExecutionModel import vtkTrivialProducer

from hyperinr.filters import cinematic
from hyperinr.filters.cinematic import PICTURE, HyperINRCinematic
from hyperinr.filters.image import to_image
from hyperinr_core.light import shadow
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.transfer import TransferFunction
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.tracing.film import Film, developed, exposure_of, trace
from hyperinr_core.tracing.medium import medium_of
from hyperinr_core.tracing.staging import Environment, Light, Scene

CAMERA = {"CameraPosition": (9.7, -60.0, 30.0), "CameraFocalPoint": (9.7, 5.5, 16.0), "CameraViewUp": (0.0, 0.0, 1.0)}


def filter_of(arrays=None, **settings):
    """A filter over arrays, and the list of what it says."""
    producer, said = vtkTrivialProducer(), []
    producer.SetOutput(to_image(GRID, {"density": ball()} if arrays is None else arrays))
    filter_ = HyperINRCinematic()

    def note(caller, name, text):
        said.append(text)

    note.CallDataType = VTK_STRING
    filter_.AddObserver("ErrorEvent", note)
    filter_.SetInputConnection(producer.GetOutputPort())
    for name, value in {"PictureSize": (40, 30), "Samples": 4, "ColorMap": colors_of(), **CAMERA, **settings}.items():
        getattr(filter_, f"Set{name}")(*(value if isinstance(value, tuple) else (value,)))
    return filter_, said


def pixels(filter_):
    """(height, width, 3) uint8."""
    filter_.Update()
    image = filter_.GetOutputDataObject(0)
    width, height, _ = image.GetDimensions()
    return vtk_to_numpy(image.GetPointData().GetArray(PICTURE)).reshape(height, width, 3).copy()


def watched(filter_, seconds=20.0):
    """The pictures that a window would show, by asking as it does."""
    shown, until = [pixels(filter_)], time.monotonic() + seconds
    while filter_._left(filter_._film) or filter_._step:
        assert time.monotonic() < until
        if filter_.GetNeedsUpdate():
            shown.append(pixels(filter_))
    return shown


def test_the_picture_is_what_the_tracer_gives():
    filter_, said = filter_of(
        Azimuth=200.0, Elevation=30.0, LightSize=10.0, Environment=1, Surface=0.0, Background=(0.1, 0.2, 0.3)
    )
    function = TransferFunction(((0, 1, 0, 0), (1, 1, 1, 1)), ((0.0, 0.0), (1.0, 1.0)))
    medium = medium_of(ball(), GRID, function, shadow.default_unit_distance(GRID))
    scene = Scene(Light(direction_of(200.0, 30.0), diameter=10.0), Environment.named("even"))
    film = Film((40, 30))
    trace(medium, Camera(*CAMERA.values()), scene, film, 4)
    means = film.denoised()
    expected = developed(means, (0.1, 0.2, 0.3), exposure_of(means))
    found = pixels(filter_)
    assert not said and found.shape == (30, 40, 3) and found.dtype == np.uint8
    assert abs(found.astype(int) - expected).max() <= 1  # the colours come through a table of ParaView's
    assert len(np.unique(found)) > 20


def test_a_script_waits_for_all_samples_and_a_window_for_none(monkeypatch):
    all_at_once, _ = filter_of(Samples=24)
    expected = pixels(all_at_once)
    assert all_at_once._film.n_samples == 24 and not all_at_once.GetNeedsUpdate()
    monkeypatch.setattr(cinematic, "QUICK", 1e-6)
    filter_, said = filter_of(Samples=24)
    filter_.ExpectWindow()
    shown = watched(filter_)
    assert len(shown) > 2 and not said
    np.testing.assert_array_equal(shown[-1], expected)
    assert (shown[0] != expected).any()


def test_a_change_begins_anew_and_a_better_picture_does_not(monkeypatch):
    monkeypatch.setattr(cinematic, "QUICK", 1e-6)
    filter_, _ = filter_of(Samples=6)
    filter_.ExpectWindow()
    before = watched(filter_)[-1]
    film = filter_._film
    filter_.SetAzimuth(170.0)
    filter_.ExpectWindow()
    after = watched(filter_)[-1]
    assert filter_._film is not film and (before != after).any()
    filter_.SetAzimuth(45.0)
    np.testing.assert_array_equal(watched(filter_)[-1], before)
    film = filter_._film
    filter_.SetSamples(9)
    watched(filter_)
    assert filter_._film is film and film.n_samples == 9


def test_what_a_picture_is_developed_by_needs_no_new_samples(monkeypatch):
    filter_, said = filter_of(Samples=6)
    before = pixels(filter_)
    film, n_samples = filter_._film, filter_._film.n_samples
    for name, value in (("Exposure", (0.2,)), ("Background", (1.0, 0.0, 0.0)), ("Denoise", (0,))):
        getattr(filter_, f"Set{name}")(*value)
        after = pixels(filter_)
        assert (after != before).any(), name
        before = after
    assert filter_._film is film and film.n_samples == n_samples and not said
    filter_.SetSamples(4000)
    filter_.ExpectWindow()
    pixels(filter_)
    assert not filter_.GetNeedsUpdate() and filter_._step is not None
    filter_.SetBackground(0.0, 0.0, 1.0)
    assert (pixels(filter_)[0, 0] == (0, 0, 255)).all(), "a step's picture is of the background before"


def test_stopping_leaves_nothing_and_is_said_by_nobody():
    filter_, said = filter_of(Samples=5000, PictureSize=(400, 300))
    filter_.AddObserver("ProgressEvent", lambda *_: filter_.SetAbortExecute(1))
    begun = time.monotonic()
    filter_.Update()
    assert filter_.GetOutputDataObject(0).GetNumberOfPoints() == 0 and not said
    assert filter_._left(filter_._film) > 4000 and time.monotonic() - begun < 10


@pytest.mark.parametrize(
    ("arrays", "settings", "words"),
    [
        ({"density": np.full(GRID.shape, np.nan, np.float32)}, {}, "no value but NaN"),
        ({"density": np.full(GRID.shape, np.inf, np.float32)}, {}, "inf"),
        ({"drift": np.zeros((*GRID.shape, 3), np.float32)}, {}, "no point array"),
        (None, {"CameraViewUp": (0.0, 0.0, 0.0)}, "up direction across the view"),
    ],
    ids=["masked", "infinite", "a vector", "no up"],
)
def test_bad_input_is_one_error_and_no_picture(arrays, settings, words):
    filter_, said = filter_of(arrays, **settings)
    filter_.Update()
    filter_.Update()
    assert len(said) == 1 and words in said[0]
    assert filter_.GetOutputDataObject(0).GetNumberOfPoints() == 0


def test_clear_volumes_and_a_camera_within_are_pictures():
    clear, said = filter_of(ColorMap=colors_of(steps=((0.0, 0.0), (1.0, 0.0))), Background=(1.0, 0.5, 0.0))
    assert (pixels(clear) == np.array([255, 128, 0])).all() and not said
    within, said = filter_of(CameraPosition=(9.7, 5.0, 16.0), CameraFocalPoint=(9.7, 9.0, 16.0))
    assert pixels(within).std() > 0 and not said
