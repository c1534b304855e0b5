"""A radiance field by hash encoding and network, in plain PyTorch on the CPU, beside the product's voxels.

    .venv/bin/python benchmarks/hash_field.py DATABASE [--seed 5] [--seconds 240] [--model MODEL] --output hash_field.md

The method is that of Müller, Evans, Schied and Keller, "Instant neural graphics primitives with a multiresolution hash encoding"
(2022), without what needs its GPU kernels: 8 levels of 2^15 entries of 2 numbers, resolutions 16 to 160, a hidden layer of 32
for density and 15 features, another for colour with spherical harmonics of degree 1 of the camera's direction, exp density, Adam,
an occupancy grid of 48^3. The same views are held out as `train-views --holdout 0.5 --seed` holds out.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hyperinr.filters.readers.cinema import open_pictures
from hyperinr.plugin.commands.train_views import held_out_steps
from hyperinr_core.measure.metrics import psnr
from hyperinr_core.measure.views import predicted
from hyperinr_core.pictures.background import background_of
from hyperinr_core.pictures.camera import cameras_of
from hyperinr_core.pictures.picture_set import RANGE, Optics
from hyperinr_core.radiance import file

#: Half the edge of the cube that is encoded, rays of a batch, samples along the cube's edge, occupancy cells along it.
HALF, RAYS, SAMPLES, CELLS = 1.15, 1024, 96, 48

#: Steps between two looks at what is empty, and the optical depth of a sample below which it is.
LOOK, EMPTY = 64, 0.01

PRIMES = (1, 2654435761, 805459861)


class HashField(nn.Module):
    """Density and colour at points in [0, 1]."""

    def __init__(self, n_levels: int = 8, log2_size: int = 15, coarsest: int = 16, finest: int = 160) -> None:
        super().__init__()
        self.size = 1 << log2_size
        growth = (finest / coarsest) ** (1 / (n_levels - 1))
        self.resolutions = [int(coarsest * growth**level) for level in range(n_levels)]
        self.tables = nn.Parameter(1e-4 * (2 * torch.rand(n_levels, self.size, 2) - 1))
        self.density = nn.Sequential(nn.Linear(2 * n_levels, 32), nn.ReLU(), nn.Linear(32, 16))
        self.color = nn.Sequential(nn.Linear(15 + 4, 32), nn.ReLU(), nn.Linear(32, 3))

    def encoded(self, points: torch.Tensor) -> torch.Tensor:
        """(n, 2 * levels) of points (n, 3)."""
        found = []
        for table, resolution in zip(self.tables, self.resolutions):
            places = points * resolution
            cell = places.long()
            part = places - cell
            total = torch.zeros(len(points), 2)
            for corner in range(8):
                bits = torch.tensor([corner >> axis & 1 for axis in range(3)])
                at = cell + bits
                if (resolution + 1) ** 3 <= self.size:
                    index = (at[:, 2] * (resolution + 1) + at[:, 1]) * (resolution + 1) + at[:, 0]
                else:
                    index = (at[:, 0] ^ at[:, 1] * PRIMES[1] ^ at[:, 2] * PRIMES[2]) & (self.size - 1)
                weight = torch.where(bits.bool(), part, 1 - part).prod(dim=1, keepdim=True)
                total = total + weight * table[index]
            found.append(total)
        return torch.cat(found, dim=1)

    def forward(self, points: torch.Tensor, towards: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Densities (n,) and colours (n, 3)."""
        features = self.density(self.encoded(points))
        basis = torch.cat([features[:, 1:], torch.ones(len(points), 1), towards], dim=1)
        return torch.exp(features[:, 0].clamp(max=8) - 1), torch.sigmoid(self.color(basis))


