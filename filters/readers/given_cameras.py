"""Cameras that are written down: beside pictures in a table, in ParaView's .pvcc files, and in transforms.json."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from hyperinr.filters.readers.listing import SUFFIXES, Cameras, Listing
from hyperinr.filters.readers.tables import number_in, read_rows
from hyperinr_core.errors import DataError, HyperINRError
from hyperinr_core.pictures.camera import Camera

#: Columns of a table that are a camera's, without "camera", signs and capitals, by what they give; 0, 1, 2 are x, y, z.
POINTS = ("position", "focalpoint", "viewup")

#: The files of the layout of NeRF's synthetic scenes, by whether their pictures are kept for testing.
SPLITS = {
    "transforms.json": False,
    "transforms_train.json": False,
    "transforms_val.json": True,
    "transforms_test.json": True,
}

#: Camera models without distortion, and the keys of distortion.
PINHOLES = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL")
DISTORTION = ("k1", "k2", "k3", "k4", "p1", "p2")

#: How far the axes of a given matrix may be from right angles and from one length.
STRAIGHT = 1e-2


def column_of(name: str) -> tuple[str, int]:
    """What a column of a table says of a camera, and along which axis: ("position", 0) of "CameraPosition_x"; ("", 0) for none.

    Examples
    --------
    >>> column_of("CameraFocalPoint:1"), column_of("view_angle"), column_of("time")
    (('focalpoint', 1), ('viewangle', 0), ('', 0))
    """
    plain = re.sub("[^a-z0-9]", "", name.lower()).replace("camera", "", 1)
    if plain in ("viewangle", "parallelscale", "parallelprojection"):
        return plain, 0
    if plain[:-1] in POINTS and plain[-1] in "xyz012":
        return plain[:-1], "xyz012".index(plain[-1]) % 3
    return "", 0


def read_cameras(path: Path, width: int, height: int) -> list[Camera]:
    """The cameras of a .pvcc file, a table or transforms.json, for pictures of a size.

    Raises DataError for another file.
    """
    suffix = path.suffix.lower()
    if suffix == ".pvcc":
        return [read_pvcc(path)]
    if suffix == ".json":
        return [
            _of_matrix(f"{path} frame {n}", {**shared, **frame}, width, height)
            for n, (shared, frame) in enumerate(_frames(path))
        ]
    names, rows = read_rows(path)
    cameras = table_cameras(path, names, rows)
    if cameras is None:
        raise DataError(
            f"{path} has columns {', '.join(names)} and no camera; expected position, focal point and view up with x, y and z"
        )
    return list(cameras(width, height))


def table_cameras(table: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Cameras | None:
    """The cameras that columns of a table give; None when there are none."""
    given = [place for place, name in enumerate(names) if column_of(name)[0]]
    return cameras_in(
        table,
        names,
        {place: [number_in(table, names[place], n, row[place]) for n, row in enumerate(rows, 2)] for place in given},
    )


def cameras_in(table: Path, names: Sequence[str], values: dict[int, list[float]]) -> Cameras | None:
    """The cameras that columns of a table give; None when there are none.

    Parameters
    ----------
    values : numbers of the columns that are a camera's, by their place.

    Raises DataError unless the columns give a position, a focal point and what is up.
    """
    found = {column_of(names[place]): numbers for place, numbers in values.items()}
    if not found:
        return None
    missing = [f"{point}_{'xyz'[axis]}" for point in POINTS for axis in range(3) if (point, axis) not in found]
    if missing:
        raise DataError(
            f"{table} has columns of a camera, but not {', '.join(missing)}; expected position, focal point and view up with x, "
            "y and z, and view_angle or parallel_scale"
        )
    n = len(next(iter(found.values())))
    angles = found.get(("viewangle", 0), [30.0] * n if ("parallelscale", 0) not in found else [0.0] * n)
    scales = found.get(("parallelscale", 0), [1.0] * n)
    parallel = found.get(("parallelprojection", 0), [0.0] * n)
    points = [np.array([found[point, axis] for axis in range(3)]).T.tolist() for point in POINTS]
    angles = [0.0 if flat else angle for angle, flat in zip(angles, parallel)]
    scales = [1.0 if angle else scale for angle, scale in zip(angles, scales)]
    cameras = [
        _camera(f"{table} line {line}", *each) for line, each in enumerate(zip(*points, angles, scales), start=2)
    ]
    return lambda width, height: cameras


def _camera(where: str, *numbers: Any) -> Camera:
    try:
        return Camera(*numbers)
    except HyperINRError as error:
        raise DataError(f"{where} cannot be used: {error}") from None


def read_pvcc(path: Path) -> Camera:
    """A camera that ParaView saved (Adjust Camera, Save).

    Raises DataError for another file.
    """
    try:
        properties = {
            item.get("name"): [float(element.get("value", "")) for element in item.iter("Element")]
            for item in ElementTree.parse(path).iter("Property")
        }
        angle = 0.0 if properties.get("CameraParallelProjection", [0])[0] else properties["CameraViewAngle"][0]
        points = [tuple(properties[f"Camera{name}"]) for name in ("Position", "FocalPoint", "ViewUp")]
        scale = properties.get("CameraParallelScale", [1.0])[0] if not angle else 1.0
    except (OSError, ElementTree.ParseError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"{path} is no camera of ParaView ({error!r}); expected a .pvcc file, save it again") from error
    return _camera(str(path), *points, angle, scale)


def beside_pictures(folder: Path) -> Listing | None:
    """The pictures of a folder that each have a .pvcc file of their name; None where there are no such files."""
    named = sorted(folder.glob("*.pvcc"))
    if not named:
        return None
    files = [_with_suffix(path.with_suffix(""), path) for path in named]
    cameras = [read_pvcc(path) for path in named]
    return Listing(folder, [], np.empty((len(files), 0)), files, cameras=lambda width, height: cameras)


def _with_suffix(path: Path, source: Path) -> Path:
    """The picture that is named, or the one of that name with a suffix."""
    for candidate in (path, *(path.with_name(path.name + suffix) for suffix in SUFFIXES)):
        if candidate.suffix.lower() in SUFFIXES and candidate.is_file():
            return candidate
    raise DataError(f"{path} is not there but {source} names it; expected a picture, {', '.join(SUFFIXES)}")


def transforms(path: Path) -> Listing | None:
    """What transforms.json, or transforms_train.json and those beside it, name; None where there are none."""
    if path.is_dir():
        sources = {path / name: held_out for name, held_out in SPLITS.items() if (path / name).is_file()}
    else:
        sources = {path: False} if path.suffix == ".json" and path.name != "info.json" else {}
    if not sources:
        return None
    frames = [(source, held_out, *each) for source, held_out in sources.items() for each in _frames(source)]
    if not frames:
        raise DataError(f"{path} names no pictures; expected frames, each with a file_path and a transform_matrix")
    times = [frame.get("time") for _, _, _, frame in frames]
    timed = None not in times and len(set(times)) > 1
    thetas = np.array(times, np.float64)[:, None] if timed else np.empty((len(frames), 0))

    def cameras(width: int, height: int) -> list[Camera]:
        return [
            _of_matrix(f"{source} frame {frame.get('file_path')}", {**shared, **frame}, width, height)
            for source, _, shared, frame in frames
        ]

    return Listing(
        path, ["time"] if timed else [], thetas, [_picture(source, frame) for source, _, _, frame in frames], cameras=cameras,
        tests=tuple(number for number, (_, held_out, _, _) in enumerate(frames) if held_out),
    )  # fmt: skip


def _frames(source: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """What a file says of all its frames, beside each of them."""
    try:
        document = json.loads(source.read_text(encoding="utf-8"))
        frames = document["frames"]
        shared = {name: value for name, value in document.items() if name != "frames"}
        if not all(isinstance(frame, dict) for frame in frames):
            raise TypeError("a frame is no object")
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DataError(
            f"{source} is no list of pictures with cameras ({error!r}); expected camera_angle_x and frames, each with a "
            "file_path and a transform_matrix"
        ) from error
    for frame in frames:
        yield shared, frame


def _picture(source: Path, frame: dict[str, Any]) -> Path:
    name = frame.get("file_path")
    if not isinstance(name, str) or not name:
        raise DataError(f"{source} has a frame whose file_path is {name!r}; expected the name of a picture")
    return _with_suffix(source.parent / name, source)


def _of_matrix(where: str, frame: dict[str, Any], width: int, height: int) -> Camera:
    """The camera of a frame and what is said of all: OpenGL's, x right, y up, looking along -z."""
    try:
        matrix = np.array(frame["transform_matrix"], np.float64)[:3]
        fl_x, fl_y, cx, cy = _lengths(frame, width, height)
        bent = [name for name in DISTORTION if float(frame.get(name) or 0)]
    except (TypeError, ValueError, KeyError) as error:
        raise DataError(
            f"{where} has no camera ({error!r}); expected a transform_matrix of 4 x 4 numbers, and camera_angle_x or fl_x"
        ) from error
    if bent or frame.get("camera_model", "PINHOLE") not in PINHOLES:
        raise DataError(
            f"{where} has a lens of {frame.get('camera_model', 'pinhole')} with distortion {', '.join(bent) or 'of its own'}; "
            "expected pictures of a pinhole, undistort them first"
        )
    axes = matrix[:, :3] if matrix.shape == (3, 4) else np.zeros((3, 3))
    lengths = np.linalg.norm(axes, axis=0)
    axes = axes / np.where(lengths > 0, lengths, 1)
    if not np.isfinite(matrix).all() or abs(axes.T @ axes - np.eye(3)).max() > STRAIGHT or np.linalg.det(axes) < 0:
        raise DataError(
            f"{where} has the transform_matrix {matrix.round(3).tolist()}; expected a rotation and a position, "
            "camera to world, with x right, y up and z towards the camera"
        )
    position = matrix[:, 3]
    return _camera(
        where,
        tuple(position.tolist()),
        tuple((position - axes[:, 2]).tolist()),
        tuple(axes[:, 1].tolist()),
        math.degrees(2 * math.atan(height / 2 / fl_y)),
        1.0,
        ((2 * cx - width) / height, (height - 2 * cy) / height),
        fl_y / fl_x,
    )


def _lengths(frame: dict[str, Any], width: int, height: int) -> tuple[float, float, float, float]:
    """Focal lengths and the middle in pixels of pictures that are scaled to a width and height."""
    wide, high = width / float(frame.get("w", width)), height / float(frame.get("h", height))
    fl_x = float(frame["fl_x"]) * wide if "fl_x" in frame else _length(width, frame["camera_angle_x"])
    fl_y = float(frame["fl_y"]) * high if "fl_y" in frame else _length(height, frame.get("camera_angle_y")) or fl_x
    cx, cy = float(frame.get("cx", width / wide / 2)) * wide, float(frame.get("cy", height / high / 2)) * high
    if not all(map(math.isfinite, (fl_x, fl_y, cx, cy))) or min(fl_x, fl_y) <= 0:
        raise ValueError(f"focal lengths {fl_x:g} and {fl_y:g}")
    return fl_x, fl_y, cx, cy


def _length(n_pixels: int, angle: float | None) -> float:
    """The focal length in pixels of what sees so many under an angle in radians; 0 for None."""
    return 0.0 if angle is None else n_pixels / 2 / math.tan(float(angle) / 2)
