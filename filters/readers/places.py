"""Where the points of a NetCDF variable are, when they do not lie evenly: the coordinates that CF and WRF files have for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hyperinr.filters.readers.cf import decoded, is_angle, kind_of_axis
from hyperinr.filters.readers.curved import Warp, across_axes, across_cells, grid_of_axes, sound, unrolled
from hyperinr_core.errors import DataError

#: WRF's geopotential over this is height.
GRAVITY = 9.81

#: CF's formulas for the heights of terrain-following levels, Appendix D: standard name -> heights of terms.
_FORMULAS = {
    "ocean_s_coordinate_g1": lambda t: _g1(**t),
    "ocean_s_coordinate_g2": lambda t: t["eta"] + (t["eta"] + t["depth"]) * _blend(**t) / (t["depth_c"] + t["depth"]),
    "ocean_sigma_coordinate": lambda t: t["eta"] + t["sigma"] * (t["depth"] + t["eta"]),
    "atmosphere_hybrid_height_coordinate": lambda t: t["a"] + t["b"] * t["orog"],
    "atmosphere_sigma_coordinate": lambda t: t["ptop"] + t["sigma"] * (t["ps"] - t["ptop"]),
    "atmosphere_hybrid_sigma_pressure_coordinate": lambda t: (
        (t["ap"] if "ap" in t else t["a"] * t["p0"]) + t["b"] * t["ps"]
    ),
}


def _blend(s: Any, C: Any, depth: Any, depth_c: Any, **_: Any) -> Any:
    return depth_c * s + depth * C


def _g1(s: Any, C: Any, eta: Any, depth: Any, depth_c: Any) -> Any:
    still = depth_c * s + (depth - depth_c) * C
    return still + eta * (1 + still / depth)


@dataclass(frozen=True)
class Places:
    """How a variable's points come to those of a grid.

    Attributes
    ----------
    shape : (nz, ny, nx) of the variable. axes : its dimensions by x, y, z and t.
    columns : what gives the heights of its levels in each column; empty when they are the same everywhere.
    """

    warp: Warp
    shape: tuple[int, int, int]
    axes: Mapping[str, str]
    columns: str
    notes: tuple[str, ...]

    @classmethod
    def found(
        cls,
        path: Path,
        data: Any,
        name: str,
        axes: Any,
        points: Mapping[str, np.ndarray],
        dims: tuple[int, int, int] | None,
    ) -> Places:
        """Those of a variable of which points along its axes are known; DataError when the rest is not."""
        if not (axes.x and axes.y):
            raise DataError(f"{path} has {name!r} without two axes across; expected both where others are not even")
        letters = {kind: getattr(axes, kind) for kind in "xyzt" if getattr(axes, kind)}
        columns = cls.columns_of(data, name, axes.z) if axes.z else ""
        curved = [_curved(data, name, axes, kind) for kind in "xy"]
        if any(curved) and not all(curved):
            raise DataError(f"{path} has curved axes, {''.join(curved)}, but not the other one; expected both")
        x, y = points["x"], points["y"]
        if all(curved):
            x, y = (_plane(data, other, axes) for other in curved)
        z = points.get("z", np.zeros(1))
        if columns:
            heights = _heights(data, name, columns, letters, 0)
            z = np.moveaxis(heights, 0, -1).reshape(-1, len(heights))
        is_round = bool(all(curved)) and is_angle(curved[0], data.variables[curved[0]].attrs, "x")
        if all(curved):
            x, y = sound(x, y)
            x = unrolled(x) if is_round else x
        grid = grid_of_axes(x, np.swapaxes(y, 0, -1) if y.ndim == 2 else y, z, dims)
        across = across_cells(x, y, grid, is_round) if all(curved) else across_axes(x, y, grid)
        levels = None if columns or not axes.z or len(z) == 1 else z
        nz, ny, nx = (data.sizes[letters[kind]] if kind in letters else 1 for kind in "zyx")
        kind = "follow the terrain" if columns else "are curved" if all(curved) else "are uneven"
        said = "as asked" if dims else "--dims nx ny nz for another"
        note = f"the axes of {path.name} {kind}; resampled to {' x '.join(map(str, grid.dims))} points, {said}"
        follows = f"{name}|{columns}" if columns else ""
        return cls(Warp(grid, across, levels), (nz, ny, nx), letters, follows, (note,))

    @staticmethod
    def columns_of(data: Any, name: str, dim: str) -> str:
        """The variable that has, or has the formula of, the height of each point of another; nothing when there is none."""
        attributes = {**data.variables[name].encoding, **data.variables[name].attrs}
        for other in str(attributes.get("coordinates", "")).split():
            variable = data.variables.get(other)
            is_deep = variable is not None and variable.ndim >= 3 and dim in variable.dims
            if is_deep and kind_of_axis(other, variable.attrs) == "z":
                return other
        own = data.variables.get(dim)
        if own is not None and own.attrs.get("standard_name") in _FORMULAS and "formula_terms" in own.attrs:
            terms = _terms(own.attrs)
            return dim if all(term in data.variables for term in terms.values()) else ""
        return "PH" if dim.startswith("bottom_top") and {"PH", "PHB"} <= set(data.variables) else ""

    @staticmethod
    def curved(data: Any, dim: str | None, kind: str) -> str:
        """A longitude or latitude that also follows another axis than its own; nothing when there is none."""
        for other, variable in data.variables.items():
            if dim in variable.dims and variable.ndim > 1 and is_angle(str(other), variable.attrs, kind):
                return str(other)
        return ""

    def heights(self, data: Any, frame: int) -> np.ndarray | None:
        """(nz, ny, nx) of the points at a step; None where they are the same in all columns."""
        if not self.columns:
            return None
        name, columns = self.columns.split("|")
        return _heights(data, name, columns, self.axes, frame)


def _curved(data: Any, name: str, axes: Any, kind: str) -> str:
    """The coordinate of a variable on both axes across, its own before others."""
    attributes = {**data.variables[name].encoding, **data.variables[name].attrs}
    own = str(attributes.get("coordinates", "")).split()
    for other in (*own, *map(str, data.variables)):
        variable = data.variables.get(other)
        if variable is None or not {axes.x, axes.y} <= set(variable.dims) or axes.z in variable.dims:
            continue
        if is_angle(other, variable.attrs, kind) or (other in own and kind_of_axis(other, variable.attrs) == kind):
            return other
    return ""


def _plane(data: Any, name: str, axes: Any) -> np.ndarray:
    """(ny, nx) of a coordinate, of the first step."""
    variable = data.variables[name]
    part = variable.isel({dim: 0 for dim in variable.dims if dim not in (axes.x, axes.y)}).transpose(axes.y, axes.x)
    return decoded(np.asarray(part.values), variable.attrs).astype(np.float64)


def _terms(attributes: Mapping[str, Any]) -> dict[str, str]:
    return dict(re.findall(r"(\w+)\s*:\s*(\S+)", attributes["formula_terms"]))


def _heights(data: Any, name: str, columns: str, axes: Mapping[str, str], frame: int) -> np.ndarray:
    shape = tuple(data.sizes[axes[kind]] for kind in "zyx")

    def taken(other: str) -> np.ndarray:
        """A variable at a step in the shape that multiplies with (nz, ny, nx)."""
        variable = data.variables[other]
        index = {axes["t"]: frame} if axes.get("t") in variable.dims else {}
        part = variable.isel(index)
        part = part.isel({dim: 0 for dim in part.dims if dim not in (axes["z"], axes["y"], axes["x"])})
        order = [axes[kind] for kind in "zyx" if axes[kind] in part.dims]
        values = decoded(np.asarray(part.transpose(*order).values), variable.attrs).astype(np.float64)
        return values.reshape([data.sizes[axes[kind]] if axes[kind] in part.dims else 1 for kind in "zyx"])

    if columns == "PH":
        return _of_geopotential(data, axes, frame, shape)
    own = data.variables[columns]
    if columns != axes["z"]:
        return np.broadcast_to(taken(columns), shape)
    terms = {term: taken(other) for term, other in _terms(own.attrs).items()}
    return np.broadcast_to(_FORMULAS[own.attrs["standard_name"]](terms), shape)


def _of_geopotential(data: Any, axes: Mapping[str, str], frame: int, shape: tuple[int, ...]) -> np.ndarray:
    """WRF's heights: of the faces between levels, across at the middle of cells."""
    moved, still = (
        np.asarray(data.variables[name].isel({data.variables[name].dims[0]: frame}).values, np.float64)
        for name in ("PH", "PHB")
    )
    heights = (moved + still) / GRAVITY
    if heights.shape[0] == shape[0] + 1:
        heights = (heights[1:] + heights[:-1]) / 2
    for axis in (1, 2):
        if heights.shape[axis] == shape[axis] - 1:  # velocities lie on the faces of cells
            padded = np.concatenate([heights.take([0], axis), heights, heights.take([-1], axis)], axis)
            low = padded.take(range(shape[axis]), axis)
            heights = (low + padded.take(range(1, shape[axis] + 1), axis)) / 2
    return heights
