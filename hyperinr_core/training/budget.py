"""What a run may cost: how many points are drawn, and how large tables are, so that minutes, bytes or dB come out as asked.

Tables may take sixteen times the bytes that a file has for them: learned for so few bytes they are better than smaller ones
(docs/sizes.md: 33.3 dB in 0.44 MB, where four times gave 31.4 in 0.47). What tables reach is known from a
look: a small model of a block of one step, whose tables hold as much of the block as the run's hold of a step.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import cast

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.lean import coarser
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.motion_coding import tensors_of
from hyperinr_core.packing import MOST_EXPANSION
from hyperinr_core.training.crop import cropped
from hyperinr_core.training.gpu import memory_errors_explained
from hyperinr_core.training.samples import SampleStream
from hyperinr_core.training.task import Lesson, Plan
from hyperinr_core.training.trainer import Trainer
from hyperinr_core.volume import Field

#: How many times as many bytes as a file may have its tables take before they are coded, at most.
CODED = 16

#: The same where a PSNR is asked for, too, which a look promises that knows no coding: so much costs little of it.
CODED_WELL = 4

#: What tables take of their bytes as float16 where no bytes are asked for, about; docs/sizes.md has what they took.
STORED = 0.5

#: The smallest tables that --max-bytes leads to.
LEAST_LOG2_HASHMAP_SIZE = 8

#: Points of the block that is looked at, and those that tell something; share of a run that a look may take where nothing
#: depends on it.
LOOKED_AT, FEWEST_LOOKED_AT, ASIDE = 1 << 17, 1 << 15, 0.05

#: Power of how many times as many iterations a run has as a look with its batches would have: so much smaller batches a look
#: has. Forced turbulence drawn evenly, 4.5, 18 and 35 points for each value: promised 49, 58, 57 dB, came 53, 59, 56;
#: with equal batches 42, 54, 57. Drawn as Focus does, 3 and 9 points on 64^3: promised 39.8, 46.9, came 40.0, 47.0.
FEWER = 0.4

#: dB that a look has to be better than a target, points drawn for each value that are tried for it, and tables.
MARGIN, TRIED, LARGER = 0.5, (5, 10, 20, 40, 80), 2

#: Iterations after which a trainer is at its pace, how many are timed at least where minutes depend on them, and seconds for
#: which they are at most.
N_WARM, PROBED, PROBED_SECONDS = 20, 200, 0.3

#: How many times larger than found the steps of a motion are taken where bytes are short: those of a file are as large or larger.
MOTION_FACTOR = 32

#: Bytes of a file's document, about.
DOCUMENT = 8000

#: Share of --minutes that is kept for measuring and writing the model.
CLOSING = 0.05


def planned(
    lesson: Lesson, device: str, passed: float, begun: int | None = None, n_processes: int = 1
) -> tuple[Lesson, Plan]:
    """The lesson with the points and tables that its budget leads to, and what is expected of it.

    Parameters
    ----------
    passed : seconds since the run began.
    begun : points that the run draws which is continued, if one is.
    n_processes : that train together.

    Raises
    ------
    ParameterError for a budget within which nothing can be had.
    """
    budget = lesson.config.budget
    expected: float | None = None
    if budget.max_bytes:
        lesson = _within(lesson, budget.max_bytes)
    if budget.target_psnr:
        lesson, expected = _reaching(lesson, budget.target_psnr, device)
    rate = n_processes * pace(lesson, device)
    asked = lesson.config.training.samples
    samples = begun or asked
    if budget.minutes and not begun:
        most = max(round(rate * _seconds_left(budget.minutes, passed)), lesson.stream.batch_size)
        samples = min(asked, most) if budget.target_psnr else most
    lesson = _with(lesson, training={"samples": samples})
    if samples != asked or expected is None:
        expected = None if begun or budget.max_bytes else _aside(lesson, device)
    if expected is not None and lesson.config.training.rate:  # what is rounded away is lost beside it
        expected = -10 * math.log10(10 ** (-expected / 10) + 10 ** (-lesson.config.training.rate / 10))
    stored = _other_bytes(lesson) + round(STORED * _table_bytes(lesson))
    n_bytes = min(stored, budget.max_bytes) if budget.max_bytes else stored
    return lesson, Plan(samples, lesson.config.encoding.log2_hashmap_size, samples / rate, n_bytes, expected)


def _seconds_left(minutes: float, passed: float) -> float:
    """For the training alone; ParameterError when there are none."""
    left = 60 * minutes * (1 - CLOSING) - passed
    if left <= 0:
        raise ParameterError(
            f"minutes is {minutes:g}, and {passed / 60:.1f} went by before the training; expected "
            f"{2 * passed / 60 + 0.1:.1f} at least, or --carry never --teacher none"
        )
    return left


def _aside(lesson: Lesson, device: str) -> float | None:
    """What a look promises, where it costs little beside the training."""
    n_values = _n_values(lesson)
    n_points = min(int(ASIDE * n_values), LOOKED_AT)
    if not isinstance(lesson.stream, SampleStream) or n_points < FEWEST_LOOKED_AT:
        return None
    return look(lesson, lesson.config.training.samples / n_values, device, n_points)


def pace(lesson: Lesson, device: str) -> float:
    """Points a second that a run draws and learns from; a short one's is known from few iterations."""
    minutes = lesson.config.budget.minutes
    with memory_errors_explained():
        trainer = Trainer(lesson, device)
        most = max(math.ceil(ASIDE * trainer.n_iterations), PROBED if minutes else 1)
        _advance(trainer, min(most, N_WARM), math.inf)
        first, started = trainer.iteration, time.perf_counter()
        _advance(trainer, most, PROBED_SECONDS)
        trainer.rest()
        return (trainer.iteration - first) * trainer.batch_size / (time.perf_counter() - started)


