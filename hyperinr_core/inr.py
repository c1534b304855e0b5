"""The compact neural field at one theta: sampled at points, or into a grid that a renderer shows."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from hyperinr_core.backends.base import Backend
from hyperinr_core.errors import Aborted, ParameterError
from hyperinr_core.shift import Shifts, columns
from hyperinr_core.spline_base import Spline
from hyperinr_core.volume import Extent, Field, Grid

#: Called with the finished fraction between slabs; returning True stops the work.
Progress = Callable[[float], Any]

#: Where each field holds values, as bool of the shape that they have together, at points of the training grid z, y, x.
#: Fields whose masks are equal share one array.
Valid = Callable[[tuple[np.ndarray, ...]], list[np.ndarray]]


class Values(ABC):
    """Where the numbers of an INR come from."""

    #: Points that are asked for between two calls of a caller's progress callback.
    slab_points = 1 << 20

    @abstractmethod
    def at_points(self, points: np.ndarray) -> np.ndarray:
        """(B, C) float32 at points (B, D) float32 in [0, 1], x first."""

    @abstractmethod
    def on_grid(self, axes: tuple[np.ndarray, ...], out: np.ndarray) -> None:
        """Write what is at every combination of unit coordinates along x, y (, z) into out (nz, ny, nx, C) or (ny, nx, C)."""

    def prepare(self, axes: tuple[np.ndarray, ...], progress: Progress | None) -> None:  # noqa: B027 - most need not
        """Get ready for all of the axes, slabs of which will be asked for."""

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array for `on_grid`."""
        return np.empty(shape, np.float32)

    def moving(self, field: int, axes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is known of a field's motion at every combination of unit coordinates along x, y (, z).

        Returns
        -------
        Velocity (3, nz, ny, nx) x, y, z in points of the training grid per unit of time; trust and error (nz, ny, nx).
        """
        raise ParameterError(
            "values here are of blended encoders, which know no motion; expected a model that was trained to carry its steps "
            "along one, and no interpolation chosen"
        )


class PointMotion(NamedTuple):
    """What a model knows of how a field moves, beside the field's values; float32, NaN at masked points.

    Attributes
    ----------
    velocity : (nz, ny, nx, 3) x, y, z in space, in lengths of the grid per unit of time.
    trust : (nz, ny, nx) from 0 to 1, how much what is carried along the motion replaces interpolation in place.
    uncertainty : (nz, ny, nx) root mean squared error in the field's units that is expected in the middle between the training
        steps around, from training steps that were left out; float64 for a field whose values are.
    """

    velocity: np.ndarray
    trust: np.ndarray
    uncertainty: np.ndarray


class Generated(Values):
    """The shared network over a blended table, and the base that it adds to.

    Parameters
    ----------
    base : what the network's values are added to, if anything.
    network_range : (C, 2) what 0 and 1 of the network's outputs stand for, in the fields' units, or before their shifts.
    stays : whether values on a grid stay where the backend computes them, in a tensor of that device.
    """

    def __init__(
        self, backend: Backend, table: Any, base: Spline | None, network_range: np.ndarray, stays: bool = False
    ) -> None:
        self._backend, self._table, self._base, self._stays = backend, table, base, stays
        self._offset = network_range[:, 0].astype(np.float32)
        self._scale = (network_range[:, 1] - network_range[:, 0]).astype(np.float32)
        self.slab_points = backend.slab_points

    def at_points(self, points: np.ndarray) -> np.ndarray:
        values = self._backend.sample(self._table, points) * self._scale + self._offset
        if self._base is not None:
            values[:, self._base.components] += self._base.at_points(points)
        return values

    def on_grid(self, axes: tuple[np.ndarray, ...], out: np.ndarray) -> None:
        self._backend.sample_grid(self._table, axes, out, self._scale, self._offset)
        if self._base is not None:
            out[..., self._base.components] += self._base.on_grid(axes, like=out)

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        return self._backend.empty_there(shape) if self._stays else self._backend.empty(shape)


class INR:
    """A field over the unit cube, made by `HyperINR.generate`.

    Attributes
    ----------
    grid : the grid of the training data, the default of `sample_grid`.
    fields : what the C components of a value are.

    Parameters
    ----------
    values : where numbers come from, in the fields' units, or before their shifts.
    valid : where fields hold values; None where all do everywhere.
    shifts : of the fields whose values float32 does not tell apart. Values are then float64.
    """

    def __init__(
        self,
        values: Values,
        grid: Grid,
        fields: tuple[Field, ...],
        n_pos_dims: int,
        valid: Valid | None = None,
        shifts: Shifts | None = None,
    ) -> None:
        self.grid = grid
        self.fields = fields
        self._values = values
        self._n_pos_dims = n_pos_dims
        self._valid = valid
        self._shifts = shifts or {}

    @property
    def dtype(self) -> type[np.floating]:
        """Of values: float32, or float64 where that does not tell the values of a field apart."""
        return np.float64 if self._shifts else np.float32

    @property
    def is_masked(self) -> bool:
        """Whether there may be masked points."""
        return self._valid is not None

    def unmasked(self) -> INR:
        """The same field with the numbers that the network happens to have at masked points."""
        other = copy.copy(self)
        other._valid = None
        return other

    def valid(self, grid: Grid | None = None, region: Extent | None = None) -> dict[str, np.ndarray]:
        """Where each field holds values, (nz, ny, nx) bool by its name; masks that are equal are one array.

        A point is masked as the nearest point of the training grid is. Arguments as for `sample_grid`.

        Examples
        --------
        >>> from hyperinr_core import load
        >>> bool(load("flow.hinr").generate(0.6).valid()["density"].all())
        True
        """
        grid = self.grid if grid is None else grid
        axes = grid.axes(region)
        if self._valid is None:
            everywhere = np.ones([len(axis) for axis in reversed(axes)], bool)
            return {field.name: everywhere for field in self.fields}
        nearest = np.ix_(*(_nearest(axis, n) for axis, n in zip(reversed(axes), self.grid.shape)))
        return dict(zip([field.name for field in self.fields], self._valid(nearest)))

    def sample(self, points: np.ndarray) -> np.ndarray:
        """Values at points, NaN where they are masked.

        Parameters
        ----------
        points : (B, D) in [0, 1], x first; 0 and 1 are the first and last grid point of an axis.

        Returns
        -------
        (B, C) `dtype` in the fields' units.

        Raises
        ------
        ParameterError for points outside [0, 1].

        Examples
        --------
        >>> import numpy as np
        >>> from hyperinr_core import load
        >>> load("flow.hinr").generate(0.6).sample(np.array([[0.5, 0.5, 0.5], [0.0, 1.0, 0.25]])).shape
        (2, 1)
        """
        points = np.ascontiguousarray(points, np.float32)
        if points.ndim != 2 or points.shape[1] != self._n_pos_dims:
            raise ParameterError(f"points have shape {points.shape}; expected (B, {self._n_pos_dims})")
        if points.size and not (points.min() >= 0 and points.max() <= 1):
            raise ParameterError(f"points span {points.min():g} to {points.max():g}; expected coordinates in [0, 1]")
        values = self._shifted(self._values.at_points(points))
        if self._valid is not None:
            axes = [_nearest(x, n) for x, n in zip(points.T, self.grid.dims)]
            # the one plane of a plane stands for z
            place = tuple(axes[::-1]) if len(axes) == 3 else (np.zeros_like(axes[0]), *axes[::-1])
            self._hide(values, self._valid(place))
        return values

    def sample_grid(
        self, grid: Grid | None = None, region: Extent | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Values at the points of a grid over the training data's box, NaN where they are masked.

        Parameters
        ----------
        grid : any sampling of the box; the training grid when None.
        region : inclusive extent of the points wanted; all when None.
        progress : called between slabs with the finished fraction.

        Returns
        -------
        (nz, ny, nx, C) `dtype` of the region, in the fields' units.

        Raises
        ------
        ParameterError for a region outside the grid; Aborted when `progress` returns True.

        Examples
        --------
        >>> from hyperinr_core import load
        >>> inr = load("flow.hinr").generate(0.6)
        >>> finer = inr.grid.with_dims((24, 20, 16))
        >>> inr.sample_grid(finer).shape, inr.sample_grid(finer, region=(0, 23, 0, 19, 8, 8)).shape
        ((16, 20, 24, 1), (1, 20, 24, 1))
        """
        grid = self.grid if grid is None else grid
        if self._n_pos_dims == 2 and grid.dims[2] != 1:
            raise ParameterError(f"dims are {grid.dims}; expected nz = 1, since this model is a plane")
        axes = grid.axes(region, self._n_pos_dims)
        n_planes = len(axes[2]) if len(axes) == 3 else 1
        n_values = sum(field.n_components for field in self.fields)
        out = self._values.empty((n_planes, len(axes[1]), len(axes[0]), n_values))
        step = max(1, self._values.slab_points // max(1, len(axes[0]) * len(axes[1])))
        self._values.prepare(axes, progress)
        for start in range(0, n_planes, step):
            stop = min(start + step, n_planes)
            slab_axes = (*axes[:2], axes[2][start:stop]) if len(axes) == 3 else axes
            self._values.on_grid(slab_axes, out[start:stop] if len(axes) == 3 else out[0])
            if progress is not None and progress(stop / n_planes):
                raise Aborted("sampling was stopped by the caller")
        return self.masked(self._shifted(out), grid, region)

    def motion(self, field: str, grid: Grid | None = None, region: Extent | None = None) -> PointMotion:
        """How a field moves, at the points of a grid; no value is decoded.

        Arguments as for `sample_grid`.

        Raises
        ------
        ParameterError for a field that the model has not, for a model without motion, or where `generate` was told how to
        interpolate, and for a region outside the grid.
        """
        grid = self.grid if grid is None else grid
        names = [f.name for f in self.fields]
        self._check_names([field])
        velocity, trust, error = self._values.moving(names.index(field), grid.axes(region, self._n_pos_dims))
        if field in self._shifts:
            error = error.astype(np.float64) * self._shifts[field].scale
        along = np.reshape(self.grid.direction, (3, 3)) * self.grid.spacing
        # sums of three, which no number of points rounds in another way
        parts = [sum(part * np.float32(step) for part, step in zip(velocity, row)) for row in along]
        moving = PointMotion(np.stack(parts, axis=-1), trust, error)
        if self.is_masked:
            hidden = ~self.valid(grid, region)[field]
            for array in moving:
                array[hidden] = np.nan
        return moving

    def masked(self, values: np.ndarray, grid: Grid | None = None, region: Extent | None = None) -> np.ndarray:
        """Values (nz, ny, nx, C) as `sample_grid` has them, after NaN was put into them where points are masked."""
        if self._valid is not None:
            self._hide(values, list(self.valid(grid, region).values()))
        return values

    def _hide(self, values: np.ndarray, fields: Sequence[np.ndarray]) -> None:
        """NaN into values (..., C) where a field is not valid (...)."""
        for part, valid in zip(self._parts(values).values(), fields):
            part[~valid] = np.nan

    def _shifted(self, values: np.ndarray) -> np.ndarray:
        if not self._shifts:
            return values
        offset, scale = columns(self.fields, self._shifts)
        return values * scale + offset

    def split(self, values: np.ndarray, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
        """Values (..., C) by field name, (...) for scalars and (..., c) for vectors: float64 for those fields alone that need it.

        They are views of the values where these are float32.

        Parameters
        ----------
        names : fields wanted, in this order; all when None.

        Raises
        ------
        ParameterError for a field that the model has not.

        Examples
        --------
        >>> from hyperinr_core import load
        >>> inr = load("flow.hinr").generate(0.6)
        >>> {name: array.shape for name, array in inr.split(inr.sample_grid()).items()}
        {'density': (8, 10, 12)}
        """
        arrays = self._parts(values)
        if self._shifts:
            arrays = {
                name: part if name in self._shifts else part.astype(np.float32, copy=False)
                for name, part in arrays.items()
            }
        if names is None:
            return arrays
        self._check_names(names)
        return {name: arrays[name] for name in names}

    def _check_names(self, names: Sequence[str]) -> None:
        known = [field.name for field in self.fields]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise ParameterError(f"the model has no field {unknown[0]!r}; expected one of {', '.join(known)}")

    def _parts(self, values: np.ndarray) -> dict[str, np.ndarray]:
        arrays, start = {}, 0
        for field in self.fields:
            part = values[..., start : start + field.n_components]
            arrays[field.name] = part[..., 0] if field.n_components == 1 else part
            start += field.n_components
        return arrays


def _nearest(axis: np.ndarray, n: int) -> np.ndarray:
    """Of n even points on [0, 1] the one that is nearest to each coordinate."""
    return np.rint(axis * np.float64(n - 1)).astype(np.intp)
