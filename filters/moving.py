"""When a coarse grid will do: while time plays or a slider is dragged in a window, and never in a script or a file.

ParaView's window asks a source many times a second, between its other work, whether it has something new (the hint
LiveSource). Nobody asks in a server, in pvpython or pvbatch, nor between the frames of an animation or the steps of data
that is being saved. So a change that comes soon after such a question is somebody's hand, or the play button; any other
gets the full grid.
"""

from __future__ import annotations

import time
from collections.abc import Callable

#: Questions in a row without a change after which things are at rest; `plugin/scenes/live.py` has it ask every 50 ms.
REST_POLLS = 8

#: Seconds after a question within which a moving window counts as still there although frames are faster than questions.
ALIVE = 0.15

#: Seconds that a full grid takes at least before a coarse one is worth it.
SLOW = 0.05


class Moving:
    """What moves, told by how questions and changes follow each other.

    Attributes
    ----------
    moving : whether the last change was part of a movement.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.moving = False
        self._clock = clock
        self._polls = 0
        self._polled_at = float("-inf")
        self._shown: object = None
        self._slow = False
        self._coarse = False

    def polled(self) -> bool:
        """Note that the window asked. Returns whether a coarse grid is shown and must now give way to the full one."""
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
        self._coarse = self.moving and self._slow
        return self._coarse

    def took(self, seconds: float) -> None:
        """Note how long a full grid took."""
        self._slow = seconds > SLOW
