"""Training on pictures over views, time and any other parameter."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from hyperinr_core.config import Config
from hyperinr_core.errors import ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.measure.metrics import picture_psnr
from hyperinr_core.pictures.picture_set import (
    Optics,
    PictureSet,
    picture_field,
    picture_parameters,
    to_bytes,
)
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.spaces.views import ViewSpace, view_angles
from hyperinr_core.training.settings import DistillationConfig, MotionConfig, RunConfig, preset
from hyperinr_core.training.task import Context, Lesson, Task, Tell, every
from hyperinr_core.training.teachers import teachers_of
from hyperinr_core.training.teachers.base import FitSettings, Teacher
from hyperinr_core.training.teachers.choice import Choice
from hyperinr_core.training.teachers.kept_fits import forget as forget_fits
from hyperinr_core.training.teachers.radiance import (
    MIN_PICTURES,
    BlendedPictures,
    Mean,
    Radiance,
    find_optics,
    left_out_scores,
    mean_picture_score,
    misfit_in_words,
    scenes_of,
)
from hyperinr_core.training.teachers.turned import Turned
from hyperinr_core.training.views.placement import encoder_positions
from hyperinr_core.training.views.samples import PixelStream, TaughtPictures, ask, n_asked
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

#: Encoders unless told otherwise: with a teacher, and at most without one.
N_ENCODERS = 300

#: Points that a network is fitted to.
NETWORK_SAMPLES = 20_000_000

#: What a teacher has said, and what one that is a network keeps of its fit.
SAID, STATE = "said.npz", "state.safetensors"

#: Training pictures that the stored quality is measured on, at most.
N_MEASURED = 64


@dataclass(frozen=True)
class ViewsConfig(Config):
    """How pictures are learned.

    Attributes
    ----------
    teacher : auto, none, or a teacher of views.
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
        "teacher": ("auto", "none", *teachers_of("views")),
        "teacher_views": (1, 1 << 20),
        "teacher_steps": (1, 1 << 24),
        "encoders": (0, 1 << 16),
        "interpolation": tuple(ViewSpace.kinds),
        "max_bytes": (0, 1 << 50),
    }


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


class Views(Task):
    """Pictures of a scene from any view, at any time or other parameter.

    Parameters
    ----------
    pictures : all there are; the model covers their bounds.
    held_out : numbers of those that training does not see.
    choice : what `choose_teacher` said of these pictures, if it was asked already.
    """

    name = "views"
    settings: ViewsConfig

    def __init__(
        self,
        pictures: PictureSet,
        settings: ViewsConfig,
        held_out: np.ndarray | None = None,
        choice: dict[str, Any] | None = None,
    ) -> None:
        self.pictures, self.settings, self.source, self.choice = pictures, settings, pictures.source, choice
        self.held_out = np.empty(0, int) if held_out is None else held_out
        self.training = pictures.select(np.setdiff1d(np.arange(len(pictures)), self.held_out))

    def unused(self) -> dict[str, str]:
        teacher = "--teacher, --teacher-views and --teacher-steps say what else is learned"
        unused = {
            "encoding.guide_resolution": "only shadows of lights have a guide",
            "training.base": "only hyperinr train on a series of volumes uses it",
            "budget.max_bytes": "--max-bytes sets it",
            "budget.target_psnr": "only hyperinr train on a series of volumes uses it",
            **every("distillation", DistillationConfig, teacher),
            **every("motion", MotionConfig, "only hyperinr train on a series of volumes uses it"),
        }
        if self.pictures.columns() is not None:
            unused["encoders.count"] = "--encoders sets it"
        return unused

    def learn(self, config: RunConfig, context: Context) -> Lesson:
        pictures, training, settings = self.pictures, self.training, self.settings
        parameters = picture_parameters(pictures, training)
        fields = (picture_field(pictures.field_info[pictures.name]),)
        asked = settings.teacher_views * n_asked(training)
        possible = {"none": [0], "auto": [asked, 0]}.get(settings.teacher, [asked])
        settled = [fit_into(settings, within_taught(settings, config, n), fields)[0] for n in possible]
        context.expect(*(one.architecture(fields) for one in settled))
        choice, taught = context.world.in_turn(lambda: self._taught(parameters, config, context))
        context.tell.chosen(pictures.name, Choice(choice["teacher"], choice["reason"], psnr=choice["left_out_psnr_db"]))
        config, n_encoders = fit_into(settings, within_taught(settings, config, taught.pixels.size), fields)

        def forget() -> None:
            (context.folder / SAID).unlink(missing_ok=True)
            forget_fits(context.folder / STATE)

        return Lesson(
            stream=PixelStream(training, taught, config),
            config=config,
            parameters=parameters,
            fields=fields,
            positions=encoder_positions(training, parameters, config, n_encoders, choice["teacher"] != "none"),
            quality=partial(_quality, training=training),
            interpolation=settings.interpolation if pictures.columns() else None,
            identity={"roles": list(pictures.roles)},
            provenance={"views": choice, "held_out": pictures.thetas[self.held_out].tolist()},
            forget=forget,
        )

    def _taught(
        self, parameters: tuple[Parameter, ...], config: RunConfig, context: Context
    ) -> tuple[dict[str, Any], TaughtPictures]:
        """Which teacher was taken, and what it said; kept in the folder for a run that is resumed, and other processes."""
        training, seed, said = self.training, config.training.seed, context.folder / SAID
        identity = json.dumps(
            [self.settings.to_dict(), seed, training.source, list(training.roles), training.thetas.tolist()]
        )
        if said.is_file():
            with np.load(said) as arrays:
                if str(arrays["identity"]) == identity:
                    taught = TaughtPictures(arrays["thetas"], arrays["pixels"], arrays["colors"])
                    return json.loads(str(arrays["choice"])), taught
        choice = self.choice or choose_teacher(training, self.settings, seed, context.tell)
        taught = TaughtPictures(np.empty((0, len(parameters))), np.empty((0, 0)), np.empty((0, 0)))
        if choice["teacher"] != "none":
            teacher = _fitted(training, self.settings, choice, seed, context)
            progress = partial(context.tell.progress, "asking the teacher")
            taught = ask(teacher, training, parameters, self.settings.teacher_views, seed, progress)
        context.folder.mkdir(exist_ok=True)
        with replacing(said) as file, open(file, "wb") as stream:
            np.savez(
                stream,
                thetas=taught.thetas,
                pixels=taught.pixels,
                colors=taught.colors,
                choice=np.array(json.dumps(choice)),
                identity=np.array(identity),
            )
        return choice, taught


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


