"""Meta-SparseINR (Lee et al., 2021): one sparse network from which every signal of a family is fitted in a few steps.

Meta-learning finds weights that are near to all signals at once; then the smallest weights of all layers together are pruned, and
both are repeated to the wanted sparsity. Meta-learning is MAML (Finn et al., 2017), which differentiates through the inner steps,
or Reptile (Nichol et al., 2018), which goes towards where they end. The networks are SIRENs; biases are not pruned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from hyperinr_core.config import Config
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.teachers.neural import sine_output
from hyperinr_core.training.teachers.sine_network import OMEGA, SineLayer

#: Weights, or what keeps them (1) and prunes them (0), by name.
Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class MetaConfig(Config):
    """How an initialisation is learned.

    Attributes
    ----------
    method : maml or reptile.
    inner_steps, inner_rate : steps of gradient descent that fit one signal, and their rate.
    outer_steps, outer_rate : steps of Adam on the initialisation, and their rate.
    signals, points : drawn for each outer step, and points of each signal.
    seed : of everything that is drawn.
    """

    method: str = "maml"
    inner_steps: int = 2
    inner_rate: float = 1e-2
    outer_steps: int = 400
    outer_rate: float = 1e-4
    signals: int = 3
    points: int = 2048
    seed: int = 0

    LIMITS: ClassVar[dict[str, tuple]] = {
        "method": ("maml", "reptile"),
        "inner_steps": (1, 1000),
        "inner_rate": (1e-9, 10.0),
        "outer_steps": (0, 10**9),
        "outer_rate": (1e-9, 10.0),
        "signals": (1, 4096),
        "points": (1, 1 << 24),
        "seed": (0, 2**63 - 1),
    }


@dataclass(frozen=True)
class Signals:
    """A family of signals that are known at the same points.

    Attributes
    ----------
    points : (P, D) float32 in [-1, 1].
    values : (n, P, C) float32 in [-1, 1].
    """

    points: torch.Tensor
    values: torch.Tensor


def siren(n_inputs: int, n_outputs: int, width: int, n_hidden: int, seed: int) -> nn.Sequential:
    """A SIREN: a sine layer of the coordinates, `n_hidden` of `width`, and a linear one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hidden = (SineLayer(width, width) for _ in range(n_hidden))
        return nn.Sequential(SineLayer(n_inputs, width, first=True), *hidden, sine_output(width, n_outputs))


def all_kept(network: nn.Module) -> Weights:
    """Masks that prune nothing."""
    return {name: torch.ones_like(value) for name, value in network.named_parameters() if name.endswith("weight")}


def n_kept(network: nn.Module, masks: Weights) -> int:
    """Numbers of a network that are not pruned."""
    return sum(int(masks[n].sum()) if n in masks else p.numel() for n, p in network.named_parameters())


@torch.no_grad()
def prune(network: nn.Module, masks: Weights, share: float) -> Weights:
    """Masks without the smallest `share` of the weights that are left, all layers together; the weights become zero."""
    return _pruned(network, masks, share, {n: p.abs() for n, p in network.named_parameters() if n in masks})


@torch.no_grad()
def prune_randomly(network: nn.Module, masks: Weights, share: float, seed: int) -> Weights:
    """The same for weights that are drawn."""
    generator = torch.Generator().manual_seed(seed)
    return _pruned(
        network, masks, share, {n: torch.rand(m.shape, generator=generator) + 1e-6 for n, m in masks.items()}
    )


