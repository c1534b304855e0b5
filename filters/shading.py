"""What the shadow pass makes of a volume: extinction, which points can be seen, and their colours in light and shadow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hyperinr_core.hypernet import HyperINR
from hyperinr_core.light import shadow
from hyperinr_core.pictures.transfer import TransferFunction, extinction
from hyperinr_core.volume import Extent, Grid

#: Entries of the tables that values are looked up in.
N_COLORS = 1024

#: Full light in fixed point: a byte times it fits 32 bits.
ONE = 1 << 16


class Shading:
    """One volume under one transfer function; only the light changes.

    Parameters
    ----------
    values : (nz, ny, nx) scalars of the region; NaN where points are masked, which are clear and cast no shadow.
    grid : the whole grid.
    region : inclusive box of point indices that the values are for.
    unit_distance : length over which opacities hold, in the grid's unit.

    Attributes
    ----------
    function : the transfer function.
    seen : (n,) places of the points that can be seen.

    Raises
    ------
    DataError for infinity.
    """

    def __init__(
        self, values: np.ndarray, grid: Grid, region: Extent, function: TransferFunction, unit_distance: float
    ) -> None:
        self.grid, self.region, self.function, self.unit_distance = grid, region, function, unit_distance
        self._tau = extinction(values, function, unit_distance, check=False)
        self.rgba = _classified(values, function)
        self.seen = np.flatnonzero(_widened(self._tau > 0))
        colors = self.rgba.reshape(-1).view(np.uint32)[
            self.seen
        ]  # a point's four bytes as one number, red in the lowest
        self._channels = [colors >> shift & 255 for shift in (0, 8, 16)]
        self._seen_alpha = colors & 0xFF000000
        self._points: np.ndarray | None = None
        self._occlusion: tuple[tuple[int, ...], np.ndarray] | None = None

    def swept(self, direction: np.ndarray, dims: Sequence[int] | None = None) -> np.ndarray:
        """(nz, ny, nx) exact transmittance, computed on dims of its own if given; the region must be the whole grid."""
        return self._on(dims, lambda tau, grid: shadow.transmittance(tau, grid, direction))

    def occluded(self, dims: Sequence[int] | None = None) -> np.ndarray:
        """(nz, ny, nx) share that arrives of a light from everywhere, kept for the next light; else as `swept`."""
        key = tuple(dims or self.grid.dims)
        if self._occlusion is None or self._occlusion[0] != key:
            self._occlusion = key, self._on(key, shadow.ambient_occlusion)
        return self._occlusion[1]

    def _on(self, dims: Sequence[int] | None, sweep: Callable[[np.ndarray, Grid], np.ndarray]) -> np.ndarray:
        """What sweeps the extinction, on dims of its own if given, brought back to the grid."""
        if dims is None or tuple(dims) == self.grid.dims:
            return sweep(self._tau, self.grid)
        coarse = shadow.resample(self._tau, dims)
        return shadow.resample(sweep(coarse, self.grid.with_dims(dims)), self.grid.dims)

    def predicted(self, model: HyperINR, theta: list[float], backend: str) -> np.ndarray:
        """(nz, ny, nx) a model's shadow where something can be seen, 1 elsewhere."""
        values = np.ones(self.rgba.shape[:3], np.float32)
        if len(self.seen):
            values.reshape(-1)[self.seen] = model.generate(theta, backend).sample(self._seen_points())[:, 0]
        return values

    def shaded(
        self, shadows: np.ndarray | None, ambient: float, strength: float, occlusion: np.ndarray | None = None
    ) -> np.ndarray:
        """(nz, ny, nx, 4) uint8 colours darkened by what light lacks, and opacity.

        Parameters
        ----------
        shadows : (nz, ny, nx) share that arrives of the one light; None where all light comes from everywhere.
        ambient : share of the colour that every point keeps; beside an occlusion, the share that is from everywhere.
        strength : how far shadows darken, 0 not at all.
        occlusion : (nz, ny, nx) share that arrives of a light from everywhere; None where nothing hinders it.
        """
        everywhere: Any = 1.0 if occlusion is None else self._darkened(occlusion * shadow.SKY_GAIN, strength)
        if shadows is None:
            light = ambient + (1 - ambient) * everywhere
        else:
            light = ambient * everywhere + (1 - ambient) * self._darkened(shadows, strength)
        light = np.clip(light, 0, 1)
        light = (light * ONE).astype(np.uint32)
        colors = self._seen_alpha.copy()
        for shift, channel in zip((0, 8, 16), self._channels):
            colors |= channel * light + ONE // 2 >> 16 << shift
        rgba = self.rgba.copy()
        rgba.reshape(-1).view(np.uint32)[self.seen] = colors
        return rgba

    def _darkened(self, arrives: np.ndarray, strength: float) -> np.ndarray:
        """(n,) light at the points that can be seen."""
        return 1 - strength * (1 - np.clip(arrives.reshape(-1)[self.seen], 0, 1))

    def _seen_points(self) -> np.ndarray:
        if self._points is None:
            axes = self.grid.axes(self.region)
            places = np.unravel_index(self.seen, self.rgba.shape[:3])
            self._points = np.stack([axis[place] for axis, place in zip(axes, places[::-1])], axis=1)
        return self._points


