"""Cameras that are written down: tables with ParaView's fields, .pvcc files, and transforms.json."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from view_models import balls_picture, views

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.given_cameras import read_cameras
from hyperinr.filters.readers.picture_files import write_picture
from hyperinr_core.errors import DataError
from hyperinr_core.spaces.sphere import camera_frames

PVCC = """<?xml version="1.0"?><PVCameraConfiguration description="ParaView camera configuration" version="1.0">
<Proxy group="views" type="RenderView" id="1" servers="21">{}</Proxy></PVCameraConfiguration>"""
FRAME = {"file_path": "./train/r_0", "transform_matrix": np.eye(4).tolist()}


def pictures_in(folder, n=6):
    """Pictures 0.png and on of balls from views, and the (n, 3, 3) frames of those."""
    folder.mkdir(parents=True, exist_ok=True)
    angles = views(n)
    for number, view in enumerate(angles):
        write_picture(folder / f"{number}.png", balls_picture(view, 16))
    return camera_frames(angles)


def matrix_of(frame, far=4.0):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = frame.T, far * frame[2]
    return matrix.tolist()


def transforms_in(folder, n=6, **shared):
    """A folder with transforms.json of n pictures."""
    frames = pictures_in(folder / "train", n)
    items = [{"file_path": f"./train/{k}", "transform_matrix": matrix_of(frame)} for k, frame in enumerate(frames)]
    (folder / "transforms.json").write_text(json.dumps({"camera_angle_x": 0.7, **shared, "frames": items}))
    return frames


def test_a_table_gives_cameras_exactly(tmp_path):
    frames = pictures_in(tmp_path)
    names = [f"Camera{point}_{axis}" for point in ("Position", "FocalPoint", "ViewUp") for axis in "xyz"]
    rows = [[*(10 * towards + 1), 1, 1, 1, *up, 0.5, f"{k}.png"] for k, (_, up, towards) in enumerate(frames)]
    lines = [",".join([*names, "CameraParallelScale", "FILE"]), *(",".join(map(str, row)) for row in rows)]
    (tmp_path / "cameras.csv").write_text("\n".join(lines))
    pictures = open_pictures(tmp_path)
    assert pictures.parameters == ("phi", "theta") and len(pictures.cameras) == 6
    np.testing.assert_allclose(pictures.world.origin, [1, 1, 1], atol=1e-9)
    assert pictures.world.unit == 0.5
    for camera, frame, (phi, theta) in zip(pictures.cameras, frames, pictures.thetas):
        np.testing.assert_allclose(camera.frame(), frame, atol=1e-9)
        np.testing.assert_allclose(camera_frames(np.array([phi, theta])), frame, atol=1e-9)
        assert (camera.view_angle, camera.parallel_scale) == (0, 1)
    part = pictures.select([4, 1])
    assert part.cameras == (pictures.cameras[4], pictures.cameras[1])


def test_pictures_with_a_camera_file_of_paraview_each(tmp_path):
    frames = pictures_in(tmp_path)
    for number, (_, up, towards) in enumerate(frames):
        points = {
            "Position": 9 * towards,
            "FocalPoint": (0, 0, 0),
            "ViewUp": up,
            "ViewAngle": [40],
            "ParallelProjection": [0],
        }
        text = "".join(
            f'<Property name="Camera{name}">'
            + "".join(f'<Element index="{k}" value="{value}"/>' for k, value in enumerate(values))
            + "</Property>"
            for name, values in points.items()
        )
        (tmp_path / f"{number}.pvcc").write_text(PVCC.format(text))
    pictures = open_pictures(tmp_path)
    assert len(pictures) == 6 and pictures.optics.view_angle == 40
    np.testing.assert_allclose(pictures.cameras[3].frame(), frames[3], atol=1e-9)
    assert pictures.world.unit == pytest.approx(9 * math.tan(math.radians(20)))
    assert read_cameras(tmp_path / "3.pvcc", 8, 8)[0].view_angle == 40
    (tmp_path / "3.pvcc").write_text("<a/>")
    with pytest.raises(DataError, match=r"3\.pvcc is no camera of ParaView"):
        open_pictures(tmp_path)


def test_transforms_are_opengls(tmp_path):
    frames = transforms_in(tmp_path)
    pictures = open_pictures(tmp_path)
    assert len(pictures) == 6 and pictures.optics.view_angle == pytest.approx(math.degrees(0.7))
    np.testing.assert_allclose([camera.frame() for camera in pictures.cameras], frames, atol=1e-9)
    assert open_pictures(tmp_path / "transforms.json").cameras == pictures.cameras


def test_lenses_in_pixels_count_for_pictures_of_another_size(tmp_path):
    transforms_in(tmp_path, w=32, h=32, fl_x=40.0, fl_y=50.0, cx=18.0, cy=12.0)
    camera = open_pictures(tmp_path).cameras[0]
    assert camera.view_angle == pytest.approx(2 * math.degrees(math.atan(16 / 50)))
    assert (camera.pixel_aspect, camera.center) == (1.25, (0.125, 0.25))
    rays = camera.rays()
    middle = rays[3] + camera.center[0] * rays[4] + camera.center[1] * rays[5]
    np.testing.assert_allclose(middle, -rays[6], atol=1e-12)


def test_splits_keep_pictures_for_testing_and_times_are_a_parameter(tmp_path):
    frames = pictures_in(tmp_path / "p", 8)
    items = [
        {"file_path": f"p/{k}.png", "time": k % 2 / 2, "transform_matrix": matrix_of(frame)}
        for k, frame in enumerate(frames)
    ]
    for name, part in (("train", items[:5]), ("val", items[5:6]), ("test", items[6:])):
        (tmp_path / f"transforms_{name}.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": part}))
    pictures = open_pictures(tmp_path)
    assert (
        pictures.parameters == ("phi", "theta", "time") and pictures.roles[2] == "time" and pictures.tests == (5, 6, 7)
    )
    assert pictures.select([0, 6]).tests == (1,)


BAD = {
    "opencv": ("look away", lambda frame: frame * [[1], [-1], [-1]]),
    "mirrored": ("expected a rotation", lambda frame: frame * [[1], [1], [-1]]),
    "one direction": ("all look in one direction", lambda frame: np.eye(3)),
}


@pytest.mark.parametrize("case", BAD)
def test_another_convention_is_said(tmp_path, case):
    message, change = BAD[case]
    frames = pictures_in(tmp_path)
    items = []
    for number, frame in enumerate(frames):
        matrix = np.array(matrix_of(frame))
        matrix[:3, :3] = change(frame).T
        items.append({"file_path": f"{number}", "transform_matrix": matrix.tolist()})
    (tmp_path / "transforms.json").write_text(json.dumps({"camera_angle_x": 0.7, "frames": items}))
    with pytest.raises(DataError, match=message) as caught:
        open_pictures(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"frames": []}, "names no pictures"),
        ({}, "is no list of pictures with cameras"),
        ({"frames": [{**FRAME, "file_path": 3}]}, "whose file_path is 3"),
        ({"frames": [{**FRAME, "file_path": "gone"}]}, "gone is not there"),
        ({"frames": [FRAME]}, "has no camera"),
        ({"camera_angle_x": 1, "k1": 0.1, "frames": [FRAME]}, "undistort them first"),
        ({"camera_angle_x": 1, "camera_model": "OPENCV_FISHEYE", "frames": [FRAME]}, "undistort them first"),
        ({"camera_angle_x": 1, "frames": [{**FRAME, "transform_matrix": [[1]]}]}, "expected a rotation"),
        ({"camera_angle_x": -1, "frames": [FRAME]}, "has no camera"),
    ],
)
def test_what_is_wrong_with_transforms_is_said_in_one_sentence(tmp_path, document, message):
    (tmp_path / "train").mkdir()
    write_picture(tmp_path / "train" / "r_0.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "transforms.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=message) as caught:
        open_pictures(tmp_path)
    assert "\n" not in str(caught.value)


def test_half_a_camera_is_refused(tmp_path):
    (tmp_path / "c.csv").write_text("FILE,position_x,position_y\n0.png,1,2\n")
    with pytest.raises(DataError, match="has columns of a camera, but not position_z, focalpoint_x"):
        open_pictures(tmp_path)
    (tmp_path / "d.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="has columns a, b and no camera"):
        read_cameras(tmp_path / "d.csv", 8, 8)
