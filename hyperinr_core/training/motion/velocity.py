"""The simulation's own velocity as motion: paths through the vectors that were saved with the steps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.motion.splines import Nodes
from hyperinr_core.once import Once
from hyperinr_core.training.teachers.base import Latest
from hyperinr_core.training.teachers.lattice import Lattice
from hyperinr_core.volume import Grid, VolumeSeries

#: What a field of vectors is called that is a velocity.
_VECTOR = re.compile(r"(u|v|vel|velocity|velocities|wind|flow_?velocity|u_?vec|fluid_?velocity)", re.IGNORECASE)

#: What scalar fields are called that are its components along x, y, z.
_SCALARS = (
    ("u", "v", "w"),
    ("ux", "uy", "uz"),
    ("vx", "vy", "vz"),
    ("u_x", "u_y", "u_z"),
    ("v_x", "v_y", "v_z"),
    ("velx", "vely", "velz"),
    ("velocity_x", "velocity_y", "velocity_z"),
    ("velocityx", "velocityy", "velocityz"),
    ("x_velocity", "y_velocity", "z_velocity"),
    ("x-velocity", "y-velocity", "z-velocity"),
    ("uo", "vo", "wo"),
    ("ua", "va", "wa"),
)

#: Steps whose vectors stay in memory.
N_KEPT = 4

#: Share of what a unit leaves of the change between steps that a less usual one may leave, to be taken.
MUCH_BETTER = 0.7

#: Pieces of a path, at least and at most, and points that each is long about where it is fastest.
FEWEST, MOST, LENGTH = 4, 32, 2.0


def named(series: VolumeSeries, asked: str) -> tuple[str, ...]:
    """The fields of a series that are its velocity: a vector, or a component along each axis; () where there is none.

    Parameters
    ----------
    asked : auto, by their names; none; or the names, of components with commas between.

    Raises
    ------
    ParameterError for names that are no velocity of the series.
    """
    if asked == "none":
        return ()
    n_axes = series.grid.n_pos_dims
    if asked != "auto":
        return _checked(series, tuple(name.strip() for name in asked.split(",")), n_axes)
    for name, count in series.field_info.items():
        if count in (n_axes, 3) and _VECTOR.fullmatch(name):
            return (name,)
    lower = {name.lower(): name for name, count in series.field_info.items() if count == 1}
    for names in _SCALARS:
        if all(name in lower for name in names[:n_axes]):
            return tuple(lower[name] for name in names[:n_axes])
    return ()


def _checked(series: VolumeSeries, names: tuple[str, ...], n_axes: int) -> tuple[str, ...]:
    for name in names:
        if name not in series.field_info:
            raise ParameterError(
                f"the velocity {name!r} is no field of {series.source}; expected one of {', '.join(sorted(series.field_info))}"
            )
    counts = [series.field_info[name] for name in names]
    if counts in ([n_axes], [3]) or counts in ([1] * n_axes, [1] * 3):
        return names
    raise ParameterError(
        f"the velocity {', '.join(names)} has {' + '.join(map(str, counts))} components; expected one field of {n_axes}, or "
        f"{n_axes} fields of 1"
    )


@dataclass(frozen=True)
class Scale:
    """What 1 of a vector's components along x, y, z is in points per unit of time, and how that was understood."""

    factors: tuple[float, float, float]
    meaning: str


def scales(grid: Grid, times: np.ndarray) -> Iterator[Scale]:
    """What a velocity may be measured in: lengths of the grid, or points, per unit of time or per step."""
    spacing = np.abs(grid.spacing)
    per_step = (len(times) - 1) / (times[-1] - times[0])
    along = np.divide(1.0, spacing, out=np.ones(3), where=spacing > 0)
    seen: list[np.ndarray] = []
    for factors, meaning in (
        (along, "lengths of the grid per unit of time"),
        (np.ones(3), "points per unit of time"),
        (along * per_step, "lengths of the grid per step"),
        (np.ones(3) * per_step, "points per step"),
    ):
        if not any(np.allclose(factors, other, rtol=0.01) for other in seen):
            seen.append(factors)
            x, y, z = factors.tolist()
            yield Scale((x, y, z), meaning)


