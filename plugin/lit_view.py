"""A volume in any light, seen from aside: what `evaluate-shadow --strip` draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import map_coordinates

from hyperinr_core.pictures.transfer import TransferFunction, extinction
from hyperinr_core.spaces.sphere import camera_frames
from hyperinr_core.volume import Grid

#: Light that is left behind what nobody can see.
DARK = 1e-3

#: Pixels that are left around what is seen.
EDGE = 6

#: Rows of pixels that are looked at together.
ROWS = 8


class LitView:
    """What parallel rays see of a volume, found once for all lights.

    Parameters
    ----------
    values : (nz, ny, nx) scalars; NaN where points are masked, which are clear.
    function, unit_distance : colours, and opacities of one unit distance.
    view : (2,) azimuth and elevation of the camera in degrees, up along z.
    height : pixels across the diagonal of the box, which is the height of a picture.
    """

    def __init__(
        self,
        values: np.ndarray,
        grid: Grid,
        function: TransferFunction,
        unit_distance: float,
        view: Sequence[float],
        height: int = 300,
    ) -> None:
        self._grid, self._tau = grid, extinction(values, function, unit_distance)
        self._values = np.where(np.isnan(values), np.nanmin(values), values)
        sides = np.multiply(grid.spacing, np.subtract(grid.dims, 1))
        axes = np.reshape(grid.direction, (3, 3))
        right, up, towards = camera_frames(np.array(view, np.float64))
        reach = np.linalg.norm(sides) / 2
        across = np.abs(axes.T @ right) @ np.abs(sides) / 2
        width = max(round(height * across / reach), 1)
        self.shape = height, width
        self._middle = np.array(grid.origin) + axes @ sides / 2
        self._step = float(np.abs(grid.spacing).min())
        u = (np.arange(width) + 0.5) / width * 2 * across - across
        v = (np.arange(height) + 0.5) / height * 2 * reach - reach
        depths = np.arange(reach, -reach, -self._step)
        found = []
        for first in range(0, height, ROWS):
            rows = v[first : first + ROWS]
            origins = (u[None, :, None] * right + rows[:, None, None] * up).reshape(-1, 1, 3)
            found.append(self._seen(origins + depths[:, None] * towards, first * width))
        self._places, self._pixels, self._shares = (np.concatenate(parts) for parts in zip(*found))
        self._colors = self._classified(function)

    def frame(self) -> tuple[slice, slice]:
        """Rows and columns of a picture that hold all that is seen, and a little more."""
        rows, columns = np.divmod(self._pixels, self.shape[1])
        ends = [(max(at.min() - EDGE, 0), at.max() + EDGE + 1) for at in (rows, columns) if at.size]
        return (slice(*ends[0]), slice(*ends[1])) if ends else (slice(None), slice(None))

    def picture(self, light: np.ndarray) -> np.ndarray:
        """(height, width, 3) in [0, 1], lowest row first, on white.

        Parameters
        ----------
        light : (nz, ny, nx) share of its colour that each point shows.
        """
        at = self._at(light, self._places)
        n = self.shape[0] * self.shape[1]
        behind = 1 - np.bincount(self._pixels, self._shares, n)
        channels = [np.bincount(self._pixels, self._shares * at * c, n) + behind for c in self._colors.T]
        return np.clip(np.stack(channels, axis=-1), 0, 1).reshape(*self.shape, 3)

    def _seen(self, points: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places (n, 3), pixels (n,) and shares (n,) of the samples of rays (rays, samples, 3) that can be seen."""
        places = (points + self._middle - self._grid.origin) @ np.reshape(self._grid.direction, (3, 3))
        places /= self._grid.spacing
        alpha = 1 - np.exp(-self._step * self._at(self._tau, places))
        left = np.cumprod(1 - alpha, axis=1)
        shares = alpha * np.concatenate([np.ones((len(left), 1)), left[:, :-1]], axis=1)
        rays, samples = np.nonzero(shares > DARK)
        return places[rays, samples], first + rays, shares[rays, samples]

    def _classified(self, function: TransferFunction) -> np.ndarray:
        x, *channels = np.array(function.colors).T
        values = self._at(self._values, self._places)
        return np.stack([np.interp(values, x, channel) for channel in channels], axis=-1)

    @staticmethod
    def _at(field: np.ndarray, places: np.ndarray) -> np.ndarray:
        """(...) trilinear values at places (..., 3) in points, x first; 0 outside."""
        return map_coordinates(field, np.moveaxis(places, -1, 0)[::-1], order=1, output=np.float32, cval=0.0)
