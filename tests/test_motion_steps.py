"""Steps as splines: what a block of one knows is what the whole knows, and what is decoded is kept within bounds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from hyperinr_core.motion import kernel, reference, steps
from hyperinr_core.motion.steps import PAD, Step, Steps, box_around

SHAPE = (40, 44, 48)


def volume(number=0, shape=SHAPE, n_components=2):
    rng = np.random.default_rng(number)
    return rng.random((*shape, n_components)).astype(np.float32)


def decoder(asked, shape=SHAPE):
    """What `Steps` decodes with; it notes what is asked for."""

    def decode(step, box, progress):
        asked.append((step, box))
        if progress is not None:
            progress(0.5)
        return volume(step, shape)[tuple(slice(first, last + 1) for first, last in box)]

    return decode


@pytest.mark.parametrize("periodic", [(False, False, False), (True, False, True)])
def test_splines_are_the_exact_ones_to_float32(periodic):
    """The finite filter leaves 1e-7 of the values out."""
    values = volume(n_components=1)
    step = Step.of(values, periodic)
    exact = values[..., 0]
    for axis, wraps in enumerate(periodic):
        exact = ndimage.spline_filter1d(exact, 3, axis, np.float64, mode="grid-wrap" if wraps else "mirror")
    np.testing.assert_allclose(step.splines[0, PAD:-PAD, PAD:-PAD, PAD:-PAD], exact, atol=3e-6)
    assert step.start == (-PAD,) * 3
    np.testing.assert_array_equal(step.values[0, PAD:-PAD, PAD:-PAD, PAD:-PAD], values[..., 0])


def test_a_plane_and_an_axis_of_one_point_have_room_for_a_stencil():
    plane = Step.of(volume(shape=(1, 20, 24)), (False, True, False))
    assert plane.splines.shape == (2, 1, 26, 30) and plane.start == (0, -PAD, -PAD)
    line = Step.of(volume(shape=(30, 1, 24)), (False, False, False))
    assert line.splines.shape == (2, 36, 7, 30)
    assert np.ptp(line.splines, axis=2).max() == 0


BOXES = {
    "inside": (((2, 38), (3, 40), (4, 41)), (False, True, False)),
    "at the first border": (((0, 33), (0, 43), (0, 30)), (False, False, False)),
    "at the last border": (((9, 39), (20, 43), (12, 47)), (False, False, False)),
    "all along a periodic axis": (((0, 39), (0, 20), (3, 44)), (True, False, False)),
}


@pytest.mark.parametrize("box, periodic", BOXES.values(), ids=list(BOXES))
def test_a_block_has_the_bits_of_the_whole(box, periodic):
    whole = Step.of(volume(), periodic)
    cut = volume()[tuple(slice(first, last + 1) for first, last in box)]
    part, same = Step.of(cut, periodic, SHAPE, [first for first, _ in box]), whole.cut(box)
    assert part.start == same.start and part.shape == same.shape == SHAPE
    np.testing.assert_array_equal(part.splines, same.splines)
    np.testing.assert_array_equal(part.values, same.values)


def test_a_box_reaches_as_far_as_paths_and_splines_do():
    far = reference.REACH + PAD  # 15; ends are rounded outwards to ROUND, 16
    box = box_around((200, 200, 200), (False, False, True), (50.5, 1, 50), (60.2, 20, 60), (2, 0, 3))
    exact = ((50 - 2 - far, 61 + 2 + far), (0, 20 + far), (50 - 3 - far, 60 + 3 + far))
    assert exact == ((33, 78), (0, 35), (32, 78)) and box == ((32, 79), (0, 47), (32, 79))
    around = box_around((200, 200, 200), (False, False, True), (0, 0, 5), (199, 150, 60), (0, 0, 0))
    assert around == ((0, 199),) * 3, "nearly all is all, and what crosses the ends of a periodic axis is all of it"


def test_steps_are_decoded_once_and_smaller_boxes_are_in_larger_ones():
    asked = []
    kept = Steps(decoder(asked), SHAPE, (False,) * 3)
    large, small = ((0, 39), (0, 43), (0, 47)), ((3, 35), (4, 40), (5, 41))
    first = kept.get((0, 1), large)
    assert kept.get((0, 1), small)[0] is first[0] and [step for step, _ in asked] == [0, 1]
    kept.get((1, 2), large)
    assert [step for step, _ in asked] == [0, 1, 2]


def test_steps_that_are_known_on_different_boxes_come_alike():
    """The kernel reads all of them at the places of the first."""
    asked = []
    kept = Steps(decoder(asked), SHAPE, (False,) * 3)
    large, small = ((0, 39), (0, 43), (0, 47)), ((3, 35), (4, 40), (5, 41))
    kept.get((0, 1), large)
    found = kept.get((1, 2), small)
    assert asked[-1] == (2, small)
    assert len({step.start for step in found}) == len({step.splines.shape for step in found}) == 1
    np.testing.assert_array_equal(found[0].values, Step.of(volume(1), (False,) * 3).cut(small).values)


def test_memory_is_bounded_but_holds_what_is_needed(monkeypatch):
    asked = []
    whole = ((0, 39), (0, 43), (0, 47))
    one = Step.of(volume(), (False,) * 3).n_bytes
    monkeypatch.setattr(steps, "MOST_BYTES", 3 * one)
    kept = Steps(decoder(asked), SHAPE, (False,) * 3)
    for numbers in ((0, 1), (1, 2), (2, 3)):
        kept.get(numbers, whole)
    assert [step for step, _ in asked] == [0, 1, 2, 3]
    kept.get((1,), whole)
    assert len(asked) == 4, "three fit"
    kept.get((0,), whole)
    assert len(asked) == 5, "the one that was used first is gone"
    assert len(kept.get((0, 1, 2, 3), whole)) == 4, "what is around one time stays, however much it is"


def test_with_a_mask_the_whole_grid_is_decoded():
    asked = []
    Steps(decoder(asked), SHAPE, (False,) * 3, whole=True).get((0,), ((3, 35), (4, 40), (5, 41)))
    assert asked == [(0, ((0, 39), (0, 43), (0, 47)))]


def test_progress_is_the_share_of_the_steps_that_are_missing():
    heard, whole = [], ((0, 39), (0, 43), (0, 47))
    kept = Steps(decoder([]), SHAPE, (False,) * 3)
    kept.get((0,), whole)
    kept.get((0, 1, 2), whole, heard.append)
    assert heard == [0.25, 0.75]


def test_boxes_go_on_beyond_the_ends_of_periodic_axes_where_asked():
    corners = (5, 1, 180), (60, 20, 195)
    box = box_around((200, 200, 200), (True, False, True), *corners, (0, 0, 0), beyond=True)
    assert box == ((-16, 79), (0, 47), (160, 223))
    assert box_around((200, 200, 200), (True, False, True), *corners, (0, 0, 0))[0] == (0, 199)
    nearly = box_around((200, 200, 200), (True, True, True), (0, 0, 0), (150, 150, 150), (0, 0, 0), beyond=True)
    assert nearly == ((0, 199),) * 3


@pytest.mark.parametrize("periodic", [False, True])
def test_a_part_of_a_grid_samples_what_lies_beyond_it(periodic):
    """Around a periodic axis, in place of its last value elsewhere; the kernel and NumPy alike."""
    values = volume(n_components=1)
    whole = Step.of(values, (False, False, periodic))
    box = values if not periodic else np.take(values, np.arange(-20, 30), axis=2, mode="wrap")
    part = Step.of(box, (False, False, periodic), SHAPE, (0, 0, -20 if periodic else 0)).seen_from((10, 0, 2))
    places = np.stack(np.meshgrid([0.0, 3.5], [2.0, 7.25], np.linspace(-6, 5, 9), indexing="ij")).astype(np.float32)
    expected = reference.sample(whole, places + np.reshape([10, 0, 2], (3, 1, 1, 1)).astype(np.float32))
    found = reference.sample(part, places)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    native = kernel.sample(part, places.reshape(3, -1)).reshape(found.shape)
    np.testing.assert_allclose(native, expected, atol=1e-5)
