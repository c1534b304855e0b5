"""Light as numbers that add up, and as what a screen shows (IEC 61966-2-1)."""

from __future__ import annotations

import numpy as np

#: Where a picture's lights begin to be pressed together, of the whitest.
SHOULDER = 0.8


def to_linear(colors: np.ndarray) -> np.ndarray:
    """Amounts of light of a screen's colours in [0, 1].

    Examples
    --------
    >>> to_linear(np.array([0.0, 0.5, 1.0])).round(3).tolist()
    [0.0, 0.214, 1.0]
    """
    colors = np.asarray(colors, np.float64)
    return np.where(colors <= 0.04045, colors / 12.92, ((np.maximum(colors, 0.04045) + 0.055) / 1.055) ** 2.4)


def to_screen(light: np.ndarray) -> np.ndarray:
    """A screen's colours in [0, 1] of amounts of light; what is brighter than `SHOULDER` is pressed below 1."""
    light = np.maximum(np.nan_to_num(np.asarray(light, np.float64)), 0)
    room = 1 - SHOULDER
    over = np.maximum(light - SHOULDER, 0)
    light = np.minimum(light, SHOULDER) + room * over / (over + room)
    light = np.minimum(light, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)
