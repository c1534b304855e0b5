"""Shadow volumes: how much of a directional light arrives at each point of a volume (HyperINR section 5.3).

Light is given by the direction towards it: azimuth in degrees around z from x to y, elevation in degrees above the
xy plane, both in space and not along the grid's own axes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from hyperinr_core.backends import native
from hyperinr_core.errors import ParameterError
from hyperinr_core.light import shadow_reference
from hyperinr_core.volume import Grid

#: Diagonals of the box that light crosses for the opacity of the transfer function; see `default_unit_distance`.
UNITS_PER_DIAGONAL = 128

#: Directions that a soft light is made of.
N_DISC_DIRECTIONS = 32

#: Directions that the light of a whole sky, above and below, is made of, and how much brighter it is shown: a point on a wall
#: sees half of the sphere, and gets all the light of a sky.
N_SKY_DIRECTIONS, SKY_GAIN = 32, np.float32(2)

METHODS = ("sweep", "rays")


def default_unit_distance(grid: Grid) -> float:
    """Length over which opacities hold: ParaView's choice for a volume of 128^3, whatever the sampling of the box."""
    sides = [step * (n - 1) for step, n in zip(grid.spacing, grid.dims)]
    return math.hypot(*sides) / UNITS_PER_DIAGONAL


def transmittance(
    tau: np.ndarray, grid: Grid, direction: np.ndarray, method: str = "sweep", step: float = 0.5
) -> np.ndarray:
    """The share of a directional light that arrives at each grid point.

    Parameters
    ----------
    tau : (nz, ny, nx) float32 extinction per length unit, zero outside the grid.
    direction : (3,) towards the light, in space.
    method : "sweep" (one pass over slices) or "rays" (one ray per point: many times slower, and what the sweep is
        measured against).
    step : of rays, as a multiple of the smallest spacing.

    Returns
    -------
    (nz, ny, nx) float32 in [0, 1].

    Raises
    ------
    ParameterError for another shape than the grid's, a direction without length, an unknown method.

    Examples
    --------
    >>> import numpy as np
    >>> fog = np.full((9, 9, 9), 0.1, np.float32)
    >>> from_above = transmittance(fog, Grid((9, 9, 9)), np.array([0.0, 0.0, 1.0]))
    >>> bool((np.diff(from_above[:, 4, 4]) > 0).all())  # the higher, the brighter
    True
    """
    _check_shape(tau, grid)
    unit = _unit(direction)
    if method not in METHODS or not step > 0:
        raise ParameterError(
            f"method is {method!r} with step {step}; expected one of {', '.join(METHODS)} and a step above 0"
        )
    voxels = in_voxels(grid, unit)
    if method == "sweep":
        return _kernels().sweep(tau, voxels, 1.0)
    length = step * min(abs(s) for s in grid.spacing)
    return _kernels().rays(tau, voxels * length, length)


def _check_shape(tau: np.ndarray, grid: Grid) -> None:
    if tau.shape != grid.shape:
        raise ParameterError(f"tau has shape {tau.shape}; expected the grid's {grid.shape}")


def _unit(direction: np.ndarray) -> np.ndarray:
    """(3,) of length 1; ParameterError for what has no direction."""
    vector = np.asarray(direction, np.float64)
    size = float(np.linalg.norm(vector)) if vector.shape == (3,) else 0.0
    if not size > 0 or not math.isfinite(size):
        raise ParameterError(
            f"the light's direction is {np.asarray(direction).tolist()}; expected three numbers, not all 0"
        )
    return vector / size


def in_voxels(grid: Grid, vector: np.ndarray) -> np.ndarray:
    """(3,) a vector of space along the grid's axes, in points."""
    return np.asarray(vector) @ np.reshape(grid.direction, (3, 3)) / grid.spacing


def soft_transmittance(
    tau: np.ndarray, grid: Grid, direction: np.ndarray, diameter: float, n_directions: int = N_DISC_DIRECTIONS
) -> np.ndarray:
    """The share that arrives of a light with an angular diameter in degrees: the mean of one sweep per direction.

    Parameters
    ----------
    n_directions : spread evenly over the light's disc.

    Raises
    ------
    ParameterError for another shape than the grid's, a direction without length, no directions.
    """
    _check_shape(tau, grid)
    if n_directions < 1:
        raise ParameterError(f"n_directions is {n_directions}; expected at least 1")
    towards = disc_directions(_unit(direction), diameter, n_directions)
    return _kernels().sweeps(tau, np.stack([in_voxels(grid, light) for light in towards]))


