"""What shadows cost and how right they are: rays, sweep, soft and scattered light, a model, and a frame in ParaView.

    .venv/bin/python benchmarks/shadow.py VOLUME [--model S.hinr] [--n 64] --output benchmarks/results/shadow.md

Times are the best of a few in one run, so that ratios hold; the machine is named in the table.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hyperinr.filters.image import to_image, write_image
from hyperinr.filters.shading import Shading
from hyperinr.plugin import launch
from hyperinr.plugin.commands.bench import machine
from hyperinr.plugin.commands.train_shadow import read_volume
from hyperinr_core import hinr
from hyperinr_core.light import shadow
from hyperinr_core.light.lights import poisson_lights
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.measure.shadows import truth_for
from hyperinr_core.pictures.transfer import TransferFunction, extinction, load, parse_opacity
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.volume import Grid

REPEATS = 5
N_LIGHTS = 9

#: Largest volume, along an axis, that is drawn in ParaView: GlobalIlluminationReach takes minutes for a frame of more.
MOST_FRAMED = 64

#: Lights of the comparison at equal error, and random paths whose error is scaled.
N_SCATTERED, FEW_PATHS = 5, 4

#: Draws a volume twice, plainly to warm up, and prints the seconds of a frame after the light or the camera moved.
FRAME = """
import json, sys, time
from paraview import simple
from hyperinr.plugin import shading
job = json.loads({job!r})
view = simple.CreateView("RenderView")
view.ViewSize = [800, 600]
source = simple.OpenDataFile(job["volume"])
colors, opacity = simple.GetColorTransferFunction("v"), simple.GetOpacityTransferFunction("v")
colors.RescaleTransferFunction(job["opacity"][0], job["opacity"][-4])
opacity.Points = job["opacity"]
if job["way"] == "pass":
    shadow = shading.shade(source, "v", view, model=job["model"])
else:
    display = simple.Show(source, view)
    display.SetRepresentationType("Volume")
    simple.ColorBy(display, ("POINTS", "v"))
    display.ScalarOpacityUnitDistance = job["unit"]
    if job["way"] == "peer":
        display.Shade = 1
        display.GlobalIlluminationReach = 1.0
        display.VolumetricScatteringBlending = 1.0
simple.ResetCamera(view)
simple.Render(view)
found = []
for azimuth in job["azimuths"]:
    begin = time.perf_counter()
    if job["way"] == "pass":
        shadow.LightAzimuth = azimuth
    else:
        view.GetActiveCamera().Azimuth(10)
    simple.Render(view)
    found.append(time.perf_counter() - begin)
print(json.dumps(found))
"""


def best_ms(work: Callable[[], object]) -> float:
    """Milliseconds of the quickest of a few runs."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return 1000 * min(times)


def methods(tau: np.ndarray, grid: Grid) -> list[list[str]]:
    """Rows: time of a light and PSNR against rays of small steps, means over lights around the volume."""
    directions = [direction_of(a, 90 - p) for a, p in poisson_lights(N_LIGHTS, 3)]
    truths = [shadow.transmittance(tau, grid, d, "rays", 0.1) for d in directions]
    ways = {
        "ray per voxel, SIMD, step 0.5": lambda d: shadow.transmittance(tau, grid, d, "rays"),
        "sheared sweep": lambda d: shadow.transmittance(tau, grid, d),
    }
    rows = []
    for name, way in ways.items():
        decibel = np.mean([psnr(way(d), truth, (0.0, 1.0)) for d, truth in zip(directions, truths)])
        rows.append(
            [name, f"{np.mean([best_ms(lambda d=d, way=way: way(d)) for d in directions]):.2f}", f"{decibel:.1f}"]
        )
    soft = best_ms(lambda: shadow.soft_transmittance(tau, grid, directions[0], 10.0))
    sky = best_ms(lambda: shadow.ambient_occlusion(tau, grid))
    begin = time.perf_counter()
    shadow.scattered(tau, grid, directions[0], 0.9, 0.3, 1, 0)
    scatter = 1000 * (time.perf_counter() - begin)
    rows.append([f"soft light, {shadow.N_DISC_DIRECTIONS} sweeps", f"{soft:.2f}", ""])
    rows.append([f"ambient occlusion, {shadow.N_SKY_DIRECTIONS} sweeps", f"{sky:.2f}", ""])
    rows.append(["scattering, one path for each voxel", f"{scatter:.0f}", ""])
    return rows


