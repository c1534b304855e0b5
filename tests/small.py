"""Settings with which training takes a moment."""

from __future__ import annotations

from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.training.settings import DistillationConfig, RunConfig, TrainingConfig

SMALL = RunConfig(
    EncodingConfig(n_levels=4, n_features_per_level=2, log2_hashmap_size=10, per_level_scale=1.5),
    NetworkConfig(16, 2),
    TrainingConfig(samples=400_000, batch_steps=2, batch_points=1000, lr_encoding=1e-2, lr_network=5e-3),
    distillation=DistillationConfig(teacher="none"),
)


def with_training(**changes) -> RunConfig:
    return SMALL.replace(training=changes)
