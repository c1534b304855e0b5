"""The path tracer beside Mitsuba 3: the same scene, how far the pictures are apart, and the time at equal samples.

    .venv/bin/python benchmarks/pictures.py [--n 128] [--spp 16] --mitsuba PYTHON --output benchmarks/results/pictures.md

PYTHON: one that has Mitsuba (`pip install mitsuba` in an environment of its own). Processor time of all threads, the best of
a few in one run, so that ratios hold on a busy machine; pictures are compared as amounts of light.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hyperinr.plugin.commands.bench import machine
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.look import BACKGROUND, camera_at
from hyperinr_core.tracing.film import Film, developed, trace
from hyperinr_core.tracing.medium import Medium
from hyperinr_core.tracing.staging import Environment, Light, Scene
from hyperinr_core.volume import Grid

REPEATS = 2
SIZE = (800, 600)

#: The comparison's own size and samples: the means of so many are compared.
SMALL, MANY = (120, 90), 512
ALBEDO, DENSITY, G = 0.9, 8.0, 0.3
LIGHT, IRRADIANCE, SURROUNDINGS = (-1.0, -1.0, 1.5), 3.0, 0.2


def clouds(n: int) -> np.ndarray:
    """(n, n, n) in [0, 1]: noise with the spectrum of turbulence, its upper half."""
    k = np.sqrt(sum(np.square(np.meshgrid(*[np.fft.fftfreq(n, 1 / n)] * 2, np.fft.rfftfreq(n, 1 / n), indexing="ij"))))
    noise = np.fft.rfftn(np.random.default_rng(0).standard_normal((n, n, n))) * np.maximum(k, 1) ** -2.2
    values = np.fft.irfftn(noise, (n, n, n))
    return np.clip(values / np.percentile(values, 99.5), 0, 1).astype(np.float32)


def camera() -> Camera:
    """That has the unit cube in view."""
    position, focal_point = camera_at([0, 1] * 3)
    return Camera(tuple(position), tuple(focal_point), (0, 0, 1), 30.0)


def medium_of(values: np.ndarray) -> Medium:
    """Extinction in proportion to the values, as Mitsuba interpolates it."""
    n, rows = len(values), np.linspace(0, 1, 4096)
    colors = np.full((4096, 3), ALBEDO)
    return Medium(values, Grid((n,) * 3, spacing=(1 / (n - 1),) * 3), colors, DENSITY * rows, 0.0, 1.0)


def scene_of(surroundings: float, bounces: int) -> Scene:
    """A sun, and light from all around."""
    light = Light(LIGHT, (IRRADIANCE / math.pi,) * 3, diameter=0.0)
    return Scene(light, Environment((surroundings,) * 3, (surroundings,) * 3), bounces, g=G)


def cpu_seconds(work: Callable[[], object]) -> float:
    """Processor time of the fastest of a few."""
    best = math.inf
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_SELF)
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        best = min(best, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return best


def mitsuba(program: list[str], values: np.ndarray, jobs: list[dict]) -> list[dict]:
    """What Mitsuba makes of the jobs: {"picture" (height, width, 3), "seconds"} of each, and which variant it was."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/values.npy", values)
        Path(f"{folder}/jobs.json").write_text(json.dumps(jobs))
        subprocess.run([program[0], str(Path(__file__).with_name("mitsuba_side.py")), folder, program[1]], check=True)
        seconds = json.loads(Path(f"{folder}/seconds.json").read_text())
        return [{**entry, "picture": np.load(f"{folder}/{number}.npy")} for number, entry in enumerate(seconds)]


def job(size: tuple[int, int], spp: int, surroundings: float, bounces: int, repeats: int = 0) -> dict:
    """For `mitsuba`."""
    seen = camera()
    return {
        "size": size, "spp": spp, "position": seen.position, "focal_point": seen.focal_point, "angle": seen.view_angle,
        "albedo": ALBEDO, "density": DENSITY, "g": G, "light": LIGHT, "irradiance": IRRADIANCE,
        "surroundings": surroundings, "bounces": bounces, "repeats": repeats,
    }  # fmt: skip


def traced(medium: Medium, size: tuple[int, int], spp: int, scene: Scene, seed: int = 0) -> Film:
    film = Film(size)
    trace(medium, camera(), scene, film, spp, seed)
    return film


