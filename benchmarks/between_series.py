"""The series of `between.py`: flows and waves that are simulated here, things whose motion is known, and data of others.

Each is a function to a `VolumeSeries` with all steps in memory. Its field is `value`; where the simulation has a velocity that
is `velocity`, x y z, in lengths of the grid per unit of time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.fft
from scipy import ndimage

from hyperinr.filters.readers.series import open_series
from hyperinr.plugin.demo import turbulence
from hyperinr_core.volume import Grid, VolumeSeries

VALUE, VELOCITY = "value", "velocity"


def in_memory(
    source: str,
    volumes: Sequence[np.ndarray],
    velocities: Sequence[np.ndarray] | None = None,
    times: Sequence[float] | None = None,
    length: float = 1.0,
) -> VolumeSeries:
    """A series of volumes (nz, ny, nx), NaN where masked, and velocities (nz, ny, nx, 3), on a grid of a length along x."""
    steps = {VALUE: [np.asarray(volume, np.float32) for volume in volumes]}
    if velocities is not None:
        steps[VELOCITY] = [np.asarray(velocity, np.float32) for velocity in velocities]
    shape = steps[VALUE][0].shape
    return VolumeSeries(
        Grid(shape[::-1], spacing=(length / shape[2],) * 3),
        np.arange(len(volumes), dtype=float) if times is None else times,
        {name: 1 if name == VALUE else 3 for name in steps},
        lambda step, name, z_range: steps[name][step][slice(*(z_range or (None,)))],
        source,
    )


def flow(kind: str, n: int, n_steps: int, seed: int) -> VolumeSeries:
    """Vorticity of one of `turbulence.CASES`, and the velocity that carries and stretches it."""
    moving, spacing = turbulence.start(kind, n, 100 + seed), turbulence.CASES[kind].spacing
    volumes, velocities = [], []
    for step in range(n_steps):
        moving.advance(step * spacing - moving.time)
        volumes.append(moving.fields()["vorticity"])
        velocities.append(np.moveaxis(turbulence.to_space(moving.velocity_hat, n), 0, -1))
    times = [round(step * spacing, 9) for step in range(n_steps)]
    return in_memory(kind, volumes, velocities, times, 2 * math.pi)


def forced(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """Turbulence that is kept going."""
    return flow("forced", n, n_steps, seed)


def decaying(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """Turbulence that is left alone."""
    return flow("decaying", n, n_steps, seed)


def taylor_green(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """A smooth vortex that breaks; there is one of it."""
    return flow("taylor_green", n, n_steps, seed)


def smoke(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """A plume: smoke that makes the air rise, carried by cubic splines, the air kept free of divergence (Stam, Stable Fluids)."""
    z, y, x = _axes(n)
    rng = np.random.default_rng(seed)
    source = np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.1**2 - ((z - 0.12) / 0.06) ** 2)
    air = _project(0.4 * _noise(rng, n, 3, 4.0))
    values, points = source.copy(), np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"))
    volumes, velocities, dt = [], [], 0.02
    for step in range(n_steps + WARM_UP):
        if step >= WARM_UP:
            volumes.append(values.astype(np.float32))
            velocities.append(np.moveaxis(air, 0, -1).astype(np.float32))
        from_where = points - (dt * n) * air[::-1]
        values, *air = (ndimage.map_coordinates(part, from_where, order=3, mode="grid-wrap") for part in (values, *air))
        values = np.clip(np.maximum(values, source), 0, 1) * np.where(z > 0.94, 0.5, 1)  # an outlet at the top
        air = _project(np.stack([*air[:2], air[2] + dt * 4 * values]))
    return in_memory("smoke", volumes, velocities, dt * np.arange(n_steps))


#: Steps of the plume before the first that is saved.
WARM_UP = 10


def waves(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """The scalar wave equation from a dozen bumps, exact in its modes; waves pass through each other, so that nothing flows."""
    rng = np.random.default_rng(seed)
    z, y, x = _axes(n)
    start = sum(
        rng.choice([-1, 1]) * np.exp(-sum(_apart(axis, c) ** 2 for axis, c in zip((z, y, x), rng.random(3))) / 0.06**2)
        for _ in range(12)
    )
    modes = scipy.fft.rfftn(start)
    k = 2 * math.pi * np.sqrt(sum(axis**2 for axis in _wave_numbers(n)))
    return in_memory(
        "waves", [scipy.fft.irfftn(modes * np.cos(0.015 * step * k), s=(n, n, n)) for step in range(n_steps)]
    )


def rotating(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """A body of many blobs that turns about an axis, 5 degrees a step."""
    rng = np.random.default_rng(seed)
    z, y, x = _axes(n)
    middles = rng.normal(size=(80, 3)) * 0.14
    middles *= np.minimum(1, 0.36 / np.linalg.norm(middles, axis=1, keepdims=True))
    heights = rng.uniform(0.4, 1, 80) * rng.choice([-1, 1], 80)
    axis = np.array([0.3, 0.2, 0.93]) / np.linalg.norm([0.3, 0.2, 0.93])
    omega, volumes = math.radians(5), []
    for step in range(n_steps):
        cos, sin = math.cos(step * omega), math.sin(step * omega)
        turned = middles * cos + np.cross(axis, middles) * sin + np.outer(middles @ axis, axis) * (1 - cos)
        volumes.append(_blobs((x, y, z), 0.5 + turned, heights, 0.045))
    velocity = np.cross(omega * axis, np.stack(np.broadcast_arrays(x, y, z), axis=-1) - 0.5)
    return in_memory("rotating", volumes, [velocity] * n_steps)


def appearing(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """Blobs that appear and vanish where they are, some within a few steps; nothing moves."""
    rng = np.random.default_rng(seed)
    z, y, x = _axes(n)
    middles, widths = rng.uniform(0.15, 0.85, (40, 3)), rng.uniform(1.5, 8, 40)
    when = rng.uniform(0, n_steps, 40)
    heights = [np.exp(-(((step - when) / widths) ** 2)) for step in range(n_steps)]
    return in_memory("appearing", [_blobs((x, y, z), middles, each, 0.06) for each in heights])


def front(n: int, n_steps: int, seed: int) -> VolumeSeries:
    """A blast: a steep, wrinkled front that slows down. The gas behind it is slower than the front, so its velocity misleads."""
    rng = np.random.default_rng(seed)
    z, y, x = _axes(n)
    apart = np.stack(np.broadcast_arrays(x, y, z), axis=-1) - (0.5 + 0.05 * rng.standard_normal(3))
    distance = np.linalg.norm(apart, axis=-1) + 1e-9
    wrinkles = 1 + sum(0.05 * np.cos(7 * (apart / distance[..., None]) @ d) for d in rng.standard_normal((4, 3)))
    times = 4.0 + np.arange(n_steps)
    last = 0.42 / times[-1] ** 0.4
    volumes, velocities = [], []
    for time in times:
        radius = last * time**0.4 * wrinkles
        behind = 0.5 * (1 - np.tanh((distance - radius) * n / 1.5))
        share = np.minimum(distance / radius, 1)
        volumes.append(1 + behind * (3 * share**4 - 0.9))
        speed = 0.75 * 0.4 * radius / time * share * behind
        velocities.append(apart / distance[..., None] * speed[..., None])
    return in_memory("front", volumes, velocities, times)


def dam_break(folder: Path, reduced: bool) -> VolumeSeries:
    """Water fraction and velocity of a breaking dam on a unit box (OpenFOAM)."""
    with np.load(folder / "dam_break" / "dam_break_40.npz") as data:
        every = 2 if reduced else 1
        cut = (slice(0, 25 if reduced else None), *[slice(None, None, every)] * 3)
        return in_memory("dam_break", data["alpha"][cut], data["u"][cut], data["t"][cut[0]])


def nemo(component: str, folder: Path, reduced: bool) -> VolumeSeries:
    """A velocity component of an ocean, masked on land; six means of five days, on the points of the model."""
    import netCDF4

    every = (slice(0, 40, 3), slice(None, None, 4), slice(None, None, 4)) if reduced else (slice(0, 40),)
    volumes = []
    for path in sorted((folder / "nemo").glob(f"*{component}.nc")):
        with netCDF4.Dataset(path) as data:
            values = next(variable for variable in data.variables.values() if variable.ndim == 4)[0]
        volumes.append(np.ma.filled(values.astype(np.float32), np.nan)[every])
    return in_memory(f"nemo_{component.lower()}", volumes)


def nemo_u(folder: Path, reduced: bool) -> VolumeSeries:
    """Eastward."""
    return nemo("U", folder, reduced)


def nemo_v(folder: Path, reduced: bool) -> VolumeSeries:
    """Northward."""
    return nemo("V", folder, reduced)


def fingers(folder: Path, reduced: bool) -> VolumeSeries:
    """Concentration of salt that sinks in fingers: noisy, of finite points."""
    series = open_series(folder / "viscous_fingers")
    name, every = next(iter(series.field_info)), 2 if reduced else 1
    steps = range(10, 35 if reduced else 75)
    return in_memory("fingers", [series.read(step, [name])[::every, ::every, ::every, 0] for step in steps])


#: Made here, from points along an axis, steps and a seed; and read from a folder, whole or reduced.
MADE = {each.__name__: each for each in (forced, decaying, taylor_green, smoke, waves, rotating, appearing, front)}
READ = {each.__name__: each for each in (dam_break, nemo_u, nemo_v, fingers)}

#: Where a series lies in the folder.
PLACES = {"dam_break": "dam_break", "nemo_u": "nemo", "nemo_v": "nemo", "fingers": "viscous_fingers"}


def _axes(n: int) -> list[np.ndarray]:
    """z, y, x from 0 to 1, each shaped to broadcast."""
    return np.meshgrid(*[(np.arange(n) + 0.5) / n] * 3, indexing="ij", sparse=True)


def _apart(axis: np.ndarray, middle: float) -> np.ndarray:
    """Around a periodic axis."""
    return (axis - middle + 0.5) % 1 - 0.5


def _wave_numbers(n: int) -> list[np.ndarray]:
    """kz, ky, kx of a real transform."""
    whole = np.fft.fftfreq(n, 1 / n)
    return [whole[:, None, None], whole[None, :, None], np.arange(n // 2 + 1.0)[None, None]]


def _blobs(axes: Sequence[np.ndarray], middles: np.ndarray, heights: np.ndarray, width: float) -> np.ndarray:
    """(nz, ny, nx) sum of Gaussians, whose factors along the axes are multiplied."""
    x, y, z = (np.exp(-(((axis.ravel()[None] - m[:, None]) / width) ** 2)) for axis, m in zip(axes, middles.T))
    return np.einsum("b,bz,by,bx->zyx", heights, z, y, x, optimize=True)


def _noise(rng: np.random.Generator, n: int, count: int, most: float) -> np.ndarray:
    """(count, n, n, n) smooth noise up to a wave number, of variance 1."""
    few = np.exp(-sum(k**2 for k in _wave_numbers(n)) / most**2)
    modes = [scipy.fft.rfftn(rng.standard_normal((n,) * 3)) * few for _ in range(count)]
    parts = [scipy.fft.irfftn(each, s=(n,) * 3) for each in modes]
    return np.stack([part / part.std() for part in parts])


def _project(air: np.ndarray) -> np.ndarray:
    """The divergence-free part of a velocity (3, n, n, n), x y z."""
    n = air.shape[-1]
    k = _wave_numbers(n)[::-1]
    modes = [scipy.fft.rfftn(part) for part in air]
    k2 = sum(each**2 for each in k)
    along = sum(each * mode for each, mode in zip(k, modes)) / np.where(k2 > 0, k2, 1)
    return np.stack([scipy.fft.irfftn(mode - each * along, s=(n,) * 3) for each, mode in zip(k, modes)])
