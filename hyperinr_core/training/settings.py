"""What a training run can be told, and the presets. Importing this needs no torch."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import ClassVar

from hyperinr_core.config import Config, EncodingConfig, NetworkConfig
from hyperinr_core.errors import ParameterError
from hyperinr_core.volume import Grid


@dataclass(frozen=True)
class TrainingConfig(Config):
    """How long and how a HyperINR is fitted.

    Attributes
    ----------
    samples : points drawn in all, over all steps; the budget that decides time and quality.
    batch_steps, batch_points : a batch holds so many steps, and so many points of each.
    lr_encoding, lr_network : Adam's rates for hash tables and shared network; both fall to zero along a cosine.
    beta1, beta2, eps : Adam's other settings, the paper's by default (section 4).
    loss : l1 (the paper's for volumes) or l2.
    n_encoders : encoders placed over the parameter's range; 0 puts one on each training step.
    memory_mb : training data kept in memory at a time; more than that is streamed from the files.
    seed : decides initialisation and every drawn point; equal seeds give equal models on a CPU.
    """

    samples: int = 60_000_000
    batch_steps: int = 2
    batch_points: int = 4800
    lr_encoding: float = 5e-3
    lr_network: float = 2e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-10
    loss: str = "l1"
    n_encoders: int = 0
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
        "n_encoders": (0, 1 << 20),
        "memory_mb": (1, 1 << 30),
        "seed": (0, 2**63 - 1),
    }


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a model besides its data."""

    encoding: EncodingConfig
    network: NetworkConfig
    training: TrainingConfig

    def to_dict(self) -> dict:
        return {name: getattr(self, name).to_dict() for name in ("encoding", "network", "training")}


#: Points drawn by each preset.
PRESETS = {"fast": 12_000_000, "default": 60_000_000, "best": 240_000_000}


def preset(name: str, grid: Grid) -> RunConfig:
    """The settings of a preset for data on a grid.

    The coarsest level has 4 vertices along an axis (8 for planes), the paper's choice; the growth from level to level is
    such that the finest has as many as the data's longest axis, which measured better than the paper's fixed 2.
    """
    if name not in PRESETS:
        raise ParameterError(f"preset is {name!r}; expected one of {', '.join(PRESETS)}")
    encoding = EncodingConfig(n_pos_dims=grid.n_pos_dims, base_resolution=4 if grid.n_pos_dims == 3 else 8)
    finest = max(*grid.dims, encoding.base_resolution + 1)
    growth = (finest / encoding.base_resolution) ** (1 / (encoding.n_levels - 1))
    return RunConfig(
        encoding.replace(per_level_scale=round(growth, 6)), NetworkConfig(), TrainingConfig(samples=PRESETS[name])
    )


def with_file(config: RunConfig, path: str | os.PathLike) -> RunConfig:
    """The settings with those of a JSON file in their place.

    The file holds an object with any of the keys encoding, network, training, each an object with any of their settings.
    """
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} is no readable JSON file ({error}); expected an object of settings") from error
    if not isinstance(document, dict) or not set(document) <= {"encoding", "network", "training"}:
        found = sorted(document) if isinstance(document, dict) else type(document).__name__
        raise ParameterError(f"{path} holds {found}; expected an object with keys encoding, network, training")
    parts = {name: getattr(config, name).replace(**changes) for name, changes in document.items()}
    return RunConfig(**{"encoding": config.encoding, "network": config.network, "training": config.training, **parts})
