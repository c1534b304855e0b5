"""From a task to a finished model in its file: the steps of a training run in their order, the same for every task."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import __version__
from hyperinr_core.bound import Bound
from hyperinr_core.bounding import Promise
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.shift import shifts_for
from hyperinr_core.training.budget import planned
from hyperinr_core.training.checkpoint import begin, read_total
from hyperinr_core.training.distributed import World
from hyperinr_core.training.finish import finished
from hyperinr_core.training.initial import digest_of
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.task import Context, Lesson, Task, Tell
from hyperinr_core.training.trainer import Trainer


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
        _check_parameters(lesson)
        lesson = dataclasses.replace(lesson, bound=_bound(promise, lesson, tell) if world.leads else None)
    begun = read_total(path)
    if world.leads:
        lesson, plan = planned(lesson, device, time.monotonic() - started, begun, world.size)
        tell.planned(plan)
    planned_for = world.told((lesson.config, lesson.table_bytes) if world.leads else None)
    lesson = dataclasses.replace(lesson, **dict(zip(("config", "table_bytes"), planned_for)))
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
    whole = finished(model, lesson, output, rounding, promise, tell)
    path.unlink(missing_ok=True)
    lesson.forget()
    with contextlib.suppress(OSError):  # it was never made, or somebody keeps something there
        folder.rmdir()
    return whole


def _check_parameters(lesson: Lesson) -> None:
    if len(lesson.parameters) != 1:
        names = ", ".join(parameter.name for parameter in lesson.parameters)
        raise ParameterError(f"the model has the parameters {names}; expected one, a bound is kept along one parameter")


def _bound(promise: Promise, lesson: Lesson, tell: Tell) -> Bound:
    """The training steps as they are stored, before the training: what they take is not left for tables."""
    shifts = shifts_for(promise.series, [field.name for field in lesson.fields])
    times = np.unique(lesson.parameters[0].values)
    return promise.bound(lesson.fields, shifts, times, tell.fraction("storing the training steps"))


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
