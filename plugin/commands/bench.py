"""`hyperinr bench`: the CPU kernel against this machine's limits, torch and CoordNet, measured in one run."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from hyperinr.plugin.options import json_option
from hyperinr_core.architecture import Architecture
from hyperinr_core.backends import native
from hyperinr_core.backends.base import Backend
from hyperinr_core.config import EncodingConfig, NetworkConfig
from hyperinr_core.errors import BackendError

if TYPE_CHECKING:  # imports torch, which may not be there
    from hyperinr_core.training.evaluators.base import Evaluator

#: Points along an axis of the grids that are decoded, and encoders in the model: the paper's time series.
GRIDS = (64, 128, 256)
N_ENCODERS = 24

#: CoordNet takes minutes for a grid: it is timed on this many points, and the time scaled to the grid.
COORDNET_POINTS = 1 << 16

#: Iterations of a run that are timed.
RUN_ITERATIONS = 100

ARCHITECTURE = Architecture(EncodingConfig(), NetworkConfig(), 1)

#: The smallest network that there is: what is left is the time of encoding.
ENCODING = Architecture(EncodingConfig(), NetworkConfig(16, 1), 1)

#: Encoders and weights that are blended: two as in time, four as in a parameter space.
PAIR = (np.array([7, 8]), np.array([0.3, 0.7]))
FOUR = (np.arange(4), np.full(4, 0.25))

#: An architecture, tables (N, M) float16 and a network (W,) float32.
Parts = tuple[Architecture, np.ndarray, np.ndarray]

_PRECISIONS = {"native_fp32": "float32", "native_bf16": "bfloat16"}


@click.command()
@json_option("Print one JSON object instead of tables.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables to this file as Markdown too."
)
def bench(as_json: bool, output: Path | None) -> None:
    """Measure decoding, blending and training beside what this machine could do at most.

    Needs about three minutes and torch; without torch, its rows are left out. Times are the best of several runs.
    """
    report = measure()
    text = to_markdown(report)
    if output:
        output.write_text(text, encoding="utf-8")
    click.echo(json.dumps(report, indent=2) if as_json else text)


def measure() -> dict[str, Any]:
    """Everything that `bench` prints."""
    native.set_threads_from_environment()
    with_torch = _torch_takes(native.library().hinr_num_threads())
    report: dict[str, Any] = {
        "machine": machine(),
        "why": native.chosen()[2],
        "limits": {f"{name}_gflops": limit for name, limit in limits().items()},
    }
    model = _random_model(ARCHITECTURE)
    report.update(measure_native(model))
    for name, limit in limits().items():  # again: the clock may have risen, or another program may have ended
        report["limits"][f"{name}_gflops"] = max(limit, report["limits"][f"{name}_gflops"])
    if with_torch:
        measure_torch(model, report["decode"])
        report["training"] = measure_training()
    add_ratios(report)
    return report


def _random_model(architecture: Architecture) -> Parts:
    rng = np.random.default_rng(0)
    tables = rng.uniform(-0.5, 0.5, (N_ENCODERS, architecture.n_table)).astype(np.float16)
    layers = [rng.normal(0, np.sqrt(2 / columns), rows * columns) for rows, columns in architecture.layer_shapes]
    return architecture, tables, np.concatenate(layers).astype(np.float32)


def _torch_takes(n_threads: int) -> bool:
    """Whether torch is there, which then uses so many threads."""
    try:
        import torch
    except ImportError:
        return False
    torch.set_num_threads(n_threads)
    return True


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
        name = names[0] if names else name
    isa, precision, _ = native.chosen()
    return {
        "processor": name,
        "isa": native.ISAS[isa],
        "precision": precision,
        "threads": native.library().hinr_num_threads(),
        "system": platform.platform(),
    }


def limits() -> dict[str, float]:
    """Billions of operations per second that registers alone allow, by precision; one multiply-add counts as two.

    Where bfloat16 is multiplied by tiles, "bf16dots" is the rate of the dot products of vectors beside them.
    """
    found, isa = {}, native.choose_isa()
    ways = [("fp32", isa, 0), ("bf16", isa, 1)]
    if native.ISAS[isa] == "amx_bf16":
        ways.append(("bf16dots", native.ISAS.index("avx512_bf16"), 1))
    for name, unit, code in ways:
        rate = ctypes.c_double()
        error = native.library().hinr_peak(unit, code, ctypes.byref(rate))
        if error == 0:
            found[name] = 2 * rate.value / 1e9
    return found


def best(run: Callable[[], object], seconds: float = 2.0, at_least: int = 3) -> float:
    """Milliseconds of the fastest of several runs."""
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < at_least or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def measure_native(model: Parts) -> dict[str, Any]:
    """Decode, scattered points and blend with the CPU kernel, in every precision that it has here."""
    report: dict[str, Any] = {"decode": {str(n): {} for n in GRIDS}, "scattered": {}}
    points = np.random.default_rng(1).random((GRIDS[1] ** 3, 3), np.float32)
    for way, precision in _PRECISIONS.items():
        try:
            backend = native.NativeBackend(*model, precision=precision)
            encoding = native.NativeBackend(*_random_model(ENCODING), precision=precision)
        except BackendError:  # no bfloat16 here
            continue
        table = backend.blend(*PAIR)
        for n in GRIDS:
            runs = (partial(decode, one, table, n) for one in (backend, encoding))
            report["decode"][str(n)][way] = dict(zip(("ms", "encoding_ms"), map(best, runs)))
        runs = (partial(one.sample, table, points) for one in (backend, encoding))
        report["scattered"][way] = {**dict(zip(("ms", "encoding_ms"), map(best, runs))), "points": len(points)}
        report["blend_ms"] = best(partial(backend.blend, *PAIR), 0.5)
        report["blend_4_ms"] = best(partial(backend.blend, *FOUR), 0.5)
    return report


_outputs: dict[int, np.ndarray] = {}


def decode(backend: Backend, table: Any, n: int) -> np.ndarray:
    """One grid of n points along each axis."""
    out = _outputs.setdefault(n, np.zeros((n, n, n, ARCHITECTURE.n_outputs), np.float32))
    one = np.ones(ARCHITECTURE.n_outputs, np.float32)
    backend.sample_grid(table, (np.linspace(0, 1, n, dtype=np.float32),) * 3, out, one, one)
    return out


def measure_torch(model: Parts, decoding: dict[str, Any]) -> None:
    """Torch eager on the same grids up to 128, and CoordNet's time for them, added to `decoding`."""
    import torch

    from hyperinr_core.backends.torch import TorchBackend
    from hyperinr_core.training.teachers.sine_network import CoordNetwork

    backend = TorchBackend(*model)
    table = backend.blend(*PAIR)
    for n in GRIDS[:2]:
        decoding[str(n)]["torch_eager"] = {"ms": best(partial(decode, backend, table, n), 1.0, 2)}
    points = torch.rand((COORDNET_POINTS, 4)) * 2 - 1
    for way, dtype in (("coordnet_fp32", torch.float32), ("coordnet_bf16", torch.bfloat16)):
        network, inputs = CoordNetwork(4, ARCHITECTURE.n_outputs).to(dtype), points.to(dtype)
        with torch.inference_mode():
            milliseconds = best(partial(network, inputs), 2.0, 2)
        for n in GRIDS:
            decoding[str(n)][way] = {"ms": milliseconds * n**3 / COORDNET_POINTS}


