"""When a coarse grid will do: while time plays or a slider is dragged in a window, and never in a script or a file.

ParaView's window asks a source many times a second, between its other work, whether it has something new (the hint
LiveSource). Nobody asks in a server, in pvpython or pvbatch, nor between the frames of an animation or the steps of data
that is being saved. So a change that comes soon after such a question is somebody's hand, or the play button; any other
gets the full grid.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

#: Questions in a row without a change after which things are at rest; `plugin/scenes/live.py` has it ask every 50 ms.
REST_POLLS = 8

#: Seconds after a question within which a moving window counts as still there although frames are faster than questions.
ALIVE = 0.15

#: Seconds that a full grid takes at least before a coarse one is worth it while things move.
SLOW = 0.05

#: Seconds that a full grid takes at least before it is sampled beside the window, which shows a coarse one meanwhile.
LONG = 1.0

#: Seconds that a coarse grid takes, about, and the most points along each axis of which only one is sampled for that.
QUICK, MOST = 0.25, 16


def is_long(seconds: float) -> bool:
    """Whether nobody wants to wait for a full grid that takes so long."""
    return seconds > LONG


def factor_for(seconds: float, least: int) -> int:
    """Of how many points along each axis one is sampled, where all take so many seconds."""
    return max(least, min(math.ceil((seconds / QUICK) ** (1 / 3)), MOST))


class Moving:
    """What moves, told by how questions and changes follow each other.

    Attributes
    ----------
    moving : whether the last change was part of a movement.
    watched : whether a window shows what is made: it asked, or said that it will.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.moving = self.watched = False
        self._clock = clock
        self._polls = 0
        self._polled_at = float("-inf")
        self._shown: object = None
        self._seconds = 0.0
        self._coarse = False

    def polled(self) -> bool:
        """Note that the window asked. Returns whether a coarse grid is shown and must now give way to the full one."""
        self.watched = True
        self._polls += 1
        self._polled_at = self._clock()
        if self._polls < REST_POLLS:
            return False
        self.moving = False
        refine, self._coarse = self._coarse, False
        return refine

    def coarse_will_do(self, theta: object) -> bool:
        """Note that theta is to be shown. Returns whether a coarse grid is good enough for now."""
        if theta == self._shown:
            return False  # the same again is for looking at, or for saving
        amid = 0 < self._polls < REST_POLLS
        alive = self._clock() - self._polled_at < ALIVE
        self.moving = amid or (self.moving and alive)
        self._shown, self._polls = theta, 0
        self._coarse = self.moving and self._seconds > SLOW
        return self._coarse

    def previewed(self, theta: object) -> None:
        """Note that a coarse grid of theta is shown to begin with."""
        self._shown, self._polls, self._coarse = theta, 0, True

    def took(self, seconds: float) -> None:
        """Note how long a full grid takes."""
        self._seconds = seconds
