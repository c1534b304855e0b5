"""What a task of training is. Volumes, lights and views each say what a run learns from; `run.train` does the rest."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hyperinr_core.architecture import Architecture
from hyperinr_core.bound import Bound
from hyperinr_core.config import Config
from hyperinr_core.errors import ParameterError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light.guide import Guide
from hyperinr_core.mask import Mask
from hyperinr_core.motion.motion import Motion
from hyperinr_core.spline_base import Base
from hyperinr_core.training.samples import Batch
from hyperinr_core.training.settings import RunConfig
from hyperinr_core.training.teachers.choice import Choice
from hyperinr_core.volume import Field, Parameter, VolumeSeries

if TYPE_CHECKING:  # torch is imported when a run begins, not when it is described
    from hyperinr_core.training.distributed import World


class Stream(Protocol):
    """Where batches of points come from. What an iteration draws depends on the seed and the iteration; see `Focus`, too."""

    @property
    def series(self) -> VolumeSeries:
        """The grid, and the thetas that a checkpoint is for."""

    @property
    def batch_size(self) -> int:
        """Points of one batch, over all its thetas."""

    def draw(self, iteration: int) -> Batch:
        """The batch of an iteration."""

    def close(self) -> None:
        """Drop the data; nothing more is drawn."""


@dataclass(frozen=True)
class Report:
    """How far a run is; psnr in dB over the normalised values of the latest batches.

    Those are drawn where the error is large, so that the model's own is higher.
    """

    samples: int
    total: int
    loss: float
    psnr: float
    seconds_left: float


@dataclass(frozen=True)
class Plan:
    """What is expected of a run.

    Attributes
    ----------
    samples : that it will draw.
    log2_hashmap_size : of its tables.
    seconds : of drawing and learning.
    n_bytes : of the file, at most about.
    psnr : dB on the training steps; None where nobody looked.
    """

    samples: int
    log2_hashmap_size: int
    seconds: float
    n_bytes: int
    psnr: float | None


@dataclass(frozen=True)
class Tell:
    """What wants to be told while a run is under way.

    Attributes
    ----------
    chosen : called with a field's name and the `Choice` of its teacher.
    based : called with the model's base, if it gets one, and the names of the fields that it is for.
    traced : called with the fields of the data's velocity, what it is measured in, "" where nothing moves along it, and the share
        of the change between steps that it accounts for.
    planned : called with the `Plan` of the training, when it is about to begin.
    progress : called with what is being done before the training, how much of it is finished, and how much there is.
    report : called with the trainer's `Report` about twice a second; returning True stops the run, which keeps its state.
    """

    chosen: Callable[[str, Choice], object] = lambda name, choice: None
    based: Callable[[Base, Sequence[str]], object] = lambda base, names: None
    traced: Callable[[Sequence[str], str, float], object] = lambda names, meaning, share: None
    planned: Callable[[Plan], object] = lambda plan: None
    progress: Callable[[str, float, float], object] = lambda what, done, total: None
    report: Callable[[Report], object] = lambda report: None

    def fraction(self, what: str) -> Callable[[float], object]:
        """Called with the finished fraction of something, tells of it as progress."""
        return lambda done: self.progress(what, done, 1.0)


@dataclass(frozen=True)
class Context:
    """What a task has at hand while it gets its lesson ready.

    Attributes
    ----------
    folder : where teachers keep what an interrupted run goes on from; not made yet.
    device : "cpu" or "cuda".
    world : the processes that train together; they share the folder.
    initial : the model that the run starts from, if any.
    """

    folder: Path
    device: str
    world: World
    tell: Tell
    initial: HyperINR | None = None

    def expect(self, *architectures: Architecture) -> None:
        """Find out, best before teachers are asked, that the run cannot start from the model it was given.

        Raises
        ------
        ParameterError where its architecture is none of those that this run may come to.
        """
        if self.initial is not None and self.initial.architecture not in architectures:
            raise ParameterError(
                f"the model to start from has {_settings(self.initial.architecture)}; expected {_settings(architectures[0])}, "
                "as this run: train it with the same --config on data of the same dims and as many values, or leave "
                "--init-from out"
            )


@dataclass(frozen=True)
class Lesson:
    """What a model learns from, and what it will say of itself.

    Attributes
    ----------
    stream : batches of points.
    config : the run's settings, where the task has filled in what they leave open.
    parameters, fields : of the model.
    positions : (N, P) encoders, increasing when P is 1.
    quality : of the finished model, for its file.
    interpolation : how encoders blend; the default of the space when None.
    base : what the model's values are added to; the stream then has the rest.
    guide : computes the guide's level, where the encoding has one.
    mask : where the fields hold values, where they do not everywhere.
    motion : along which the model carries its steps, if it does.
    bound : the training steps as they are stored, where they are to keep to one; in the first process alone.
    table_bytes : what its coded tables may take; 0 for any.
    identity : what, besides data and settings, a checkpoint must have been made for.
    provenance : what the task adds to the model's; `choices` are added to it by field.
    restored : of the finished model, with its values as the data has them: what goes into the file.
    forget : drops what teachers kept, once the model is written.
    """

    stream: Stream
    config: RunConfig
    parameters: tuple[Parameter, ...]
    fields: tuple[Field, ...]
    positions: np.ndarray
    quality: Callable[[HyperINR], dict[str, Any]] = lambda model: {}
    interpolation: str | None = None
    base: Base | None = None
    guide: Guide | None = None
    mask: Mask | None = None
    motion: Motion | None = None
    bound: Bound | None = None
    table_bytes: int = 0
    identity: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Choice] = field(default_factory=dict)
    restored: Callable[[HyperINR], HyperINR] = lambda model: model
    forget: Callable[[], object] = lambda: None

    @property
    def architecture(self) -> Architecture:
        """The model's."""
        return self.config.architecture(self.fields)


class Task(ABC):
    """Something to train on."""

    #: where the data came from, for messages and provenance
    source: str

    #: settings of its own, under which name a checkpoint and the provenance keep them
    name: str
    settings: Config | None = None

    @abstractmethod
    def unused(self) -> dict[str, str]:
        """ "part.name" of each setting of a `RunConfig` that this task does not use -> what to do instead."""

    @abstractmethod
    def learn(self, config: RunConfig, context: Context) -> Lesson:
        """Choose, fit and ask teachers, as the settings want it.

        Raises
        ------
        DataError for data that cannot be trained on; ParameterError for settings that it cannot be trained with.
        """

    def check(self, config: RunConfig) -> None:
        """Raise ParameterError for a setting that was made though this task does not use it."""
        for name, instead in self.unused().items():
            part, _, setting = name.partition(".")
            settings = getattr(config, part)
            value, default = getattr(settings, setting), getattr(type(settings), setting)
            if value != default:
                raise ParameterError(f"{name} is {value!r}, which this training does not use; leave it out, {instead}")


def every(part: str, config: type[Config], instead: str) -> dict[str, str]:
    """All settings of a part of a `RunConfig`, as `Task.unused` gives them."""
    return {f"{part}.{setting.name}": instead for setting in fields(config)}


def _settings(architecture: Architecture) -> str:
    parts = {**architecture.encoding.to_dict(), **architecture.network.to_dict()}
    return f"{architecture.n_outputs} values, " + ", ".join(f"{name} {value:g}" for name, value in parts.items())
