"""From what was trained to its file: tables in as few bytes as are asked for, or lose next to nothing; bounds; quality."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence

import numpy as np

from hyperinr_core import hinr
from hyperinr_core.bounding import CARRIED_PSNR, PREVIEW_PSNR, Promise, bounded
from hyperinr_core.compression import Compression
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.lean import LEAN_PSNR, lean
from hyperinr_core.packing import QUICK
from hyperinr_core.table_coding import Coding, rounded
from hyperinr_core.training.task import Lesson, Tell

logger = logging.getLogger("hyperinr")

#: dB of its PSNR on the training data that a model may lose where its tables are coded, and that a sparse one may.
LOST, SPARSE_LOST = 0.01, 0.05

#: PSNR in dB against themselves that tables have at least, however little they are worth.
LEAST = 50.0

#: dB by which rounded tables may be worse than was reckoned before their steps are looked for.
SLACK = 0.5

#: Bytes by which what a file says of its quality may grow where its tables are rounded.
QUALITY = 256

#: A model, and what is stored in place of its tables, which are rounded to that.
Stored = tuple[HyperINR, "tuple[Coding, np.ndarray] | None"]


def finished(
    trained: HyperINR,
    lesson: Lesson,
    output: str | os.PathLike,
    rounding: tuple[tuple[float, ...], float] | None,
    promise: Promise | None,
    tell: Tell,
) -> HyperINR:
    """Write a model, and give it as it is in its file.

    Parameters
    ----------
    rounding : as of `Trainer.rounding`.
    promise : what the lesson's bound is for.
    """

    def written(model: HyperINR, coded: tuple[Coding, np.ndarray] | None) -> HyperINR:
        whole = lesson.restored(model)
        if promise is not None:
            whole = bounded(whole, promise, tell.fraction("checking the training steps"), lesson.bound)
        hinr.save(whole, output, coded)
        return whole

    whole = written(*_stored(trained, lesson, rounding))
    most, size = lesson.config.budget.max_bytes, os.path.getsize(output)
    if not most or size <= most:
        return whole
    smaller = _within(dataclasses.replace(trained, quality=whole.quality), lesson, most)
    if smaller is None:
        logger.warning(
            "%s has %d bytes, more than max-bytes, %d: in fewer its tables would be empty", output, size, most
        )
        return whole
    whole = written(*smaller)
    if os.path.getsize(output) > most:
        logger.warning("%s has %d bytes, more than max-bytes, %d", output, os.path.getsize(output), most)
    return whole


def _stored(trained: HyperINR, lesson: Lesson, rounding: tuple[tuple[float, ...], float] | None) -> Stored:
    """The model with its quality, and its tables in as few bytes as lose next to nothing, or in fewer where they are sparse, were
    learned as multiples of steps, or are those of a model whose motion carries steps that are stored.
    """
    if rounding is not None:
        steps, reached = rounding
        coded = _coded_in(trained, steps) or _coded(trained, reached)
        trained = trained if coded is None else lean(trained, _motion_psnr(lesson, min(reached, LEAN_PSNR)))
        return _measured(trained, lesson, coded)
    if lesson.bound is not None and trained.motion is not None:
        coded = _coded(trained, PREVIEW_PSNR)
        trained = trained if coded is None else lean(trained, _motion_psnr(lesson, PREVIEW_PSNR))
        return _measured(trained, lesson, coded)
    model, _ = _measured(trained, lesson, None)
    coded = _coded(model) if lesson.config.training.sparsity else _coded_well(model)
    return (model, None) if coded is None else _measured(model, lesson, coded)


def _within(trained: HyperINR, lesson: Lesson, n_bytes: int) -> Stored | None:
    """The model, with a quality about as long as its own, in so many bytes; None where nothing would be left of its tables."""
    small = lean(trained, _motion_psnr(lesson, LEAN_PSNR))
    compression = Compression(small)
    beside = dataclasses.replace(lesson.restored(small), bound=lesson.bound)
    steps = compression.finest_within(n_bytes - hinr.bytes_beside(beside) - QUALITY)
    return None if steps is None else _measured(small, lesson, compression.coded(steps))


def _motion_psnr(lesson: Lesson, tables: float) -> float:
    """dB of tables that a motion suits: of these, or finer ones where it carries stored steps in their place."""
    return tables if lesson.bound is None else max(tables, CARRIED_PSNR)


def _measured(model: HyperINR, lesson: Lesson, coded: tuple[Coding, np.ndarray] | None) -> Stored:
    """The model with its tables as they are coded, and its quality then."""
    if coded is not None:
        tables = rounded(model.encoder_params, model.architecture.hash_grid, coded[0].steps)
        model = dataclasses.replace(model, encoder_params=tables)
    return dataclasses.replace(model, quality=lesson.quality(model)), coded


def _coded_in(model: HyperINR, steps: Sequence[float]) -> tuple[Coding, np.ndarray] | None:
    """The tables as multiples of steps; None where these do not suit them any more."""
    try:
        return Compression.coded_of(model, steps)
    except ParameterError:
        return None


def _coded(model: HyperINR, target: float | None = None) -> tuple[Coding, np.ndarray] | None:
    """The tables in few bytes, at a PSNR in dB against the model's own values, or what a sparse model may lose; None where
    that cannot be had, or nothing is left of them.
    """
    compression = Compression(model)
    try:
        target = compression.tolerable(SPARSE_LOST) if target is None else target
        return compression.coded(compression.coarsest_above(target))
    except ParameterError:
        return None


def _coded_well(model: HyperINR) -> tuple[Coding, np.ndarray] | None:
    """The tables at what a model may lose, written quickly; None where float16 takes as few bytes."""
    compression = Compression(model)
    target = max(compression.tolerable(LOST), LEAST)
    try:
        steps = compression.steps_at(target)
        if compression.psnr(steps) < target - SLACK:  # errors of steps as large as numbers are not independent
            steps = compression.coarsest_above(target)
        coded = compression.coded(steps, QUICK)
    except ParameterError:  # nothing is left of them, or they would be as fine as float16
        return None
    return coded if len(coded[1]) < 2 * model.encoder_params.size else None
