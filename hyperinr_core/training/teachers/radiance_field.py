"""A voxel radiance field: density and colour on a grid that reproduces pictures of one scene from known views.

It is rendered by planes of voxels across the axis that the camera looks along most. On a plane, trilinear interpolation
is bilinear, for which torch has a vectorised kernel, and a picture is the planes' colours one behind the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.spaces.sphere import camera_frames

#: Half the edge of the box in which the scene must lie, in half heights of the picture.
HALF_BOX = 1.15

#: Voxels along the longest axis of the grids that are fitted one after the other, and the share of the steps of each.
STAGES = ((33, 0.4), (65, 0.3), (97, 0.3))

#: Most voxels along an axis as a share of the pictures' pixels.
FINEST = 0.6

#: Adam's rates for density and for colour; they fall to a tenth along each stage.
RATES = (0.5, 0.05)

#: What is added to the stored density before the softplus, which gives optical depth per voxel: zeros are nearly empty.
SHIFT = -5.0

#: How much the mean absolute difference of neighbouring voxels counts beside the mean squared error of colours.
TOTAL_VARIATION = 2e-2
SLAB = 8

#: Pixels of a picture that a step looks at, and opacity below which a voxel is empty when the box is drawn tighter: faces
#: that few pictures show are thin at first.
RAYS, EMPTY = 8192, 0.03

#: Levels out of 255 by which a pixel that shows the background may differ.
STEADY = 4


@dataclass(frozen=True)
class Box:
    """Where the grid lies: (3,) low and high corners, of its outermost voxels."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    def dims(self, longest: int) -> tuple[int, ...]:
        """Voxels along x, y, z that are as good as cubes."""
        edges = np.subtract(self.high, self.low)
        return tuple(int(n) for n in np.maximum(np.rint(longest * edges / edges.max()), 8))


