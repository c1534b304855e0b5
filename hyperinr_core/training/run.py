"""From a task to a finished model in its file: the steps of a training run in their order, the same for every task."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import __version__, hinr
from hyperinr_core.bounding import CARRIED_PSNR, PREVIEW_PSNR, Promise, bounded
from hyperinr_core.compression import Compression
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.lean import LEAN_PSNR, lean
from hyperinr_core.table_coding import Coding, rounded
from hyperinr_core.training.budget import planned
from hyperinr_core.training.checkpoint import begin, read_total
from hyperinr_core.training.distributed import World
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.task import Context, Lesson, Task, Tell
from hyperinr_core.training.trainer import Trainer, digest_of

#: dB of its PSNR on the training data that a sparse model may lose where its tables are coded.
SPARSE_LOST = 0.05

#: Bytes by which what a file says of its quality may grow where its tables are rounded.
QUALITY = 256


def train(
    task: Task,
    output: str | os.PathLike,
    config: RunConfig,
    *,
    device: str = "cpu",
    resume: bool = False,
    tell: Tell | None = None,
    world: World | None = None,
    initial: HyperINR | None = None,
    promise: Promise | None = None,
) -> HyperINR:
    """Train on a task and write the model.

    Parameters
    ----------
    task : `Volumes`, `Lights` or `Views`, in the rooms of their names.
    output : the .hinr to write; what an interrupted run goes on from lies beside it.
    config : such as `settings.preset` gives, or the task's own preset.
    device : "cpu" or "cuda".
    resume : go on from the checkpoint beside `output` if there is one.
    tell : hears what is going on.
    world : the processes that train together, of which the first writes and measures; this one alone when None.
    initial : a model of a task of the same kind to start from.
    promise : what the training steps of the model shall keep to.

    Returns
    -------
    The model as it is in the file; in processes other than the first, without provenance and quality.

    Raises
    ------
    DataError for data that cannot be trained on; ParameterError when an unfinished run would be overwritten, for a setting
    that the task does not use, or for a promise that cannot be kept; Interrupted when the run was stopped, with its
    checkpoint kept.
    """
    started = time.monotonic()
    world, tell = world or World(), tell or Tell()
    path, folder = begin(output, resume), Path(f"{os.fspath(output)}.teacher")
    task.check(config)
    context = Context(folder, device, world, tell, initial)
    lesson = task.learn(config, context)
    if promise is not None:
        promise.check(lesson.fields)
    begun = read_total(path)
    if world.leads:
        lesson, plan = planned(lesson, device, time.monotonic() - started, begun, world.size)
        tell.planned(plan)
    lesson = dataclasses.replace(lesson, config=world.told(lesson.config if world.leads else None))
    context.expect(lesson.architecture)
    if task.settings is not None:
        lesson = dataclasses.replace(lesson, identity={task.name: task.settings.to_dict(), **lesson.identity})
    trainer = Trainer(lesson, device, world, initial)
    if path.exists() and world.leads:
        trainer.load_state(path)
    trainer.share_state()
    model = trainer.run(path, tell.report)
    if not world.leads:
        return lesson.restored(model)
    model = dataclasses.replace(model, provenance=_provenance(task, lesson, trainer.evaluator.name, initial))
    rounding = trainer.rounding
    del trainer  # tables in float32 and their moments are six times what is measured now
    model, coded = _measured(model, lesson, rounding, promise)
    whole = _whole(model, lesson, promise, tell)
    hinr.save(whole, output, coded)
    if os.path.getsize(output) > (lesson.config.budget.max_bytes or math.inf):
        stored = hinr.bytes_beside(whole) - hinr.bytes_beside(lesson.restored(model))
        model, coded = _smaller(model, lesson, lesson.config.budget.max_bytes - stored)
        whole = _whole(model, lesson, promise, tell)
        hinr.save(whole, output, coded)
    path.unlink(missing_ok=True)
    lesson.forget()
    with contextlib.suppress(OSError):  # it was never made, or somebody keeps something there
        folder.rmdir()
    return whole


def _whole(model: HyperINR, lesson: Lesson, promise: Promise | None, tell: Tell) -> HyperINR:
    """What goes into the file: the model with its values as the data has them, and what its steps keep to."""
    model = lesson.restored(model)
    return model if promise is None else bounded(model, promise, tell.fraction("bounding the training steps"))


def _measured(
    model: HyperINR, lesson: Lesson, rounding: tuple[tuple[float, ...], float] | None, promise: Promise | None
) -> tuple[HyperINR, tuple[Coding, np.ndarray] | None]:
    """The model with its quality, and its tables in few bytes where they are sparse, were learned as multiples of steps, or
    are those of a model whose motion carries steps that are stored.

    It is then that of those bytes.
    """
    if promise is not None and model.motion is not None:
        model = lean(model, CARRIED_PSNR)
        model = dataclasses.replace(model, quality=lesson.quality(model))
        coded = _coded(model, PREVIEW_PSNR)
    elif rounding is not None:
        steps, reached = rounding
        model = lean(model, min(reached, LEAN_PSNR))
        coded = Compression.coded_of(model, steps)
    else:
        model = dataclasses.replace(model, quality=lesson.quality(model))
        coded = _coded(model) if lesson.config.training.sparsity else None
    if coded is None:
        return model, None
    tables = rounded(model.encoder_params, model.architecture.hash_grid, coded[0].steps)
    model = dataclasses.replace(model, encoder_params=tables)
    return dataclasses.replace(model, quality=lesson.quality(model)), coded


def _smaller(model: HyperINR, lesson: Lesson, n_bytes: int) -> tuple[HyperINR, tuple[Coding, np.ndarray] | None]:
    """The model in so many bytes, and its quality then; as it is where nothing would be left of its tables."""
    small = lean(model, LEAN_PSNR)
    compression = Compression(small)
    steps = compression.finest_within(n_bytes - hinr.bytes_beside(lesson.restored(small)) - QUALITY)
    if steps is None:
        return model, None
    tables = rounded(small.encoder_params, small.architecture.hash_grid, steps)
    small = dataclasses.replace(small, encoder_params=tables)
    return dataclasses.replace(small, quality=lesson.quality(small)), compression.coded(steps)


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


def _provenance(task: Task, lesson: Lesson, evaluator: str, initial: HyperINR | None) -> dict[str, Any]:
    provenance = {
        "software": f"hyperinr {__version__}",
        "source": task.source,
        **lesson.provenance,
        "training": lesson.config.training.to_dict(),
        "evaluator": evaluator,
    }
    if task.settings is not None:
        provenance[task.name] = {**task.settings.to_dict(), **provenance.get(task.name, {})}
    if lesson.choices:
        provenance["teachers"] = {name: choice.to_dict() for name, choice in lesson.choices.items()}
    if initial is not None:
        provenance["initial"] = {"sha256": digest_of(initial), "source": initial.provenance.get("source")}
    return provenance
