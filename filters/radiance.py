"""A model of radiance fields as the HyperINR Source puts it out: its pictures, or the field itself as a volume."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hyperinr.filters.about import add_facts
from hyperinr.filters.frames import Frame
from hyperinr.filters.image import to_image
from hyperinr.filters.memory import ImageCache, check_fits
from hyperinr.filters.moving import Moving
from hyperinr_core.errors import Aborted
from hyperinr_core.radiance.field import DENSITY, MOST_LOG, RadianceField
from hyperinr_core.radiance.grids import MOST_DIM
from hyperinr_core.radiance.model import RadianceModel
from hyperinr_core.volume import Extent, Field, Grid, Parameter

#: The arrays of a volume: base colours with the opacity of one voxel's length, and the extinction by unit length.
COLOR, EXTINCTION = "color", "extinction"

#: Points that are sampled at a time.
N_AT_ONCE = 1 << 18


class ShownRadiance:
    """What the source asks of a model, for one of radiance fields.

    Parameters
    ----------
    volume : whether the field itself is shown, and not its pictures.
    """

    anchored: tuple[bool, ...] = ()
    largest_errors: tuple[float, ...] = ()
    is_masked, motion_bytes = False, 0

    def __init__(self, radiance: RadianceModel, volume: bool) -> None:
        self.radiance, self.volume = radiance, volume
        self.quality, self.provenance = radiance.quality, radiance.provenance
        self.grid = _box_of(radiance) if volume else radiance.grid  # at once, so that a damaged scene is met here

    @property
    def parts(self) -> tuple[int, str]:
        """As of `Model`."""
        return len(self.radiance.scenes), "radiance fields"

    @property
    def n_bytes(self) -> int:
        """In memory, if all scenes are like the first: they are read when they are shown."""
        return len(self.radiance.scenes) * self.radiance.scenes[0].values.nbytes

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The model's."""
        return self.radiance.parameters

    @property
    def fields(self) -> tuple[Field, ...]:
        """The picture, or what a volume has at each point."""
        if not self.volume:
            return self.radiance.fields
        most = math.exp(MOST_LOG) / min(self.grid.spacing)
        return Field(COLOR, 4, ((0.0, 255.0),) * 4), Field(EXTINCTION, 1, ((0.0, most),))


def _box_of(radiance: RadianceModel) -> Grid:
    """Voxels as fine as the finest scene's around all scenes, whose box may change with time."""
    boxes = [(scene.origin, scene.spacing, scene.dims) for scene in radiance.scenes]
    low = np.min([origin for origin, _, _ in boxes], axis=0)
    high = np.max([np.add(o, np.multiply(s, np.subtract(dims, 1))) for o, s, dims in boxes], axis=0)
    spacing = max(min(spacing for _, spacing, _ in boxes), float((high - low).max()) / (MOST_DIM - 1))
    dims = tuple(int(n) for n in np.ceil((high - low) / spacing - 1e-6) + 1)
    return Grid(dims, tuple(low.tolist()), (spacing,) * 3)


class RadianceFrames:
    """Makes and keeps the images of one model of radiance fields, as `frames.ImageFrames` those of others: never coarse ones.

    Parameters
    ----------
    n_bytes : most memory for images that were shown.
    """

    def __init__(self, n_bytes: int) -> None:
        self.moving = Moving()
        self.images = ImageCache(n_bytes)

    def image(self, model: ShownRadiance, frame: Frame, factor: int, progress: Callable[[float], Any]) -> Any:
        """A vtkImageData of the frame."""
        if model.volume:  # which is the same from all sides
            theta = np.array(frame.theta)
            roles = model.radiance.roles
            theta[[column for column in range(len(theta)) if roles[column].startswith("view")]] = 0
            frame = frame._replace(theta=tuple(theta.tolist()))
        image = self.images.get(frame)
        if image is None:
            check_fits(frame.extent, 8)
            image = _volume(model, frame, progress) if model.volume else _picture(model, frame)
            add_facts(image, model)
            self.images.put(frame, image)
        return image

    def preview_factor(self, model: Any, grid: Grid, extent: Extent, backend: str) -> int:
        """1, since nobody waits long for a picture."""
        return 1

    def refine(self) -> tuple[bool, bool]:
        """Nothing coarse is shown, and nothing is due."""
        return False, False

    def stop(self) -> None:
        """Nothing is sampled beside the window."""


def _picture(model: ShownRadiance, frame: Frame) -> Any:
    x0, x1, y0, y1, _, _ = frame.extent
    nx, ny, _ = frame.grid.dims
    pixels = model.radiance.picture(frame.theta, (nx, ny))[None, y0 : y1 + 1, x0 : x1 + 1]
    return to_image(frame.grid, dict.fromkeys(frame.fields, pixels), frame.extent)


def _volume(model: ShownRadiance, frame: Frame, progress: Callable[[float], Any]) -> Any:
    field = model.radiance.at(frame.theta)
    colors, extinction = sampled(field, frame.grid, frame.extent, progress)
    opacity = 1 - np.exp(-extinction * np.float32(min(model.grid.spacing)))
    rgba = np.rint(255 * np.concatenate([colors, opacity[..., None]], axis=-1)).astype(np.uint8)
    arrays = {COLOR: rgba, EXTINCTION: extinction}
    return to_image(frame.grid, {name: arrays[name] for name in frame.fields}, frame.extent)


def sampled(
    field: RadianceField, grid: Grid, extent: Extent, progress: Callable[[float], Any] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(nz, ny, nx, 3) colours without their change with the view in [0, 1], and (nz, ny, nx) extinction per unit length.

    Both are float32, at the points of an extent of a grid in space.
    """
    x0, x1, y0, y1, z0, z1 = extent
    axes = [
        (grid.origin[axis] + grid.spacing[axis] * np.arange(first, last + 1) - field.origin[axis]) / field.spacing
        for axis, (first, last) in enumerate(((x0, x1), (y0, y1), (z0, z1)))
    ]
    shape = (z1 - z0 + 1, y1 - y0 + 1, x1 - x0 + 1)
    colors, extinction = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    n_planes = max(1, N_AT_ONCE // (shape[1] * shape[2]))
    for start in range(0, shape[0], n_planes):
        part = slice(start, start + n_planes)
        z, y, x = np.meshgrid(axes[2][part], axes[1], axes[0], indexing="ij")
        lines = field.lattice.sample(np.stack([x, y, z], axis=-1).reshape(-1, 3)).reshape(*x.shape, -1)
        extinction[part] = np.exp(np.minimum(lines[..., DENSITY], MOST_LOG)) / np.float32(field.spacing)
        colors[part] = np.clip(lines[..., :3], 0, 1)
        if progress is not None and progress(min(start + n_planes, shape[0]) / shape[0]):
            raise Aborted
    return colors, extinction
