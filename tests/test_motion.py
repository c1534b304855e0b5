"""When a coarse grid will do: the window's questions and the changes in the order that ParaView was seen to send them."""

from __future__ import annotations

import pytest

from hyperinr.filters.motion import REST_POLLS, Motion


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def motion(clock):
    motion = Motion(clock)
    motion.took(1.0)
    return motion


def rest(motion, clock, n=REST_POLLS):
    answers = []
    for _ in range(n):
        clock.now += 0.05
        answers.append(motion.polled())
    return answers


def test_nobody_asks_in_a_script_and_every_grid_is_full(motion):
    assert not any(motion.coarse_will_do(time) for time in range(9))


def test_playing_is_coarse_from_the_second_frame_and_full_when_it_rests(motion, clock):
    rest(motion, clock, 99)
    frames = []
    for time in range(5):  # slow frames, one question between them
        frames.append(motion.coarse_will_do(time))
        clock.now += 0.4
        motion.polled()
    assert frames == [False, True, True, True, True]
    assert rest(motion, clock, REST_POLLS + 3) == [False] * (REST_POLLS - 2) + [True] + [False] * 4
    assert not motion.coarse_will_do(4), "the refinement itself is full"
    assert not motion.coarse_will_do(7), "a step after a rest is full at once"


def test_frames_faster_than_the_questions_stay_coarse(motion, clock):
    rest(motion, clock, 99)
    motion.coarse_will_do(0)
    motion.polled()
    frames = []
    for time in range(1, 9):
        frames.append(motion.coarse_will_do(time))
        clock.now += 0.02
        if time % 3 == 0:
            motion.polled()
    assert frames == [True] * 8


def test_saving_from_a_window_at_rest_is_full_throughout(motion, clock):
    rest(motion, clock, 99)
    frames = []
    for time in range(20):
        frames.append(motion.coarse_will_do(time))
        clock.now += 0.01
    assert frames == [False] * 20
    assert not any(rest(motion, clock))


def test_a_script_in_the_window_that_goes_on_after_playing_is_full_from_its_second_frame(motion, clock):
    rest(motion, clock, 99)
    for time in range(3):
        motion.coarse_will_do(time)
        motion.polled()
    assert motion.moving
    clock.now += 0.5
    assert [motion.coarse_will_do(time) for time in (10, 11, 12)] == [True, False, False]


def test_the_same_again_is_full_even_amid_a_movement(motion, clock):
    rest(motion, clock, 99)
    motion.coarse_will_do(0)
    motion.polled()
    assert motion.coarse_will_do(1)
    motion.polled()
    assert not motion.coarse_will_do(1)


def test_a_fast_grid_is_never_coarse(motion, clock):
    motion.took(0.01)
    rest(motion, clock, 99)
    motion.coarse_will_do(0)
    motion.polled()
    assert not motion.coarse_will_do(1) and not any(rest(motion, clock))