def seen(film: Film, surroundings: float) -> np.ndarray:
    """(height, width, 3) with the surroundings behind, highest row first."""
    means = film.means
    return (means[..., :3] + (1 - means[..., 3:]) * surroundings)[::-1]


def compare(medium: Medium, program: list[str]) -> list[str]:
    """How far the two are apart, beside how far each is from itself with other random numbers."""
    lines = ["| scene | mean, ours | mean, Mitsuba | apart (RMS) | two runs of ours apart |", "|---|---|---|---|---|"]
    cases = {"light, 1 bounce": (0.0, 1), "light, 8 bounces": (0.0, 8), "light and surroundings, 8": (SURROUNDINGS, 8)}
    theirs = mitsuba(program, medium.values, [job(SMALL, MANY, *case) for case in cases.values()])
    for (name, (surroundings, bounces)), other in zip(cases.items(), theirs):
        scene = scene_of(surroundings, bounces)
        one, two = (seen(traced(medium, SMALL, MANY, scene, seed), surroundings) for seed in (0, 1))
        apart, noise = (np.sqrt(np.mean((a - one) ** 2)) for a in (other["picture"], two))
        lines.append(f"| {name} | {one.mean():.5f} | {other['picture'].mean():.5f} | {apart:.5f} | {noise:.5f} |")
    return lines


def times(medium: Medium, program: list[str], spp: int) -> list[str]:
    """Seconds for so many samples of a picture."""
    lines = [f"| {spp} samples per pixel, 800x600 | ours | Mitsuba ({{variant}}) | ratio |", "|---|---|---|---|"]
    cases = {"light, 8 bounces": (0.0, 8), "light and surroundings, 8": (SURROUNDINGS, 8)}
    theirs = mitsuba(program, medium.values, [job(SIZE, spp, *case, REPEATS) for case in cases.values()])
    for (name, case), other in zip(cases.items(), theirs):
        ours = cpu_seconds(lambda case=case: traced(medium, SIZE, spp, scene_of(*case)))
        lines.append(f"| {name} | {ours:.2f} s | {other['seconds']:.2f} s | {other['seconds'] / ours:.1f} |")
    return [line.format(variant=theirs[0]["variant"]) for line in lines]


def quality(medium: Medium) -> list[str]:
    """PSNR of what a screen shows, over pixels that show something, to the picture of 4096 samples."""
    scene = scene_of(SURROUNDINGS, 8)
    truth = traced(medium, SMALL, 4096, scene, seed=1)
    shown, exact = truth.means[..., 3] > 0.01, truth.picture(BACKGROUND).astype(float)
    lines = ["| samples | as it is | denoised | processor time at 800x600 |", "|---|---|---|---|"]
    began = time.process_time()
    traced(medium, SIZE, 1, scene)
    one = time.process_time() - began
    for spp in (1, 4, 16, 64):
        film = traced(medium, SMALL, spp, scene)
        plain, clean = (
            20 * math.log10(255 / math.sqrt(np.mean((developed(means, BACKGROUND)[shown] - exact[shown]) ** 2)))
            for means in (film.means, film.denoised())
        )
        large = Film(SIZE)
        seconds = spp * one + cpu_seconds(large.denoised)
        lines.append(f"| {spp} | {plain:.1f} dB | {clean:.1f} dB | {seconds:.2f} s |")
    return lines


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=128)
    parser.add_argument("--spp", type=int, default=16)
    parser.add_argument("--mitsuba", required=True, metavar="PYTHON")
    parser.add_argument("--variant", default="scalar_rgb", help="Mitsuba's; llvm_ad_rgb needs LLVM 16 or newer")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    medium, program = medium_of(clouds(arguments.n)), [arguments.mitsuba, arguments.variant]
    found = machine()
    about = f"{found['processor']}, {found['threads']} threads, {found['isa']}"
    parts = [
        f"# Pictures by paths of light\n\nClouds of {arguments.n}^3, {about}. By benchmarks/pictures.py; processor time of "
        "all threads.\n",
        f"## The same scene in Mitsuba 3\n\nRadiance at {SMALL[0]}x{SMALL[1]}, {MANY} samples per pixel.\n",
        *compare(medium, program),
        "\n## Time\n",
        *times(medium, program, arguments.spp),
        "\n## Quality\n",
        *quality(medium),
    ]
    arguments.output.write_text("\n".join(parts) + "\n", encoding="utf-8")
    print("\n".join(parts))


if __name__ == "__main__":
    main()
