"""Pictures of a small scene, models of pictures with random parameters, and ways to make more."""

from __future__ import annotations

import json

import numpy as np
from click.testing import CliRunner
from models import random_model

from hyperinr.filters.readers.picture_files import write_picture
from hyperinr.filters.readers.tables import write_table
from hyperinr_core.config import EncodingConfig
from hyperinr_core.light.lights import poisson_lights
from hyperinr_core.pictures.picture_set import picture_field
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.volume import Parameter

#: Centres, radii and colours of balls that hide each other; two differ in hand, so that no mirrored scene looks the same.
BALLS = (
    ((0.5, 0.0, 0.0), 0.3, (220, 60, 40)),
    ((0.0, 0.5, 0.1), 0.25, (40, 160, 70)),
    ((0.0, 0.0, 0.55), 0.2, (50, 80, 200)),
    ((-0.3, -0.3, -0.3), 0.35, (230, 180, 40)),
)


VIEW = (
    Parameter("phi", "view_azimuth", (0.0, 360.0), "deg", tuple(np.linspace(0, 360, 8))),
    Parameter("theta", "view_elevation", (-90.0, 90.0), "deg", tuple(np.linspace(-80, 80, 8))),
)


def balls_picture(view, size=32, grow=1.0):
    """(size, size, 3) uint8, lowest row first: the balls in parallel projection, half the height being 1."""
    right, up, towards = camera_frames(np.asarray(view, float))
    v, u = np.meshgrid(*[(np.arange(size) + 0.5) * 2 / size - 1] * 2, indexing="ij")
    picture = np.full((size, size, 3), 255, np.uint8)
    nearest = np.full((size, size), -np.inf)
    for center, radius, color in BALLS:
        radius = radius * grow
        height2 = radius**2 - (u - np.dot(center, right)) ** 2 - (v - np.dot(center, up)) ** 2
        depth = np.dot(center, towards) + np.sqrt(np.maximum(height2, 0))
        seen = (height2 > 0) & (depth > nearest)
        nearest[seen] = depth[seen]
        picture[seen] = color
    return picture


def balls_database(folder, views, size=32, times=(), turn=1, camera=True):
    """A Cinema database of the balls from views (n, 2), which grow with time."""
    (folder / "image").mkdir(parents=True)
    rows = [(*view, time) for view in np.asarray(views).tolist() for time in (times or (1.0,))]
    files = [f"image/{number}.png" for number in range(len(rows))]
    for (azimuth, elevation, time), name in zip(rows, files):
        write_picture(folder / name, balls_picture((turn * azimuth, elevation), size, time))
    names = ("phi", "theta", "time") if times else ("phi", "theta")
    write_table(folder, names, np.array(rows)[:, : len(names)], files)
    if camera:
        (folder / "camera.json").write_text(json.dumps({"view_angle": 0, "turn": turn, "tilt": 1}))
    return folder


def picture_model(size=(24, 16), n_components=3, parameters=VIEW, n_encoders=8, seed=0):
    """A model of pictures that vary with the view."""
    return random_model(
        (*size, 1),
        parameters,
        (picture_field(n_components),),
        n_encoders,
        seed,
        "barycentric",
        EncodingConfig(2, n_levels=3, log2_hashmap_size=9),
    )


#: Settings that learn pictures in a moment.
QUICK = '{"training": {"samples": 400000, "batch_points": 400}}'


def call(command, *arguments):
    """Run a command here, letting its errors out."""
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False, catch_exceptions=False)


def views(n, seed=0):
    return poisson_lights(n, seed) * [1, -1] + [0, 90]
