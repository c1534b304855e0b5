"""Models with random numbers, and how far a backend or evaluator is from the reference on them. Part of measure.py."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import _backend_class
from hyperinr_core.backends.reference import ReferenceBackend
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.motion.motion import Motion
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.training.evaluators import evaluator_class
from hyperinr_core.training.evaluators.torch import TorchEvaluator
from hyperinr_core.volume import Field, Grid, Parameter

#: How a backend is used, and how far it may be from the reference, as a share of the largest value.
WAYS = {
    "triton": 5e-3,
    "triton by points": 5e-3,
    "triton float32": 1e-4,
    "torch": 1e-4,
    "tcnn": 1e-2,
    "tcnn jit": 1e-2,
}

#: How far values that are carried on a GPU may be from the CPU's: of steps that each decodes, and of the same ones.
CARRIED, CARRYING = 1e-2, 1e-3

#: How far an evaluator's gradients may be from torch's in float32, as a share of their length.
SLOPES = 0.1

#: What gradients are multiplied by, the first that leaves all of them finite.
SCALES = (1024.0, 32.0, 1.0, 1 / 32)

#: Of the two encoders that are blended.
BLEND = np.array([0, 1]), np.array([0.3, 0.7])

Model = tuple[Architecture, np.ndarray, np.ndarray]


def random_model(architecture: Architecture, n_encoders: int) -> Model:
    """Arguments of a backend, fresh numbers in each run.

    The last layer's are positive: values that nearly cancel would make any rounding look large beside them.
    """
    rng = np.random.default_rng()
    tables = (rng.random((n_encoders, architecture.n_table), np.float32) - 0.5).astype(np.float16)
    layers = [rng.normal(0, np.sqrt(2 / columns), rows * columns) for rows, columns in architecture.layer_shapes]
    layers[-1] = np.abs(layers[-1])
    return architecture, tables, np.concatenate(layers).astype(np.float32)


def whole_model(architecture: Architecture, n: int, n_encoders: int = 2) -> HyperINR:
    """A model of a series of some times from 0 to 1 on n^3 points."""
    _, tables, mlp_params = random_model(architecture, n_encoders)
    times = np.linspace(0, 1, n_encoders)
    return HyperINR(
        architecture.encoding,
        architecture.network,
        (Parameter("time", "time", (0.0, 1.0), "", tuple(times.tolist())),),
        Grid((n, n, n)),
        (Field("value", 1, ((0.0, 1.0),)),),
        times[:, None],
        tables,
        mlp_params,
    )


def carried_model(architecture: Architecture, n: int) -> HyperINR:
    """A model of four times on n^3 points that carries its steps along waves, which lead about two points far."""
    model = whole_model(architecture, n, 4)
    nodes = Nodes(model.grid.shape, (False,) * 3)
    size = nodes.coefficient_shape
    waves = [np.sin(np.linspace(0, 5 + axis, count)) for axis, count in enumerate(size)]
    wave = waves[0][:, None, None] * waves[1][:, None] * waves[2]
    amounts = np.random.default_rng().uniform(1, 2, (1, 3, 1, 3, 1, 1, 1)) * np.reshape([-1, 1], (1, 1, 2, 1, 1, 1, 1))
    motion = Motion(
        shape=model.grid.shape,
        periodic=(False,) * 3,
        nodes=nodes.counts,
        times=model.encoder_positions[:, 0],
        paths=np.rint(amounts * wave * 256).astype(np.int16),
        path_step=1 / 256,
        anchored=(True,),
        owners=(0,),
        trust=np.full((1, 3, *size), 220, np.uint8),
        error=np.zeros((1, 3, *size), np.uint8),
        largest_error=(0.0,),
        bend=(0.3,),
    )
    return replace(model, motion=motion)


def make_backend(way: str, model: Model) -> Any:
    """A backend as one of `WAYS`; BackendError where it does not run."""
    name, *how = way.split(" ", 1)
    options = {"precision": "float32"} if how == ["float32"] else {}
    backend = _backend_class(name)(*model, **options)
    if how == ["by points"]:
        backend.by_rows = False
    if how == ["jit"]:
        backend._module.jit_fusion = True  # one kernel for the model, compiled at its first run; off by default
    return backend


def make_evaluator(way: str, architecture: Architecture) -> Any:
    """An evaluator as one of `WAYS`; BackendError or ImportError where it does not run."""
    name, *how = way.split(" ", 1)
    evaluator = TorchEvaluator(architecture) if name == "torch" else evaluator_class(name)(architecture)
    if how == ["jit"]:
        evaluator._module.jit_fusion = True
    return evaluator


def check_way(way: str, measured: Any) -> None:
    """Raise ArithmeticError for a backend or evaluator that, once run, does not do what its way says."""
    if way.endswith(" jit") and not measured._module.jit_fusion:
        raise ArithmeticError(
            "tiny-cuda-nn gave up its fused kernel, as it says in the log, and is not timed under its name"
        )


def blended(backend: Any, architecture: Architecture) -> Any:
    """A backend's table of two encoders, with a guide's level where there is one."""
    grid = architecture.hash_grid
    n_guide = grid.table_length - grid.n_params
    return backend.blend(*BLEND, np.linspace(0, 1, n_guide, dtype=np.float32) if n_guide else None)


@torch.no_grad()
def slabs(backend: Any, table: Any, dims: tuple[int, ...]) -> Iterator[torch.Tensor]:
    """Values of each slab of a grid, which stay on the device."""
    axes = backend._prepare(tuple(np.linspace(0, 1, n, dtype=np.float32) for n in dims))
    n_outputs = backend.architecture.n_outputs
    one, zero = torch.ones(n_outputs, device=backend.device), torch.zeros(n_outputs, device=backend.device)
    n_rows, step = int(np.prod(dims[1:])), max(1, backend.most_points // dims[0])
    for start in range(0, n_rows, step):
        yield backend._evaluate_rows(table, axes, start, min(start + step, n_rows), one, zero)


def decode(backend: Any, table: Any, dims: tuple[int, ...]) -> None:
    """Every slab of a grid, without the way to the host."""
    for _ in slabs(backend, table, dims):
        pass


def deviation(backend: Any, model: Model, dims: tuple[int, ...]) -> float:
    """Largest difference from the reference, as a share of the largest value; NaN where something was not written.

    Compared are scattered points, a small grid whose rows fill no program, and rows of the whole grid of `dims`.
    """
    architecture, reference, rng = model[0], ReferenceBackend(*model), np.random.default_rng()
    table, truth = blended(backend, architecture), blended(reference, architecture)
    points = rng.random((2000 if backend.device.type == "cuda" else 40, len(dims)), np.float32)
    found = [apart(backend.sample(table, points), reference.sample(truth, points))]
    few = tuple(17 + i if backend.device.type == "cuda" else 2 + i for i in range(len(dims)))
    axes = tuple(np.sort(rng.random(n, np.float32)) for n in few)
    scale, offset = (np.full(architecture.n_outputs, number, np.float32) for number in (3, -1))
    grids = [np.full((*few[::-1], architecture.n_outputs), np.nan, np.float32) for _ in range(2)]
    backend.sample_grid(table, axes, grids[0], scale, offset)
    reference.sample_grid(truth, axes, grids[1], scale, offset)
    found.append(apart(grids[0] + 1, grids[1] + 1))
    return float(np.max([*found, _rows_apart(backend, table, reference, truth, dims)]))


def _rows_apart(backend: Any, table: Any, reference: ReferenceBackend, truth: Any, dims: tuple[int, ...]) -> float:
    n_rows = int(np.prod(dims[1:]))
    poison(backend, int(np.prod(dims)))
    values = torch.cat(list(slabs(backend, table, dims))).view(n_rows, -1)
    if bool(values.isnan().any()):
        return float("nan")
    rows = np.unique([0, 1, n_rows // 3, n_rows // 2 - 1, n_rows // 2, n_rows - 1])
    others = np.unravel_index(rows, dims[:0:-1])[::-1]  # of each row its y (and z)
    places = [np.linspace(0, 1, n, dtype=np.float32) for n in dims]
    columns = [np.tile(places[0], len(rows))]
    columns += [np.repeat(axis[index], dims[0]) for axis, index in zip(places[1:], others)]
    expected = reference.sample(truth, np.stack(columns, axis=1))
    return apart(values[torch.from_numpy(rows)].cpu().numpy().reshape(expected.shape), expected)


def apart(found: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, as a share of the largest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def poison(backend: Any, n_points: int) -> None:
    """NaN in the memory that the next values are written to, so that none is taken for a value."""
    n = min(n_points, backend.most_points) * backend.architecture.n_outputs
    held = [torch.full((n,), float("nan"), device=backend.device) for _ in range(-(-n_points // backend.most_points))]
    del held


def slopes_apart(evaluator: Any, device: torch.device) -> float:
    """Largest difference of its gradients from torch's in float32 on the CPU, as a share of their length.

    They are scaled, since small ones vanish in half precision, and by less where some are too large for it, as in training.
    """
    architecture, generator = evaluator.architecture, torch.Generator().manual_seed(1)
    _, tables, mlp = random_model(architecture, 1)
    parts = [torch.from_numpy(tables.astype(np.float32)), torch.from_numpy(mlp)]
    n_points = 2000 if device.type == "cuda" else 400
    widths = architecture.encoding.n_pos_dims, architecture.n_outputs
    places, sought = (torch.rand((1, n_points, n), generator=generator) for n in widths)
    data = places, -sought  # no error is near nothing, as the values are positive: it would be rounding
    expected = _slopes(TorchEvaluator(architecture), (*parts, *data), torch.device("cpu"), 1.0)
    for scale in SCALES:
        found = _slopes(evaluator, (*parts, *data), device, scale)
        if all(bool(part.isfinite().all()) for part in found):
            break
    return max(float((a - b).norm() / b.norm()) for a, b in zip(found, expected))


def _slopes(evaluator: Any, given: tuple[torch.Tensor, ...], device: torch.device, scale: float) -> list[torch.Tensor]:
    """Derivatives by tables and network, on the host."""
    _, *slopes = evaluator.gradients(*(part.to(device) for part in given), torch.ones(1, device=device), "l2", scale)
    return [part.cpu() / scale for part in slopes]
