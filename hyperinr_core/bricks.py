"""A model that is too large for one table: bricks, each a model of its own, that blend where they overlap."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hyperinr_core.cuts import Cuts
from hyperinr_core.errors import FormatError
from hyperinr_core.hypernet import HyperINR
from hyperinr_core.inr import INR, Progress, Values
from hyperinr_core.mask import ValidAt
from hyperinr_core.model import Model, Theta
from hyperinr_core.shift import columns, shifts_of
from hyperinr_core.volume import Extent, Field, Grid, Parameter

#: Bytes of bricks that stay open although what is shown does not touch them.
KEPT_BYTES = 1 << 30

#: Bricks that tell what all look like.
MOST_TYPICAL = 4

#: Points. A coordinate that is so near to a point of the grid is one: unit coordinates are float32.
ON_POINT = 1e-3


class Bricks(Model):
    """Models of the boxes of a grid, read when a region touches them.

    Parameters
    ----------
    path : of the index. folder : beside it, with the bricks' files.
    files : (n,) names by the bricks' numbers, None for those that are not there: points that no other has are masked.
    mask : the masked share of each field, None where nothing is masked.
    motion : {"anchored", "bytes"}, None unless every brick has one.
    open_one : reads the model of one file.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        parameters: tuple[Parameter, ...],
        grid: Grid,
        fields: tuple[Field, ...],
        provenance: dict[str, Any],
        quality: dict[str, Any],
        folder: str,
        files: Sequence[str | None],
        cuts: Cuts,
        mask: list[float] | None,
        motion: dict[str, Any] | None,
        open_one: Callable[[str | os.PathLike], HyperINR],
    ) -> None:
        self.parameters, self.grid, self.fields = parameters, grid, fields
        self.provenance, self.quality, self.cuts, self.files = provenance, quality, cuts, tuple(files)
        self.interpolation = "linear" if len(parameters) == 1 else "idw"
        self.folder = Path(os.path.abspath(path)).parent / folder
        self._path, self._mask, self._motion, self._open_one = path, mask, motion, open_one
        self._opened: dict[int, HyperINR] = {}

    @property
    def is_masked(self) -> bool:
        return self._mask is not None or None in self.files

    @property
    def anchored(self) -> tuple[bool, ...]:
        return self._motion["anchored"] if self._motion else ()

    @property
    def motion_bytes(self) -> int:
        return self._motion["bytes"] if self._motion else 0

    @property
    def n_bytes(self) -> int:
        """Of the files that are there: what is not open is not read to know what it takes in memory."""
        return self._file_bytes

    @cached_property
    def _file_bytes(self) -> int:  # asked for with every image, of thousands of files
        paths = [self.folder / name for name in self.files if name is not None]
        return sum(path.stat().st_size for path in paths if path.is_file())

    @property
    def parts(self) -> tuple[int, str]:
        return sum(name is not None for name in self.files), "bricks"

    def generate(self, theta: Theta, backend: str = "auto", interpolation: str | None = None) -> INR:
        """The neural field at theta; arguments and errors as for `HyperINR.generate`.

        What touches a brick that cannot be read raises FormatError, all else works.
        """
        theta = self.theta(theta)
        values = _Joined(self, theta, backend, interpolation)
        return INR(
            values,
            self.grid,
            self.fields,
            self.grid.n_pos_dims,
            values.valid if self.is_masked else None,
            values.shifts,
        )

    def brick(self, number: int) -> HyperINR:
        """The model of one box; FormatError where it cannot be read, or is of something else."""
        if number not in self._opened:
            path = self.folder / str(self.files[number])
            model = self._open_one(path)
            wanted = self.grid.part(self.cuts.extent(number))
            found = [(p.name, p.role, p.bounds) for p in model.parameters], _kinds(model.fields), model.grid
            expected = [(p.name, p.role, p.bounds) for p in self.parameters], _kinds(self.fields), wanted
            if found != expected or model.encoding.n_pos_dims != self.grid.n_pos_dims:
                raise FormatError(
                    f"{path} holds another model than brick {number + 1} of {self._path}; expected {wanted.dims} points from "
                    f"{wanted.origin} on with the same parameters and fields, train that brick again or join them anew"
                )
            self._opened[number] = model
        return self._opened[number]

    def typical(self) -> Sequence[Model]:
        """A few bricks: nobody waits for all of them to know what they look like."""
        there = [number for number, name in enumerate(self.files) if name is not None]
        step = -(-len(there) // MOST_TYPICAL)
        found = []
        for number in there[::step]:
            with contextlib.suppress(FormatError):  # which whoever looks at that one hears
                found.append(self.brick(number))
        return found

    def keep(self, touched: Sequence[int]) -> None:
        """Let go of open bricks that what is shown does not touch, where they take much memory."""
        if sum(model.n_bytes for model in self._opened.values()) > KEPT_BYTES:
            self._opened = {number: model for number, model in self._opened.items() if number in touched}

    @property
    def is_whole(self) -> bool:
        """Whether every brick has a file."""
        return None not in self.files


def _kinds(fields: Sequence[Field]) -> list[tuple[str, int, str]]:
    return [(field.name, field.n_components, field.units) for field in fields]


class _Part(NamedTuple):
    """A brick's share in some points.

    Attributes
    ----------
    pick : of the points, the brick's own. weights : of theirs, float32 that broadcast to their shape.
    places : of theirs along x, y, z, in points of the grid.
    """

    number: int
    pick: Any
    weights: np.ndarray
    places: list[np.ndarray]


class _Joined(Values):
    """Values of bricks at one theta, weighted by how much each counts, and in the whole grid's shifts."""

    def __init__(self, model: Bricks, theta: np.ndarray, backend: str, interpolation: str | None) -> None:
        self._model, self._theta, self._how = model, theta, (backend, interpolation)
        self._made: dict[int, tuple[Values, list[np.ndarray] | None]] = {}
        self._masks: dict[int, ValidAt] = {}

    @cached_property
    def shifts(self) -> Any:
        """Of the fields over the whole grid."""
        return shifts_of(self._model.fields)

    def at_points(self, points: np.ndarray) -> np.ndarray:
        out = np.zeros((len(points), self._model.n_output_dims), np.float32)
        total = np.zeros(len(points), np.float32)
        for part in self._scattered(self._places(list(points.T), len(points))):
            local = np.stack(self._unit(part, points.shape[1]), axis=-1)
            out[part.pick] += part.weights[..., None] * self._shifted(
                part.number, self._values(part.number).at_points(local)
            )
            total[part.pick] += part.weights
        return self._shared(out, total)

    def on_grid(self, axes: tuple[np.ndarray, ...], out: np.ndarray) -> None:
        volume = out if len(axes) == 3 else out[None]
        parts = list(self._meshed(self._places(axes)))
        if len(parts) == 1 and parts[0].weights.shape == volume.shape[:3] and (parts[0].weights == 1).all():
            self._values(parts[0].number).on_grid(self._unit(parts[0], len(axes)), out)
            volume[...] = self._shifted(parts[0].number, volume)
            return
        volume[...], total = 0, np.zeros(volume.shape[:3], np.float32)
        for part in parts:
            values = self._values(part.number)
            own = values.empty((*part.weights.shape, volume.shape[-1]))
            values.on_grid(self._unit(part, len(axes)), own if len(axes) == 3 else own[0])
            volume[part.pick] += part.weights[..., None] * self._shifted(part.number, own)
            total[part.pick] += part.weights
        self._shared(volume, total)

    def prepare(self, axes: tuple[np.ndarray, ...], progress: Progress | None) -> None:
        parts = list(self._meshed(self._places(axes)))
        self._model.keep([part.number for part in parts])
        for done, part in enumerate(parts):
            share = None if progress is None else _share_of(progress, done, len(parts))
            self._values(part.number).prepare(self._unit(part, len(axes)), share)

    def moving(self, field: int, axes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = self._places(axes)
        shape = tuple(len(where) for where in reversed(places))
        velocity, trust, error = (np.zeros(s, np.float32) for s in ((3, *shape), shape, shape))
        for part in self._meshed(places):
            moving = self._values(part.number).moving(field, self._unit(part, len(axes)))
            for whole, own in zip((velocity, trust, error), moving):
                whole[(..., *part.pick)] += part.weights * own
        return velocity, trust, error

    def valid(self, place: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        """Where each field holds values at points z, y, x of the grid (`inr.Valid`): where a brick that counts has one."""
        is_mesh = place[0].ndim == 3
        flat = [indices.ravel().astype(np.float64) for indices in reversed(place)]
        shape = tuple(map(len, reversed(flat))) if is_mesh else place[0].shape
        found = [np.zeros(shape, bool) for _ in self._model.fields]
        for part in self._meshed(flat) if is_mesh else self._scattered(flat):
            counts = part.weights > 0
            starts = self._model.cuts.extent(part.number)[::2]
            own = [(where - start).astype(np.intp) for where, start in zip(part.places, starts)][::-1]
            for whole, there in zip(found, self._valid_in(part.number, np.ix_(*own) if is_mesh else tuple(own))):
                whole[part.pick] |= there & counts
        return found

    def _valid_in(self, number: int, place: tuple[np.ndarray, ...]) -> list[np.ndarray]:
        model = self._model.brick(number)
        if model.mask is None:
            everywhere = np.ones(np.broadcast_shapes(*(indices.shape for indices in place)), bool)
            return [everywhere] * len(self._model.fields)
        if number not in self._masks:
            self._masks[number] = ValidAt(model.mask, self._theta, model.theta_bounds)
        return self._masks[number](place)

    # Which brick has what.

    def _places(self, unit: Sequence[np.ndarray], n_points: int = 1) -> list[np.ndarray]:
        """Along x, y, z in points of the grid, of unit coordinates along x, y (, z); z of a plane is 0."""
        missing = [np.zeros(n_points)] * (3 - len(unit))
        found = []
        for axis, n in zip([*unit, *missing], self._model.grid.dims):
            place = axis.astype(np.float64) * (n - 1)
            nearest = np.rint(place)
            found.append(np.where(abs(place - nearest) < ON_POINT, nearest, place))
        return found

    def _meshed(self, places: list[np.ndarray]) -> Iterator[_Part]:
        """The shares of bricks in all combinations of increasing places."""
        for number in self._touched(places):
            weights = self._model.cuts.weights(number, places)
            ends = [np.flatnonzero(weight)[[0, -1]] if weight.any() else (0, -1) for weight in weights]
            x, y, z = (slice(int(first), int(last) + 1) for first, last in ends)
            if not all(part.stop > part.start for part in (x, y, z)):
                continue
            wx, wy, wz = (weight[part] for weight, part in zip(weights, (x, y, z)))
            yield _Part(
                number,
                (z, y, x),
                wz[:, None, None] * wy[:, None] * wx,
                [where[part] for where, part in zip(places, (x, y, z))],
            )

    def _scattered(self, places: list[np.ndarray]) -> Iterator[_Part]:
        """The shares of bricks in points."""
        for number in self._touched(places):
            x, y, z = self._model.cuts.weights(number, places)
            weights = x * y * z
            own = np.flatnonzero(weights)
            if len(own):
                yield _Part(number, (own,), weights[own], [where[own] for where in places])

    def _touched(self, places: list[np.ndarray]) -> list[int]:
        """Bricks that are there and count somewhere."""
        return [number for number in self._model.cuts.touched(places) if self._model.files[number] is not None]

    def _unit(self, part: _Part, n_axes: int) -> tuple[np.ndarray, ...]:
        """A share's places in its brick's unit coordinates along x, y (, z)."""
        extent = self._model.cuts.extent(part.number)
        sizes = _sizes(extent)
        return tuple(
            np.clip((where - extent[2 * axis]) / max(sizes[axis] - 1, 1), 0, 1).astype(np.float32)
            for axis, where in enumerate(part.places[:n_axes])
        )

    # What a brick says.

    def _values(self, number: int) -> Values:
        return self._of(number)[0]

    def _of(self, number: int) -> tuple[Values, list[np.ndarray] | None]:
        """A brick's values, and offset and scale that turn them into the whole grid's shifts, if they are others."""
        if number not in self._made:
            brick = self._model.brick(number)
            change = None
            if brick.shifts or self.shifts:
                offset, scale = columns(self._model.fields, self.shifts)
                own_offset, own_scale = columns(brick.fields, brick.shifts)
                change = [(own_offset - offset) / scale, own_scale / scale]
            self._made[number] = brick.values(self._theta, *self._how), change
        return self._made[number]

    def _shifted(self, number: int, values: np.ndarray) -> np.ndarray:
        change = self._of(number)[1]
        return values if change is None else (values * change[1] + change[0]).astype(np.float32)

    def _shared(self, sums: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Means of sums, where bricks that are not there would have had a share; 0 where nothing has any."""
        if not self._model.is_whole:
            sums /= np.where(total > 0, total, 1)[..., None]
        return sums


def _sizes(extent: Extent) -> list[int]:
    return [last - first + 1 for first, last in zip(extent[::2], extent[1::2])]


def _share_of(progress: Progress, done: int, n: int) -> Progress:
    return lambda fraction: progress((done + fraction) / n)
