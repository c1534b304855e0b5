"""Trains a model of pictures over views, time and any other parameter."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from hyperinr_core import __version__, hinr
from hyperinr_core.config import Config
from hyperinr_core.encoding import hash_grid
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.files import replacing
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.lights import poisson_lights, random_lights
from hyperinr_core.metrics import PSNR_CAP, psnr
from hyperinr_core.pictures import RANGE, Optics, PictureSet, parameters_of, picture_field, to_bytes
from hyperinr_core.training.checkpoint import checkpoint_path
from hyperinr_core.training.placement import place
from hyperinr_core.training.samples import Batch
from hyperinr_core.training.settings import RunConfig, preset
from hyperinr_core.training.trainer import Report, Trainer
from hyperinr_core.training.view_teachers import (
    TEACHERS,
    CoordNetTeacher,
    RadianceTeacher,
    ViewTeacher,
    find_optics,
    interpolation_score,
    radiance_score,
    scenes_of,
)
from hyperinr_core.volume import Field, Grid, Parameter

#: Points drawn by each preset, and the settings of the batches that measured best.
SAMPLES = {"fast": 20_000_000, "default": 80_000_000, "best": 400_000_000}
BATCH = {"batch_steps": 1, "batch_points": 2400}

#: Levels of an encoder, and the finest one's resolution as a share of the pictures': views blend more than they resolve.
N_LEVELS, FINEST = 7, 0.5

#: Pixels that a teacher is asked for in each of its pictures, at most.
ASKED_PIXELS = 16384

#: Share of the batches that are drawn from the training pictures when there is a teacher.
TRUTH_SHARE = 0.1

#: Distinct values of a parameter besides the view that get encoders of their own; of more, so many even steps do.
MOST_VALUES, STEPS = 16, 5

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
    teacher_views : pictures that the teacher is asked for.
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
        "interpolation": ("barycentric", "idw"),
        "max_bytes": (0, 1 << 50),
    }


#: Encoders unless told otherwise: with a teacher, and at most without one.
N_ENCODERS = 300


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


@dataclass
class TaughtPictures:
    """What a teacher said: (n, P) thetas, (n, k) pixels and their (n, k, C) uint8 colours; n is 0 without a teacher."""

    thetas: np.ndarray
    pixels: np.ndarray
    colors: np.ndarray


class PixelStream:
    """Draws pixels of one picture after the other, from the training pictures and from a teacher's.

    What is drawn at an iteration depends on the seed and the iteration alone.
    """

    def __init__(self, pictures: PictureSet, taught: TaughtPictures, config: RunConfig) -> None:
        self.series, self._taught = pictures, taught
        training = config.training
        self._seed, self._n_steps, self._n_points = training.seed, training.batch_steps, training.batch_points
        self._n_components = pictures.field_info[pictures.name]
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._most_kept = max(1, (training.memory_mb << 20) // (pictures.grid.n_points * self._n_components))

    @property
    def batch_size(self) -> int:
        """Points of one batch, over all its pictures."""
        return self._n_steps * self._n_points

    def draw(self, iteration: int) -> Batch:
        """The batch of an iteration."""
        rng = np.random.Generator(np.random.Philox(key=[self._seed, 2 * iteration]))
        thetas, pixels, colors = zip(*(self._part(rng) for _ in range(self._n_steps)))
        nx, ny, _ = self.series.grid.dims
        index = np.stack(pixels)
        points = np.stack([index % nx / max(nx - 1, 1), index // nx / max(ny - 1, 1)], axis=-1).astype(np.float32)
        targets = np.stack(colors).astype(np.float32) / np.float32(RANGE[1])
        return Batch(np.stack(thetas), points, targets, np.ones(self._n_steps, np.float32))

    def close(self) -> None:
        """Drop the pictures."""
        self._kept.clear()

    def _part(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Theta (P,), pixels (n,) and colours (n, C) of a picture drawn at random."""
        if len(self._taught.thetas) and rng.random() >= TRUTH_SHARE:
            number = int(rng.integers(len(self._taught.thetas)))
            chosen = rng.integers(0, self._taught.pixels.shape[1], self._n_points)
            return self._taught.thetas[number], self._taught.pixels[number][chosen], self._taught.colors[number][chosen]
        step = int(rng.integers(len(self.series)))
        pixels = rng.integers(0, self.series.grid.n_points, self._n_points)
        return self.series.thetas[step], pixels, self._picture(step)[pixels]

    def _picture(self, step: int) -> np.ndarray:
        """(n_points, C) uint8; the latest stay in memory."""
        if step not in self._kept:
            self._kept[step] = self.series.picture(step).reshape(-1, self._n_components)
            while len(self._kept) > self._most_kept:
                self._kept.popitem(last=False)
        self._kept.move_to_end(step)
        return self._kept[step]


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
    DataError for pictures that cannot be trained on; ParameterError when an unfinished run would be overwritten, or
    nothing fits into max_bytes; Interrupted when the run was stopped, with its checkpoint kept.
    """
    path, folder = checkpoint_path(output), Path(f"{os.fspath(output)}.teacher")
    if path.exists() and not resume:
        raise ParameterError(
            f"{path} holds an unfinished run; add --resume to continue it, or delete the file to start over"
        )
    if not os.path.isdir(os.path.dirname(os.fspath(output)) or "."):
        raise DataError(f"{output} is in a folder that is not there; expected one for the model, create it first")
    training = pictures.select(np.setdiff1d(np.arange(len(pictures)), held_out))
    parameters = parameters_of(pictures, training)
    fields = (picture_field(pictures.field_info[pictures.name]),)
    config, n_encoders = fit_into(views, config, fields)
    choice, taught = _teach(training, parameters, views, config, device, folder, part)
    chosen(choice)
    positions = encoder_positions(training, parameters, config, n_encoders, choice["teacher"] != "none")
    interpolation = views.interpolation if pictures.columns() else None
    stream = PixelStream(training, taught, config)
    trainer = Trainer(stream, positions, parameters, fields, config, device, interpolation)
    if path.exists():
        trainer.load_state(path)
    model = trainer.run(path, progress)
    model.encoder_params = model.encoder_params.astype(np.float16)  # as stored, so that quality is what users get
    model.provenance = {
        "software": f"hyperinr {__version__}",
        "source": pictures.source,
        "views": {**views.to_dict(), **choice},
        "held_out": pictures.thetas[held_out].tolist(),
        "training": config.training.to_dict(),
        "evaluator": trainer.evaluator.name,
    }
    model.quality = {"training_psnr_db": {fields[0].name: _quality(model, training)}}
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
    n_outputs = sum(field.n_components for field in fields)
    for n_levels in range(config.encoding.n_levels, FEWEST_LEVELS - 1, -1):
        encoding = config.encoding.replace(n_levels=n_levels)
        network_bytes = 4 * config.network.n_params(encoding.n_output_dims, n_outputs)
        table_bytes = 2 * hash_grid(encoding).n_params
        fits = (views.max_bytes - network_bytes) // table_bytes
        if fits >= wanted / 2 or (n_levels == FEWEST_LEVELS and fits >= FEWEST_ENCODERS):
            return config.replace(encoding={"n_levels": n_levels}), int(min(fits, wanted))
    raise ParameterError(
        f"max_bytes is {views.max_bytes}; expected at least {network_bytes + FEWEST_ENCODERS * table_bytes}, which "
        f"{FEWEST_ENCODERS} encoders of {FEWEST_LEVELS} levels take"
    )


def encoder_positions(
    training: PictureSet, parameters: tuple[Parameter, ...], config: RunConfig, count: int, taught: bool
) -> np.ndarray:
    """(N, P) where encoders stand, at most `count` of them.

    Over views: spread over the sphere at each value of the other parameters. Otherwise, and without a teacher: on the
    training pictures, or as the settings place them.
    """
    columns = training.columns()
    if columns is None:
        if len(training) <= count and not config.encoders.count:
            return np.unique(training.thetas, axis=0)
        return place(
            training, config.encoders.replace(count=min(count, config.encoders.count or count)), config.training.seed
        )
    if not taught and len(training) <= count:
        return training.thetas
    others = [column for column in range(len(parameters)) if column not in columns]
    axes = [_values(training.thetas[:, column]) for column in others]
    layers = list(itertools.product(*axes))
    positions = []
    for number, layer in enumerate(layers):
        chosen = placed_views(training, parameters, config, max(4, count // len(layers)), config.training.seed + number)
        rows = np.empty((len(chosen), len(parameters)))
        rows[:, list(columns)], rows[:, others] = chosen, layer
        positions.append(rows)
    return np.concatenate(positions)


def _values(values: np.ndarray) -> np.ndarray:
    distinct = np.unique(values)
    return distinct if len(distinct) <= MOST_VALUES else np.linspace(distinct[0], distinct[-1], STEPS)


def placed_views(
    training: PictureSet, parameters: tuple[Parameter, ...], config: RunConfig, count: int, seed: int
) -> np.ndarray:
    """(count, 2) angles as the parameters count them: Poisson disks on the sphere, and the share `gaussian` around
    training views."""
    columns = list(training.columns())
    rng = np.random.Generator(np.random.Philox(key=[seed, 13]))
    n_gaussian = round(config.encoders.gaussian * count)
    chosen = np.unique(training.thetas[:, columns], axis=0)[rng.integers(0, 1 << 30, n_gaussian) % len(training)] if (
        n_gaussian
    ) else np.empty((0, 2))  # fmt: skip
    bounds = np.array([parameters[column].bounds for column in columns])
    around = chosen + config.encoders.sigma * (bounds[:, 1] - bounds[:, 0]) * rng.standard_normal(chosen.shape)
    spread = views_within(bounds, training.roles[columns[1]], count - n_gaussian, lambda n: poisson_lights(n, seed + 1))
    return np.clip(np.concatenate([around, spread]), bounds[:, 0], bounds[:, 1])


def views_within(bounds: np.ndarray, role: str, count: int, draw: Callable[[int], np.ndarray]) -> np.ndarray:
    """(count, 2) angles within bounds (2, 2), of those that `draw` spreads over the sphere as azimuth and polar angle."""
    if not count:
        return np.empty((0, 2))
    n = count
    while True:
        azimuth, polar = draw(n).T
        turns = np.floor((azimuth - bounds[0, 0]) / 360) * 360
        found = np.stack([azimuth - turns, polar if role == "view_polar" else 90 - polar], axis=1)
        found = found[((found >= bounds[:, 0]) & (found <= bounds[:, 1])).all(axis=1)]
        if len(found) >= count:
            return found[np.linspace(0, len(found) - 1, count).round().astype(int)]
        n = max(n + 8, int(n * min(4.0, 1.1 * count / max(len(found), 1))))


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
    seed = config.training.seed
    choice = choose_teacher(training, views, seed, part)
    said = folder / "said.npz"
    if choice["teacher"] == "none":
        return choice, TaughtPictures(np.empty((0, len(parameters))), np.empty((0, 0)), np.empty((0, 0)))
    if said.is_file():
        with np.load(said) as arrays:
            return choice, TaughtPictures(arrays["thetas"], arrays["pixels"], arrays["colors"])
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
    else:
        teacher = CoordNetTeacher(training, seed, device, lambda done, total: part("fitting CoordNet", done, total))
    taught = ask(teacher, training, parameters, views.teacher_views, seed, part)
    folder.mkdir(exist_ok=True)
    with replacing(said) as file, open(file, "wb") as stream:
        np.savez(stream, thetas=taught.thetas, pixels=taught.pixels, colors=taught.colors)
    return choice, taught


def choose_teacher(
    training: PictureSet, views: ViewsConfig, seed: int, part: Callable[[str, float, float], Any]
) -> dict[str, Any]:
    """The teacher that was asked for, or the better one on training pictures that are left out.

    Returns
    -------
    {"teacher", "reason", "left_out_psnr_db": {name: dB}, and "optics" where a camera was looked for}
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
    scores = {
        "none": interpolation_score(scene, seed),
        "radiance": radiance_score(scene, optics, views.teacher_steps, seed),
    }
    part("choosing a teacher", 1.0, 1.0)
    best = max(scores, key=scores.get)
    return {
        "teacher": best,
        "reason": "best on pictures left out",
        "left_out_psnr_db": {name: round(score, 3) for name, score in scores.items()},
        "optics": dataclasses.asdict(optics),
    }


