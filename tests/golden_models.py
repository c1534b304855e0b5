"""The kinds of files of which tests/golden holds one each."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from bound_models import bounded_model
from brick_models import bricked
from hostile import LIGHTS, VIEWS
from masked import masked_model, wall
from models import based_model, random_model
from moving_models import moving_model
from radiance_models import ball_model, carried_ball

from hyperinr_core.config import EncodingConfig
from hyperinr_core.joining import brick_path, join
from hyperinr_core.volume import Field, Parameter

SMALL = {"n_levels": 3, "log2_hashmap_size": 6}
STEPS = (0.02, 0.03, 0.05)


def plain() -> Any:
    return random_model((6, 5, 4), encoding=EncodingConfig(**SMALL)), (), False


def vector() -> Any:
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3, "m/s"))
    return (
        random_model((6, 5, 4), fields=fields, encoding=EncodingConfig(**SMALL), interpolation="catmull_rom"),
        (),
        False,
    )


def based() -> Any:
    return based_model((6, 5, 4), encoding=EncodingConfig(**SMALL)), (), False


def lights() -> Any:
    encoding = EncodingConfig(**SMALL, guide_resolution=8)
    return random_model((6, 5, 4), LIGHTS, encoding=encoding, n_encoders=9, interpolation="barycentric"), (), False


def pictures() -> Any:
    fields = (Field("rgb", 3, ((0.0, 255.0),) * 3),)
    return random_model((8, 6, 1), VIEWS, fields, 6, encoding=EncodingConfig(2, **SMALL)), (), False


def polar_views() -> Any:
    polar = Parameter("theta", "view_polar", (0.0, 180.0), "deg", (30.0, 120.0))
    return _pictures((VIEWS[0], polar), 9), (), False


def views_over_time() -> Any:
    """Four views at each of three times, the time in the middle of the parameters."""
    time = Parameter("time", "time", (0.0, 4.0), "s", (0.0, 1.0, 4.0))
    model = _pictures((VIEWS[0], time, VIEWS[1]), 12)
    positions = model.encoder_positions.copy()
    positions[:, 1] = np.repeat(time.values, 4)
    return dataclasses.replace(model, encoder_positions=positions), (), False


def _pictures(parameters: tuple[Parameter, ...], n_encoders: int) -> Any:
    fields = (Field("rgb", 3, ((0.0, 255.0),) * 3),)
    encoding = EncodingConfig(2, **SMALL)
    return random_model((8, 6, 1), parameters, fields, n_encoders, encoding=encoding, interpolation="barycentric")


def masked() -> Any:
    """Two fields, of which one has a wall that moves, and the other no mask."""
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("b", 1, ((-1.0, 1.0),)))
    return masked_model(wall, 3, ("a",), dims=(6, 5, 4), fields=fields, encoding=EncodingConfig(**SMALL)), (), False


def carried() -> Any:
    """Two fields, each along a motion of its own, through a box that goes on along z."""
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3, "m/s"))
    model = random_model((10, 9, 8), fields=fields, encoding=EncodingConfig(**SMALL))
    return moving_model(model, (True, False, False), (True, False)), (), False


def carried_plane() -> Any:
    return moving_model(random_model((14, 12, 1), encoding=EncodingConfig(2, **SMALL)), anchored=(False,)), (), False


def carried_masked() -> Any:
    """Two fields along one motion, of which one has a wall that moves; coded tables."""
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("b", 1, ((-1.0, 1.0),)))
    model = masked_model(wall, 3, ("a",), dims=(8, 7, 6), fields=fields, encoding=EncodingConfig(**SMALL))
    return moving_model(model), STEPS, True


def bounded() -> Any:
    """Two fields, of which one is a vector, that keep to a bound between which encoders blend; coded tables."""
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3, "m/s"))
    return bounded_model(random_model((6, 5, 4), fields=fields, encoding=EncodingConfig(**SMALL))), STEPS, False


def bounded_carried() -> Any:
    """Two fields along one motion, of which one has a wall that moves, that keep to a bound."""
    return bounded_model(carried_masked()[0], 0.02, relative=False), (), False


def coded() -> Any:
    return plain()[0], STEPS, False


def coded_differences() -> Any:
    return plain()[0], STEPS, True


def coded_levels() -> Any:
    return plain()[0], (0.02, 0.1, 0.5), "levels"


def carried_levels() -> Any:
    """Along a coarse motion, with a network of float16 numbers."""
    return carried()[0], STEPS, "levels"


def coded_encoders() -> Any:
    """Level by level, each encoder in frames of its own."""
    return plain()[0], (0.02, 0.1, 0.5), "encoders"


MAKERS = (
    plain, vector, based, lights, pictures, polar_views, views_over_time, masked, coded, coded_differences, carried,
    carried_plane, carried_masked, bounded, bounded_carried, coded_levels, carried_levels,
    coded_encoders,
)  # fmt: skip
KINDS = {make.__name__: make for make in MAKERS}  # a new kind of file is a new name


def bricks(path: Any) -> None:
    """Two along x and two along y, of two fields, one of which has a wall that moves; one brick is missing."""
    fields = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3, "m/s"))

    def with_wall(model: Any) -> Any:
        return dataclasses.replace(model, mask=masked_model(wall, 3, ("a",), dims=model.grid.dims, fields=fields).mask)

    bricked(path, (9, 8, 4), (2, 2, 1), 2, with_wall, fields, encoding=EncodingConfig(**SMALL))
    brick_path(path, 3).unlink()
    join(path, partial=True)


#: Kinds of indices: what writes one, and its bricks beside it.
INDICES = {"bricks": bricks}
#: The kinds of files of radiance fields.
RADIANCE = {
    "radiance": lambda: ball_model(n=8),
    "radiance_over_time": lambda: ball_model(times=True, opacity=True, n=8),
    "radiance_carried": lambda: carried_ball(n=8),
}


def shown(model: Any, share: float) -> np.ndarray:
    """(3, 4, C) what a radiance field shows at a share of its bounds."""
    low, high = np.array([parameter.bounds for parameter in model.parameters]).T
    return model.picture(low + share * (high - low), (4, 3))


def sampled(model: Any) -> dict[float, np.ndarray]:
    """Values (5, C) at points of three thetas, which are shares of the bounds, by the reference."""
    low, high = model.theta_bounds.T
    points = np.random.default_rng(0).random((5, model.grid.n_pos_dims))
    return {share: model.generate(low + share * (high - low), "reference").sample(points) for share in (0.0, 0.37, 1.0)}
