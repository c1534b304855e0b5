"""Pictures to radiance fields: one for each combination of the parameters besides the view."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import __version__
from hyperinr_core.files import replacing
from hyperinr_core.measure.metrics import picture_psnr
from hyperinr_core.pictures.picture_set import Optics, PictureSet, picture_parameters, to_bytes
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.spaces.views import view_angles
from hyperinr_core.training import checkpoint
from hyperinr_core.training.run import train
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.task import Tell
from hyperinr_core.training.teachers import kept_fits
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.radiance import (
    TRIAL,
    Radiance,
    left_out,
    misfit_in_words,
    scenes_of,
    score_of_mean,
)
from hyperinr_core.training.views.carrying import carried
from hyperinr_core.training.views.task import Views, choose_teacher

#: Pictures that the fit of one scene looks at, by preset.
LOOKS = {"fast": 500, "default": 1250, "best": 4000}

#: Points that a HyperINR over the angles learns from for a comparison, and views that its teacher is asked for, at most.
TRIAL_SAMPLES, TRIAL_VIEWS = 10_000_000, 300

#: Training pictures that the stored quality is measured on, at most.
N_MEASURED = 64

#: Held-out pictures that tell whether cameras fit.
N_LOOKED_AT = 8


def representation_of(task: Views, config: RunConfig, device: str, tell: Tell) -> dict[str, Any]:
    """Which of a radiance field and a HyperINR over the angles shows those views best that are left out of the largest scene.

    A HyperINR learns what its teacher says, so it is trained only where its best teacher is better than the field alone.

    Returns
    -------
    {"representation": "radiance" or "pictures", "reason", "left_out_psnr_db": {name: dB}, "teacher": what
    `choose_teacher` said}
    """
    choice = choose_teacher(task.training, task.settings, config.training.seed, tell)
    scores = choice["left_out_psnr_db"]
    if not scores or choice.get("misfit"):
        return {"representation": "pictures", "reason": choice["reason"], "left_out_psnr_db": scores, "teacher": choice}
    radiance, best = scores["radiance"], max(scores.values())
    reason = "on left-out views nothing that could teach a HyperINR is better"
    if best > radiance:
        reason = "best on left-out views"
        scores = {"radiance": radiance, "pictures": _student_score(task, choice, config, device, tell)}
    return {
        "representation": "pictures" if scores.get("pictures", -math.inf) > radiance else "radiance",
        "reason": reason,
        "left_out_psnr_db": scores,
        "teacher": choice,
    }


def _student_score(task: Views, choice: dict[str, Any], config: RunConfig, device: str, tell: Tell) -> float:
    """Mean PSNR in dB of a HyperINR's pictures of the views that `choose_teacher` left out."""
    training, seed = task.training, config.training.seed
    largest = max(scenes_of(training)[1].values(), key=len)
    scene = training.select(largest)
    out = left_out(view_angles(scene.thetas, scene.roles), seed)[1]
    short = config.replace(training={"samples": min(config.training.samples, TRIAL_SAMPLES)})
    settings = task.settings.replace(
        teacher_views=min(task.settings.teacher_views, TRIAL_VIEWS),
        teacher_steps=max(1, round(TRIAL * task.settings.teacher_steps)),
    )
    with tempfile.TemporaryDirectory() as folder:
        trial = Views(scene, settings, out, choice)
        told = Tell(report=lambda report: tell.progress("trying pictures", report.samples, report.total))
        model = train(trial, Path(folder) / "trial.hinr", short, device=device, tell=told)
    pairs = ((to_bytes(model.generate(scene.thetas[step]).sample_grid()[0]), scene.picture(int(step))) for step in out)
    return round(float(np.mean([picture_psnr(picture, truth) for picture, truth in pairs])), 3)


def remembered(path: Path, identity: Any, answer: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What was answered to the same question before this run was interrupted, or else the answer, which is kept.

    Parameters
    ----------
    path : where it is kept. identity : the question, as JSON has it.
    """
    question = json.dumps(identity)
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["question"] == question:
            return kept["answer"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = answer()
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as part:
        part.write_text(json.dumps({"question": question, "answer": found}), encoding="utf-8")
    return found


def train_scenes(
    task: Views, output: Path, optics: Optics, looks: int, seed: int, tell: Tell, choice: dict[str, Any]
) -> RadianceModel:
    """Fit a field to each scene, going on from the checkpoint beside `output` if there is one, and write the model.

    Parameters
    ----------
    looks : pictures that the fit of each scene looks at.
    choice : of the representation, for the provenance.

    Raises
    ------
    DataError for a scene of too few pictures; ParameterError where there are no view angles; Interrupted when the run was
    stopped, with its checkpoint kept.
    """
    training, path = task.training, checkpoint.checkpoint_path(output)
    others, _ = scenes_of(training)
    radiance = Radiance(training, training.name, optics)
    radiance.fit(FitSettings(looks, seed=seed, state=path, progress=tell.fraction("fitting radiance fields")))
    positions, scenes, behind = radiance.scenes()
    width, height, _ = training.grid.dims
    model = RadianceModel(
        picture_parameters(task.pictures, training),
        (width, height),
        optics,
        behind,
        np.array(positions, np.float64).reshape(len(scenes), len(others)),
        scenes,
        {
            "software": f"hyperinr {__version__}",
            "source": task.source,
            "views": {**choice, "optics": dataclasses.asdict(optics), "looks": looks, "seed": seed},
            "held_out": task.pictures.thetas[task.held_out].tolist(),
            **({"world": dataclasses.asdict(training.world)} if training.world else {}),
        },
    )
    model, scores = carried(file.coded(model, output), training, tell.fraction("following what moves"))
    if scores:
        model.provenance["views"]["left_out_scenes_psnr_db"] = scores
    model = dataclasses.replace(model, quality={"training_psnr_db": {training.name: _quality(model, training)}})
    file.save(model, output)
    kept_fits.forget(path)
    return model


def misfit_of(model: RadianceModel, task: Views) -> str:
    """What is wrong where held-out views are shown no better than by the mean picture; "" where they are, or there are none."""
    if not len(task.held_out):
        return ""
    training, out = task.training, task.pictures.select(task.held_out[:N_LOOKED_AT])
    truths = [out.picture(step) for step in range(len(out))]
    score = np.mean(
        [picture_psnr(model.picture(out.thetas[n], camera=out.camera(n)), truth) for n, truth in enumerate(truths)]
    )
    mean = score_of_mean([training.picture(step) for step in _evenly(training)], truths)
    return misfit_in_words(float(score), mean) if score <= mean else ""


def _quality(model: RadianceModel, training: PictureSet) -> list[float]:
    """PSNR in dB of training pictures, evenly chosen."""
    return [
        round(
            picture_psnr(model.picture(training.thetas[step], camera=training.camera(step)), training.picture(step)), 3
        )
        for step in _evenly(training)
    ]


def _evenly(pictures: PictureSet) -> list[int]:
    """Numbers of at most `N_MEASURED` of them."""
    return np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), N_MEASURED)).astype(int)).tolist()
