"""Directional lights around a scene: where training lights and encoders lie, and the truth that a shadow model learns.

A light is azimuth and polar angle in degrees, the two parameters of a shadow model; polar is 90 minus the elevation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hyperinr_core.errors import ParameterError
from hyperinr_core.light import shadow
from hyperinr_core.spaces.sphere import light_angles, light_directions
from hyperinr_core.volume import Grid, Parameter

KINDS = ("hard", "soft", "scatter")

#: Darts thrown for each light before the distance between lights is reduced.
DARTS_PER_LIGHT = 30


def poisson_lights(count: int, seed: int) -> np.ndarray:
    """(count, 2) lights that keep a distance on the sphere: Poisson disks, thrown like darts.

    The distance starts at that of the densest packing, which nothing random reaches, and shrinks until all lights are in.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed, 5]))
    directions = np.empty((0, 3))
    distance = math.sqrt(8 * math.pi / (math.sqrt(3) * count))
    while len(directions) < count:
        for dart in _random_directions(DARTS_PER_LIGHT * count, rng):
            if len(directions) < count and (directions @ dart < math.cos(distance)).all():
                directions = np.vstack([directions, dart])
        distance *= 0.95
    return light_angles(directions)


def gaussian_lights(centers: np.ndarray, count: int, sigma: float, seed: int) -> np.ndarray:
    """(count, 2) lights normally distributed around centers (N, 2), sigma in degrees, as many for each center but one."""
    rng = np.random.Generator(np.random.Philox(key=[seed, 8]))
    chosen = light_directions(centers)[np.arange(count) % len(centers)]
    moved = chosen + math.radians(sigma) * rng.standard_normal(chosen.shape)
    return light_angles(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def encoder_lights(count: int, gaussian: float, sigma: float, centers: np.ndarray, seed: int) -> np.ndarray:
    """(count, 2) positions of encoders: a share by Gaussian kernels around the training lights, the others by Poisson disks.

    Parameters
    ----------
    gaussian : the share, 0 to 1.
    sigma : of the kernels, in degrees.
    centers : (N, 2) the training lights.
    """
    n_gaussian = round(gaussian * count)
    parts = [poisson_lights(count - n_gaussian, seed)] if n_gaussian < count else []
    parts += [gaussian_lights(centers, n_gaussian, sigma, seed)] if n_gaussian else []
    return np.concatenate(parts)


def random_lights(first: int, count: int, seed: int) -> np.ndarray:
    """(count, 2) lights number first to first + count of an endless sequence that covers the sphere evenly."""
    shift = np.random.Generator(np.random.Philox(key=[seed, 6])).random(2)
    # Roberts' sequence: multiples of powers of the plastic number, modulo 1
    u, v = (np.outer([0.7548776662466927, 0.5698402909980532], first + np.arange(count)) + shift[:, None]) % 1
    return np.stack([360 * u, np.degrees(np.arccos(1 - 2 * v))], axis=1)


def light_parameters(lights: np.ndarray) -> tuple[Parameter, Parameter]:
    """The parameters of a shadow model, for every direction there is."""
    azimuths, polars = (tuple(column.tolist()) for column in lights.T)
    return (
        Parameter("azimuth", "light_azimuth", (0.0, 360.0), "deg", azimuths),
        Parameter("polar", "light_polar", (0.0, 180.0), "deg", polars),
    )


@dataclass(frozen=True)
class ShadowTruth:
    """The shadow volume of any light, computed.

    Attributes
    ----------
    tau : (nz, ny, nx) extinction.
    kind : hard (a point far away), soft (a light with an angular diameter) or scatter (a hard light whose light reaches a
        point by way of others, too).
    diameter : of a soft light, in degrees.
    albedo, g, n_paths : of what scatters, see shadow.scattered; truth then is right in the mean over n_paths.
    """

    tau: np.ndarray
    grid: Grid
    kind: str = "hard"
    diameter: float = 10.0
    albedo: float = 0.9
    g: float = 0.3
    n_paths: int = 4

    def __post_init__(self) -> None:
        if self.kind not in KINDS or not 0 < self.diameter <= 180:
            raise ParameterError(
                f"kind is {self.kind!r} with diameter {self.diameter:g}; expected one of {', '.join(KINDS)}, and more than 0 "
                "to 180 degrees"
            )

    @property
    def n_sweeps(self) -> int:
        """Passes over the volume that a light takes."""
        return shadow.N_DISC_DIRECTIONS if self.kind == "soft" else 1

    def __call__(self, light: np.ndarray) -> np.ndarray:
        """(nz, ny, nx) share of the light (2,) that arrives."""
        direction = light_directions(light)
        if self.kind == "soft":
            return shadow.soft_transmittance(self.tau, self.grid, direction, self.diameter)
        if self.kind == "scatter":
            return self.scattered_at(light, None, 0)
        return shadow.transmittance(self.tau, self.grid, direction)

    def twice(self, light: np.ndarray, seed: int, voxels: np.ndarray | None = None) -> list[np.ndarray]:
        """The truth of a light (2,) at voxels (n,) two times: with independent noise where there is noise, else the same."""
        if self.kind == "scatter":
            return [self.scattered_at(light, voxels, seed + half).ravel() for half in range(2)]
        values = self(light).ravel()
        return [values if voxels is None else values[voxels]] * 2

    def scattered_at(self, light: np.ndarray, voxels: np.ndarray | None, seed: int) -> np.ndarray:
        """(n,) the light (2,) that arrives at voxels (n,), or (nz, ny, nx) at all, with noise that the seed decides."""
        direction = light_directions(light)
        return shadow.scattered(self.tau, self.grid, direction, self.albedo, self.g, self.n_paths, seed, voxels)


def _random_directions(count: int, rng: np.random.Generator) -> np.ndarray:
    vectors = rng.standard_normal((count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