def ask(
    teacher: ViewTeacher,
    training: PictureSet,
    parameters: tuple[Parameter, ...],
    count: int,
    seed: int,
    part: Callable[[str, float, float], Any],
) -> TaughtPictures:
    """A teacher's colours at random pixels of pictures at views that cover the bounds evenly."""
    thetas = taught_thetas(training, parameters, count, seed)
    rng = np.random.Generator(np.random.Philox(key=[seed, 14]))
    n_points, n_components = training.grid.n_points, training.field_info[training.name]
    n_pixels = min(ASKED_PIXELS, n_points)
    pixels = np.empty((count, n_pixels), np.int32)
    colors = np.empty((count, n_pixels, n_components), np.uint8)
    for number, theta in enumerate(thetas):
        pixels[number] = np.sort(rng.choice(n_points, n_pixels, replace=False, shuffle=False))
        colors[number] = to_bytes(teacher.colors(theta, pixels[number]))
        part("asking the teacher", number + 1, count)
    return TaughtPictures(thetas, pixels, colors)


def taught_thetas(training: PictureSet, parameters: tuple[Parameter, ...], count: int, seed: int) -> np.ndarray:
    """(count, P) views all over the bounds, at training values of the other parameters in turn."""
    columns = training.columns()
    rng = np.random.Generator(np.random.Philox(key=[seed, 15]))
    if columns is None:
        low, high = np.array([parameter.bounds for parameter in parameters]).T
        return low + (high - low) * rng.random((count, len(parameters)))
    thetas = training.thetas[rng.integers(0, len(training), count)]
    bounds = np.array([parameters[column].bounds for column in columns])
    role = training.roles[columns[1]]
    thetas[:, list(columns)] = views_within(bounds, role, count, lambda n: random_lights(0, n, seed))
    return thetas


def _quality(model: HyperINR, training: PictureSet) -> list[float]:
    """PSNR in dB of training pictures, evenly chosen."""
    steps = np.unique(np.linspace(0, len(training) - 1, min(len(training), N_MEASURED)).astype(int))
    pairs = ((model.generate(training.thetas[s]).sample_grid()[0], training.picture(s)) for s in steps)
    return [round(min(psnr(to_bytes(found), truth, RANGE), PSNR_CAP), 3) for found, truth in pairs]
