"""What a training run can be told, and the presets. Importing this needs no torch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

from hyperinr_core.architecture import Architecture
from hyperinr_core.config import MOST_LOG2_HASHMAP_SIZE, Config, EncodingConfig, NetworkConfig
from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Field, Grid


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How long and how a HyperINR is fitted.

    Attributes
    ----------
    samples : points drawn in all, over all steps; the budget that decides time and quality.
    batch_steps, batch_points : a batch holds so many steps, and so many points of each.
    lr_encoding, lr_network : Adam's rates for hash tables and shared network; both fall to zero along a cosine.
    beta1, beta2, eps : Adam's other settings. The paper has 0.999 for beta2, which measured 0.1 to 0.3 dB less.
    loss : l2, or l1, the paper's for volumes, which measured 1 dB of PSNR less at equal samples.
    base : whether the network adds to splines of each field's training steps: auto, where a field is smooth in time; never;
        always. See training.base.
    sparsity : share of the tables' numbers that are made zero on the way; see training.pruning.
    rate : PSNR in dB of rounded tables against unrounded ones that tables are learned for, which makes them small once coded; 0
        for tables that are not rounded. See training.rate.
    precision : of the hidden layers' products on a CPU: float32, or mixed, which rounds what is multiplied to bfloat16 and needs
        a processor with tiles for it (AMX). Tables, sums and Adam are float32 either way. A GPU has its own.
    memory_mb : training data kept in memory at a time; more than that is streamed from the files.
    seed : decides initialisation and every drawn point; equal seeds give equal models on a CPU.
    """

    samples: int = 60_000_000
    batch_steps: int = 1
    batch_points: int = 2400
    lr_encoding: float = 5e-3
    lr_network: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.99
    eps: float = 1e-10
    loss: str = "l2"
    base: str = "auto"
    sparsity: float = 0.0
    rate: float = 0.0
    precision: str = "float32"
    memory_mb: int = 4096
    seed: int = 0

    LIMITS: ClassVar[dict[str, tuple]] = {
        "samples": (1, 10**15),
        "batch_steps": (1, 4096),
        "batch_points": (1, 1 << 24),
        "lr_encoding": (1e-9, 10.0),
        "lr_network": (1e-9, 10.0),
        "beta1": (0.0, 0.9999999),
        "beta2": (0.0, 0.9999999),
        "eps": (1e-30, 1.0),
        "loss": ("l1", "l2"),
        "base": ("auto", "never", "always"),
        "sparsity": (0.0, 0.99),
        "rate": (0.0, 100.0),
        "precision": ("float32", "mixed"),
        "memory_mb": (1, 1 << 30),
        "seed": (0, 2**63 - 1),
    }

    @property
    def memory_bytes(self) -> int:
        """memory_mb in bytes."""
        return self.memory_mb << 20