class RadianceField:
    """Density and degree-1 harmonics on a grid, and a background that does not move with the camera.

    Parameters
    ----------
    shape : (ny, nx, C) of the pictures.
    background : (ny, nx, C) float32 in [0, 1].
    """

    def __init__(self, shape: tuple[int, ...], optics: Optics, background: np.ndarray) -> None:
        self.shape, self.optics = shape, optics
        self.box = Box((-HALF_BOX * max(1, shape[1] / shape[0]),) * 3, (HALF_BOX * max(1, shape[1] / shape[0]),) * 3)
        self._background = torch.from_numpy(background.reshape(-1, shape[2]))
        self._grid = torch.zeros((1 + 4 * shape[2], *self.box.dims(STAGES[0][0])[::-1]))

    def render(self, view: np.ndarray, pixels: np.ndarray | None = None) -> np.ndarray:
        """(n, C) float32 colours in [0, 1] at pixels (n,) of a view (2,) azimuth and elevation in degrees; all when None."""
        pixels = np.arange(self.shape[0] * self.shape[1]) if pixels is None else pixels
        with torch.no_grad():
            return self._render(view, pixels).clamp_(0, 1).numpy()

    def fit(
        self,
        views: np.ndarray,
        pictures: list[np.ndarray],
        n_steps: int,
        seed: int,
        progress: Callable[[float], object] = lambda done: None,
    ) -> None:
        """Learn the scene.

        Parameters
        ----------
        views : (n, 2). pictures : n of (ny, nx, C) uint8.
        n_steps : pictures looked at, in all stages together.
        """
        rng = np.random.Generator(np.random.Philox(key=[seed, 11]))
        flat = [picture.reshape(-1, self.shape[2]) for picture in pictures]
        done = 0
        stages = [STAGES[0], *(stage for stage in STAGES[1:] if stage[0] <= FINEST * max(self.shape[:2]))]
        whole = sum(share for _, share in stages)
        for stage, (longest, share) in enumerate(stages):
            if stage:
                self._refine(longest)
            steps = max(1, round(share / whole * n_steps))
            for _ in self._stage(views, flat, steps, stage, rng):
                done += 1
                progress(min(done / n_steps, 1.0))

    def _stage(
        self, views: np.ndarray, flat: list[np.ndarray], steps: int, stage: int, rng: np.random.Generator
    ) -> Iterator[int]:
        parts = [self._grid[:1].clone().requires_grad_(), self._grid[1:].clone().requires_grad_()]
        optimizer = torch.optim.Adam([{"params": [part]} for part in parts], betas=(0.9, 0.99), eps=1e-12, fused=True)
        order = np.concatenate([rng.permutation(len(views)) for _ in range(-(-steps // len(views)))])[:steps]
        for step, number in enumerate(order):
            for group, rate in zip(optimizer.param_groups, RATES):
                group["lr"] = rate * 0.7**stage * 0.1 ** (step / steps)
            self._grid = torch.cat(parts)
            pixels = rng.integers(0, len(flat[number]), min(RAYS, len(flat[number])))
            target = torch.from_numpy(flat[number][pixels].astype(np.float32) / 255)
            optimizer.zero_grad(set_to_none=True)
            loss = (self._render(views[number], pixels) - target).square().mean()
            (loss + TOTAL_VARIATION * self._variation(int(rng.integers(self._grid.shape[1] - SLAB + 1)))).backward()
            optimizer.step()
            yield step
        self._grid = torch.cat(parts).detach()

    def _variation(self, start: int) -> torch.Tensor:
        """Mean absolute difference of neighbours in a slab of the grid: all of it would cost more than the pictures."""
        slab = self._grid[:, start : start + SLAB]
        along_z, along_y, along_x = (torch.diff(slab, dim=axis).abs().mean() for axis in (1, 2, 3))
        return along_z + along_y + along_x

    def _refine(self, longest: int) -> None:
        """A finer grid over the part of the box that is not empty, with a margin of two voxels."""
        density = functional.softplus(self._grid[0] + SHIFT)
        steps = np.subtract(self.box.high, self.box.low) / np.subtract(self._grid.shape[:0:-1], 1)
        full = 1 - torch.exp(-density) > EMPTY
        low, high = list(self.box.low), list(self.box.high)
        for axis in range(3):
            held = full.any(dim=[d for d in range(3) if d != 2 - axis]).nonzero().ravel()
            if len(held):
                start = self.box.low[axis]
                low[axis] = max(start, start + steps[axis] * (int(held[0]) - 2))
                high[axis] = min(self.box.high[axis], start + steps[axis] * (int(held[-1]) + 2))
        old, self.box = self.box, Box(tuple(low), tuple(high))
        axes = [
            torch.from_numpy(
                2 * (np.linspace(low[a], high[a], n) - old.low[a]) / (old.high[a] - old.low[a]) - 1
            ).float()
            for a, n in enumerate(self.box.dims(longest))
        ]
        z, y, x = torch.meshgrid(*axes[::-1], indexing="ij")
        self._grid = functional.grid_sample(self._grid[None], torch.stack([x, y, z], -1)[None], align_corners=True)[0]

    def _rays(self, view: np.ndarray, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Origins and unit directions (n, 3) of pixels, and the direction (3,) towards the camera."""
        right, up, towards = camera_frames(np.asarray(view) * [self.optics.turn, self.optics.tilt])
        height, width = self.shape[:2]
        u = ((pixels % width) + 0.5 - width / 2) * (2 / height)
        v = ((pixels // width) + 0.5 - height / 2) * (2 / height)
        places = u[:, None] * right + v[:, None] * up
        if not self.optics.view_angle:
            return places + 10 * towards, np.broadcast_to(-towards, places.shape), towards
        eye = towards / math.tan(math.radians(self.optics.view_angle / 2))
        rays = places - eye
        return np.broadcast_to(eye, places.shape), rays / np.linalg.norm(rays, axis=1, keepdims=True), towards

    def _render(self, view: np.ndarray, pixels: np.ndarray) -> torch.Tensor:
        """(n, C) colours."""
        origins, rays, towards = self._rays(view, pixels)
        major = int(np.argmax(abs(towards)))
        others = [axis for axis in range(3) if axis != major]
        low, high = np.array(self.box.low), np.array(self.box.high)
        planes = np.linspace(low[major], high[major], self._grid.shape[3 - major])
        if towards[major] > 0:
            planes = planes[::-1]
        seen = self._seen_from(origins[0], towards, major)  # (planes, 1 + C, minor, minor)
        t = (planes[:, None] - origins[:, major]) / rays[:, major]
        places = [
            2 * (origins[:, axis] + t * rays[:, axis] - low[axis]) / (high[axis] - low[axis]) - 1 for axis in others
        ]
        where = torch.from_numpy(np.stack(places, axis=-1).astype(np.float32))
        inside = (where.abs() <= 1).all(dim=-1)
        colors = self._background[torch.from_numpy(pixels)]
        hit = inside.any(dim=0).nonzero()[:, 0]
        if not len(hit):
            return colors + 0 * self._grid.sum()
        values = functional.grid_sample(seen, where[:, None, hit], align_corners=True)[:, :, 0]
        voxels = torch.from_numpy((1 / abs(rays[:, major])).astype(np.float32))[hit]  # crossed from plane to plane
        depth = functional.softplus(values[:, 0] + SHIFT) * inside[:, hit] * voxels
        clear = torch.exp(-depth.cumsum(dim=0))
        before = torch.cat([torch.ones_like(clear[:1]), clear[:-1]])
        shown = torch.einsum("pn,pcn->nc", before - clear, values[:, 1:]) + clear[-1][:, None] * colors[hit]
        return colors.index_copy(0, hit, shown)

    def _seen_from(self, eye: np.ndarray, towards: np.ndarray, major: int) -> torch.Tensor:
        """(planes, 1 + C, ., .) density and colour of the voxels as a camera sees them, planes from front to back."""
        C = self.shape[2]
        order = {0: (3, 0, 1, 2), 1: (2, 0, 1, 3), 2: (1, 0, 2, 3)}[major]
        direction = [float(part) for part in towards]
        grid = self._grid.permute(order)
        if towards[major] > 0:
            grid = grid.flip(0)
        harmonics = grid[:, 1:].unflatten(1, (4, C))
        color = harmonics[:, 0] + 0.5
        for axis in range(3):
            color = color + direction[axis] * harmonics[:, 1 + axis]
        return torch.cat([grid[:, :1], color], dim=1)


def background_of(pictures: list[np.ndarray]) -> np.ndarray:
    """(ny, nx, C) float32 in [0, 1], what is behind the scene of pictures (ny, nx, C) uint8 of it.

    A pixel that is as good as equal in nine of ten pictures shows something that does not turn with the scene, such as a
    legend. Behind all others is the commonest colour of the pictures.
    """
    stack = np.stack(pictures)
    median = np.partition(stack, len(stack) // 2, axis=0)[len(stack) // 2]
    apart = np.maximum(stack, median) - np.minimum(stack, median)
    steady = (apart.max(axis=-1) <= STEADY).mean(axis=0) >= 0.9
    colors, counts = np.unique(stack[:, ::4, ::4].reshape(-1, stack.shape[-1]), axis=0, return_counts=True)
    return (np.where(steady[..., None], median, colors[counts.argmax()]) / 255).astype(np.float32)
