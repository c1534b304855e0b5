"""Values of bricks, weighted by how much each counts, and training steps of all of them: a path that leaves a brick goes on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from hyperinr_core.inr import Progress, Values
from hyperinr_core.mask import ValidAt, filled
from hyperinr_core.motion.steps import NEARLY_ALL, Box, Seen, share_of
from hyperinr_core.shift import columns, shifts_of
from hyperinr_core.volume import Extent

if TYPE_CHECKING:
    from hyperinr_core.bricks import Bricks
    from hyperinr_core.hypernet import HyperINR
    from hyperinr_core.motion.carried import Carried

#: Points. A coordinate that is so near to a point of the grid is one: unit coordinates are float32.
ON_POINT = 1e-3

#: Offset and scale of each component that turn a brick's values into the whole grid's shifts.
Change = tuple[np.ndarray, np.ndarray]


class _Part(NamedTuple):
    """A brick's share in some points.

    Attributes
    ----------
    pick : of the points, the brick's own. weights : of theirs, float32 of their shape.
    places : of theirs along x, y, z, in points of the grid.
    """

    number: int
    pick: Any
    weights: np.ndarray
    places: list[np.ndarray]

    @property
    def n_points(self) -> int:
        """Of scattered ones."""
        return len(self.places[0])


def touched(model: Bricks, places: list[np.ndarray]) -> list[int]:
    """Bricks that are there and count somewhere."""
    return [number for number in model.cuts.touched(places) if model.files[number] is not None]


def meshed(model: Bricks, places: list[np.ndarray]) -> Iterator[_Part]:
    """The shares of bricks in all combinations of increasing places along x, y, z."""
    for number in touched(model, places):
        weights = model.cuts.weights(number, places)
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


def shared(model: Bricks, sums: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Means of sums, where bricks that are not there would have had a share; 0 where nothing has any."""
    if not model.is_whole:
        sums /= np.where(total > 0, total, 1)[..., None]
    return sums


def change_of(model: Bricks, brick: HyperINR) -> Change | None:
    """None where a brick's shifts are the whole grid's."""
    shifts = shifts_of(model.fields)
    if not (brick.shifts or shifts):
        return None
    offset, scale = columns(model.fields, shifts)
    own_offset, own_scale = columns(brick.fields, brick.shifts)
    return (own_offset - offset) / scale, own_scale / scale


def changed(values: np.ndarray, change: Change | None) -> np.ndarray:
    """A brick's values in the whole grid's shifts."""
    return values if change is None else (values * change[1] + change[0]).astype(np.float32)


def decoded(model: Bricks, backend: str, step: int, box: Box, progress: Progress | None) -> np.ndarray:
    """(z, y, x, C) of a training step at the points of a box, which goes on at the other end of an axis that it leaves."""
    runs = [_runs(first, last, n) for (first, last), n in zip(box, model.grid.shape)]
    sums = np.zeros((*(last - first + 1 for first, last in box), model.n_output_dims), np.float32)
    total = np.zeros(sums.shape[:3], np.float32)
    shares = [
        (where, part) for where in product(*runs) for part in meshed(model, [axis[1] for axis in reversed(where)])
    ]
    for done, (where, part) in enumerate(shares):
        place = tuple(slice(axis[0].start + own.start, axis[0].start + own.stop) for axis, own in zip(where, part.pick))
        heard = None if progress is None else share_of(progress, done, len(shares))
        sums[place] += part.weights[..., None] * _decoded_share(model, backend, step, part, heard)
        total[place] += part.weights
    values = shared(model, sums, total)
    return values if model.is_whole or (total > 0).all() else filled(values, total > 0)


def _runs(first: int, last: int, n: int) -> list[tuple[slice, np.ndarray]]:
    """Points of an axis from first to last, around its ends: which of them lie side by side, and where on the axis."""
    places = np.arange(first, last + 1)
    parts = np.split(places, np.flatnonzero(np.diff(places % n) != 1) + 1)
    return [(slice(int(part[0]) - first, int(part[-1]) + 1 - first), (part % n).astype(np.float64)) for part in parts]


def _decoded_share(model: Bricks, backend: str, step: int, part: _Part, progress: Progress | None) -> np.ndarray:
    """A brick's share of a training step; what stands at masked points depends on all of the brick."""
    brick, starts = model.brick(part.number), model.cuts.extent(part.number)[::2]
    ends = [(int(where[0]) - start, int(where[-1]) - start) for where, start in zip(part.places, starts)][::-1]
    if brick.mask is None:
        return changed(brick.decoded(backend, step, tuple(ends), progress), change_of(model, brick))
    whole = brick.decoded(backend, step, tuple((0, n - 1) for n in brick.grid.shape), progress)
    z, y, x = (slice(first, last + 1) for first, last in ends)
    return changed(whole[z, y, x], change_of(model, brick))