def _advance(trainer: Trainer, most: int, seconds: float) -> None:
    """So many iterations, or for so long."""
    last, end = trainer.iteration + most, time.perf_counter() + seconds
    while trainer.iteration < last and time.perf_counter() < end:
        trainer.advance(last - trainer.iteration)


def look(lesson: Lesson, per_value: float, device: str, n_points: int = LOOKED_AT) -> float:
    """dB, the mean over fields, that a model of a block in the middle of the training steps reaches.

    Parameters
    ----------
    lesson : of volumes.
    per_value : points drawn for each value.
    n_points : of the block, at most about.
    """
    config, learned = lesson.config, cast(SampleStream, lesson.stream).fields
    series = lesson.stream.series
    series = series.select([len(series) // 2])
    block = cropped(series, n_points)
    smaller = block.grid.n_points / series.grid.n_points
    encoding = config.encoding.replace(
        log2_hashmap_size=max(round(config.encoding.log2_hashmap_size + math.log2(smaller)), 3)
    )
    finest = int(hash_grid(encoding).resolutions[-1]) * max(block.grid.dims) / max(series.grid.dims)
    if encoding.n_levels > 1:
        growth = max(finest / encoding.base_resolution, 1.0) ** (1 / (encoding.n_levels - 1))
        encoding = encoding.replace(per_level_scale=round(growth, 6))
    samples = max(round(per_value * block.grid.n_points), 1)
    ratio = _n_values(lesson) / block.grid.n_points / config.training.batch_steps
    config = config.replace(
        encoding=encoding.to_dict(),
        training={
            "samples": samples,
            "sparsity": 0.0,
            "rate": 0.0,
            "batch_steps": 1,
            "batch_points": math.ceil(config.training.batch_points / max(ratio, 1) ** FEWER),
        },
        encoders={"count": 0, "poisson": 0.0, "gaussian": 0.0},
    )
    training = config.training
    stream = SampleStream(block, learned, 1, training.batch_points, training.memory_bytes, training.seed)
    small = Lesson(stream, config, lesson.parameters, learned, block.thetas)
    model = Trainer(small, device).run()
    inr = model.generate(block.thetas[0])
    found = inr.split(inr.sample_grid())
    truth = inr.split(block.truth(0, [field.name for field in learned]))
    return float(np.mean([_psnr(found[field.name], truth[field.name], field) for field in lesson.fields]))


def _within(lesson: Lesson, max_bytes: int) -> Lesson:
    """With the largest tables, none larger than they are, that can be coded in what a file of so many bytes has for them."""
    config, left = lesson.config, max_bytes - _other_bytes(lesson)
    coded = CODED_WELL if config.budget.target_psnr else CODED
    factor = min(coded / (1 - config.training.sparsity), MOST_EXPANSION / 4)
    most = factor * left
    size = config.encoding.log2_hashmap_size
    while size > LEAST_LOG2_HASHMAP_SIZE and _table_bytes(lesson, size) > most:
        size -= 1
    if _table_bytes(lesson, size) > most:
        least = _other_bytes(lesson) + math.ceil(_table_bytes(lesson, size) / factor)
        raise ParameterError(
            f"max-bytes is {max_bytes}; expected {least} at least: {_other_bytes(lesson)} bytes are for what is not tables"
        )
    return replace(_with(lesson, encoding={"log2_hashmap_size": size}), table_bytes=left)


def _reaching(lesson: Lesson, target: float, device: str) -> tuple[Lesson, float]:
    """With the fewest points, and then the smallest tables, that promise a PSNR in dB; and what they promise."""
    n_values, size = _n_values(lesson), lesson.config.encoding.log2_hashmap_size
    for per_value in TRIED:
        psnr_db = look(lesson, per_value, device)
        if psnr_db >= target + MARGIN:
            return _with(lesson, training={"samples": round(per_value * n_values)}), psnr_db
    for more in range(1, 0 if lesson.config.budget.max_bytes else LARGER + 1):
        lesson = _with(lesson, encoding={"log2_hashmap_size": size + more})
        psnr_db = look(lesson, TRIED[-1], device)
        if psnr_db >= target + MARGIN:
            return _with(lesson, training={"samples": round(TRIED[-1] * n_values)}), psnr_db
    raise ParameterError(
        f"target-psnr is {target:g} dB, and a look at a part of the data promises {psnr_db:.1f} at most"
        f"{' within max-bytes' if lesson.config.budget.max_bytes else ''}; expected {psnr_db - MARGIN:.1f} at most"
    )


def _with(lesson: Lesson, **parts: dict) -> Lesson:
    """With some settings changed."""
    return replace(lesson, config=lesson.config.replace(**parts))


def _n_values(lesson: Lesson) -> int:
    """Points of all steps that are learned."""
    return lesson.stream.series.grid.n_points * len(lesson.stream.series)


def _table_bytes(lesson: Lesson, log2_size: int | None = None) -> int:
    """Of the tables as float16, before they are coded."""
    architecture = lesson.architecture
    if log2_size is not None:
        encoding = architecture.encoding.replace(log2_hashmap_size=log2_size)
        architecture = replace(architecture, encoding=encoding)
    return 2 * len(lesson.positions) * architecture.n_table


def _other_bytes(lesson: Lesson) -> int:
    """Of everything else in the file, at most about; as `lean` makes it where bytes are short."""
    is_short = bool(lesson.config.budget.max_bytes)
    stored = (2 if is_short else 4) * lesson.architecture.n_mlp + lesson.positions.nbytes + DOCUMENT
    stored += lesson.base.coefficients.nbytes if lesson.base else 0
    stored += lesson.guide.extinction.nbytes if lesson.guide else 0
    stored += lesson.mask.sheets.nbytes if lesson.mask else 0
    stored += lesson.bound.n_bytes if lesson.bound else 0
    if lesson.motion is None:
        return stored
    motion = coarser(lesson.motion, MOTION_FACTOR, steady=True) if is_short else lesson.motion
    return stored + sum(tensor.nbytes for tensor in tensors_of(motion, True).values())


def _psnr(values: np.ndarray, truth: np.ndarray, field: Field) -> float:
    decibel = psnr(values, truth, field.whole_range)
    return min(decibel, PSNR_CAP) if not math.isnan(decibel) else PSNR_CAP
