"""What stands behind the scene of pictures, and does not turn with it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

#: Levels out of 255 by which a pixel that shows the background may differ.
STEADY = 4


def background_of(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """(ny, nx, C) float32 in [0, 1], what is behind the scene of pictures (ny, nx, C) uint8 of it.

    A pixel that is as good as equal in nine of ten pictures shows something that does not turn with the scene, such as a
    legend. Behind all others is the commonest colour of the pictures.
    """
    stack = np.stack(pictures)
    median = np.partition(stack, len(stack) // 2, axis=0)[len(stack) // 2]
    apart = np.maximum(stack, median) - np.minimum(stack, median)
    steady = (apart.max(axis=-1) <= STEADY).mean(axis=0) >= 0.9
    colors, counts = np.unique(stack[:, ::4, ::4].reshape(-1, stack.shape[-1]), axis=0, return_counts=True)
    return (np.where(steady[..., None], median, colors[counts.argmax()]) / 255).astype(np.float32)


def before_white(pixels: np.ndarray) -> np.ndarray:
    """Pixels (..., 3 or 4) from 0 to 255 as (..., 3): what is transparent shows white, whatever colour it hides."""
    if pixels.shape[-1] == 3:
        return pixels
    opacity = pixels[..., 3:] / np.float32(255)
    return pixels[..., :3] * opacity + 255 * (1 - opacity)
