"""The kinds of files of which tests/golden holds one each."""

from __future__ import annotations

from typing import Any

import numpy as np
from hostile import LIGHTS, VIEWS
from models import based_model, random_model

from hyperinr_core.config import EncodingConfig
from hyperinr_core.volume import Field

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


def coded() -> Any:
    return plain()[0], STEPS, False


def coded_differences() -> Any:
    return plain()[0], STEPS, True


KINDS = {
    make.__name__: make for make in (plain, vector, based, lights, pictures, coded, coded_differences)
}  # a new kind of file is a new name


def sampled(model: Any) -> dict[float, np.ndarray]:
    """Values (5, C) at points of three thetas, which are shares of the bounds, by the reference."""
    low, high = model.theta_bounds.T
    points = np.random.default_rng(0).random((5, model.encoding.n_pos_dims))
    return {share: model.generate(low + share * (high - low), "reference").sample(points) for share in (0.0, 0.37, 1.0)}