class Velocity:
    """A vector field of a series, in points per unit of time.

    Parameters
    ----------
    series : with numbers at masked points.
    fields : the vector, or its components along x, y (, z).
    periodic : (3,) z, y, x.
    """

    def __init__(
        self, series: VolumeSeries, fields: Sequence[str], scale: Scale, periodic: tuple[bool, bool, bool]
    ) -> None:
        self.series, self.fields, self.scale = series, tuple(fields), scale
        self._latest = [Latest(series, name) for name in fields]
        self._lattice = Lattice(series.grid.shape, periodic)
        # from space to the axes of the grid
        self._turn = np.reshape(series.grid.direction, (3, 3)).astype(np.float32)
        self._padded: Once[list[np.ndarray]] = Once(N_KEPT)

    def ends(self, a: int, b: int, nodes: Nodes, places: np.ndarray | None = None) -> np.ndarray:
        """(2, 3, ...) points from where a path is in the middle between steps a and b to its places at both.

        Parameters
        ----------
        places : (3, ...) of those middles; the grid's points when None.
        """
        places = self._lattice.points if places is None else places
        times = self.series.thetas[:, 0]
        span, vectors = times[b] - times[a], (self._at(a), self._at(b))
        found = np.stack([self._path(vectors, span, end, nodes.places) - nodes.places for end in (0, 1)])
        coefficients = nodes.interpolate(found).reshape(6, *nodes.coefficient_shape)
        return nodes.at(nodes.padded(coefficients), places).reshape(2, *places.shape)

    def _path(self, vectors: _Vectors, span: float, end: int, places: np.ndarray) -> np.ndarray:
        """Where what passes places (3, ...) half way between two steps is at one of them: midpoint rule, linear in time."""
        n = _n_pieces(vectors, span)
        share, part = 0.5, (end - 0.5) / n
        for _ in range(n):
            half = places + np.float32(span * part / 2) * self._speed(vectors, share, places)
            places = places + np.float32(span * part) * self._speed(vectors, share + part / 2, half)
            share += part
        return places

    def _speed(self, vectors: _Vectors, share: float, places: np.ndarray) -> np.ndarray:
        first, last = (np.stack([self._lattice.sample(part, places, 1) for part in each]) for each in vectors)
        return np.float32(1 - share) * first + np.float32(share) * last

    def _at(self, step: int) -> list[np.ndarray]:
        """Components along z, y, x, padded for linear samples."""

        def padded() -> list[np.ndarray]:
            vectors = np.concatenate([latest(step) for latest in self._latest], axis=-1)
            if vectors.shape[-1] < 3:
                vectors = np.concatenate([vectors, np.zeros_like(vectors[..., :1])], axis=-1)
            vectors = (vectors @ self._turn) * np.array(self.scale.factors, np.float32)
            return [self._lattice.padded(vectors[..., axis], 1) for axis in (2, 1, 0)]

        return self._padded.get(step, padded)


#: Components along z, y, x at two steps, as of `Velocity._at`.
_Vectors = tuple[list[np.ndarray], list[np.ndarray]]


def _n_pieces(vectors: _Vectors, span: float) -> int:
    fastest = max(float(abs(part).max()) for each in vectors for part in each)
    return int(np.clip(np.ceil(fastest * span / (2 * LENGTH)), FEWEST, MOST))


def matching(
    series: VolumeSeries, fields: Sequence[str], scalar: str, periodic: tuple[bool, bool, bool], pairs: Sequence[int]
) -> tuple[Velocity | None, float]:
    """The velocity in the units in which a field matches best along it.

    Parameters
    ----------
    pairs : first steps of pairs to try.

    Returns
    -------
    The velocity, None where the field matches worse than in place in all of them; and the share of the change between steps that
    it accounts for.
    """
    nodes = Nodes(series.grid.shape, periodic)
    lattice, latest = Lattice(series.grid.shape, periodic), Latest(series, scalar)
    best: tuple[Velocity | None, float] = (None, 0.0)
    for scale in scales(series.grid, series.thetas[:, 0]):
        velocity = Velocity(series, fields, scale, periodic)
        there = here = 0.0
        for a in pairs:
            ends = velocity.ends(a, a + 1, nodes)
            for first, last in zip(np.moveaxis(latest(a), -1, 0), np.moveaxis(latest(a + 1), -1, 0)):
                moved = [
                    lattice.sample(lattice.padded(part, 1), lattice.points + end, 1)
                    for part, end in zip((first, last), ends)
                ]
                there += float(np.mean((moved[0] - moved[1]) ** 2))
                here += float(np.mean((first - last) ** 2))
        share = 1 - there / here if here > 0 else 0.0
        # speeds that are a little too small match a little better, so an unusual unit must be much better than the one before
        if share > 0 and (best[0] is None or 1 - share < MUCH_BETTER * (1 - best[1])):
            best = velocity, share
    return best
