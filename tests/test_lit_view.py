"""A volume seen from aside, against what is known of balls and walls."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr.plugin.lit_view import LitView
from hyperinr_core.pictures.transfer import TransferFunction
from hyperinr_core.volume import Grid

RED_TO_BLUE = TransferFunction(((0.0, 1.0, 0.0, 0.0), (1.0, 0.0, 0.0, 1.0)), ((0.0, 0.0), (0.1, 0.99), (1.0, 0.99)))
GRID = Grid((24, 20, 16), origin=(3.0, 4.0, 5.0), spacing=(0.5, 1.0, 1.5))
LIT = np.ones(GRID.shape, np.float32)


def box_of(x=slice(None), y=slice(None), z=slice(None), value=1.0):
    """Opaque within a box, clear elsewhere."""
    values = np.zeros(GRID.shape, np.float32)
    values[z, y, x] = value
    return values


def picture(values, view, light=LIT, unit=0.05, grid=GRID):
    return LitView(values, grid, RED_TO_BLUE, unit, view, height=60).picture(light)


@pytest.mark.parametrize(
    ("view", "box"),
    [((0.0, 0.0), {"y": slice(14, 20)}), ((90.0, 0.0), {"x": slice(0, 8)}), ((180.0, 0.0), {"y": slice(0, 6)})],
    ids=["from x", "from y", "from -x"],
)
def test_what_is_to_the_right_of_the_camera_is_to_the_right(view, box):
    shown = picture(box_of(**box), view)
    opaque = shown[..., 0] < 0.5
    columns = np.nonzero(opaque.any(axis=0))[0]
    assert columns.min() > 0.6 * shown.shape[1] and columns.max() > 0.9 * shown.shape[1]
    assert (shown[:, : shown.shape[1] // 2] == 1).all()


def test_up_is_up_and_nearer_things_hide_others():
    top = picture(box_of(z=slice(12, 16)), (30.0, 0.0))
    rows = np.nonzero((top[..., 0] < 0.5).any(axis=1))[0]
    assert rows.min() > top.shape[0] / 2
    two = box_of(x=slice(0, 4), value=1.0) + box_of(x=slice(20, 24), value=0.2)
    middle = tuple(n // 2 for n in picture(two, (0.0, 0.0)).shape[:2])
    np.testing.assert_allclose(picture(two, (0.0, 0.0))[middle], [0.8, 0, 0.2], atol=0.1)
    np.testing.assert_allclose(picture(two, (180.0, 0.0))[middle], [0, 0, 1], atol=0.1)


def test_light_darkens_what_is_seen_and_leaves_white_what_is_clear():
    values = box_of(y=slice(5, 15))
    bright, dark = (picture(values, (30.0, 40.0), LIT * share) for share in (1.0, 0.25))
    solid = bright[..., 1] < 0.01
    np.testing.assert_allclose(dark[solid], 0.25 * bright[solid], atol=0.02)
    assert solid.any() and (bright[0] == 1).all() and (dark[0] == 1).all()


def test_the_frame_holds_what_is_seen_and_hardly_more():
    seen = LitView(box_of(x=slice(8, 12), y=slice(8, 12)), GRID, RED_TO_BLUE, 0.05, (30.0, 20.0), height=120)
    shown = seen.picture(LIT)
    colored = (shown < 1).any(axis=-1)
    rows, columns = seen.frame()
    assert colored[rows, columns].sum() == colored.sum() and colored[rows, columns].size < colored.size / 3


def test_half_of_the_light_comes_through_what_is_half_opaque():
    values = np.ones(GRID.shape, np.float32)
    thick = 0.5 * 23 * np.log(100)  # in unit distances of 1, with 0.99 of each taken
    shown = picture(values, (0.0, 0.0), unit=thick / np.log(2))
    middle = tuple(n // 2 for n in shown.shape[:2])
    np.testing.assert_allclose(shown[middle], [0.5, 0.5, 1.0], atol=0.03)


def test_turned_grids_and_masks_are_seen_where_they_are():
    turned = Grid(GRID.dims, GRID.origin, GRID.spacing, (0, -1, 0, 1, 0, 0, 0, 0, 1))
    values = box_of(x=slice(0, 8))
    values[values == 0] = np.nan
    np.testing.assert_allclose(picture(values, (30.0, 20.0)), picture(values, (120.0, 20.0), grid=turned), atol=0.02)
