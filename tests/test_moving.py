"""When a coarse grid will do: the window's questions and the changes in the order that ParaView was seen to send them."""

from __future__ import annotations

import pytest

from hyperinr.filters.moving import MOST, QUICK, REST_POLLS, Moving, factor_for


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def moving(clock):
    moving = Moving(clock)
    moving.took(1.0)
    return moving


def rest(moving, clock, n=REST_POLLS):
    answers = []
    for _ in range(n):
        clock.now += 0.05
        answers.append(moving.polled())
    return answers


def test_nobody_asks_in_a_script_and_every_grid_is_full(moving):
    assert not any(moving.coarse_will_do(time) for time in range(9))


def test_playing_is_coarse_from_the_second_frame_and_full_when_it_rests(moving, clock):
    rest(moving, clock, 99)
    frames = []
    for time in range(5):  # slow frames, one question between them
        frames.append(moving.coarse_will_do(time))
        clock.now += 0.4
        moving.polled()
    assert frames == [False, True, True, True, True]
    assert rest(moving, clock, REST_POLLS + 3) == [False] * (REST_POLLS - 2) + [True] + [False] * 4
    assert not moving.coarse_will_do(4), "the refinement itself is full"
    assert not moving.coarse_will_do(7), "a step after a rest is full at once"


def test_frames_faster_than_the_questions_stay_coarse(moving, clock):
    rest(moving, clock, 99)
    moving.coarse_will_do(0)
    moving.polled()
    frames = []
    for time in range(1, 9):
        frames.append(moving.coarse_will_do(time))
        clock.now += 0.02
        if time % 3 == 0:
            moving.polled()
    assert frames == [True] * 8


def test_saving_from_a_window_at_rest_is_full_throughout(moving, clock):
    rest(moving, clock, 99)
    frames = []
    for time in range(20):
        frames.append(moving.coarse_will_do(time))
        clock.now += 0.01
    assert frames == [False] * 20
    assert not any(rest(moving, clock))


def test_a_script_in_the_window_that_goes_on_after_playing_is_full_from_its_second_frame(moving, clock):
    rest(moving, clock, 99)
    for time in range(3):
        moving.coarse_will_do(time)
        moving.polled()
    assert moving.moving
    clock.now += 0.5
    assert [moving.coarse_will_do(time) for time in (10, 11, 12)] == [True, False, False]


def test_the_same_again_is_full_even_amid_a_movement(moving, clock):
    rest(moving, clock, 99)
    moving.coarse_will_do(0)
    moving.polled()
    assert moving.coarse_will_do(1)
    moving.polled()
    assert not moving.coarse_will_do(1)


def test_a_fast_grid_is_never_coarse(moving, clock):
    moving.took(0.01)
    rest(moving, clock, 99)
    moving.coarse_will_do(0)
    moving.polled()
    assert not moving.coarse_will_do(1) and not any(rest(moving, clock))


def test_the_first_grid_gives_way_at_rest(moving, clock):
    moving.previewed(3)
    assert rest(moving, clock, REST_POLLS + 2) == [False] * (REST_POLLS - 1) + [True, False, False]
    assert not moving.coarse_will_do(3)


def test_as_few_points_are_sampled_as_are_quick_and_never_more_than_wished():
    assert factor_for(QUICK / 9, 2) == 2 and factor_for(QUICK, 5) == 5
    for seconds in (1.0, 17.0, 60.0):
        assert seconds / factor_for(seconds, 2) ** 3 <= QUICK < seconds / (factor_for(seconds, 2) - 1) ** 3
    assert factor_for(1e9, 2) == MOST