def scalar_rays(tau: np.ndarray, grid: Grid, direction: np.ndarray, voxels: np.ndarray) -> Callable[[], np.ndarray]:
    """What computes one ray for each of the voxels (n,), a voxel at a time; compiled here."""
    source = Path(__file__).with_name("scalar_ray.cpp")
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder) / "scalar_ray.so"
        subprocess.run(["c++", "-O2", "-fopenmp", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        call = ctypes.CDLL(str(library)).scalar_rays
    length = 0.5 * min(abs(s) for s in grid.spacing)
    step = shadow.in_voxels(grid, direction) * length
    dims, out = np.array(grid.dims, np.int64), np.empty(len(voxels), np.float32)

    def compute() -> np.ndarray:
        pointers = (ctypes.c_void_p(array.ctypes.data) for array in (tau, dims, step))
        call(
            *pointers,
            ctypes.c_double(length),
            *map(ctypes.c_void_p, (voxels.ctypes.data, len(voxels), out.ctypes.data)),
        )
        return out

    return compute


def answers(
    model_path: str, values: np.ndarray, grid: Grid, function: TransferFunction, unit: float
) -> list[list[str]]:
    """Rows: from a new light to shaded image data."""
    model = hinr.load(model_path)
    shading = Shading(values, grid, grid.extent, function, unit)
    theta, direction = [30.0, 50.0], direction_of(30.0, 40.0)
    tau, seen = extinction(values, function, unit), shading.seen
    rays = scalar_rays(tau, grid, direction, seen)
    exact = shadow.transmittance(tau, grid, direction, "rays").ravel()[seen]
    if abs(rays() - exact).max() > 1e-2:
        sys.exit("the scalar rays are not right")

    def lit(light: np.ndarray) -> np.ndarray:
        shadows = np.ones(values.shape, np.float32)
        shadows.reshape(-1)[seen] = light
        return shadows

    ways = {
        "model, visible voxels": lambda: shading.shaded(shading.predicted(model, theta, "auto"), 0.2, 1.0),
        "sweep": lambda: shading.shaded(shading.swept(direction), 0.2, 1.0),
        "ray for each visible voxel, one after the other": lambda: shading.shaded(lit(rays()), 0.2, 1.0),
        "ray per voxel, SIMD": lambda: shading.shaded(shadow.transmittance(tau, grid, direction, "rays"), 0.2, 1.0),
    }
    return [[f"new light to shaded image: {name}", f"{best_ms(way):.1f}", ""] for name, way in ways.items()]


def equal_error(model_path: str, values: np.ndarray, path: str) -> list[list[str]]:
    """Rows: a model of scattered light against random paths, as many as have its error.

    The error of paths falls as one over their number, so that it is measured for a few and divided; the noise of the truth
    is known from two independent halves of it and taken off the model's error.
    """
    model = hinr.load(model_path)
    truth, _ = truth_for(model, values, path)
    few = dataclasses.replace(truth, n_paths=FEW_PATHS)
    errors, ones, model_ms, path_ms = [], [], [], []
    for light in poisson_lights(N_SCATTERED, 1000):
        halves = [truth.scattered_at(light, None, seed).reshape(truth.grid.shape) for seed in (101, 202)]
        noise = float(np.mean((halves[0] - halves[1]) ** 2)) / 2
        mean = (halves[0] + halves[1]) / 2
        begin = time.perf_counter()
        found = few.scattered_at(light, None, 303).reshape(truth.grid.shape)
        path_ms.append(1000 * (time.perf_counter() - begin) / FEW_PATHS)
        ones.append((float(np.mean((found - mean) ** 2)) - noise / 2) * FEW_PATHS)
        errors.append(float(np.mean((model.generate(light).sample_grid()[..., 0] - mean) ** 2)) - noise / 2)
        model_ms.append(best_ms(lambda light=light: model.generate(light).sample_grid()))
    n_paths = np.mean(ones) / np.mean(errors)
    took, model_took = n_paths * np.mean(path_ms), np.mean(model_ms)
    return [
        [
            "scattered light, model, whole grid",
            f"{model_took:.1f}",
            f"{-10 * np.log10(np.mean(errors)):.1f} (of the truth)",
        ],
        [f"scattered light, {n_paths:.0f} paths for each voxel: the model's error", f"{took:.0f}", "the same"],
        ["Monte Carlo's time over the model's", f"{took / model_took:.0f} x", ""],
    ]


def frames(values: np.ndarray, grid: Grid, opacity: str, unit: float, model: str | None) -> list[list[str]]:
    """Rows: a frame in ParaView, 800 x 600."""
    nodes = [x for point in parse_opacity(opacity) for x in (*point, 0.5, 0.0)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        volume = Path(folder) / "v.vti"
        write_image(volume, to_image(grid, {"v": values}))
        ways = (
            ("HyperINR Shadow", "pass", 5),
            ("GlobalIlluminationReach", "peer", 2),
            ("no shadows at all", "plain", 5),
        )
        for label, way, count in ways:
            job = {"volume": str(volume), "opacity": nodes, "way": way, "unit": unit, "model": model}
            job["azimuths"] = [40.0 * i for i in range(count)]
            command = [launch.find_program("pvpython"), "-c", FRAME.format(job=json.dumps(job))]
            result = launch.run_program(launch.on_display(command), 300)
            if result.returncode:
                sys.exit(result.stderr)
            seconds = min(json.loads(result.stdout.strip().splitlines()[-1]))
            rows.append([f"frame, 800 x 600: {label}", f"{1000 * seconds:.0f}", ""])
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("volume")
    parser.add_argument("--n", type=int, default=64)
    parser.add_argument("--opacity", default="0:0,60:0,140:0.3,255:1")
    parser.add_argument("--model")
    parser.add_argument("--scatter", help="a model of scattered light, to compare to Monte Carlo at equal error")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    values, grid, source = read_volume(options.volume, None, (options.n,) * 3)
    function = load("Bone", (0.0, 255.0)).with_opacity(parse_opacity(options.opacity))
    unit = shadow.default_unit_distance(grid)
    rows = methods(extinction(values, function, unit), grid)
    if options.model:
        rows += answers(options.model, values, grid, function, unit)
    if options.scatter:
        rows += equal_error(options.scatter, values, options.volume)
    if options.n <= MOST_FRAMED:
        rows += frames(values, grid, options.opacity, unit, options.model)
    lines = [
        f"# Shadows of {Path(source).name}, {options.n}^3",
        "",
        ", ".join(f"{key} {value}" for key, value in machine().items()),
        "",
        "| what | ms | dB against rays |",
        "|---|---|---|",
    ]
    text = "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"
    print(text)
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main()
