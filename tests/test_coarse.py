"""A grid filled in between fewer samples."""

from __future__ import annotations

import numpy as np
import pytest
from models import random_model

from hyperinr.filters.coarse import sample_coarsely
from hyperinr_core.volume import Field, Grid


class Linear:
    """A field that is linear in space, so that linear filling is exact; counts its samples."""

    n_sampled, dtype = 0, np.float32

    def sample_grid(self, grid, region, progress=None):
        x, y, z = grid.axes(region)
        self.n_sampled += len(x) * len(y) * len(z)
        values = 1 + 2 * x[None, None, :] - 3 * y[None, :, None] + 5 * z[:, None, None]
        return np.stack([values, -values], axis=-1).astype(np.float32)


@pytest.mark.parametrize("dims", [(17, 16, 9), (2, 3, 30), (33, 1, 7), (40, 20, 1)])
@pytest.mark.parametrize("factor", [2, 3, 8])
def test_a_linear_field_is_exact(dims, factor):
    grid = Grid(dims)
    inr = Linear()
    values = sample_coarsely(inr, grid, grid.extent, factor)
    np.testing.assert_allclose(values, Linear().sample_grid(grid, grid.extent), atol=1e-5)
    assert inr.n_sampled < grid.n_points * 0.75


def test_a_region_is_the_part_of_the_whole():
    model = random_model((24, 20, 16), fields=(Field("a", 2, ((0.0, 1.0), (2.0, 3.0))),))
    inr = model.generate(0.3)
    whole = sample_coarsely(inr, model.grid, model.grid.extent, 2)
    part = sample_coarsely(inr, model.grid, (3, 9, 0, 19, 7, 7), 2)
    assert part.shape == (1, 20, 7, 2)
    np.testing.assert_allclose(part, whole[7:8, :, 3:10], atol=1e-5)


def test_the_samples_themselves_stay():
    model = random_model((17, 17, 17))
    inr = model.generate(1.1)
    values = sample_coarsely(inr, model.grid, model.grid.extent, 2)
    np.testing.assert_allclose(values[::2, ::2, ::2], inr.sample_grid()[::2, ::2, ::2], atol=1e-5)
    assert abs(values - inr.sample_grid()).max() > 1e-3, "the points between are not filled in but sampled"
