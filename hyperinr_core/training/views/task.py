"""Trains a model of pictures over views, time and any other parameter."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hyperinr_core import __version__, hinr
from hyperinr_core.config import Config
from hyperinr_core.errors import ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import PSNR_CAP, psnr
from hyperinr_core.pictures.picture_set import RANGE, Optics, PictureSet, parameters_of, picture_field, to_bytes
from hyperinr_core.spaces.views import ViewSpace
from hyperinr_core.training.checkpoint import begin
from hyperinr_core.training.settings import DistillationConfig, RunConfig, preset, refuse_unused
from hyperinr_core.training.trainer import Report, Trainer
from hyperinr_core.training.views.placement import encoder_positions
from hyperinr_core.training.views.samples import PixelStream, TaughtPictures, ask
from hyperinr_core.training.views.teachers import (
    TEACHERS,
    BlendedPictures,
    CoordNetTeacher,
    Mean,
    RadianceTeacher,
    ViewTeacher,
    find_optics,
    left_out_scores,
    scenes_of,
)
from hyperinr_core.volume import Field, Grid, Parameter

#: Points drawn by each preset, and the settings of the batches that measured best.
SAMPLES = {"fast": 20_000_000, "default": 80_000_000, "best": 400_000_000}
BATCH = {"batch_steps": 1, "batch_points": 2400}

#: Levels of an encoder, and the finest one's resolution as a share of the pictures': views blend more than they resolve.
N_LEVELS, FINEST = 7, 0.5

#: Pixels that a teacher must have said, per encoder, for each vertex of a level: finer levels hold noise.
PIXELS_PER_VERTEX = 9

#: Least encoders and levels that a limit on the size may leave.
FEWEST_ENCODERS, FEWEST_LEVELS = 8, 3

#: Training pictures that the stored quality is measured on, at most.
N_MEASURED = 64


@dataclass(frozen=True)
class ViewsConfig(Config):
    """How pictures are learned.

    Attributes
    ----------
    teacher : auto, none, coordnet or radiance.
    teacher_views : pictures that the teacher is asked for. Levels are dropped for whose vertices it says too few
        pixels.
    teacher_steps : training pictures that a radiance field looks at while it is fitted.
    encoders : encoders in all; the setting that matters most. 0 for the default.
    interpolation : barycentric, or idw, the paper's.
    max_bytes : largest size of the model's tables; 0 for no limit. Levels go first, then encoders.
    """

    teacher: str = "auto"
    teacher_views: int = 1000
    teacher_steps: int = 500
    encoders: int = 0
    interpolation: str = "barycentric"
    max_bytes: int = 0

    LIMITS: ClassVar[dict[str, tuple]] = {
        "teacher": ("auto", *TEACHERS),
        "teacher_views": (1, 1 << 20),
        "teacher_steps": (1, 1 << 24),
        "encoders": (0, 1 << 16),
        "interpolation": tuple(ViewSpace.kinds),
        "max_bytes": (0, 1 << 50),
    }


#: Encoders unless told otherwise: with a teacher, and at most without one.
N_ENCODERS = 300


#: Settings of a run that pictures do not use, and what to do instead; see `refuse_unused`.
UNUSED = {
    "encoding.guide_resolution": "only shadows of lights have a guide",
    "training.base": "only hyperinr train on a series of volumes uses it",
    "training.sparsity": "hyperinr compress makes the finished model small",
    **{
        f"distillation.{part.name}": "--teacher, --teacher-views and --teacher-steps say what else is learned"
        for part in dataclasses.fields(DistillationConfig)
    },
}
UNUSED_OVER_VIEWS = {"encoders.count": "--encoders sets it"}


def views_preset(name: str, grid: Grid) -> RunConfig:
    """The settings of a preset for pictures on a grid."""
    config = preset(name, grid)
    base = config.encoding.base_resolution
    growth = max(FINEST * max(grid.dims) / base, 2.0) ** (1 / (N_LEVELS - 1))
    return config.replace(
        encoding={"n_levels": N_LEVELS, "per_level_scale": round(growth, 6)},
        training={**BATCH, "samples": SAMPLES[name]},
        encoders={"poisson": 1.0},
    )


def train_views(
    pictures: PictureSet,
    output: str | os.PathLike,
    views: ViewsConfig,
    config: RunConfig,
    held_out: np.ndarray,
    device: str = "cpu",
    resume: bool = False,
    progress: Callable[[Report], Any] | None = None,
    part: Callable[[str, float, float], Any] = lambda what, done, total: None,
    chosen: Callable[[dict[str, Any]], Any] = lambda choice: None,
) -> HyperINR:
    """Train a model of pictures and write it.

    Parameters
    ----------
    held_out : numbers of the pictures that training does not see.
    part : hears of the work before the training, as `Lesson.progress`.
    chosen : hears which teacher was chosen, and why.

    Raises
    ------
    DataError for pictures that cannot be trained on; ParameterError when an unfinished run would be overwritten, for
    a setting that is not used, or when nothing fits into max_bytes; Interrupted when the run was stopped, with its
    checkpoint kept.
    """
    path, folder = begin(output, resume), Path(f"{os.fspath(output)}.teacher")
    refuse_unused(config, UNUSED if pictures.columns() is None else {**UNUSED, **UNUSED_OVER_VIEWS})
    training = pictures.select(np.setdiff1d(np.arange(len(pictures)), held_out))
    parameters = parameters_of(pictures, training)
    fields = (picture_field(pictures.field_info[pictures.name]),)
    fit_into(views, config, fields)  # finds out before the teachers that nothing fits
    choice, taught = _teach(training, parameters, views, config, device, folder, part)
    chosen(choice)
    config, n_encoders = fit_into(views, within_taught(views, config, taught), fields)
    positions = encoder_positions(training, parameters, config, n_encoders, choice["teacher"] != "none")
    interpolation = views.interpolation if pictures.columns() else None
    stream = PixelStream(training, taught, config)
    identity = {"views": views.to_dict(), "roles": list(pictures.roles)}
    trainer = Trainer(stream, positions, parameters, fields, config, device, interpolation, identity=identity)
    if path.exists():
        trainer.load_state(path)
    model = trainer.run(path, progress)
    provenance = {
        "software": f"hyperinr {__version__}",
        "source": pictures.source,
        "views": {**views.to_dict(), **choice},
        "held_out": pictures.thetas[held_out].tolist(),
        "training": config.training.to_dict(),
        "evaluator": trainer.evaluator.name,
    }
    quality = {"training_psnr_db": {fields[0].name: _quality(model, training)}}
    model = dataclasses.replace(model, provenance=provenance, quality=quality)
    hinr.save(model, output)
    path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return model


def fit_into(views: ViewsConfig, config: RunConfig, fields: tuple[Field, ...]) -> tuple[RunConfig, int]:
    """Settings and number of encoders of a model whose tables fit into max_bytes.

    The finest levels are dropped while fewer than half of the encoders would fit, then encoders are.
    """
    wanted = views.encoders or N_ENCODERS
    if not views.max_bytes:
        return config, wanted
    fewest = min(FEWEST_LEVELS, config.encoding.n_levels)
    for n_levels in range(config.encoding.n_levels, fewest - 1, -1):
        smaller = config.replace(encoding={"n_levels": n_levels})
        architecture = smaller.architecture(fields)
        network_bytes, table_bytes = 4 * architecture.n_mlp, 2 * architecture.n_table
        fits = (views.max_bytes - network_bytes) // table_bytes
        if fits >= wanted / 2 or (n_levels == fewest and fits >= FEWEST_ENCODERS):
            return smaller, int(min(fits, wanted))
    raise ParameterError(
        f"max_bytes is {views.max_bytes}; expected at least {network_bytes + FEWEST_ENCODERS * table_bytes}, which "
        f"{FEWEST_ENCODERS} encoders of {fewest} levels take"
    )


def within_taught(views: ViewsConfig, config: RunConfig, taught: TaughtPictures) -> RunConfig:
    """Settings without the finest levels, for which a teacher said too few pixels; the same settings without a teacher."""
    if not len(taught.thetas):
        return config
    vertices = hash_grid(config.encoding).resolutions ** config.encoding.n_pos_dims
    filled = int(np.sum(PIXELS_PER_VERTEX * (views.encoders or N_ENCODERS) * vertices <= taught.pixels.size))
    return config.replace(encoding={"n_levels": max(filled, min(FEWEST_LEVELS, config.encoding.n_levels))})


def _teach(
    training: PictureSet,
    parameters: tuple[Parameter, ...],
    views: ViewsConfig,
    config: RunConfig,
    device: str,
    folder: Path,
    part: Callable[[str, float, float], Any],
) -> tuple[dict[str, Any], TaughtPictures]:
    """Which teacher was taken, and what it said; kept in a folder for a run that is resumed."""
    seed, said = config.training.seed, folder / "said.npz"
    identity = json.dumps([views.to_dict(), seed, training.source, list(training.roles), training.thetas.tolist()])
    if said.is_file():
        with np.load(said) as arrays:
            if str(arrays["identity"]) == identity:
                taught = TaughtPictures(arrays["thetas"], arrays["pixels"], arrays["colors"])
                return json.loads(str(arrays["choice"])), taught
    choice = choose_teacher(training, views, seed, part)
    if choice["teacher"] == "none":
        return choice, TaughtPictures(np.empty((0, len(parameters))), np.empty((0, 0)), np.empty((0, 0)))
    if choice["teacher"] == "radiance":
        found = choice.get("optics")
        optics = Optics(**found) if found else find_optics(training, views.teacher_steps, seed)
        choice["optics"] = dataclasses.asdict(optics)
        teacher: ViewTeacher = RadianceTeacher(
            training,
            optics,
            views.teacher_steps,
            seed,
            lambda done, total: part("fitting radiance fields", done, total),
        )
        if choice.get("share", 1.0) < 1:
            teacher = Mean(teacher, BlendedPictures(training), choice["share"])
    else:
        teacher = CoordNetTeacher(training, seed, device, lambda done, total: part("fitting CoordNet", done, total))
    taught = ask(teacher, training, parameters, views.teacher_views, seed, part)
    folder.mkdir(exist_ok=True)
    answers = {"thetas": taught.thetas, "pixels": taught.pixels, "colors": taught.colors}
    with replacing(said) as file, open(file, "wb") as stream:
        np.savez(stream, **answers, choice=json.dumps(choice), identity=identity)
    return choice, taught


def choose_teacher(
    training: PictureSet, views: ViewsConfig, seed: int, part: Callable[[str, float, float], Any]
) -> dict[str, Any]:
    """The teacher that was asked for, or the better one on training pictures that are left out.

    Returns
    -------
    {"teacher", "reason", "left_out_psnr_db": {name: dB}}, with "optics" where a camera was looked for and "share" of the
    radiance field where it was compared
    """
    if views.teacher != "auto":
        return {"teacher": views.teacher, "reason": "asked for", "left_out_psnr_db": {}}
    if training.columns() is None:
        return {"teacher": "none", "reason": "there are no view angles", "left_out_psnr_db": {}}
    try:
        _, scenes = scenes_of(training)
    except ParameterError as error:
        return {"teacher": "none", "reason": str(error), "left_out_psnr_db": {}}
    if min(map(len, scenes.values())) < 8:
        return {"teacher": "none", "reason": "a scene has fewer than 8 pictures", "left_out_psnr_db": {}}
    part("choosing a teacher", 0.0, 1.0)
    optics = find_optics(training, views.teacher_steps, seed)
    scene = training.select(max(scenes.values(), key=len))
    scores = left_out_scores(scene, optics, views.teacher_steps, seed)
    part("choosing a teacher", 1.0, 1.0)
    share = max(scores, key=scores.get)
    named = {"none": scores[0.0], "radiance": scores[1.0]}
    if 0 < share < 1:
        named[f"{share:g} radiance and {1 - share:g} blended pictures"] = scores[share]
    return {
        "teacher": "radiance" if share else "none",
        "reason": "best on pictures left out",
        "left_out_psnr_db": {name: round(score, 3) for name, score in named.items()},
        "optics": dataclasses.asdict(optics),
        "share": share,
    }


def _quality(model: HyperINR, training: PictureSet) -> list[float]:
    """PSNR in dB of training pictures, evenly chosen."""
    steps = np.unique(np.linspace(0, len(training) - 1, min(len(training), N_MEASURED)).astype(int))
    pairs = ((model.generate(training.thetas[s]).sample_grid()[0], training.picture(s)) for s in steps)
    return [round(min(psnr(to_bytes(found), truth, RANGE), PSNR_CAP), 3) for found, truth in pairs]
