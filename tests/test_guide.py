"""The guide: a coarse copy of the volume that keeps its thickness, and the level that a light's sweep fills."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from models import random_model

from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import ParameterError
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.light import shadow
from hyperinr_core.light.guide import MAX_THICKNESS, make_guide
from hyperinr_core.spaces.sphere import light_directions
from hyperinr_core.volume import Grid, Parameter

GRID = Grid((40, 30, 20), spacing=(0.5, 1.0, 2.0))
LIGHTS = (
    Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg"),
    Parameter("polar", "light_polar", (0.0, 180.0), "deg"),
)


def blob(grid=GRID) -> np.ndarray:
    """Extinction per length unit of a soft ball."""
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid.shape), indexing="ij")
    return (0.3 * np.exp(-6 * (x**2 + y**2 + z**2))).astype(np.float32)


@pytest.mark.parametrize("resolution", [8, 16, 64])
def test_coarse_extinction_keeps_the_whole_thickness(resolution):
    tau = blob()
    guide = make_guide(tau, GRID, resolution)
    diagonal = np.linalg.norm([s * (n - 1) for s, n in zip(GRID.spacing, GRID.dims)])
    cells = np.prod([(n - 1) / (resolution - 1.5) for n in GRID.dims])
    assert guide.extinction.astype(float).sum() * cells / diagonal == pytest.approx(tau.sum(), rel=0.02)
    assert guide.extinction.dtype == np.float16 and guide.resolution == resolution


@pytest.mark.parametrize("light", [(0.0, 90.0), (90.0, 90.0), (33.0, 180.0), (45.0, 54.7), (200.0, 20.0)])
def test_the_level_holds_the_shadow_where_its_vertices_lie(light):
    tau, resolution = blob(), 24
    guide = make_guide(tau, GRID, resolution)
    level = guide(np.array(light), 4).reshape(resolution, resolution, resolution, 4)
    fine = shadow.transmittance(tau, GRID, light_directions(light))
    for z, y, x in itertools.product((6, 12, 23), repeat=3):
        place = [(i - 0.5) / (resolution - 1.5) * (n - 1) for i, n in zip((z, y, x), GRID.shape)]
        nearest = tuple(round(p) for p in place)
        assert level[z, y, x, 0] == pytest.approx(fine[nearest], abs=0.12)
    assert level.min() >= 0 and level.max() <= 1


def test_a_soft_light_is_softer():
    guides = [make_guide(blob(), GRID, 16, diameter) for diameter in (0.0, 60.0)]
    hard, soft = (guide(np.array([30.0, 60.0]), 1) for guide in guides)
    assert hard.min() < soft.min() and 0.003 < abs(hard - soft).mean() < 0.1


def test_opaque_volumes_fit_float16():
    guide = make_guide(np.full(GRID.shape, 1e30, np.float32), GRID, 8)
    assert guide.extinction.max() <= MAX_THICKNESS
    assert np.isfinite(guide(np.array([10.0, 80.0]), 4)).all()


def test_a_resolution_is_even_and_of_a_volume():
    for settings in ({"guide_resolution": 7}, {"guide_resolution": 8, "n_pos_dims": 2}):
        with pytest.raises(ParameterError, match="expected an even number in 3"):
            EncodingConfig(**settings)


def test_no_point_reads_beyond_the_level():
    grid = hash_grid(EncodingConfig(n_levels=2, log2_hashmap_size=8, guide_resolution=10))
    assert (grid.n_levels, grid.table_length - grid.n_params) == (3, 4 * 1000)
    assert grid.scales[-1] * 1.0 + 0.5 == 9


@pytest.mark.parametrize("backend", ["native", "torch"])
def test_backends_agree_with_a_guide(backend):
    encoding = EncodingConfig(n_levels=3, log2_hashmap_size=8, guide_resolution=10)
    model = random_model(parameters=LIGHTS, encoding=encoding)
    expected = model.generate((40.0, 70.0), "reference").sample_grid()
    found = model.generate((40.0, 70.0), backend).sample_grid()
    assert abs(found - expected).max() < 0.02 * np.ptp(expected)
    clear = dataclasses.replace(model.guide, extinction=np.zeros_like(model.guide.extinction))
    without = dataclasses.replace(model, guide=clear).generate((40.0, 70.0), "reference").sample_grid()
    assert abs(without - expected).max() > 0.1 * np.ptp(expected), "the guide changes nothing"


def test_a_guide_of_another_size_is_refused():
    model = random_model(
        parameters=LIGHTS, encoding=EncodingConfig(n_levels=3, log2_hashmap_size=8, guide_resolution=10)
    )
    model = dataclasses.replace(
        model, guide=dataclasses.replace(model.guide, extinction=np.ones((2, 2, 2), np.float16))
    )
    with pytest.raises(ParameterError, match=r"guide has shape \(32,\); expected \(\d+,\)"):
        model.generate((10.0, 20.0), "native")