def ambient_occlusion(tau: np.ndarray, grid: Grid, n_directions: int = N_SKY_DIRECTIONS) -> np.ndarray:
    """How much of a light from everywhere arrives at each point: the mean of one sweep per direction of the sphere.

    Parameters
    ----------
    tau : (nz, ny, nx) float32 extinction per length unit, zero outside the grid.
    n_directions : spread evenly over the sphere.

    Returns
    -------
    (nz, ny, nx) float32 in [0, 1]: 1 in the open, about a half on a wall.

    Raises
    ------
    ParameterError for another shape than the grid's.
    """
    return soft_transmittance(tau, grid, np.array([0.0, 0.0, 1.0]), 360.0, n_directions)


def scattered(
    tau: np.ndarray,
    grid: Grid,
    direction: np.ndarray,
    albedo: float,
    g: float,
    n_paths: int,
    seed: int,
    voxels: np.ndarray | None = None,
) -> np.ndarray:
    """Light that arrives at points of a medium that scatters: direct, and by way of others.

    The fluence, 1 for the unhindered light, by Monte Carlo: paths start at the point in every direction, are scattered where
    delta tracking says, and gather at each scattering the direct light that arrives there. It may exceed 1.

    Parameters
    ----------
    albedo : share of the extinction that is scattering, 0 to 1.
    g : mean cosine of the scattering angle, -1 to 1 (Henyey and Greenstein): 0 scatters evenly, 1 forward.
    n_paths : per point; noise falls with the square root of it.
    voxels : (n,) places in the flat volume; all when None.

    Returns
    -------
    (nz, ny, nx), or (n,) for chosen voxels, float32.

    Raises
    ------
    ParameterError for an albedo or g out of range; BackendError without the compiled kernels.
    """
    from hyperinr_core.light import shadow_native

    if not 0 <= albedo <= 1 or not -1 < g < 1:
        raise ParameterError(f"albedo is {albedo:g} and g {g:g}; expected 0 to 1, and more than -1 to less than 1")
    vector = np.asarray(direction, np.float64)
    along = vector / np.linalg.norm(vector) @ np.reshape(grid.direction, (3, 3))
    direct = transmittance(tau, grid, direction)
    chosen = np.arange(tau.size) if voxels is None else voxels
    values = shadow_native.scatter(tau, direct, grid.spacing, along, albedo, g, chosen, n_paths, seed)
    return values.reshape(grid.shape) if voxels is None else values


def disc_directions(direction: np.ndarray, diameter: float, n: int) -> np.ndarray:
    """(n, 3) unit vectors spread evenly (a sunflower's spiral) over the cap of a diameter in degrees."""
    axis = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    side = np.cross(axis, np.eye(3)[np.argmin(abs(axis))])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    k = np.arange(n) + 0.5
    cosine = 1 - k / n * (1 - math.cos(math.radians(diameter) / 2))
    sine, turn = np.sqrt(1 - cosine**2), k * math.pi * (3 - math.sqrt(5))
    return cosine[:, None] * axis + (sine * np.cos(turn))[:, None] * side + (sine * np.sin(turn))[:, None] * other


def resample(values: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    """(nz, ny, nx) values on other dims over the same box, trilinear, the outermost points kept."""
    places = [np.linspace(0, old - 1, new) for old, new in zip(values.shape, tuple(dims)[::-1])]
    for axis, place in enumerate(places):
        if len(place) != values.shape[axis]:
            values = _along(values, axis, place)
    return np.ascontiguousarray(values, np.float32)


def _along(values: np.ndarray, axis: int, places: np.ndarray) -> np.ndarray:
    """Linear interpolation at places along one axis."""
    lower = np.minimum(places.astype(np.int64), max(values.shape[axis] - 2, 0))
    share = (places - lower).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
    upper = np.minimum(lower + 1, values.shape[axis] - 1)
    return values.take(lower, axis) * (1 - share) + values.take(upper, axis) * share


def _kernels() -> ModuleType:
    """The compiled kernels where they load, NumPy elsewhere."""
    if not native.available():
        return shadow_reference
    from hyperinr_core.light import shadow_native

    return shadow_native