@dataclass(frozen=True)
class PlacementConfig(Config):
    """Where positions in parameter space are put.

    Attributes
    ----------
    count : how many; 0 for the default of what is placed.
    poisson : share that Poisson disks place, evenly but not regularly.
    gaussian : share that normal distributions around the training thetas place; the rest is uniform.
    sigma : those distributions' standard deviation, in ranges of the parameters.
    """

    count: int = 0
    poisson: float = 0.0
    gaussian: float = 0.0
    sigma: float = 0.02

    LIMITS: ClassVar[dict[str, tuple]] = {
        "count": (0, 1 << 20),
        "poisson": (0.0, 1.0),
        "gaussian": (0.0, 1.0),
        "sigma": (1e-6, 1.0),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.poisson + self.gaussian > 1:
            raise ParameterError(
                f"the shares poisson {self.poisson:g} and gaussian {self.gaussian:g} exceed 1; expected a sum of at most 1"
            )


@dataclass(frozen=True)
class DistillationConfig(PlacementConfig):
    """Whose volumes a model learns between the training steps; the placement is theirs (0: four in each gap).

    Attributes
    ----------
    teacher : auto, none, or a teacher's name.
    teacher_samples : points that a neural teacher is fitted to; 0 for its default.
    weight : how much a teacher's volume counts in the loss, where a training step counts 1.
    storage : where a teacher's volumes are kept: memory, file, on_demand (not at all), or auto, which is what fits.
    """

    teacher: str = "auto"
    teacher_samples: int = 0
    weight: float = 1.0
    storage: str = "auto"

    LIMITS: ClassVar[dict[str, tuple]] = {
        **PlacementConfig.LIMITS,
        "teacher_samples": (0, 10**15),
        "weight": (0.0, 1e6),
        "storage": ("auto", "memory", "file", "on_demand"),
    }


@dataclass(frozen=True)
class MotionConfig(Config):
    """Whether a model learns the training steps alone and carries them along their motion.

    Attributes
    ----------
    carry : auto, unless a teacher is named or promises more; never; always.
    velocity : fields that motion is traced through: auto, those that are called so; none; or their names.
    points : of the grid that motion is searched at: all; half, every second along each axis; auto, half on grids of more than
        four million where steps left out are predicted as well by it, to 0.1 dB.
    """

    carry: str = "auto"
    velocity: str = "auto"
    points: str = "auto"

    LIMITS: ClassVar[dict[str, tuple]] = {"carry": ("auto", "never", "always"), "points": ("auto", "all", "half")}

    def is_tried(self, teacher: str) -> bool:
        """Whether a motion is looked for, beside that teacher."""
        return self.carry == "always" or (self.carry == "auto" and teacher == "auto")


@dataclass(frozen=True)
class BudgetConfig(Config):
    """What a run may cost and is to reach; 0 leaves it open. See training.budget.

    Attributes
    ----------
    minutes : from the beginning to the file; decides how many points are drawn.
    max_bytes : of the file; decides how large the tables are and how finely they are stored.
    target_psnr : dB on the training steps, the mean over fields; decides table size and points drawn.
    """

    minutes: float = 0.0
    max_bytes: int = 0
    target_psnr: float = 0.0

    LIMITS: ClassVar[dict[str, tuple]] = {
        "minutes": (0.0, 1e6),
        "max_bytes": (0, 10**15),
        "target_psnr": (0.0, 120.0),
    }


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a model besides its data.

    `encoders` places the encoders; a count of 0 puts one on each training step.
    """

    encoding: EncodingConfig
    network: NetworkConfig
    training: TrainingConfig
    encoders: PlacementConfig = PlacementConfig()
    distillation: DistillationConfig = DistillationConfig()
    motion: MotionConfig = MotionConfig()
    budget: BudgetConfig = BudgetConfig()

    @property
    def tries_motion(self) -> bool:
        """Whether a motion is looked for."""
        return self.motion.is_tried(self.distillation.teacher)

    def architecture(self, learned: Sequence[Field]) -> Architecture:
        """That of a model of fields."""
        return Architecture.of(self.encoding, self.network, learned)

    def to_dict(self) -> dict:
        return {part.name: getattr(self, part.name).to_dict() for part in fields(self)}

    def replace(self, **parts: dict) -> RunConfig:
        """A copy in which some settings of some parts are changed, as in replace(training={"seed": 1})."""
        return replace(self, **{name: getattr(self, name).replace(**changes) for name, changes in parts.items()})


#: Points drawn by each preset, for data as small as most.
PRESETS = {"fast": 30_000_000, "default": 120_000_000, "best": 1_000_000_000}

#: The default preset draws so many points at least and at most for each value that is learned: large data needs more than a
#: preset's number, and tiny data is known to 70 dB with fewer. The others keep their ratio to it.
PER_VALUE = 6, 600

#: Points of the grid up to which tables have EncodingConfig's size. It grows with their number to the power of 2/3.
POINTS_OF_DEFAULT_TABLES = 1 << 18

#: log2_hashmap_size up to which a batch has TrainingConfig's points; twice as many for each step beyond. Adam goes through a
#: whole table at each iteration: on 256^3 batches of four times the points take half of the time, and lose 0.3 dB.
TABLES_OF_DEFAULT_BATCH = 17

#: Hidden layers of the shared network. Two instead of the paper's four learn as well from equal samples, at half the cost.
N_HIDDEN_LAYERS = 2


#: A GPU's batch: many steps of few points each keep it busy, and learn more from equal samples than few steps of many points.
GPU_BATCH = {"batch_steps": 16, "batch_points": 1200}

#: log2_hashmap_size up to which a GPU's batch is that; as `TABLES_OF_DEFAULT_BATCH`. On 128^3 batches of twice the points take
#: half of the time, and lose 0.2 dB.
TABLES_OF_GPU_BATCH = 16


def batch_for(device: str, log2_hashmap_size: int) -> dict[str, int]:
    """Settings of training in which cpu and cuda, and small and large tables, differ."""
    if device == "cuda":
        more = max(log2_hashmap_size - TABLES_OF_GPU_BATCH, 0)
        return {**GPU_BATCH, "batch_points": GPU_BATCH["batch_points"] << more}
    return {"batch_points": TrainingConfig().batch_points << max(log2_hashmap_size - TABLES_OF_DEFAULT_BATCH, 0)}


def samples_for(name: str, n_values: int) -> int:
    """Points that a preset draws of a series of so many values of each field."""
    ratio = PRESETS[name] / PRESETS["default"]
    least, most = (round(ratio * share * n_values) for share in PER_VALUE)
    return max(min(max(PRESETS[name], least), most), 1)


def table_size_for(grid: Grid) -> int:
    """log2_hashmap_size for data on a grid."""
    more = 2 / 3 * math.log2(grid.n_points / POINTS_OF_DEFAULT_TABLES)
    return min(EncodingConfig().log2_hashmap_size + max(round(more), 0), MOST_LOG2_HASHMAP_SIZE)


def preset(name: str, grid: Grid, device: str = "cpu", n_steps: int = 1) -> RunConfig:
    """The settings of a preset for so many steps of data on a grid, trained on cpu or cuda.

    The coarsest level has 4 vertices along an axis (8 for planes), the paper's choice; the growth from level to level is
    such that the finest has as many as the data's longest axis, which measured better than the paper's fixed 2.
    """
    if name not in PRESETS:
        raise ParameterError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    encoding = EncodingConfig(
        n_pos_dims=grid.n_pos_dims,
        log2_hashmap_size=table_size_for(grid),
        base_resolution=4 if grid.n_pos_dims == 3 else 8,
    )
    finest = max(*grid.dims, encoding.base_resolution + 1)
    growth = (finest / encoding.base_resolution) ** (1 / (encoding.n_levels - 1))
    return RunConfig(
        encoding.replace(per_level_scale=round(growth, 6)),
        NetworkConfig(n_hidden_layers=N_HIDDEN_LAYERS),
        TrainingConfig(samples=samples_for(name, grid.n_points * n_steps)).replace(
            **batch_for(device, encoding.log2_hashmap_size)
        ),
    )


def with_file(config: RunConfig, path: str | os.PathLike) -> RunConfig:
    """The settings with those of a JSON file in their place.

    The file holds an object with any of the keys encoding, network, training, encoders, distillation, motion, budget, each an
    object with any of their settings.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} is no readable JSON file ({error}); expected an object of settings") from error
    known = [part.name for part in fields(RunConfig)]
    if not isinstance(document, dict) or not set(document) <= set(known):
        found = sorted(document) if isinstance(document, dict) else type(document).__name__
        raise ParameterError(f"{path} holds {found}; expected an object with keys {', '.join(known)}")
    if not all(isinstance(changes, dict) for changes in document.values()):
        raise ParameterError(f"{path} holds a value that is no object; expected settings by name under each key")
    return config.replace(**document)
