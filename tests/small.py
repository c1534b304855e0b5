"""Settings with which training takes a moment, and inputs for what evaluates a model."""

from __future__ import annotations

import sys

import torch

from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.training.settings import DistillationConfig, RunConfig, TrainingConfig
from hyperinr_core.training.trainer import Trainer

SMALL = RunConfig(
    EncodingConfig(n_levels=4, n_features_per_level=2, log2_hashmap_size=10, per_level_scale=1.5),
    NetworkConfig(16, 2),
    TrainingConfig(samples=400_000, batch_steps=2, batch_points=1000, lr_encoding=1e-2, lr_network=5e-3),
    distillation=DistillationConfig(teacher="none"),
)


def with_training(**changes) -> RunConfig:
    return SMALL.replace(training=changes)


def at_iteration(monkeypatch, cut, act):
    """From now on, runs of training call act(trainer) before an iteration, which they then do alone."""
    advance, run, running = Trainer.advance, Trainer.run, []

    def noted(self, *args):
        running.append(self)
        return run(self, *args)

    def stopping(self, most=sys.maxsize):
        if self not in running:  # its pace is measured, and nobody keeps what it learns
            return advance(self, most)
        left = cut - self.iteration
        if left == 0:
            act(self)
        return advance(self, min(most, max(left, 1)) if left >= 0 else most)

    monkeypatch.setattr(Trainer, "run", noted)
    monkeypatch.setattr(Trainer, "advance", stopping)


def random_inputs(architecture, n_tables=2, n_points=203, device="cpu"):
    """Tables and a network that want gradients, points with both corners among them, targets and step weights."""
    generator = torch.Generator().manual_seed(0)
    tables = torch.rand((n_tables, architecture.n_table), generator=generator) * 2 - 1
    mlp = torch.cat([torch.randn(o * i, generator=generator) * (2 / i) ** 0.5 for o, i in architecture.layer_shapes])
    points = torch.rand((n_tables, n_points, architecture.encoding.n_pos_dims), generator=generator)
    points[0, 0], points[0, 1] = 0, 1
    targets = torch.randn((n_tables, n_points, architecture.n_outputs), generator=generator)
    parts = [part.to(device) for part in (tables, mlp, points, targets, torch.linspace(0.5, 1.5, n_tables))]
    return parts[0].requires_grad_(), parts[1].requires_grad_(), *parts[2:]


def gradients(result, tables, mlp):
    """By tables and by the network."""
    return torch.autograd.grad(result, (tables, mlp))
