"""What stands beside a model's tables in fewer bytes: the network in half precision, the motion in larger steps.

A path that is a little off shifts what it carries by as little, so that steps of a point or more lose less than tables that are
rounded to few bits.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.motion.motion import Motion
from hyperinr_core.shift import shifted_model, shifts_of

#: dB that a motion's error lies below that of the tables, and the largest factor between its steps and those it had.
BELOW, MOST_FACTOR = 6.0, 64

#: PSNR in dB of the tables beyond which a file of so many bytes keeps no finer motion.
LEAN_PSNR = 40.0

#: What trust is rounded to multiples of, and the expected error up to, both of 255.
SHARE = 51

#: Gaps in whose middle a motion is measured, and points along an axis, at most.
N_GAPS, MOST_POINTS = 4, 64


def lean(model: HyperINR, target: float) -> HyperINR:
    """The model with a network of float16 numbers and, where it has one, a coarser motion.

    Parameters
    ----------
    target : PSNR in dB of its tables, once coded, against those it has; the motion loses about a fifth of what they lose.
    """
    with np.errstate(over="ignore"):
        half = model.mlp_params.astype(np.float16)
    model = dataclasses.replace(
        model, mlp_params=half.astype(np.float32) if np.isfinite(half).all() else model.mlp_params
    )
    if model.motion is None:
        return model
    thetas, factor, best = _middles(model), 1, model
    truths = [_values(model, theta) for theta in thetas]
    while factor <= MOST_FACTOR:
        candidates = (model.along(coarser(model.motion, factor, steady)) for steady in (True, False))
        fitting = (each for each in candidates if _psnr(each, thetas, truths) >= target + BELOW)
        candidate = next(fitting, None)
        if candidate is None:
            return best
        best, factor = candidate, 2 * factor
    return best


def coarser(motion: Motion, factor: int, steady: bool = False) -> Motion:
    """The motion with paths in steps `factor` times as large, and trust in few levels.

    Parameters
    ----------
    steady : with the same trust in all gaps, their mean, and the largest of their errors: what repeats takes few bytes.
    """
    trust, error = motion.trust, motion.error
    if steady:
        trust = np.broadcast_to(trust.mean(axis=1, keepdims=True), trust.shape)
        error = np.broadcast_to(error.max(axis=1, keepdims=True), error.shape)
    return dataclasses.replace(
        motion,
        paths=np.rint(motion.paths / factor).astype(np.int16),
        path_step=motion.path_step * factor,
        trust=(np.rint(trust / SHARE) * SHARE).astype(np.uint8),
        error=(np.ceil(error / SHARE) * SHARE).astype(np.uint8),
    )


def _middles(model: HyperINR) -> np.ndarray:
    """(S, 1) thetas in the middle of some gaps."""
    times = model.encoder_positions[:, 0]
    gaps = np.unique(np.linspace(0, len(times) - 2, N_GAPS).round().astype(int))
    return ((times[gaps] + times[gaps + 1]) / 2)[:, None]


def _values(model: HyperINR, theta: np.ndarray) -> np.ndarray:
    model = shifted_model(model, shifts_of(model.fields))
    return model.generate(theta).sample_grid(model.grid.with_dims(tuple(min(n, MOST_POINTS) for n in model.grid.dims)))


def _psnr(model: HyperINR, thetas: np.ndarray, truths: list[np.ndarray]) -> float:
    """dB, the mean over components and thetas of those that have a range."""
    fields = shifted_model(model, shifts_of(model.fields)).fields
    limits = [pair for field in fields for pair in field.value_range]
    known = [
        min(psnr(found[..., c], truth[..., c], pair), PSNR_CAP)
        for found, truth in zip((_values(model, theta) for theta in thetas), truths)
        for c, pair in enumerate(limits)
        if pair[1] > pair[0]
    ]
    return float(np.mean(known)) if known else PSNR_CAP
