"""Pictures of a radiance field from any camera, and how far what they show is, written as a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.files import new_folder
from hyperinr_core.pictures.camera import Camera, camera_of
from hyperinr_core.pictures.picture_set import Optics, write_optics
from hyperinr_core.pictures.world import world_in
from hyperinr_core.radiance.field import Seen
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.spaces.views import angle_columns

#: Columns of a camera.
COLUMNS = (
    *(f"{point}_{axis}" for point in ("position", "focal_point", "view_up") for axis in "xyz"),
    *("view_angle", "parallel_scale"),
)

#: Opacity below which there is nothing to measure a depth of.
SOLID = 0.5


def theta_at(model: RadianceModel, places: dict[str, float]) -> np.ndarray:
    """(P,) the scene at values by name, whatever its view; ParameterError for other names than those besides the view."""
    columns = angle_columns(model.roles) or ()
    views = {model.parameters[column].name: 0.0 for column in columns}
    if set(views) & set(places):
        raise ParameterError(
            f"--at gives {', '.join(sorted(set(views) & set(places)))}; expected views by --views or --camera"
        )
    return model.theta({**views, **places})


def render_views_of(
    model: RadianceModel,
    places: dict[str, float],
    views: np.ndarray,
    camera: Path | None,
    size: tuple[int, int] | None,
    zoom: float,
    transparent: bool,
    depth: bool,
    output: Path,
) -> tuple[int, tuple[int, int]]:
    """Write pictures of a model into a new folder; how many, and of which size.

    Parameters
    ----------
    places : values of the parameters besides the view.
    views : (n, 2) azimuth and elevation in degrees; unused with a file of cameras.
    camera : a .pvcc file, a table or transforms.json, in the space of the cameras that the model was trained with; in the
        model's own where it was trained with angles.
    zoom : how many times larger than the cameras see.
    transparent : write the scene alone, with its opacity.
    depth : write the way from the camera to what is seen besides, as float32 TIFF, infinite where that lets
        half of the light pass.

    Raises
    ------
    DataError for a file of cameras that cannot be read; ParameterError for values that the model does not have.
    """
    from hyperinr.filters.readers.given_cameras import read_cameras
    from hyperinr.filters.readers.picture_files import write_depth, write_picture
    from hyperinr.filters.readers.tables import write_table

    theta, world = theta_at(model, places), world_in(model.provenance)
    width, height = size or model.size
    optics = Optics(model.optics.view_angle)
    given = read_cameras(camera, width, height) if camera else [camera_of(view, optics) for view in views]
    cameras = [(world.inward(each) if world and camera else each).zoomed(zoom) for each in given]
    rows = _rows([each.zoomed(zoom) for each in given]) if camera else views
    unit = world.unit if world else 1.0
    files = [f"image/{number:05d}.png" for number in range(len(cameras))]
    depths = [f"depth/{number:05d}.tif" for number in range(len(cameras))] if depth else []
    with new_folder(output) as folder:
        for name in ("image", "depth") if depth else ("image",):
            (folder / name).mkdir()
        for number, each in enumerate(cameras):
            seen = model.render(theta, each, width, height)
            write_picture(folder / files[number], _picture(model, seen, transparent))
            if depth:
                write_depth(folder / depths[number], np.where(seen.opacity >= SOLID, unit * seen.depth, np.inf))
        names = [*(COLUMNS if camera else ("phi", "theta")), *places]
        fixed = np.broadcast_to(list(places.values()), (len(cameras), len(places)))
        write_table(folder, names, np.concatenate([rows, fixed], axis=1), files, depths)
        if not camera:
            write_optics(folder, Optics(cameras[0].view_angle))
    return len(cameras), (width, height)


def _picture(model: RadianceModel, seen: Seen, transparent: bool) -> np.ndarray:
    return seen.rgba() if transparent else model.before_background(seen)


def _rows(cameras: Sequence[Camera]) -> np.ndarray:
    """(n, 11) what `COLUMNS` say of cameras."""
    return np.array(
        [
            [*camera.position, *camera.focal_point, *camera.up, camera.view_angle, camera.parallel_scale]
            for camera in cameras
        ]
    )