class Joined(Values):
    """Values of bricks at one theta, weighted by how much each counts, and in the whole grid's shifts."""

    def __init__(self, model: Bricks, theta: np.ndarray, backend: str, interpolation: str | None) -> None:
        self._model, self._theta, self._how = model, theta, (backend, interpolation)
        self._made: dict[int, tuple[Values, Change | None]] = {}
        self._masks: dict[int, ValidAt] = {}
        self._steps = model.steps(backend) if model.carries and interpolation is None else None
        self._seen: dict[int, Seen] = {}
        self._box: Box | None = None

    @cached_property
    def shifts(self) -> Any:
        """Of the fields over the whole grid."""
        return shifts_of(self._model.fields)

    def at_points(self, points: np.ndarray) -> np.ndarray:
        out = np.zeros((len(points), self._model.n_output_dims), np.float32)
        total = np.zeros(len(points), np.float32)
        parts = list(self._scattered(self._places(list(points.T), len(points))))
        for part in parts:  # each with its own steps: what lies between scattered points is nobody's
            self._see([part], self._box_of([part], points.shape[1]))
            local = np.stack(self._unit(part, points.shape[1]), axis=-1)
            out[part.pick] += part.weights[..., None] * self._shifted(
                part.number, self._values(part.number).at_points(local)
            )
            total[part.pick] += part.weights
        return shared(self._model, out, total)

    def on_grid(self, axes: tuple[np.ndarray, ...], out: np.ndarray) -> None:
        volume = out if len(axes) == 3 else out[None]
        parts = list(meshed(self._model, self._places(axes)))
        self._see(parts, self._box or self._box_of(parts, len(axes)))
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
        shared(self._model, volume, total)

    def prepare(self, axes: tuple[np.ndarray, ...], progress: Progress | None) -> None:
        parts = list(meshed(self._model, self._places(axes)))
        self._model.keep([part.number for part in parts])
        self._box = self._box_of(parts, len(axes))
        if self._steps is not None and self._box is not None:
            self._steps.get(self._carried(parts[0].number).numbers, self._box, progress)
            return
        for done, part in enumerate(parts):
            share = None if progress is None else share_of(progress, done, len(parts))
            self._values(part.number).prepare(self._unit(part, len(axes)), share)

    def moving(self, field: int, axes: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        places = self._places(axes)
        shape = tuple(len(where) for where in reversed(places))
        velocity, trust, error = (np.zeros(s, np.float32) for s in ((3, *shape), shape, shape))
        for part in meshed(self._model, places):
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
        for part in meshed(self._model, flat) if is_mesh else self._scattered(flat):
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

    # Steps of all bricks.

    def _carried(self, number: int) -> Carried:
        return cast("Carried", self._values(number))

    def _box_of(self, parts: Sequence[_Part], n_axes: int) -> Box | None:
        """The points whose steps are needed for all of some shares; one box, so that no step is decoded twice."""
        if self._steps is None or not parts:
            return None
        boxes = [self._carried(part.number).around(self._unit(part, n_axes), part.n_points) for part in parts]
        union = [(min(low for low, _ in ends), max(high for _, high in ends)) for ends in zip(*boxes)]
        # one that goes around most of an axis is all of it, from its first point on: a step's ends are known by that
        return tuple(
            (0, n - 1) if b - a >= NEARLY_ALL * n else (a, b) for (a, b), n in zip(union, self._model.grid.shape)
        )

    def _see(self, parts: Sequence[_Part], box: Box | None) -> None:
        """Have some shares ask for steps on that box."""
        for part in parts if box else ():
            self._values(part.number)
            self._seen[part.number].box = box

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

    def _scattered(self, places: list[np.ndarray]) -> Iterator[_Part]:
        """The shares of bricks in points."""
        for number in touched(self._model, places):
            x, y, z = self._model.cuts.weights(number, places)
            weights = x * y * z
            own = np.flatnonzero(weights)
            if len(own):
                yield _Part(number, (own,), weights[own], [where[own] for where in places])

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

    def _of(self, number: int) -> tuple[Values, Change | None]:
        """A brick's values, and offset and scale that turn them into the whole grid's shifts, if they are others."""
        if number not in self._made:
            brick = self._model.brick(number)
            if self._steps is None:
                self._made[number] = brick.values(self._theta, *self._how), change_of(self._model, brick)
            else:
                seen = self._seen[number] = Seen(self._steps, self._model.cuts.extent(number)[4::-2])
                self._made[number] = brick.values(self._theta, *self._how, seen), None
        return self._made[number]

    def _shifted(self, number: int, values: np.ndarray) -> np.ndarray:
        return changed(values, self._of(number)[1])


def _sizes(extent: Extent) -> list[int]:
    return [last - first + 1 for first, last in zip(extent[::2], extent[1::2])]
