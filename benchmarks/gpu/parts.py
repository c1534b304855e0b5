"""What measure.py measures of kernels: each method is one part, checks first and times then. Part of measure.py."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import torch
from gpu.clock import Clock
from gpu.models import (
    BLEND,
    CARRIED,
    CARRYING,
    SLOPES,
    WAYS,
    apart,
    blended,
    carried_model,
    check_way,
    decode,
    deviation,
    make_backend,
    make_evaluator,
    random_model,
    slopes_apart,
    whole_model,
)

from hyperinr_core.architecture import Architecture
from hyperinr_core.backends.native import NativeBackend
from hyperinr_core.backends.reference import ReferenceBackend
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.motion import kernel
from hyperinr_core.training.evaluators.base import Adam
from hyperinr_core.training.teachers.sine_network import CoordNetwork

ENCODING = EncodingConfig()


@dataclass(frozen=True)
class Sizes:
    """What is measured: the paper's configuration, or a small one to try the script.

    Attributes
    ----------
    slow_grids : those that torch decodes, which takes 12 s for 512^3 and as long a point as for 256^3.
    shown : points along an axis of what goes to the host.
    carried : points along an axis of what is carried along a motion.
    blends : encoders of a model, and how many of them are blended.
    batches : steps, and points of each: two of one size that a GPU likes, a GPU's default, a CPU's.
    other : points along an axis of the other models' volumes, and of their planes.
    seconds : no more runs of one thing after so many of it.
    """

    encoding: EncodingConfig = ENCODING
    n_encoders: int = 24
    grids: tuple[int, ...] = (128, 256, 512)
    slow_grids: tuple[int, ...] = (128, 256)
    shown: int = 256
    carried: tuple[int, ...] = (128, 256)
    blends: tuple[tuple[int, int], ...] = ((24, 2), (206, 4))
    batches: tuple[tuple[int, int], ...] = ((1, 1 << 18), (1, 1 << 16), (16, 1200), (1, 2400))
    coordnet_points: int = 1 << 18
    other: tuple[int, int] = (256, 4096)
    matrix: int = 8192
    copied: int = 1 << 28
    repeats: int = 30
    seconds: float = 1.0


DRY = Sizes(
    EncodingConfig(n_levels=4, log2_hashmap_size=8),
    n_encoders=3,
    grids=(4,),
    slow_grids=(4,),
    shown=5,
    carried=(4,),
    blends=((3, 2), (5, 4)),
    batches=((1, 64), (2, 32)),
    coordnet_points=32,
    other=(4, 6),
    matrix=64,
    copied=1 << 12,
    repeats=1,
    seconds=0.0,
)


class Parts:
    """One method for each part; results go into the report.

    Parameters
    ----------
    report : gets "limits", "decode", "blend", "host", "carried", "coordnet" and "training".
    """

    def __init__(self, sizes: Sizes, device: torch.device, report: dict[str, Any]) -> None:
        self.sizes, self.device, self.report = sizes, device, report
        self.clock = Clock(device, sizes.repeats, sizes.seconds)
        self.architecture = Architecture(sizes.encoding, NetworkConfig(), 1)

    def limits(self) -> None:
        """What this device does at most: bytes copied within it and to the host, products of large matrices."""
        source = torch.rand(self.sizes.copied // 4, device=self.device)
        target = torch.empty_like(source)
        host = torch.empty(source.shape, pin_memory=self.device.type == "cuda")
        n, single = self.sizes.matrix, torch.float32
        half = torch.float16 if self.device.type == "cuda" else single
        found = self.report["limits"] = {}
        for name, kind in (("half", half), ("single", single)):
            a, b = (torch.randn((n, n), device=self.device, dtype=kind) for _ in range(2))
            found[f"{name}_tflops"] = 2 * n**3 / self.clock.device_ms(lambda a=a, b=b: a @ b) / 1e9
        found["gbytes_per_s"] = 2 * self.sizes.copied / self.clock.device_ms(lambda: target.copy_(source)) / 1e6
        ms = self.clock.device_ms(lambda: host.copy_(source, non_blocking=True))
        found["to_host_gbytes_per_s"] = self.sizes.copied / ms / 1e6

    def decode(self, way: str, n: int) -> None:
        """The paper's model on n^3 points."""
        model = random_model(self.architecture, self.sizes.n_encoders)
        self._decode(way, f"{n}^3", make_backend(way, model), model, (n, n, n))

    def decode_other(self, name: str) -> None:
        """A model of another kind, with the fused kernel."""
        n, wide = self.sizes.other
        encoding, network = self.sizes.encoding, NetworkConfig()
        dims: tuple[int, ...] = (n, n, n)
        n_outputs = 1
        if name == "preset":
            network, encoding = NetworkConfig(n_hidden_layers=2), encoding.replace(per_level_scale=1.640671)
        elif name == "plane":
            encoding, dims = encoding.replace(n_pos_dims=2, base_resolution=8), (wide, wide)
        elif name == "guide":
            encoding = encoding.replace(guide_resolution=n // 8 if n > 64 else 4)
        elif name == "five values":
            n_outputs = 5
        elif name == "deep":
            network = NetworkConfig(128, 8)
            encoding = encoding.replace(n_levels=2 * encoding.n_levels, n_features_per_level=2, per_level_scale=1.4)
        model = random_model(Architecture(encoding, network, n_outputs), 2)
        self._decode("triton", f"{name}, {'x'.join(map(str, dims))}", make_backend("triton", model), model, dims)

    def _decode(self, way: str, size: str, backend: Any, model: tuple, dims: tuple[int, ...]) -> None:
        """Milliseconds of a grid that stays on the device, after it was compared with the reference."""
        error = deviation(backend, model, dims)
        entry: dict[str, float] = {"deviation": error}
        self.report.setdefault("decode", {}).setdefault(size, {})[way] = entry
        if not error <= WAYS[way]:
            raise ArithmeticError(f"it differs from the reference by {error:g} of the largest value and is not timed")
        check_way(way, backend)
        table = blended(backend, model[0])
        entry.update(self.clock.times(lambda: decode(backend, table, dims)))
        n_points = int(np.prod(dims))
        entry["samples_per_s"] = 1000 * n_points / entry["device_ms"]
        self._add_floor(entry, 2 * model[0].n_mlp * n_points, 4 * n_points * model[0].n_outputs)

    def _add_floor(self, entry: dict[str, float], flops: float, n_bytes: float) -> None:
        """Milliseconds that half-precision products and the bytes that must move would take alone, the longer of both."""
        limits = self.report.get("limits")
        if limits and "gbytes_per_s" in limits:
            entry["floor_ms"] = max(flops / limits["half_tflops"] / 1e9, n_bytes / limits["gbytes_per_s"] / 1e6)
            entry["of_floor"] = entry["floor_ms"] / entry["device_ms"]

    def blend(self, n_encoders: int, n_used: int) -> None:
        """One table of several encoders, with the fused kernel."""
        model = random_model(self.architecture, n_encoders)
        backend, n_table = make_backend("triton", model), self.architecture.n_table
        numbers = np.arange(n_used) * (n_encoders // n_used), np.random.default_rng().dirichlet(np.ones(n_used))
        expected = ReferenceBackend(*model).blend(*numbers)
        error = float(np.abs(backend.blend(*numbers).float().cpu().numpy()[:n_table] - expected[:n_table]).max())
        entry = self.report.setdefault("blend", {})[f"{n_used} of {n_encoders}"] = {"deviation": error}
        if not error <= 1e-3:
            raise ArithmeticError(f"the table differs from the reference by {error:g} and is not timed")
        entry.update(self.clock.times(lambda: backend.blend(*numbers)))
        self._add_floor(entry, 0, 2 * (n_used + 1) * n_table)

    def to_host(self) -> None:
        """From a new time to the values in the host's memory, as the time slider asks for it; VTK shares that memory."""
        n, found = self.sizes.shown, self.report.setdefault("host", {})
        network, times = whole_model(self.architecture, n), count()

        def moment() -> float:
            return (next(times) % 257) / 256

        def show() -> np.ndarray:
            return network.generate(moment(), "triton").sample_grid()

        found["points"] = n**3
        found["deviation"] = _apart_on_host(network, "triton")
        found["ms"], found["least_ms"] = _median_and_least(self.clock.called(show))
        backend = network.generate(0.5, "triton")._values._backend
        values = torch.rand(n**3, device=self.device)
        host = torch.empty(n**3, pin_memory=self.device.type == "cuda")
        found["copy_ms"] = self.clock.device_ms(lambda: host.copy_(values, non_blocking=True))
        table = backend.blend(*BLEND)
        found["decode_ms"] = self.clock.device_ms(lambda: decode(backend, table, (n, n, n)))

    def carried(self, n: int) -> None:
        """A frame between steps that are decoded: carried on the device, and by the host's kernel beside it."""
        network, times = carried_model(self.architecture, n), count()
        network._backend("triton").resident = self.device  # as CUDA has it, where this is interpreted
        exact = NativeBackend(network.architecture, network.encoder_params, network.mlp_params, "float32")
        network._backends["native"] = exact
        entry = self.report.setdefault("carried", {}).setdefault(f"{n}^3", {})
        box, axes = ((0, n - 1),) * 3, [np.arange(n, dtype=np.float32)] * 3

        def show() -> np.ndarray:
            return network.generate(0.34 + 0.32 * (next(times) % 97) / 97, "triton").sample_grid()

        start = time.perf_counter()
        found = network.generate(0.45, "triton").sample_grid()
        entry["first_ms"] = 1000 * (time.perf_counter() - start)
        source, moment = network._decoded["triton"], network.motion.moment(0, 0.45)
        steps = source.get(moment.steps, box)
        here = [replace(step, splines=step.splines.cpu().numpy(), values=step.values.cpu().numpy()) for step in steps]
        entry["deviation"] = apart(found, network.generate(0.45, "native").sample_grid())
        entry["carrying_deviation"] = apart(found, kernel.carry(moment, here, axes))
        if source.failed or not (entry["deviation"] <= CARRIED and entry["carrying_deviation"] <= CARRYING):
            raise ArithmeticError(
                f"what is carried on the device deviates or was not carried there, and is not timed: {entry}"
            )
        entry["ms"], entry["least_ms"] = _median_and_least(self.clock.called(show))
        entry["carry_ms"] = self.clock.device_ms(lambda: source.values(moment, steps, axes))
        if source._fused is not None:
            entry["lattice_ms"] = self.clock.device_ms(lambda: source._fused.now(moment, source._gaps[moment.gap]))
        entry["step_ms"] = self.clock.device_ms(lambda: source._made(source._decode(0, box, None), (0, 0, 0)))
        entry["moment_ms"], _ = _median_and_least(
            self.clock.called(lambda: network.motion.moment(0, 0.45).coefficients)
        )
        entry["native_ms"], _ = _median_and_least(self.clock.called(lambda: kernel.carry(moment, here, axes)))

    def coordnet(self) -> None:
        """CoordNet's forward pass and training step, milliseconds for a million points."""
        points = torch.rand((self.sizes.coordnet_points, 4), device=self.device) * 2 - 1
        million = 1e6 / self.sizes.coordnet_points
        found = self.report.setdefault("coordnet", {})
        halves = [("half", torch.float16)] if self.device.type == "cuda" else []
        for name, kind in (*halves, ("single", torch.float32)):
            network, inputs = CoordNetwork(4, 1).to(self.device, kind), points.to(kind)
            with torch.inference_mode():
                found[f"forward, {name}"] = million * self.clock.device_ms(lambda f=network, x=inputs: f(x))
        found["n_params"] = sum(part.numel() for part in network.parameters())
        for name in ("single", *(("tf32", "half") if halves else ())):
            try:
                torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
                found[f"step, {name}"] = million * self.clock.device_ms(_coordnet_step(points, name == "half"))
            finally:
                torch.set_float32_matmul_precision("highest")

    def training(self, way: str, n_steps: int, n_points: int) -> None:
        """A training step: loss, gradients, Adam on a table for each step of the data and on the network."""
        evaluator = make_evaluator(way, self.architecture)
        error = slopes_apart(evaluator, self.device)
        entry: dict[str, float] = {"deviation": error}
        self.report.setdefault("training", {}).setdefault(f"{n_steps} x {n_points}", {})[way] = entry
        if not error <= SLOPES:
            raise ArithmeticError(f"gradients differ from torch's by {error:g} of their length and are not timed")
        check_way(way, evaluator)
        entry.update(self.clock.times(_training_step(evaluator, n_steps, n_points, self.device)))
        entry["samples_per_s"] = 1000 * n_steps * n_points / entry["device_ms"]
        # three products where decoding has one; Adam reads four numbers for each of a table's and writes three
        flops, n_bytes = 6 * self.architecture.n_mlp * n_points, 28 * self.architecture.n_table
        self._add_floor(entry, n_steps * flops, n_steps * n_bytes)

    def ratios(self) -> dict[str, float]:
        """How many times faster the fused kernel is than its rivals, on the same work and by the device's time."""
        found = {}
        groups = [(f"decode {size}", ways) for size, ways in self.report.get("decode", {}).items()]
        groups += [(f"training {batch}", ways) for batch, ways in self.report.get("training", {}).items()]
        for name, ways in groups:
            ours = ways.get("triton", {}).get("device_ms")
            for way, entry in ways.items():
                if ours and way != "triton" and "device_ms" in entry:
                    found[f"{name} over {way}"] = entry["device_ms"] / ours
        coordnet = self.report.get("coordnet", {})
        for kind, way in (("half", "triton"), ("single", "triton float32")):
            for n in self.sizes.grids:
                ours = self.report.get("decode", {}).get(f"{n}^3", {}).get(way, {}).get("device_ms")
                if ours and f"forward, {kind}" in coordnet:
                    rival = coordnet[f"forward, {kind}"] * n**3 / 1e6
                    found[f"decode {n}^3 over CoordNet, both in {kind} precision"] = rival / ours
        return found


def _median_and_least(ms: list[float]) -> tuple[float, float]:
    return statistics.median(ms), min(ms)


def _apart_on_host(network: Any, name: str) -> float:
    """Largest difference of a whole grid's values, in a few planes, from the reference."""
    n = network.grid.dims[0]
    found = network.generate(0.3, name).sample_grid()
    apart = []
    for z in (0, n // 2, n - 1):
        expected = network.generate(0.3, "reference").sample_grid(region=(0, n - 1, 0, min(n - 1, 15), z, z))
        apart.append(np.abs(found[z : z + 1, :16] - expected).max() / np.abs(expected).max())
    return float(np.max(apart))


def _coordnet_step(points: torch.Tensor, half: bool) -> Callable[[], None]:
    network = CoordNetwork(4, 1).to(points.device)
    optimizer = torch.optim.Adam(network.parameters(), 1e-6)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(points.device.type, torch.float16, enabled=half):
            values = network(points)
        (1024 * values.float().square().mean()).backward()
        optimizer.step()

    return step


def _training_step(evaluator: Any, n_steps: int, n_points: int, device: torch.device) -> Callable[[], None]:
    """A function that does one whole step on random data."""
    architecture = evaluator.architecture
    network = torch.randn(architecture.n_mlp, device=device) * 0.17
    tables = torch.rand((n_steps, architecture.n_table), device=device) * 2e-4 - 1e-4
    params = [*tables, network]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in params]
    points, targets = (torch.rand((n_steps, n_points, n), device=device) for n in (3, 1))
    weights, adam = torch.ones(n_steps, device=device), Adam(1, 1e-6, 0.9, 0.99, 1e-10)

    def step() -> None:
        _, by_tables, by_network = evaluator.gradients(tables, network, points, targets, weights, "l2")
        for p, gradient, (m, v) in zip(params, (*by_tables, by_network), moments):
            evaluator.adam_step(p, gradient, m, v, adam)

    return step