def measure_training() -> dict[str, Any]:
    """Samples per second of whole training steps, Adam included, at the batch that the trainer uses by default."""
    from hyperinr_core.training.evaluators.native import NativeEvaluator
    from hyperinr_core.training.evaluators.torch import TorchEvaluator
    from hyperinr_core.training.settings import TrainingConfig

    settings = TrainingConfig()
    size = settings.batch_steps, settings.batch_points
    result: dict[str, Any] = {"batch": list(size)}
    ways = {"native": NativeEvaluator(ARCHITECTURE), "torch_eager": TorchEvaluator(ARCHITECTURE)}
    if native.ISAS[native.choose_isa()] == "amx_bf16":
        ways["native_mixed"] = NativeEvaluator(ARCHITECTURE, "mixed")
    for name, evaluator in ways.items():
        step = training_step(evaluator, size)
        result[name] = {"samples_per_s": 1000 * size[0] * size[1] / best(step, 3.0, 4)}
    result["run"] = {"samples_per_s": 1000 * size[0] * size[1] * RUN_ITERATIONS / best(whole_run(GRIDS[0]), 3.0, 4)}
    return result


def whole_run(n: int) -> Callable[[], None]:
    """A function that does the next RUN_ITERATIONS of a run on a series of n points along each axis, as `hyperinr train` does."""
    from hyperinr_core.training.distributed import World
    from hyperinr_core.training.settings import preset
    from hyperinr_core.training.task import Context, Tell
    from hyperinr_core.training.trainer import Trainer
    from hyperinr_core.training.volumes.task import Volumes
    from hyperinr_core.volume import Grid, VolumeSeries

    steps = np.random.default_rng(2).random((N_ENCODERS // 2, n, n, n), np.float32)
    thetas = np.linspace(0, 1, len(steps))
    grid = Grid((n, n, n))
    series = VolumeSeries(
        grid, thetas, {"noise": 1}, lambda step, name, planes: steps[step][slice(*(planes or (n,)))], ""
    )
    config = preset("default", grid).replace(
        training={"base": "never"}, distillation={"teacher": "none"}, motion={"carry": "never"}
    )
    trainer = Trainer(Volumes(series, ["noise"]).learn(config, Context(Path(), "cpu", World(), Tell())))

    def run() -> None:
        stop = trainer.iteration + RUN_ITERATIONS
        while trainer.iteration < stop:
            trainer.advance(stop - trainer.iteration)

    for _ in range(3):  # until all steps are in memory and the calls as long as they will be
        run()
    return run


def training_step(evaluator: Evaluator, size: tuple[int, int]) -> Callable[[], None]:
    """A function that does one step on random data: loss, gradients, Adam on two tables and on the network."""
    import torch

    from hyperinr_core.training.evaluators.base import Adam

    generator = torch.Generator().manual_seed(0)
    params = [torch.rand(ARCHITECTURE.n_table, generator=generator) * 2e-4 - 1e-4 for _ in range(size[0])]
    params.append(torch.randn(ARCHITECTURE.n_mlp, generator=generator) * 0.17)
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in params]
    points = torch.rand((*size, ARCHITECTURE.encoding.n_pos_dims), generator=generator)
    targets, weights = torch.rand((*size, ARCHITECTURE.n_outputs), generator=generator), torch.ones(size[0])
    adam = Adam(1, 1e-6, 0.9, 0.999, 1e-10)

    def step() -> None:
        leaves = [p.detach().requires_grad_() for p in params]
        loss = evaluator.loss(torch.stack(leaves[:-1]), leaves[-1], points, targets, weights, "l1")
        for p, gradient, (m, v) in zip(params, torch.autograd.grad(loss, leaves), moments):
            evaluator.adam_step(p, gradient, m, v, adam)

    return step


def add_ratios(report: dict[str, Any]) -> None:
    """The shares of the limits, and how many times faster the kernel is than its rivals.

    The limit is the longer of what a decode needs: its products at the processor's limit, or the encoding alone.
    """
    n_operations = 2 * ARCHITECTURE.n_mlp
    for n, ways in [*report["decode"].items(), (None, report["scattered"])]:
        for way, entry in ways.items():
            limit = report["limits"].get(f"{way[-4:]}_gflops")
            if way.startswith("native") and limit:
                n_points = int(n) ** 3 if n else entry["points"]
                products_ms = n_operations * n_points / (limit * 1e6)
                entry["of_limit"] = max(products_ms, entry["encoding_ms"]) / entry["ms"]
    ways = report["decode"][str(GRIDS[1])]
    fastest = "native_bf16" if "native_bf16" in ways else "native_fp32"
    pairs = [(fastest, "torch_eager"), ("native_fp32", "coordnet_fp32"), ("native_bf16", "coordnet_bf16")]
    report["ratios"] = {
        f"{ours}_over_{theirs}": ways[theirs]["ms"] / ways[ours]["ms"]
        for ours, theirs in pairs
        if ours in ways and theirs in ways
    }
    if "training" in report:
        rates = {name: report["training"][name]["samples_per_s"] for name in ("native", "torch_eager")}
        report["ratios"]["training_native_over_torch_eager"] = rates["native"] / rates["torch_eager"]
        if "native_mixed" in report["training"]:
            mixed = report["training"]["native_mixed"]["samples_per_s"]
            report["ratios"]["training_native_mixed_over_native"] = mixed / rates["native"]


def to_markdown(report: dict[str, Any]) -> str:
    """The report as tables for people."""
    place, load = report["machine"], ""
    if hasattr(os, "getloadavg"):
        load = f" Load average {os.getloadavg()[0]:.1f}."
    lines = [
        f"{place['processor']}, {place['threads']} threads, {place['isa']} in {place['precision']} ({report['why']}), "
        f"{place['system']}.{load}",
        "",
        "Limits: " + ", ".join(f"{k.split('_')[0]} {v:.0f} GFLOP/s" for k, v in report["limits"].items()) + ".",
        "",
        "| grid | way | ms | encoding alone | of the limit |",
        "|---|---|---|---|---|",
    ]
    rows = [(f"{n}^3", way, entry) for n, ways in report["decode"].items() for way, entry in ways.items()]
    rows += [(f"{GRIDS[1]}^3 scattered points", way, entry) for way, entry in report["scattered"].items()]
    for grid, way, entry in rows:
        share = f"{100 * entry['of_limit']:.0f} %" if "of_limit" in entry else ""
        alone = f"{entry['encoding_ms']:.1f}" if "encoding_ms" in entry else ""
        lines.append(f"| {grid} | {way} | {entry['ms']:.1f} | {alone} | {share} |")
    lines += [
        "",
        f"Blend of 2 of {N_ENCODERS} encoders: {report['blend_ms']:.3f} ms; of 4: {report['blend_4_ms']:.3f} ms.",
    ]
    if "training" in report:
        training = report["training"]
        rates = [
            f"{name} {training[name]['samples_per_s'] / 1e6:.2f} M samples/s"
            for name in ("native", "native_mixed", "torch_eager")
            if name in training
        ]
        lines += [
            "",
            f"Training, batches of {training['batch'][0]} x {training['batch'][1]}, one step: {', '.join(rates)}; "
            f"a whole run on {GRIDS[0]}^3: {training['run']['samples_per_s'] / 1e6:.2f} M samples/s.",
        ]
    lines += ["", "| ratio | times |", "|---|---|"]
    lines += [f"| {name.replace('_', ' ')} | {ratio:.1f} |" for name, ratio in report["ratios"].items()]
    return "\n".join(lines) + "\n"
