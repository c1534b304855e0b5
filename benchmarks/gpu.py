"""Everything that is claimed of a GPU, measured in one run: checked against the reference first, then timed.

    .venv/bin/python benchmarks/gpu.py                    # writes benchmarks/results/gpu_<name of the card>.md and .json
    .venv/bin/python benchmarks/gpu.py --paper            # the paper's table too: hours with CoordNet at its full budget
    .venv/bin/python benchmarks/gpu.py --dry -o /tmp/dry  # no GPU: tiny sizes, interpreted, and figures without meaning

Times are medians of many runs between two events on the device. Ratios are only taken within one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if "--dry" in sys.argv:
    os.environ["TRITON_INTERPRET"] = "1"  # Triton reads it when it is imported

import numpy as np
import torch

from hyperinr.filters.image import to_image
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import _backend_class
from hyperinr_core.backends.reference import ReferenceBackend
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.training.evaluators import evaluator_class
from hyperinr_core.training.evaluators.base import Adam
from hyperinr_core.training.evaluators.torch import TorchEvaluator
from hyperinr_core.training.teachers.sine_network import CoordNetwork
from hyperinr_core.volume import Field, Grid, Parameter

RESULTS = Path(__file__).parent / "results"

#: Backends that are compared, and how far one may be from the reference, as a share of the largest value.
WAYS = {"triton": 5e-3, "tcnn": 1e-2, "torch": 1e-4}


ENCODING, NETWORK = EncodingConfig(), NetworkConfig()


@dataclass(frozen=True)
class Sizes:
    """What is measured: the paper's configurations, or small ones to try the script."""

    encoding: EncodingConfig = ENCODING
    grids: tuple[int, ...] = (128, 256, 512)
    shown: int = 256
    blends: tuple[tuple[int, int], ...] = ((24, 2), (206, 4))
    batches: tuple[int, ...] = (2400, 1 << 16, 1 << 18)
    coordnet_points: int = 1 << 18
    matrix: int = 8192
    copied: int = 1 << 28
    repeats: int = 30


DRY = Sizes(EncodingConfig(n_levels=4, log2_hashmap_size=8), (4, 6), 6, ((3, 2), (5, 4)), (64,), 32, 64, 1 << 12, 1)