def learn(network: nn.Module, masks: Weights, signals: Signals, config: MetaConfig) -> None:
    """Make the weights of a network an initialisation for signals; what is pruned stays zero."""
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.Adam(parameters.values(), config.outer_rate)
    generator = torch.Generator().manual_seed(config.seed)
    second_order = config.method == "maml"
    for _ in range(config.outer_steps):
        optimizer.zero_grad(set_to_none=True)
        which = torch.randint(len(signals.values), (config.signals, 1), generator=generator)
        # every drawn signal has weights of its own, (signals, ...)
        adapted = {
            n: (p if second_order else p.detach()).expand(config.signals, *p.shape) for n, p in parameters.items()
        }
        for _ in range(config.inner_steps):
            if not second_order:
                adapted = {name: value.detach().requires_grad_() for name, value in adapted.items()}
            loss = _loss(network, adapted, signals, which, config.points, generator)
            gradients = torch.autograd.grad(loss, list(adapted.values()), create_graph=second_order)
            adapted = {
                name: value - config.inner_rate * grad * masks.get(name, 1.0)
                for (name, value), grad in zip(adapted.items(), gradients)
            }
        if second_order:
            (_loss(network, adapted, signals, which, config.points, generator) / config.signals).backward()
        else:
            for name, parameter in parameters.items():
                parameter.grad = (parameter.detach() - adapted[name].detach()).mean(0) / config.inner_rate
        optimizer.step()
        _keep(parameters, masks)


def meta_sparse(
    network: nn.Module, signals: Signals, config: MetaConfig, rounds: int, share: float = 0.2, retrain: int = 100
) -> Iterator[tuple[nn.Module, Weights]]:
    """Learn, then prune and learn again, in turns; the network and its masks after each.

    Parameters
    ----------
    rounds : of pruning; after n of them (1 - share)^n of the weights are left.
    share : of the weights that are left, taken by each round.
    retrain : outer steps after each round.
    """
    if not 0 < share < 1:
        raise ParameterError(f"share is {share:g}; expected more than 0 and less than 1")
    masks = all_kept(network)
    learn(network, masks, signals, config)
    yield network, masks
    for number in range(rounds):
        masks = prune(network, masks, share)
        learn(network, masks, signals, config.replace(outer_steps=retrain, seed=config.seed + number + 1))
        yield network, masks


def fit(
    network: nn.Module, masks: Weights, points: torch.Tensor, values: torch.Tensor, steps: int, rate: float
) -> float:
    """Fit the network to one signal (P, C) in place, all points in each step of Adam; the PSNR in dB it comes to."""
    parameters = dict(network.named_parameters())
    optimizer = torch.optim.Adam(parameters.values(), rate)
    _keep(parameters, masks)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        (network(points) - values).square().mean().backward()
        optimizer.step()
        _keep(parameters, masks)
    with torch.no_grad():
        return float(10 * torch.log10(4 / (network(points) - values).square().mean()))  # the range is [-1, 1]


def _loss(
    network: nn.Module,
    weights: dict[str, torch.Tensor],
    signals: Signals,
    which: torch.Tensor,
    count: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """The sum of the signals' mean squared errors, each with its own weights, at points drawn for each."""
    shape = (len(which), min(count, len(signals.points)))
    chosen = torch.randint(len(signals.points), shape, generator=generator)
    values = _outputs(network, weights, signals.points[chosen])
    return (values - signals.values[which, chosen]).square().mean((1, 2)).sum()


def _outputs(network: nn.Module, weights: Weights, points: torch.Tensor) -> torch.Tensor:
    """What n SIRENs of one shape, whose weights are (n, ...), give at points of their own (n, B, D)."""
    for name, layer in network.named_children():
        omega = OMEGA if isinstance(layer, SineLayer) else 1.0
        bias, weight = omega * weights[f"{name}.bias"], omega * weights[f"{name}.weight"]
        points = torch.baddbmm(bias.unsqueeze(1), points, weight.mT)
        points = torch.sin(points) if isinstance(layer, SineLayer) else points
    return points


@torch.no_grad()
def _keep(parameters: Weights, masks: Weights) -> None:
    for name, mask in masks.items():
        parameters[name].mul_(mask)


def _pruned(network: nn.Module, masks: Weights, share: float, scores: Weights) -> Weights:
    left = torch.cat([scores[name][mask > 0] for name, mask in masks.items()])
    count = round(share * len(left))
    threshold = left.kthvalue(count).values if count else left.min() - 1
    kept = {name: mask * (scores[name] > threshold) for name, mask in masks.items()}
    _keep(dict(network.named_parameters()), kept)
    return kept
