"""The space of given cameras, and the field's."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from hyperinr_core.errors import DataError
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.world import angles_around, world_in, world_of
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.spaces.views import on_one_circle


def around(center, up_axis, distances, angle=40.0):
    """Cameras around a centre in a space in which another axis than z is up."""
    turn = np.roll(np.eye(3), up_axis - 2, axis=1)  # z to that axis
    views = np.array([(30.0 + 77 * k, 50.0 - 13 * k) for k in range(len(distances))])
    frames = camera_frames(views) @ turn
    cameras = [
        Camera(tuple(np.add(center, far * towards)), tuple(center), tuple(up), angle)
        for far, (_, up, towards) in zip(distances, frames)
    ]
    return cameras, views


@pytest.mark.parametrize("up_axis", [0, 1, 2])
def test_the_field_lies_where_cameras_look_and_stands_up(up_axis):
    cameras, views = around((5.0, -2.0, 1.0), up_axis, [3.0, 4.0, 5.0, 6.0, 4.0])
    world = world_of(cameras, "here")
    np.testing.assert_allclose(world.origin, (5, -2, 1), atol=1e-9)
    assert world.unit == pytest.approx(6 * np.tan(np.radians(20)))
    inside = [world.inward(camera) for camera in cameras]
    np.testing.assert_allclose(angles_around(inside), [(phi % 360, theta) for phi, theta in views], atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(inside[3].position, axis=0), 1 / np.tan(np.radians(20)))
    assert np.linalg.det(world.axes) == 1


def test_parallel_cameras_may_stand_anywhere_on_their_axes():
    cameras, views = around((1.0, 1.0, 1.0), 2, [-3.0, 4.0, 0.5, 6.0], 0.0)
    cameras[0] = dataclasses.replace(
        cameras[0],
        position=cameras[3].focal_point,
        focal_point=tuple(np.subtract((1, 1, 1), camera_frames(views[0])[2])),
    )
    world = world_of(cameras, "here")
    assert world.unit == 1
    np.testing.assert_allclose(angles_around([world.inward(c) for c in cameras])[:, 1], views[:, 1], atol=1e-9)


def test_what_a_model_remembers_is_read_back_or_refused():
    world = world_of(around((1.0, 2.0, 3.0), 1, [3.0, 4.0, 5.0])[0], "here")
    assert world_in({"world": dataclasses.asdict(world)}) == world and world_in({}) is None
    for damaged in (3, {}, {"origin": [1, 2, 3], "unit": 0, "axes": np.eye(3).tolist()}):
        with pytest.raises(DataError, match="expected an origin, a unit and axes"):
            world_in({"world": damaged})


def test_circles_are_told_from_spheres():
    azimuth = np.arange(0.0, 360, 15)
    for elevation in (0.0, 35.0):
        assert on_one_circle(np.stack([azimuth, np.full_like(azimuth, elevation)], axis=1))
    assert on_one_circle(np.stack([np.zeros(9), np.linspace(-80, 80, 9)], axis=1))
    assert not on_one_circle(np.stack([azimuth, 20 * np.cos(azimuth)], axis=1))