class Bench:
    """One run on one device."""

    def __init__(self, sizes: Sizes, device: torch.device) -> None:
        self.sizes, self.device = sizes, device
        self.report: dict[str, Any] = {"machine": machine(device), "notes": []}

    def median_ms(self, run: Callable[[], Any]) -> float:
        """Milliseconds of the median run, after some that warm up."""
        for _ in range(min(3, self.sizes.repeats)):
            run()
        return statistics.median(self._one_ms(run) for _ in range(self.sizes.repeats))

    def _one_ms(self, run: Callable[[], Any]) -> float:
        if self.device.type != "cuda":
            start = time.perf_counter()
            run()
            return 1000 * (time.perf_counter() - start)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        run()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)

    def measure(self) -> dict[str, Any]:
        """All but the paper's table."""
        self.report["limits"] = self.limits()
        self.report["blend"] = [self.blend(*counts) for counts in self.sizes.blends]
        self.report["decode"] = self.decode()
        self.report["coordnet"] = self.coordnet()
        self.report["to_host"] = self.to_host()
        self.report["training"] = {str(batch): self.training(batch) for batch in self.sizes.batches}
        self.report["ratios"] = self.ratios()
        return self.report

    def limits(self) -> dict[str, float]:
        """What this device does at most: bytes copied within it, and half-precision products of large matrices."""
        source = torch.rand(self.sizes.copied // 4, device=self.device)
        target = torch.empty_like(source)
        n = self.sizes.matrix
        kind = torch.float16 if self.device.type == "cuda" else torch.float32
        a, b = (torch.randn((n, n), device=self.device, dtype=kind) for _ in range(2))
        copy, product = self.median_ms(lambda: target.copy_(source)), self.median_ms(lambda: a @ b)
        return {"gbytes_per_s": 2 * self.sizes.copied / copy / 1e6, "half_tflops": 2 * n**3 / product / 1e9}

    def blend(self, n_encoders: int, n_used: int) -> dict[str, Any]:
        """Milliseconds to make one table of several encoders, with the fused kernel."""
        backend = self.backend("triton", model(self.sizes.encoding, n_encoders))
        if backend is None:
            return {"encoders": n_encoders, "used": n_used}
        indices, weights = np.arange(n_used), np.full(n_used, 1 / n_used)
        return {
            "encoders": n_encoders,
            "used": n_used,
            "ms": self.median_ms(lambda: backend.blend(indices, weights)),
        }

    def decode(self) -> dict[str, dict[str, Any]]:
        """Milliseconds of a grid that stays on the device, by its size and way."""
        found: dict[str, dict[str, Any]] = {str(n): {} for n in self.sizes.grids}
        arguments = model(self.sizes.encoding, 24 if self.device.type == "cuda" else 3)
        for way, tolerance in WAYS.items():
            backend = self.backend(way, arguments)
            if backend is None:
                continue
            error = deviation(backend, arguments)
            if not error <= tolerance:
                sys.exit(f"{way} differs from the reference by {error:g} of the largest value; nothing is timed")
            table = backend.blend(np.array([0, 1]), np.array([0.3, 0.7]))
            for n in self.sizes.grids:
                ms = self.median_ms(lambda b=backend, t=table, n=n: on_device(b, t, n))
                rate = n**3 / ms * 1000
                flops = 2 * architecture_of(self.sizes.encoding).n_mlp * rate
                share = flops / 1e12 / self.report["limits"]["half_tflops"]
                found[str(n)][way] = {"ms": ms, "samples_per_s": rate, "of_matrix_limit": share, "deviation": error}
        return found

    def coordnet(self) -> dict[str, float]:
        """Milliseconds of CoordNet's forward pass and training step, scaled to a million points."""
        points = torch.rand((self.sizes.coordnet_points, 4), device=self.device) * 2 - 1
        million = 1e6 / self.sizes.coordnet_points
        found = {}
        for name, kind in (("fp32", torch.float32), ("fp16", torch.float16)):
            if kind == torch.float16 and self.device.type != "cuda":
                continue
            network, inputs = CoordNetwork(4, 1).to(self.device, kind), points.to(kind)
            with torch.inference_mode():
                found[f"forward_{name}_ms"] = million * self.median_ms(lambda f=network, x=inputs: f(x))
        network = CoordNetwork(4, 1).to(self.device)
        optimizer = torch.optim.Adam(network.parameters(), 1e-6)

        def step() -> None:
            optimizer.zero_grad(set_to_none=True)
            network(points).square().mean().backward()
            optimizer.step()

        found["step_fp32_ms"] = million * self.median_ms(step)
        return found

    def to_host(self) -> dict[str, Any]:
        """Milliseconds from a new time to VTK's image on the host, network and all, as the time slider asks for it."""
        network = whole_model(self.sizes.encoding, self.sizes.shown)
        name = "triton" if self.backend("triton", model(self.sizes.encoding, 2)) else "torch"
        times, place = np.linspace(0, 1, 257), iter(range(1 << 30))

        def show() -> None:
            inr = network.generate(times[next(place) % 257], name)
            to_image(network.grid, inr.split(inr.sample_grid()))

        show()
        seconds = []
        for _ in range(self.sizes.repeats):
            start = time.perf_counter()
            show()
            seconds.append(time.perf_counter() - start)
        return {"points": self.sizes.shown**3, "way": name, "ms": 1000 * statistics.median(seconds)}

    def ratios(self) -> dict[str, float]:
        """How many times faster the fused kernel is than its rivals, on the same work."""
        found = {}
        for n, ways in self.report["decode"].items():
            ours = ways.get("triton")
            for way in ("tcnn", "torch"):
                if ours and way in ways:
                    found[f"decode {n}^3 over {way}"] = ways[way]["ms"] / ours["ms"]
            coordnet = self.report["coordnet"].get("forward_fp16_ms")
            if ours and coordnet:
                found[f"decode {n}^3 over CoordNet in half precision"] = coordnet * int(n) ** 3 / 1e6 / ours["ms"]
        for batch, ways in self.report["training"].items():
            for way in ("tcnn", "torch"):
                if "triton" in ways and way in ways:
                    found[f"training, batch {batch}, over {way}"] = ways[way]["ms"] / ways["triton"]["ms"]
        return found

    def training(self, batch: int) -> dict[str, dict[str, float]]:
        """Milliseconds of a training step: loss, gradients, Adam on one table and on the network."""
        found = {}
        for name, make in (
            ("triton", fused),
            ("tcnn", lambda kind: evaluator_class("tcnn")(kind)),
            ("torch", TorchEvaluator),
        ):
            try:
                evaluator = make(architecture_of(self.sizes.encoding))
            except (BackendError, ImportError) as error:
                self.note(f"training with {name}: {error}")
                continue
            ms = self.median_ms(training_step(evaluator, self.sizes.encoding, batch, self.device))
            found[name] = {"ms": ms, "samples_per_s": batch / ms * 1000}
        return found

    def backend(self, name: str, arguments: tuple) -> Any:
        """A backend, or None with a note of what is missing."""
        try:
            return _backend_class(name)(*arguments)
        except BackendError as error:
            self.note(f"{name}: {error}")
            return None

    def note(self, text: str) -> None:
        """Say once in the report what could not be measured."""
        if text not in self.report["notes"]:
            self.report["notes"].append(text)


def fused(architecture: Architecture) -> Any:
    """The evaluator with the fused kernel, interpreted or compiled."""
    from hyperinr_core.training.evaluators.triton import TritonEvaluator

    evaluator = TritonEvaluator(architecture)
    evaluator.try_once()
    return evaluator


def machine(device: torch.device) -> dict[str, str]:
    """What is measured on."""
    name = torch.cuda.get_device_name() if device.type == "cuda" else "no GPU: Triton's interpreter, tiny sizes"
    return {"device": name, "torch": torch.__version__, "cuda": str(torch.version.cuda)}


def architecture_of(encoding: EncodingConfig) -> Architecture:
    """That of one value a point."""
    return Architecture(encoding, NETWORK, 1)


def model(encoding: EncodingConfig, n_encoders: int) -> tuple:
    """Arguments of a backend for random encoders, fresh ones in each run."""
    rng, architecture = np.random.default_rng(), architecture_of(encoding)
    tables = rng.uniform(-0.5, 0.5, (n_encoders, architecture.n_table)).astype(np.float16)
    layers = [rng.normal(0, np.sqrt(2 / columns), rows * columns) for rows, columns in architecture.layer_shapes]
    return architecture, tables, np.concatenate(layers).astype(np.float32)


def whole_model(encoding: EncodingConfig, n: int) -> HyperINR:
    """A model of a series of two times on n^3 points."""
    _, tables, mlp_params = model(encoding, 2)
    time_parameter = Parameter("time", "time", (0.0, 1.0), "", (0.0, 1.0))
    fields = (Field("value", 1, ((0.0, 1.0),)),)
    positions = np.array([[0.0], [1.0]])
    return HyperINR(encoding, NETWORK, (time_parameter,), Grid((n, n, n)), fields, positions, tables, mlp_params)


def deviation(backend: Any, arguments: tuple) -> float:
    """Largest difference from the reference over fresh random points, as a share of the largest value."""
    points = np.random.default_rng().random((2000, arguments[0].encoding.n_pos_dims), np.float32)
    reference = ReferenceBackend(*arguments)
    blend = np.array([0, 1]), np.array([0.3, 0.7])
    expected = reference.sample(reference.blend(*blend), points)
    return float(np.abs(backend.sample(backend.blend(*blend), points) - expected).max() / np.abs(expected).max())


@torch.no_grad()
def on_device(backend: Any, table: Any, n: int) -> None:
    """Every slab of a grid, without the way to the host."""
    axes = [torch.linspace(0, 1, n, device=backend.device)] * 3
    one = torch.ones(1, device=backend.device)
    step = max(1, backend.most_points // n)
    for start in range(0, n * n, step):
        backend._evaluate_rows(table, axes, start, min(start + step, n * n), one, one)


def training_step(evaluator: Any, encoding: EncodingConfig, batch: int, device: torch.device) -> Callable[[], None]:
    """A function that does one whole step on random data."""
    architecture = architecture_of(encoding)
    mlp = torch.randn(architecture.n_mlp, device=device) * 0.17
    params = [torch.rand(architecture.n_table, device=device) * 2e-4 - 1e-4, mlp]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in params]
    points, targets = torch.rand((1, batch, 3), device=device), torch.rand((1, batch, 1), device=device)
    weights = torch.ones(1, device=device)
    adam = Adam(1, 1e-6, 0.9, 0.99, 1e-10)

    def step() -> None:
        table, network = (p.detach().requires_grad_() for p in params)
        evaluator.loss(table[None], network, points, targets, weights, "l2").backward()
        for p, leaf, (m, v) in zip(params, (table, network), moments):
            evaluator.adam_step(p, leaf.grad, m, v, adam)

    return step


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="tiny sizes on the CPU, to try the script")
    parser.add_argument("--paper", action="store_true", help="the paper's table too")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help="folder for the results")
    options = parser.parse_args()
    if not options.dry and not torch.cuda.is_available():
        sys.exit("torch finds no CUDA device; use --dry to try the script on the CPU")
    bench = Bench(DRY if options.dry else Sizes(), torch.device("cpu" if options.dry else "cuda"))
    sys.path.insert(0, str(Path(__file__).parent))
    from gpu_report import to_markdown

    report = bench.measure()
    if options.paper:
        from gpu_paper import paper_table

        report["paper"] = paper_table(options.dry, options.output)
    name = "dry" if options.dry else torch.cuda.get_device_name().lower().replace(" ", "_")
    options.output.mkdir(parents=True, exist_ok=True)
    (options.output / f"gpu_{name}.json").write_text(json.dumps(report, indent=2) + "\n")
    (options.output / f"gpu_{name}.md").write_text(to_markdown(report))
    print(to_markdown(report))


if __name__ == "__main__":
    main()
