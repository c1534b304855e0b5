"""Volumes between key frames that another program keeps: interpolated in time, or carried along a motion stored beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.lean import BELOW, LEAN_PSNR, MOST_FACTOR, N_GAPS, coarser
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.motion.kernel import carry
from hyperinr_core.motion.motion import Motion
from hyperinr_core.motion.steps import Step
from hyperinr_core.motion_coding import document_of, tensors_of


@dataclass(frozen=True)
class StoredMotion:
    """A motion in few bytes.

    Attributes
    ----------
    n_bytes : of its file.
    psnr : dB in the middle of gaps of what it carries against what the motion carries that it was made of.
    """

    motion: Motion
    n_bytes: int
    psnr: float


def interpolated(frames: np.ndarray, at: np.ndarray, thetas: np.ndarray) -> np.ndarray:
    """(S, nz, ny, nx) at thetas (S,), within `at`, of key frames (K, nz, ny, nx) at times (K,), linear in time."""
    upper = np.clip(np.searchsorted(at, thetas), 1, len(at) - 1)
    share = ((thetas - at[upper - 1]) / (at[upper] - at[upper - 1])).astype(np.float32).reshape(-1, 1, 1, 1)
    return (1 - share) * frames[upper - 1] + share * frames[upper]


def carried(frames: np.ndarray, motion: Motion, thetas: np.ndarray) -> np.ndarray:
    """The same along a motion of one field whose times are those of the key frames; these stay as they are."""
    steps = [Step.of(frame[..., None], motion.periodic) for frame in frames]
    places = [np.arange(n, dtype=np.float32) for n in frames.shape[1:]]
    found = np.empty((len(thetas), *frames.shape[1:]), np.float32)
    for values, theta in zip(found, thetas):
        key = int(np.argmin(abs(motion.times - theta)))
        if motion.times[key] == theta:
            values[...] = frames[key]
        else:
            moment = motion.moment(0, float(theta))
            values[...] = carry(moment, [steps[step] for step in moment.steps], places)[..., 0]
    return found


def stored_motions(motion: Motion, frames: np.ndarray, limits: tuple[float, float]) -> list[StoredMotion]:
    """A motion in larger and larger steps, as `lean` makes it, with the same trust in all gaps.

    Parameters
    ----------
    frames : (K, nz, ny, nx) what it carries. limits : the range that PSNR is over.
    """
    gaps = np.unique(np.linspace(0, len(frames) - 2, N_GAPS).round().astype(int))
    middles = (motion.times[gaps] + motion.times[gaps + 1]) / 2
    truth = carried(frames, motion, middles)
    found, factor = [], 1
    while factor <= MOST_FACTOR:
        each = coarser(motion, factor, steady=True)
        n_bytes = sum(tensor.nbytes for tensor in tensors_of(each, True).values()) + len(json.dumps(document_of(each)))
        decibel = [min(psnr(*pair, limits), PSNR_CAP) for pair in zip(carried(frames, each, middles), truth)]
        found.append(StoredMotion(each, n_bytes, float(np.mean(decibel))))
        factor *= 2
    return found


def suited(motions: Sequence[StoredMotion], psnr_db: float) -> StoredMotion:
    """The coarsest that suits key frames of so many dB, by the rule that a model of so many bytes keeps to; else the finest."""
    needed = min(psnr_db, LEAN_PSNR) + BELOW
    return next((each for each in reversed(motions) if each.psnr >= needed), motions[0])