def within_taught(views: ViewsConfig, config: RunConfig, n_pixels: int) -> RunConfig:
    """Settings without the finest levels, for which a teacher says too few pixels; the same settings without a teacher."""
    if not n_pixels:
        return config
    vertices = hash_grid(config.encoding).resolutions ** config.encoding.n_pos_dims
    filled = int(np.sum(PIXELS_PER_VERTEX * (views.encoders or N_ENCODERS) * vertices <= n_pixels))
    return config.replace(encoding={"n_levels": max(filled, min(FEWEST_LEVELS, config.encoding.n_levels))})


def _fitted(
    training: PictureSet, settings: ViewsConfig, choice: dict[str, Any], seed: int, context: Context
) -> Teacher:
    """The teacher that was chosen; the camera that it finds is noted in the choice."""
    kind = choice["teacher"]
    if kind != "radiance":
        teacher = turned_to_frames(training, kind)
        teacher.fit(
            FitSettings(
                NETWORK_SAMPLES,
                seed=seed,
                state=context.folder / STATE,
                device=context.device,
                progress=context.tell.fraction(f"fitting {kind}"),
            )
        )
        return teacher
    known = choice.get("optics")
    optics = Optics(**known) if known else find_optics(training, settings.teacher_steps, seed)
    radiance = Radiance(training, training.name, optics)
    state, progress = context.folder / STATE, context.tell.fraction("fitting radiance fields")
    radiance.fit(FitSettings(settings.teacher_steps, seed=seed, state=state, progress=progress))
    choice["optics"] = dataclasses.asdict(optics)
    share = choice.get("share", 1.0)
    return radiance if share == 1 else Mean(radiance, BlendedPictures(training, training.name), share)


def turned_to_frames(pictures: PictureSet, kind: str) -> Teacher:
    """A network over the rows right and towards the camera in place of a view's angles, which have a seam and poles."""
    columns = pictures.columns()

    def turn(thetas: np.ndarray) -> np.ndarray:
        if columns is None:
            return thetas
        frames = camera_frames(view_angles(thetas, pictures.roles))[:, ::2].reshape(len(thetas), 6)
        return np.concatenate([frames, np.delete(thetas, columns, axis=1)], axis=1)

    return Turned(pictures, pictures.name, kind, turn)


def choose_teacher(training: PictureSet, views: ViewsConfig, seed: int, tell: Tell) -> dict[str, Any]:
    """The teacher that was asked for, or the better one on training pictures that are left out.

    Returns
    -------
    {"teacher", "reason", "left_out_psnr_db": {name: dB}}, with "optics" where a camera was looked for, and "share" of the
    radiance field and "misfit", whether it knows nothing, where it was compared
    """
    if views.teacher != "auto":
        return {"teacher": views.teacher, "reason": "asked for", "left_out_psnr_db": {}}
    if training.columns() is None:
        return {"teacher": "none", "reason": "there are no view angles", "left_out_psnr_db": {}}
    try:
        _, scenes = scenes_of(training)
    except ParameterError as error:
        return {"teacher": "none", "reason": str(error), "left_out_psnr_db": {}}
    if min(map(len, scenes.values())) <= MIN_PICTURES:
        return {
            "teacher": "none",
            "reason": f"a scene has no more than {MIN_PICTURES} pictures",
            "left_out_psnr_db": {},
        }
    tell.progress("choosing a teacher", 0.0, 1.0)
    optics = find_optics(training, views.teacher_steps, seed)
    largest = max(scenes.values(), key=len)
    scene = training.select(largest)
    scores, mean = left_out_scores(scene, optics, views.teacher_steps, seed), mean_picture_score(scene, seed)
    tell.progress("choosing a teacher", 1.0, 1.0)
    misfit = scores[1.0] <= mean
    share = 0.0 if misfit else max(scores, key=scores.__getitem__)
    named = {"none": scores[0.0], "radiance": scores[1.0]}
    if 0 < share < 1:
        named[f"{share:g} radiance and {1 - share:g} blended pictures"] = scores[share]
    return {
        "teacher": "radiance" if share else "none",
        "reason": misfit_in_words(scores[1.0], mean) if misfit else "best on pictures left out",
        "left_out_psnr_db": {name: round(score, 3) for name, score in named.items()},
        "misfit": misfit,
        "optics": dataclasses.asdict(optics),
        "share": share,
    }


def _quality(model: HyperINR, training: PictureSet) -> dict[str, dict[str, list[float]]]:
    """PSNR in dB of training pictures, evenly chosen."""
    steps = np.unique(np.linspace(0, len(training) - 1, min(len(training), N_MEASURED)).astype(int))
    pairs = ((model.generate(training.thetas[s]).sample_grid()[0], training.picture(s)) for s in steps)
    numbers = [round(picture_psnr(to_bytes(values), truth), 3) for values, truth in pairs]
    return {"training_psnr_db": {model.fields[0].name: numbers}}
