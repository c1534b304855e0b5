"""A radiance field by hash encoding and network, in plain PyTorch, beside the product's voxels.

    .venv/bin/python benchmarks/hash_field.py DATABASE --model MODEL [--seconds 240] [--strip worst.png] --output hash_field.md

The method is that of Müller, Evans, Schied and Keller, "Instant neural graphics primitives with a multiresolution hash encoding"
(2022), without what needs its GPU kernels: levels of 2^15 entries of 2 numbers, a hidden layer of 32 for density and 15 features,
another for colour with spherical harmonics of degree 1 of the camera's direction, exp density, Adam, a grid that tells what is
empty, as many rays a batch as meet so many samples. The same views are held out as `train-views --holdout 0.5 --seed` holds out.
PyTorch gets one thread, whose time is the processor's: several wait for each other at a busy machine, and waiting counts.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.filters.readers.picture_files import write_picture
from hyperinr.plugin.commands.train_views import held_out_steps
from hyperinr_core.measure.metrics import psnr, ssim
from hyperinr_core.measure.views import InterpolatedViews, predicted
from hyperinr_core.pictures.background import background_of
from hyperinr_core.pictures.camera import cameras_of
from hyperinr_core.pictures.picture_set import RANGE, Optics, PictureSet, to_bytes
from hyperinr_core.radiance import file

#: Half the edge of the cube that is encoded, samples along the cube's edge, cells along it of what is empty.
HALF, SAMPLES, CELLS = 1.15, 128, 48

#: Samples of a batch, and the fewest and the most rays that meet them.
BATCH, FEWEST, MOST = 1 << 15, 128, 8192

#: Steps between two looks at what is empty, the optical depth of a sample below which it is, and how fast a look is forgotten.
LOOK, EMPTY, FORGET = 32, 0.01, 0.5

PRIMES = (1, 2654435761 - (1 << 32), 805459861)


class Gathered(torch.autograd.Function):
    """Weighted sums (n, 2) of eight entries each of a table (m, 2)."""

    @staticmethod
    def forward(ctx, table: torch.Tensor, index: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(index, weight)
        ctx.n_entries = len(table)
        return nn.functional.embedding_bag(index, table, mode="sum", per_sample_weights=weight)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        index, weight = ctx.saved_tensors
        parts = [
            torch.bincount(index.ravel(), (weight * column[:, None]).ravel(), ctx.n_entries) for column in gradient.T
        ]
        return torch.stack(parts, dim=1), None, None


class HashField(nn.Module):
    """Density and colour at points in [0, 1]."""

    def __init__(self, n_levels: int = 8, log2_size: int = 15, coarsest: int = 16, finest: int = 160) -> None:
        super().__init__()
        self.size = 1 << log2_size
        growth = (finest / coarsest) ** (1 / (n_levels - 1))
        self.resolutions = [int(coarsest * growth**level) for level in range(n_levels)]
        self.table = nn.Parameter(1e-4 * (2 * torch.rand(n_levels * self.size, 2) - 1))
        self.density = nn.Sequential(nn.Linear(2 * n_levels, 32), nn.ReLU(), nn.Linear(32, 16))
        self.color = nn.Sequential(nn.Linear(15 + 4, 32), nn.ReLU(), nn.Linear(32, 3))

    def encoded(self, points: torch.Tensor) -> torch.Tensor:
        """(n, 2 * levels) of points (n, 3)."""
        entries = [self.corners(points, level) for level in range(len(self.resolutions))]
        index, weight = (torch.stack(parts, dim=1).reshape(-1, 8) for parts in zip(*entries))
        return Gathered.apply(self.table, index, weight).reshape(len(points), -1)

    def corners(self, points: torch.Tensor, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Entries (n, 8) of a level around points (n, 3), and their weights."""
        resolution = self.resolutions[level]
        places = points * resolution
        cell = places.int()
        part = places - cell
        hashed = (resolution + 1) ** 3 > self.size
        strides = PRIMES if hashed else (1, resolution + 1, (resolution + 1) ** 2)
        shapes = [(-1, 1, 1, 2), (-1, 1, 2, 1), (-1, 2, 1, 1)]
        x, y, z = (
            torch.stack([at * stride, (at + 1) * stride], dim=1).reshape(shape)
            for at, stride, shape in zip(cell.T, strides, shapes)
        )
        u, v, w = (torch.stack([1 - p, p], dim=1).reshape(shape) for p, shape in zip(part.T, shapes))
        index = (x ^ y ^ z) & (self.size - 1) if hashed else x + y + z
        return (index + level * self.size).reshape(-1, 8), (u * v * w).reshape(-1, 8)

    def forward(self, points: torch.Tensor, towards: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Densities (n,) and colours (n, 3)."""
        features = self.density(self.encoded(points))
        basis = torch.cat([features[:, 1:], torch.ones(len(points), 1), towards], dim=1)
        return torch.exp(features[:, 0].clamp(max=8) - 1), torch.sigmoid(self.color(basis))


class Rays:
    """Rays through a field, with what is empty left out."""

    def __init__(self, field: HashField) -> None:
        self.field = field
        self.depth = torch.zeros(CELLS**3)
        self.full = torch.ones(CELLS, CELLS, CELLS, dtype=torch.bool)
        self.n_samples = 0  # of the last batch

    @torch.no_grad()
    def look(self) -> None:
        """Find what is empty, at a random point of each cell."""
        cells = torch.stack(torch.meshgrid(*[torch.arange(CELLS)] * 3, indexing="ij"), dim=-1).reshape(-1, 3)
        points = (cells + torch.rand(len(cells), 3)) / CELLS
        found = torch.cat([self.field.density(self.field.encoded(p))[:, 0] for p in points.split(1 << 15)])
        self.depth = torch.maximum(FORGET * self.depth, torch.exp(found.clamp(max=8) - 1) * (2 * HALF / SAMPLES))
        full = (self.depth > min(EMPTY, float(self.depth.mean()))).reshape(1, 1, CELLS, CELLS, CELLS)
        self.full = nn.functional.max_pool3d(full.float(), 3, 1, 1)[0, 0] > 0

    def __call__(
        self, origin: torch.Tensor, direction: torch.Tensor, towards: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Colours (n, 3) times opacity, and opacity (n, 1)."""
        inverse = 1 / torch.where(direction.abs() < 1e-9, torch.full_like(direction, 1e-9), direction)
        walls = torch.stack([(-HALF - origin) * inverse, (HALF - origin) * inverse])
        begin, end = walls.min(dim=0).values.max(dim=1).values.clamp(min=0), walls.max(dim=0).values.min(dim=1).values
        step = 2 * HALF / SAMPLES
        t = begin[:, None] + step * (torch.arange(int(1.75 * SAMPLES)) + torch.rand(len(origin), 1))
        points = ((origin[:, None] + t[..., None] * direction[:, None]) / (2 * HALF) + 0.5).clamp(0, 1 - 1e-6)
        cell = (points * CELLS).int()
        used = (t < end[:, None]) & self.full.ravel()[(cell[..., 0] * CELLS + cell[..., 1]) * CELLS + cell[..., 2]]
        depth, color = torch.zeros_like(t), torch.zeros(*t.shape, 3)
        self.n_samples = int(used.sum())
        if self.n_samples:
            density, seen = self.field(points[used], towards[used.nonzero()[:, 0]])
            depth = depth.masked_scatter(used, density * step)
            color = color.masked_scatter(used[..., None], seen)
        clear = torch.exp(-torch.cumsum(depth, dim=1))
        before = torch.cat([torch.ones(len(t), 1), clear[:, :-1]], dim=1)
        return ((before - clear)[..., None] * color).sum(dim=1), 1 - clear[:, -1:]


def fitted(pictures: PictureSet, optics: Optics, seconds: float, seed: int) -> tuple[Rays, torch.Tensor, int]:
    """Rays through a field that is fitted for so many seconds of the processor, what is behind it, and its steps."""
    cameras = np.stack([camera.rays() for camera in cameras_of(pictures, optics)])
    shown = np.stack([pictures.picture(step) for step in range(len(pictures))])
    behind = torch.from_numpy(background_of(list(shown))[..., :3]).reshape(-1, 3)
    width, height, _ = pictures.grid.dims
    pixels = shown.reshape(len(shown), -1, shown.shape[-1])[..., :3]
    rays = Rays(HashField())
    adam = torch.optim.Adam(rays.field.parameters(), lr=1e-2, betas=(0.9, 0.99), eps=1e-15)
    rng, began, n_steps, n_rays = np.random.default_rng(seed), time.process_time(), 0, FEWEST
    while (spent := time.process_time() - began) < seconds:
        for group in adam.param_groups:
            group["lr"] = 1e-2 * 0.03 ** (spent / seconds)
        view, pixel = rng.integers(len(shown), size=n_rays), rng.integers(width * height, size=n_rays)
        color, opacity = rays(*through(cameras[view], pixel, width, height))
        truth = torch.from_numpy(pixels[view, pixel].astype(np.float32) / 255)
        loss = (color + (1 - opacity) * behind[pixel] - truth).square().mean()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        n_steps += 1
        if n_steps % LOOK == 0:
            rays.look()
        n_rays = int(np.clip(n_rays * BATCH / max(rays.n_samples, 1), FEWEST, min(MOST, 2 * n_rays)))
    return rays, behind, n_steps


def through(cameras: np.ndarray, pixel: np.ndarray, width: int, height: int) -> tuple[torch.Tensor, ...]:
    """Origins, unit directions and the cameras' own (n, 3) of pixels of cameras (n, 7, 3)."""
    u = (pixel % width + 0.5 - width / 2) * 2 / height
    v = (pixel // width + 0.5 - height / 2) * 2 / height
    origin = cameras[:, 0] + u[:, None] * cameras[:, 1] + v[:, None] * cameras[:, 2]
    direction = cameras[:, 3] + u[:, None] * cameras[:, 4] + v[:, None] * cameras[:, 5]
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return tuple(torch.from_numpy(part.astype(np.float32)) for part in (origin, direction, cameras[:, 6]))


@torch.no_grad()
def seen(rays: Rays, camera: np.ndarray, behind: torch.Tensor, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8 a picture."""
    parts = []
    for pixel in np.array_split(np.arange(width * height), 32):
        color, opacity = rays(*through(np.broadcast_to(camera, (len(pixel), 7, 3)), pixel, width, height))
        parts.append(color + (1 - opacity) * behind[pixel])
    return to_bytes(255 * torch.cat(parts).reshape(height, width, 3).numpy())


def table(shows: dict[str, list[np.ndarray]], truths: list[np.ndarray], costs: list[str]) -> str:
    """PSNR, the worst and SSIM of each method's pictures, and what the first cost."""
    lines = ["| | PSNR | worst | SSIM | steps | on the clock | processor | numbers |\n", f"|{'---|' * 8}\n"]
    for name, pictures in shows.items():
        numbers = [psnr(picture, truth, RANGE) for picture, truth in zip(pictures, truths)]
        alike = np.mean([ssim(picture[None], truth[None], RANGE) for picture, truth in zip(pictures, truths)])
        found = [f"{np.mean(numbers):.2f} dB", f"{min(numbers):.2f} dB", f"{alike:.3f}"]
        lines.append(f"| {' | '.join([name, *found, *costs])} |\n")
        costs = [""] * len(costs)
    return "".join(lines)


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=240.0, help="of the processor, for the fit")
    parser.add_argument("--views", type=int, default=10, help="held-out views to measure, evenly chosen")
    parser.add_argument(
        "--model", type=Path, required=True, help="a radiance field of train-views, measured on the same views"
    )
    parser.add_argument("--strip", type=Path, help="PNG of the model's worst view: truth, and what each method shows")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> None:
    """Fit for some seconds of the processor, measure, and write the table."""
    arguments = parsed()
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(1)
    pictures, model = open_pictures(arguments.database, {}), file.load(arguments.model)
    out = held_out_steps(pictures, 0.5, None, arguments.seed)
    training = pictures.select(np.setdiff1d(np.arange(len(pictures)), out))
    optics = pictures.optics or Optics()
    began = time.monotonic()
    rays, behind, n_steps = fitted(training, optics, arguments.seconds, arguments.seed)
    spent = time.monotonic() - began
    cameras = [camera.rays() for camera in cameras_of(pictures, optics)]
    methods: dict[str, Callable[[int], np.ndarray]] = {
        "hash encoding and network": lambda step: seen(rays, cameras[step], behind, *pictures.grid.dims[:2]),
        arguments.model.name: lambda step: predicted(model, pictures, step)[..., :3],
        "inverse distance": functools.partial(blended, InterpolatedViews(training), pictures),
    }
    chosen = out[np.unique(np.linspace(0, len(out) - 1, min(arguments.views, len(out))).astype(int))]
    shows = {name: [method(step) for step in chosen] for name, method in methods.items()}
    megabytes = 4e-6 * sum(parameter.numel() for parameter in rays.field.parameters())
    costs = [f"{n_steps}", f"{spent:.0f} s", f"{arguments.seconds:.0f} s", f"{megabytes:.1f} MB"]
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else float("nan")
    name = Path(arguments.database).name
    heading = f"`{name}`, seed {arguments.seed}, {len(chosen)} of {len(out)} held-out views; load {load:.1f}."
    found = table(shows, [pictures.picture(step)[..., :3] for step in chosen], costs)
    arguments.output.write_text(f"{heading}\n\n{found}", encoding="utf-8")
    if arguments.strip:
        numbers = [psnr(predicted(model, pictures, step), pictures.picture(step), RANGE) for step in out]
        worst = int(out[np.argmin(numbers)])
        parts = [pictures.picture(worst)[..., :3], *(method(worst) for method in methods.values())]
        write_picture(arguments.strip, np.concatenate(parts, axis=1))
        against = [round(psnr(part, parts[0], RANGE), 2) for part in parts[1:]]
        print(f"view {pictures.thetas[worst].tolist()}: {dict(zip(methods, against))} dB")


def blended(interpolate: InterpolatedViews, pictures: PictureSet, step: int) -> np.ndarray:
    """(ny, nx, 3) uint8 training pictures blended by inverse distance."""
    return interpolate(pictures.thetas[step])[..., :3]


if __name__ == "__main__":
    main()