def _classified(values: np.ndarray, function: TransferFunction) -> np.ndarray:
    """(nz, ny, nx, 4) uint8 colour of each value and opacity of one unit distance of it."""
    x = np.array(function.colors)[:, 0]
    ends = min(x[0], function.opacities[0][0]), max(x[-1], function.opacities[-1][0])
    nodes = np.linspace(*ends, N_COLORS)
    colors = [np.interp(nodes, x, channel) for channel in np.array(function.colors).T[1:]]
    table = (np.stack([*colors, function.opacity(nodes)], axis=1) * 255 + 0.5).astype(np.uint8)
    scale = (N_COLORS - 1) / (ends[1] - ends[0]) if ends[1] > ends[0] else 0.0
    masked = np.isnan(values)
    rgba = table[
        np.clip((np.where(masked, ends[0], values) - ends[0]) * scale + 0.5, 0, N_COLORS - 1).astype(np.uint16)
    ]
    rgba[masked] = 0
    return rgba


def _widened(mask: np.ndarray) -> np.ndarray:
    """A mask (nz, ny, nx) and its neighbours: renderers blend the colours of a cell's corners, clear ones too."""
    for axis in range(3):
        wide = mask.copy()
        low, high = [slice(None)] * 3, [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        wide[tuple(low)] |= mask[tuple(high)]
        wide[tuple(high)] |= mask[tuple(low)]
        mask = wide
    return mask


def from_vtk(colors: Any) -> TransferFunction:
    """The transfer function of ParaView's colour map and the opacity function that belongs to it.

    Parameters
    ----------
    colors : vtkDiscretizableColorTransferFunction, or any vtkColorTransferFunction (opacity then rises linearly).
    """
    low, high = colors.GetRange()
    nodes = np.linspace(low, high, 256)
    rgb = [0.0] * 3
    table: list[tuple[float, ...]] = []
    for x in nodes:
        colors.GetColor(x, rgb)
        table.append((float(x), *rgb))
    function = getattr(colors, "GetScalarOpacityFunction", lambda: None)()
    return TransferFunction(tuple(table), _opacities(function, low, high))


def _opacities(function: Any, low: float, high: float) -> tuple[tuple[float, float], ...]:
    if function is None or function.GetSize() < 2:
        return (low, 0.0), (high, 1.0)
    node = [0.0] * 4
    points = []
    for index in range(function.GetSize()):
        function.GetNodeValue(index, node)
        points.append(tuple(node))
    if all(middle == 0.5 and sharpness == 0 for _, _, middle, sharpness in points):
        return tuple((x, alpha) for x, alpha, _, _ in points)
    curve = np.linspace(points[0][0], points[-1][0], N_COLORS)
    return tuple((float(x), function.GetValue(float(x))) for x in curve)
