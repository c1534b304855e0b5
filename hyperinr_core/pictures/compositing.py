"""A volume's picture without a graphics library: shear-warp (Lacroute and Levoy 1994), parallel projection.

The slices across the axis that the camera looks along most are shifted to where the rays cross them, laid over each other
from front to back, and the result is warped into the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hyperinr_core.pictures.transfer import MAX_OPACITY
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.volume import Grid


class Ramp:
    """Colours and opacities of scalars from low to high, those of the ends beyond.

    Parameters
    ----------
    colors : (x, red, green, blue) points over 0 to 1.
    opacities : (x, opacity of one unit distance) points over 0 to 1.
    """

    N = 512

    def __init__(
        self,
        colors: Sequence[tuple[float, float, float, float]],
        opacities: Sequence[tuple[float, float]],
        low: float,
        high: float,
    ) -> None:
        self._low, self._scale = low, (self.N - 1) / ((high - low) or 1.0)
        x = np.linspace(0, 1, self.N)
        places, *channels = np.array(colors, np.float64).T
        self.colors = np.stack([np.interp(x, places, channel) for channel in channels], axis=1).astype(np.float32)
        opacity = np.interp(x, *np.array(opacities, np.float64).T)
        self.opacities = np.minimum(opacity, MAX_OPACITY).astype(np.float32)

    def rgba(self, values: np.ndarray, units_per_step: float) -> np.ndarray:
        """(..., 4) float32, colours times opacity and opacity, of scalars (...) for steps of so many unit distances."""
        alpha = 1 - (1 - self.opacities) ** np.float32(units_per_step)
        table = np.concatenate([self.colors * alpha[:, None], alpha[:, None]], axis=1)
        rgba = table[self.index(values)]
        rgba[np.isnan(values)] = 0  # a masked point is clear
        return rgba

    def index(self, values: np.ndarray) -> np.ndarray:
        """(...) rows of the tables for scalars (...), the first for NaN."""
        kind = np.result_type(values, np.float32).type
        places = (values - kind(self._low)) * kind(self._scale) + kind(0.5)
        return np.fmin(np.fmax(places, 0), self.N - 1).astype(np.int16)


def step_length(grid: Grid, view: np.ndarray) -> float:
    """Length of a ray of a view (2,) between two slices, in the grid's unit."""
    _, major, towards = _along(grid, view)
    return abs(grid.spacing[major] / towards[major])


def picture(
    rgba: np.ndarray,
    grid: Grid,
    view: np.ndarray,
    size: tuple[int, int],
    background: tuple[float, float, float],
    zoom: float = 1.0,
) -> np.ndarray:
    """(height, width, 3) uint8, lowest row first, of a volume seen from a view.

    Parameters
    ----------
    rgba : (nz, ny, nx, 4) float32, colours times opacity and opacity of one step (`step_length`).
    view : (2,) azimuth and elevation in degrees, z up.
    size : width and height in pixels; the diagonal of the volume just fits into the smaller one at zoom 1.
    """
    frame, major, towards = _along(grid, view)
    spacing, dims = np.abs(grid.spacing), np.array(grid.dims)
    minor = [axis for axis in range(3) if axis != major]
    ray = towards / towards[major]  # how far it goes along each axis while it goes by 1 across the slices
    slices = np.moveaxis(rgba, 2 - major, 0)  # then the second axis is minor[1], the third minor[0]
    n = len(slices)
    order = range(n - 1, -1, -1) if towards[major] > 0 else range(n)
    flat, corner = _composite(slices, order, ray[minor] * spacing[major] / spacing[minor])
    pixel = math.dist((0, 0, 0), (dims - 1) * spacing) / min(size) / zoom  # its length
    first_column, first_row = (-(n - 1) / 2 for n in size)
    # in voxels: where the ray through the middle of the picture crosses slice 0, and how that moves by a length right and up
    center = (dims - 1) / 2
    middle = center - ray * center[major] * spacing[major] / spacing
    along_right, along_up = ((side - side[major] * ray) / spacing for side in frame[:2])
    from scipy.ndimage import affine_transform

    matrix = pixel * np.stack([along_up, along_right], axis=1)[minor[::-1]]
    offset = middle[minor[::-1]] - corner + matrix @ [first_row, first_column]
    image = np.stack(
        [affine_transform(flat[..., c], matrix, offset, size[::-1], order=1, prefilter=False) for c in range(4)],
        axis=-1,
    )
    shown = image[..., :3] + (1 - image[..., 3:]) * np.array(background, np.float32)
    return np.clip(np.rint(255 * shown), 0, 255).astype(np.uint8)


def _along(grid: Grid, view: np.ndarray) -> tuple[np.ndarray, int, np.ndarray]:
    """Right, up and towards the camera along the grid's own axes, and the axis that it looks along most."""
    frame = camera_frames(view) @ np.reshape(grid.direction, (3, 3))
    frame = frame * np.sign(grid.spacing)
    return frame, int(np.argmax(np.abs(frame[2]) / np.abs(grid.spacing) * (np.array(grid.dims) > 1))), frame[2]


def _composite(slices: np.ndarray, order: range, shear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Slices laid over each other as they meet slice 0, and the (row, column) in voxels of the result's first pixel."""
    n = len(slices)
    # voxel p of slice k is met by the ray that crosses slice 0 at p - k * shear
    shifts = -np.outer(np.arange(n), shear[::-1])
    corner = np.floor(shifts.min(axis=0))
    shape = (np.ceil(shifts.max(axis=0)) - corner).astype(int) + slices.shape[1:3] + 1
    flat = np.zeros((*shape, 4), np.float32)
    clear = np.ones((*shape, 1), np.float32)
    for k in order:
        whole = np.floor(shifts[k]).astype(int)
        y, x = (shifts[k] - whole).astype(np.float32)
        moved = _moved(slices[k], y, x)
        top, left = (whole - corner).astype(int)
        place = np.s_[top : top + moved.shape[0], left : left + moved.shape[1]]
        flat[place] += clear[place] * moved
        clear[place] *= 1 - moved[..., 3:]
    return flat, corner


def _moved(plane: np.ndarray, y: np.float32, x: np.float32) -> np.ndarray:
    """A plane (ny, nx, 4) moved by fractions of a pixel, one larger along both axes."""
    wide = np.zeros((plane.shape[0], plane.shape[1] + 1, 4), np.float32)
    wide[:, :-1] = (1 - x) * plane
    wide[:, 1:] += x * plane
    out = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1, 4), np.float32)
    out[:-1] = (1 - y) * wide
    out[1:] += y * wide
    return out


def seen_along_y(rgba: np.ndarray, grid: Grid, unit_distance: float) -> np.ndarray:
    """(nz, nx, 3) a volume (nz, ny, nx, 4) uint8 seen from the end of y on white, a pixel for each column of points.

    Parameters
    ----------
    rgba : colours, and opacities of one unit distance.
    """
    alpha = 1 - (1 - np.minimum(rgba[..., 3] / 255, MAX_OPACITY)) ** (abs(grid.spacing[1]) / unit_distance)
    image, left = np.zeros((rgba.shape[0], rgba.shape[2], 3)), np.ones((rgba.shape[0], rgba.shape[2], 1))
    for y in reversed(range(rgba.shape[1])):
        share = left * alpha[:, y, :, None]
        image += share * rgba[:, y, :, :3] / 255
        left -= share
    return np.clip(image + left, 0, 1)[:, ::-1]
