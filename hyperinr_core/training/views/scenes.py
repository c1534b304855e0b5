"""Pictures to radiance fields: one for each combination of the parameters besides the view."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr_core import __version__
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.pictures.background import before_white
from hyperinr_core.pictures.picture_set import RANGE, Optics, PictureSet, picture_parameters
from hyperinr_core.radiance import file
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.training.task import Tell
from hyperinr_core.training.teachers.base import FitSettings
from hyperinr_core.training.teachers.radiance import Radiance, left_out_scores, scenes_of
from hyperinr_core.training.views.task import Views

#: Pictures that the fit of one scene looks at, by preset.
LOOKS = {"fast": 500, "default": 1250, "best": 4000}

#: Pictures that a trial looks at, which finds the camera and compares representations.
TRIAL_LOOKS = 400

#: Training pictures that the stored quality is measured on, at most.
N_MEASURED = 64


def representation_of(task: Views, optics: Optics, seed: int) -> dict[str, Any]:
    """Which of radiance fields and blended pictures shows those best that are left out of the largest scene.

    Returns
    -------
    {"representation": "radiance" or "pictures", "left_out_psnr_db": {name: dB}}
    """
    training = task.training
    _, scenes = scenes_of(training)
    largest = max(scenes.values(), key=len)
    scene = training.select(largest)
    scores = left_out_scores(scene, optics, TRIAL_LOOKS, seed, (0.0, 1.0))
    return {
        "representation": "radiance" if scores[1.0] >= scores[0.0] else "pictures",
        "left_out_psnr_db": {"radiance": round(scores[1.0], 3), "pictures": round(scores[0.0], 3)},
    }


def train_scenes(
    task: Views, output: Path, optics: Optics, looks: int, seed: int, tell: Tell, choice: dict[str, Any]
) -> RadianceModel:
    """Fit a field to each scene and write the model.

    Parameters
    ----------
    looks : pictures that the fit of each scene looks at.
    choice : what `representation_of` said, for the provenance.

    Raises
    ------
    DataError for a scene of too few pictures; ParameterError where there are no view angles.
    """
    started, training = time.monotonic(), task.training
    others, _ = scenes_of(training)
    radiance = Radiance(training, training.name, optics)
    radiance.fit(FitSettings(looks, seed=seed, progress=tell.fraction("fitting radiance fields")))
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
            "seconds": round(time.monotonic() - started, 1),
        },
    )
    file.save(model, output)
    model = file.load(output)
    model = dataclasses.replace(model, quality={"training_psnr_db": {training.name: _quality(model, training)}})
    file.save(model, output)
    return model


def _quality(model: RadianceModel, training: PictureSet) -> list[float]:
    """PSNR in dB of training pictures, evenly chosen."""
    steps = np.unique(np.linspace(0, len(training) - 1, min(len(training), N_MEASURED)).astype(int))
    seen = (
        (model.picture(training.thetas[step], camera=training.camera(step)), training.picture(int(step)))
        for step in steps
    )
    return [round(min(psnr(before_white(picture), before_white(truth), RANGE), PSNR_CAP), 3) for picture, truth in seen]