class Rays:
    """Rays through a field, with what is empty left out."""

    def __init__(self, field: HashField) -> None:
        self.field = field
        self.full = torch.ones(CELLS, CELLS, CELLS, dtype=torch.bool)

    @torch.no_grad()
    def look(self) -> None:
        """Find what is empty, at a random point of each cell."""
        cells = torch.stack(torch.meshgrid(*[torch.arange(CELLS)] * 3, indexing="ij"), dim=-1).reshape(-1, 3)
        depth = [
            self.field(p, torch.zeros_like(p))[0] for p in ((cells + torch.rand(len(cells), 3)) / CELLS).split(1 << 15)
        ]
        new = (torch.cat(depth) * (2 * HALF / SAMPLES) > EMPTY).reshape(CELLS, CELLS, CELLS)
        self.full = nn.functional.max_pool3d(new[None, None].float(), 3, 1, 1)[0, 0] > 0

    def __call__(
        self, origin: torch.Tensor, direction: torch.Tensor, towards: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Colours (n, 3) times opacity, and opacity (n, 1)."""
        inverse = 1 / torch.where(direction.abs() < 1e-9, torch.full_like(direction, 1e-9), direction)
        walls = torch.stack([(-HALF - origin) * inverse, (HALF - origin) * inverse])
        begin, end = walls.min(dim=0).values.max(dim=1).values.clamp(min=0), walls.max(dim=0).values.min(dim=1).values
        step = 2 * HALF / SAMPLES
        t = begin[:, None] + step * (torch.arange(int(1.75 * SAMPLES)) + torch.rand(len(origin), 1))
        points = ((origin[:, None] + t[..., None] * direction[:, None]) / (2 * HALF) + 0.5).clamp(0, 1 - 1e-6)
        cell = (points * CELLS).long()
        used = (t < end[:, None]) & self.full[cell[..., 0], cell[..., 1], cell[..., 2]]
        depth, color = torch.zeros_like(t), torch.zeros(*t.shape, 3)
        if used.any():
            ray = used.nonzero()[:, 0]
            density, seen = self.field(points[used], towards[ray])
            depth = depth.masked_scatter(used, density * step)
            color = color.masked_scatter(used[..., None], seen)
        clear = torch.exp(-torch.cumsum(depth, dim=1))
        before = torch.cat([torch.ones(len(t), 1), clear[:, :-1]], dim=1)
        return ((before - clear)[..., None] * color).sum(dim=1), 1 - clear[:, -1:]


def main() -> None:
    """Fit for some seconds of the processors, measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("database")
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=240.0, help="of the processors, for the fit")
    parser.add_argument("--views", type=int, default=10, help="held-out views to measure, evenly chosen")
    parser.add_argument("--model", type=Path, help="a radiance field of train-views to measure on the same views")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    pictures = open_pictures(arguments.database, {})
    out = held_out_steps(pictures, 0.5, None, arguments.seed)
    kept = np.setdiff1d(np.arange(len(pictures)), out)
    cameras = np.stack([camera.rays() for camera in cameras_of(pictures, pictures.optics or Optics())])
    shown = np.stack([pictures.picture(step) for step in kept])
    behind = torch.from_numpy(background_of(list(shown))[..., :3]).reshape(-1, 3)
    width, height, _ = pictures.grid.dims
    rays = Rays(HashField())
    adam = torch.optim.Adam(rays.field.parameters(), lr=1e-2, betas=(0.9, 0.99), eps=1e-15)
    rng, began, n_steps = np.random.default_rng(arguments.seed), time.process_time(), 0
    while (spent := time.process_time() - began) < arguments.seconds:
        for group in adam.param_groups:
            group["lr"] = 1e-2 * 0.03 ** (spent / arguments.seconds)
        view, pixel = rng.integers(len(kept), size=RAYS), rng.integers(width * height, size=RAYS)
        color, opacity = rays(*through(cameras[kept[view]], pixel, width, height))
        truth = torch.from_numpy(
            shown.reshape(len(kept), -1, shown.shape[-1])[view, pixel, :3].astype(np.float32) / 255
        )
        loss = (color + (1 - opacity) * behind[pixel] - truth).square().mean()
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        n_steps += 1
        if n_steps % LOOK == 0:
            rays.look()
    chosen = out[np.unique(np.linspace(0, len(out) - 1, min(arguments.views, len(out))).astype(int))]
    truths = [pictures.picture(step)[..., :3] for step in chosen]
    shows = {
        f"hash encoding and network, {n_steps} steps": [seen(rays, cameras[s], behind, width, height) for s in chosen]
    }
    if arguments.model:
        model = file.load(arguments.model)
        shows[arguments.model.name] = [predicted(model, pictures, step)[..., :3] for step in chosen]
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else float("nan")
    lines = [
        f"`{Path(arguments.database).name}`, seed {arguments.seed}, {len(chosen)} of {len(out)} held-out views; "
        f"{arguments.seconds:.0f} s of the processors for the fit, load {load:.1f}.\n\n| | PSNR | worst |\n|---|---|---|\n"
    ]
    for name, show in shows.items():
        numbers = [psnr(picture, truth, RANGE) for picture, truth in zip(show, truths)]
        lines.append(f"| {name} | {np.mean(numbers):.2f} dB | {min(numbers):.2f} dB |\n")
    arguments.output.write_text("".join(lines), encoding="utf-8")


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
    """(height, width, 3) float32 a picture, 0 to 255."""
    parts = []
    for pixel in np.array_split(np.arange(width * height), 32):
        color, opacity = rays(*through(np.broadcast_to(camera, (len(pixel), 7, 3)), pixel, width, height))
        parts.append(color + (1 - opacity) * behind[pixel])
    return 255 * torch.cat(parts).clamp(0, 1).reshape(height, width, 3).numpy()


if __name__ == "__main__":
    main()
