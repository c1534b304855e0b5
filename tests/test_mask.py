"""Masks: found, filled, moved between steps."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr_core.mask import Sheets, filled

SHAPE = (12, 14, 16)
BOUNDS = np.array([[0.0, 1.0]])


def points():
    return np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")


def mask_of(scene, times):
    """The mask of one field."""
    sheets = Sheets()
    return sheets.mask(SHAPE, np.array(times)[:, None], [[sheets.add(scene(t))] for t in times])


def level(t):
    """What lies below a surface that rises."""
    return points()[0] < 1 + 10 * t


def test_fields_and_steps_that_are_equal_share_a_sheet():
    sheets, still, other = Sheets(), level(0.5), level(0.7)
    owners = [[sheets.add(still), sheets.add(other)], [sheets.add(still), sheets.add(still)]]
    mask = sheets.mask(SHAPE, np.array([[0.0], [1.0]]), owners)
    assert mask.sheets.shape == (2, SHAPE[0] * SHAPE[1] * SHAPE[2] // 8)
    np.testing.assert_array_equal(mask.owners, [[0, 1], [0, 0]])
    np.testing.assert_array_equal(mask.valid(1), other)
    first, second = mask.at(np.array([0.0]), BOUNDS)
    assert (first == still).all() and (second == other).all()
    np.testing.assert_allclose(mask.shares(), [1 - still.mean(), 1 - (still.mean() + other.mean()) / 2])


def test_what_never_changes_keeps_one_position():
    mask = mask_of(lambda t: level(0.5), [0.0, 0.5, 1.0]).compact()
    assert mask.positions.shape == (1, 1) and len(mask.sheets) == 1
    np.testing.assert_array_equal(mask.at(np.array([0.9]), BOUNDS)[0], level(0.5))


def test_compact_drops_sheets_that_nobody_has():
    mask = mask_of(level, [0.0, 0.5, 1.0]).select([1, 2]).compact()
    assert len(mask.sheets) == 2
    np.testing.assert_array_equal(mask.at(np.array([1.0]), BOUNDS)[0], level(1.0))


@pytest.mark.parametrize("t", [0.1, 0.25, 0.4, 0.8])
def test_a_border_moves_between_two_steps(t):
    """A nearer step would be wrong by up to half of the way."""
    found = mask_of(level, [0.0, 0.5, 1.0]).at(np.array([t]), BOUNDS)[0]
    wrong = (found != level(t)).any(axis=(1, 2)).sum()
    assert wrong <= 1  # plane


def test_at_a_step_a_mask_is_that_steps_own():
    mask = mask_of(level, [0.0, 0.5, 1.0])
    for t in (0.0, 0.5, 1.0):
        np.testing.assert_array_equal(mask.at(np.array([t]), BOUNDS)[0], level(t))
    np.testing.assert_array_equal(mask.at(np.array([7.0]), BOUNDS)[0], level(1.0))


def test_what_appears_far_from_any_border_grows():
    island = np.ones(SHAPE, bool)
    island[4:9, 4:9, 4:9] = False
    mask = mask_of(lambda t: np.ones(SHAPE, bool) if t == 0 else island, [0.0, 1.0])
    sizes = [np.count_nonzero(~mask.at(np.array([t]), BOUNDS)[0]) for t in (0.0, 0.9, 0.97, 0.99, 1.0)]
    assert sizes == sorted(sizes) and sizes[0] == 0 and sizes[-1] == 125 and 0 < sizes[2] < 125


def test_of_several_parameters_the_nearest_position_answers():
    sheets = Sheets()
    positions = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 100.0]])
    mask = sheets.mask(SHAPE, positions, [[sheets.add(level(t))] for t in (0.2, 0.5, 0.8)])
    bounds = np.array([[0.0, 1.0], [0.0, 100.0]])
    np.testing.assert_array_equal(mask.at(np.array([0.1, 60.0]), bounds)[0], level(0.8))
    np.testing.assert_array_equal(mask.at(np.array([0.6, 10.0]), bounds)[0], level(0.5))


def test_along_makes_a_position_of_every_theta():
    mask = mask_of(level, [0.0, 1.0])
    along = mask.along(np.array([[0.0], [0.3], [1.0]]), BOUNDS)
    np.testing.assert_array_equal(along.valid(along.owners[1, 0]), mask.at(np.array([0.3]), BOUNDS)[0])


def test_a_block_is_cut_out():
    place = (slice(2, 9), slice(3, 8), slice(1, 14))
    np.testing.assert_array_equal(mask_of(level, [0.5]).cut(place).valid(0), level(0.5)[place])


@pytest.mark.parametrize("shape", [(9, 10, 11), (1, 12, 13), (5, 1, 1)])
def test_filled_values_go_on_from_those_beside_them(shape):
    z, y, x = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    values = np.stack([2 * x + y - z, np.sin(3 * x)], axis=-1).astype(np.float32)
    valid = x + z + y > 0.8
    broken = np.where(valid[..., None], values, np.float32(np.nan))
    result = filled(broken, valid)
    np.testing.assert_array_equal(result[valid], values[valid])
    assert np.isfinite(result).all()
    for c in range(2):
        known = values[..., c][valid]
        assert known.min() <= result[..., c].min() and result[..., c].max() <= known.max()
    steps = [np.abs(np.diff(result[..., 0], axis=axis)).max() for axis in range(3) if shape[axis] > 1]
    assert max(steps) < 0.25 * np.ptp(values[..., 0]) + 0.1


def test_without_any_value_there_is_zero():
    assert not filled(np.full((3, 4, 5, 1), np.nan, np.float32), np.zeros((3, 4, 5), bool)).any()
