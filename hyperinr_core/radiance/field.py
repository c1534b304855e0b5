"""A radiance field: a value that shows a scene from any camera."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from hyperinr_core.pictures.camera import Camera
from hyperinr_core.radiance.voxels import EDGE, LINE, VOXELS, Lattice

#: The number of a voxel that is the logarithm of its optical depth along a voxel's length; the largest that counts.
DENSITY, MOST_LOG = 3, 4.0

#: That of an empty voxel.
LEAST_LOG = -10.0


@dataclass(frozen=True)
class Seen:
    """A picture of a field alone, the lowest row first.

    Attributes
    ----------
    colors : (height, width, 3) float32, times opacity.
    opacity : (height, width) float32.
    depth : (height, width) float32, mean way from where the rays start to what they see, in the field's unit; infinite
        where they see nothing.
    """

    colors: np.ndarray
    opacity: np.ndarray
    depth: np.ndarray

    def over(self, background: np.ndarray | tuple[float, ...]) -> np.ndarray:
        """(height, width, 3) float32 in [0, 1] before a colour (3,) or a picture (height, width, 3)."""
        behind = np.asarray(background, np.float32)
        return np.clip(self.colors + (1 - self.opacity[..., None]) * behind, 0, 1)

    def rgba(self) -> np.ndarray:
        """(height, width, 4) uint8, colours not multiplied by opacity."""
        opacity = self.opacity[..., None]
        colors = np.divide(self.colors, opacity, out=np.zeros_like(self.colors), where=opacity > 0)
        return np.clip(np.rint(255 * np.concatenate([colors, opacity], axis=2)), 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class RadianceField:
    """Voxels in blocks of 4 x 4 x 4, of which those that are empty are not stored.

    Attributes
    ----------
    origin : (3,) where the first voxel is. spacing : between voxels.
    dims : voxels along x, y, z.
    index : (bz, by, bx) int32 number of the stored block, -1 for an empty one.
    values : (n, 64, 16) float32, as native/radiance.h has them.
    light : degrees by which the direction that colours change with stands above the camera's: where the light comes from.
    """

    origin: tuple[float, float, float]
    spacing: float
    dims: tuple[int, int, int]
    index: np.ndarray = field(repr=False)
    values: np.ndarray = field(repr=False)
    light: float = 0.0

    @cached_property
    def lattice(self) -> Lattice:
        """For the kernel."""
        return Lattice(self.dims, self.index, self.values)

    def rays(self, camera: Camera) -> np.ndarray:
        """(7, 3) the camera's, in voxels."""
        rays = camera.rays()
        rays[0] -= self.origin
        rays[:6] /= self.spacing
        if self.light:
            angle = math.radians(self.light)
            rays[6] = math.cos(angle) * rays[6] + math.sin(angle) * camera.frame()[1]
        return rays

    def render(self, camera: Camera, width: int, height: int) -> Seen:
        """What a camera sees in so many pixels."""
        colors, depth = self.lattice.render(self.rays(camera), width, height)
        opacity = colors[..., 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            far = np.where(opacity > 0, self.spacing * depth / opacity, np.inf).astype(np.float32)
        return Seen(colors[..., :3], opacity, far)

    def volume(self) -> tuple[np.ndarray, np.ndarray]:
        """(nz, ny, nx, 3) colours without their change with the view in [0, 1], and (nz, ny, nx) extinction per unit length.

        Both are float32 and 0 where the field is empty.
        """
        nx, ny, nz = self.dims
        padded = [EDGE * n for n in self.index.shape]
        dense = np.zeros((*padded, 4), np.float32)
        stored = self.index >= 0
        blocks = np.zeros((*self.index.shape, VOXELS, 4), np.float32)
        blocks[..., 3] = -np.inf
        blocks[stored] = self.values[self.index[stored], :, :4]
        blocks = blocks.reshape(*self.index.shape, EDGE, EDGE, EDGE, 4)
        dense[:] = blocks.transpose(0, 3, 1, 4, 2, 5, 6).reshape(dense.shape)
        dense = dense[:nz, :ny, :nx]
        extinction = np.exp(np.minimum(dense[..., 3], MOST_LOG)) / np.float32(self.spacing)
        return np.clip(dense[..., :3], 0, 1), extinction

    def resampled(
        self,
        origin: np.ndarray,
        spacing: float,
        dims: tuple[int, int, int],
        stored: np.ndarray,
        moved: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> RadianceField:
        """The same on another grid, of which blocks (bz, by, bx) bool are stored.

        Optical depths of voxels shrink with the voxels.

        Parameters
        ----------
        moved : how far from points (n, 3) the field is to be read for them.
        """
        index = np.full(stored.shape, -1, np.int32)
        index[stored] = np.arange(stored.sum())
        corners = EDGE * np.argwhere(stored)[:, ::-1]
        inside = np.array(list(itertools.product(range(EDGE), repeat=3)))[:, ::-1]
        values = np.empty((len(corners), VOXELS, LINE), np.float32)
        scale, shift = spacing / self.spacing, (np.asarray(origin) - self.origin) / self.spacing
        for start in range(0, len(corners), 4096):
            part = slice(start, start + 4096)
            points = ((corners[part, None] + inside) * scale + shift).reshape(-1, 3)
            if moved is not None:
                points = points + moved(points * self.spacing + self.origin) / self.spacing
            values[part] = self.lattice.sample(points).reshape(-1, VOXELS, LINE)
        values[..., DENSITY] += np.float32(np.log(scale))
        x, y, z = map(float, origin)
        return RadianceField((x, y, z), float(spacing), dims, index, values, self.light)
