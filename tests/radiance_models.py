"""Small radiance fields and models of them."""

from __future__ import annotations

import dataclasses

import numpy as np

from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.radiance.carrying import Paths
from hyperinr_core.radiance.field import DENSITY, RadianceField
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.volume import Parameter

PHI = Parameter("phi", "view_azimuth", (0.0, 360.0), "deg", (0.0, 90.0))
ELEVATION = Parameter("theta", "view_elevation", (-90.0, 90.0), "deg", (0.0, 10.0))
TIME = Parameter("time", "time", (0.0, 2.0), "s", (0.0, 1.0, 2.0))


def ball_field(n: int = 24, radius: float = 0.5) -> RadianceField:
    """An opaque ball, red to the side of x, whose colour grows with the direction of the camera along z."""
    z, y, x = np.meshgrid(*[np.linspace(-0.8, 0.8, n)] * 3, indexing="ij")
    values = np.zeros((n, n, n, 16), np.float32)
    values[..., 0], values[..., 1], values[..., 2], values[..., 14] = 0.5 + 0.4 * np.sign(x), 0.4, 0.3, 0.2
    values[..., DENSITY] = np.clip(4 - 30 * (np.sqrt(x**2 + y**2 + z**2) - radius), -8, 3)
    m = n // 4
    blocks = values.reshape(m, 4, m, 4, m, 4, 16).transpose(0, 2, 4, 1, 3, 5, 6).reshape(-1, 64, 16)
    index = np.arange(m**3, dtype=np.int32).reshape(m, m, m)
    return RadianceField((-0.8,) * 3, 1.6 / (n - 1), (n, n, n), index, blocks)


def ball_model(times: bool = False, opacity: bool = False, n: int = 24) -> RadianceModel:
    """A ball; over time where asked for, at three times, smaller ones later."""
    radii = (0.5, 0.35, 0.2) if times else (0.5,)
    background = None if opacity else np.full((12, 16, 3), (255, 250, 200), np.uint8)
    return RadianceModel(
        (PHI, TIME, ELEVATION) if times else (PHI, ELEVATION),
        (16, 12),
        Optics(),
        background,
        np.array(TIME.values)[:, None] if times else np.empty((1, 0)),
        [ball_field(n, radius) for radius in radii],
        {"held_out": []},
    )


def carried_ball(n: int = 24) -> RadianceModel:
    """A ball over time, whose scenes are carried along paths that part."""
    shifts = np.random.default_rng(3).integers(-30, 30, (2, 3, 3, 4, 5)).astype(np.int16)
    return dataclasses.replace(ball_model(times=True, n=n), paths=Paths((-0.8, -0.8, -0.8), 0.4, shifts, 0.01))
