"""Incompressible turbulence in a periodic box, as the time series that the demo trains on.

A pseudo-spectral Navier-Stokes solver on [0, 2 pi]^3: the nonlinear term in rotational form with 2/3 dealiasing
(Canuto et al., Spectral Methods), an exact integrating factor for viscosity, fourth-order Runge-Kutta in time.

    python -m hyperinr.plugin.demo.turbulence forced -o turbulence        # writes turbulence/turbulence.pvd and its .vti
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import scipy.fft

from hyperinr_core.volume import Grid

WORKERS = 2
#: |wave number| up to which the forcing acts, and from which the spin-up starts
LARGEST_SCALES = 2.5
#: RK4 is stable on the imaginary axis to 2.8; the rest is room for the velocity to grow before the next step
COURANT = 2.6
#: time that the spin-up takes on a grid half as fine, and then on the whole one
SPIN_UP = (12.0, 2.0)


class Flow:
    """Velocity of an incompressible fluid on n^3 points, and how it moves.

    Fields of modes hold the wave numbers that dealiasing keeps and no others: (m, m, h) Fourier coefficients over
    kz, ky, kx with k = 0..K, -K..-1, m = 2 K + 1, and for kx the half that a real field needs, h = K + 1; K < n / 3.

    Parameters
    ----------
    velocity_hat : (3, m, m, h) complex, modes of the velocity's components x y z.
    viscosity : kinematic viscosity, in box units (length 2 pi).
    power : energy per unit mass and time that the forcing of the largest scales feeds in; 0 lets the flow decay.
    """

    def __init__(self, velocity_hat: np.ndarray, n: int, viscosity: float, power: float = 0.0) -> None:
        self.n, self.viscosity, self.power, self.time = n, viscosity, power, 0.0
        self.dtype = velocity_hat.real.dtype
        self.k = wave_vectors(n, self.dtype)
        self.k2 = sum(component**2 for component in self.k)
        self.inverse_k2 = np.where(self.k2 > 0, 1 / np.maximum(self.k2, 1), 0).astype(self.dtype)
        self.forced = (self.k2 <= LARGEST_SCALES**2) & (self.k2 > 0)
        # kx >= 0 is stored, so that each mode off the plane kx = 0 stands for two
        self.multiplicity = np.where(self.k[0] > 0, 2, 1).astype(self.dtype)
        self.velocity_hat = self.project(velocity_hat)

    def project(self, vector_hat: np.ndarray) -> np.ndarray:
        """The divergence-free part of a vector field, (3, m, m, h) both."""
        along = self.dot_k(vector_hat) * self.inverse_k2
        return np.stack([vector_hat[i] - self.k[i] * along for i in range(3)])

    def dot_k(self, vector_hat: np.ndarray) -> np.ndarray:
        """k . v, the divergence over i."""
        return sum(k * component for k, component in zip(self.k, vector_hat))

    def curl(self, vector_hat: np.ndarray) -> np.ndarray:
        """The modes of the curl."""
        return 1j * cross(self.k, vector_hat)

    def nonlinear(self, velocity_hat: np.ndarray) -> np.ndarray:
        """The modes of velocity x vorticity, not yet projected."""
        velocity = to_space(velocity_hat, self.n)
        vorticity = to_space(self.curl(velocity_hat), self.n)
        return to_modes(cross(velocity, vorticity))

    def tendency(self, velocity_hat: np.ndarray) -> np.ndarray:
        """d velocity / dt without viscosity, which the integrating factor handles."""
        tendency = self.project(self.nonlinear(velocity_hat))
        if self.power:
            driven = velocity_hat * self.forced
            tendency += driven * self.dtype.type(self.power / (2 * self.energy(driven)))
        return tendency

    def step(self, dt: float) -> None:
        """Advance by dt: RK4 on exp(viscosity k^2 t) velocity."""
        half = np.exp(-self.viscosity * self.k2 * dt / 2).astype(self.dtype)
        start, h = self.velocity_hat, self.dtype.type(dt)
        damped = half * start
        first = self.tendency(start)
        second = self.tendency(damped + half * first * (h / 2))
        third = self.tendency(damped + second * (h / 2))
        fourth = self.tendency(half * (damped + third * h))
        self.velocity_hat = half * (damped + (half * first + 2 * (second + third)) * (h / 6)) + fourth * (h / 6)
        self.time += dt

    def advance(self, duration: float) -> None:
        """Advance by a duration in the fewest equal steps that are stable."""
        end = self.time + duration
        while end - self.time > 1e-9 * max(1.0, end):
            n_steps = math.ceil((end - self.time) / self.stable_dt())
            self.step((end - self.time) / n_steps)

    def stable_dt(self) -> float:
        """The largest time step that the fastest point of the flow allows."""
        speed = abs(to_space(self.velocity_hat, self.n)).sum(axis=0).max()
        return COURANT / max(float(speed) * self.n / 3, 1e-12)

    def energy(self, velocity_hat: np.ndarray | None = None) -> float:
        """Mean kinetic energy per unit mass, <|u|^2> / 2."""
        modes = self.velocity_hat if velocity_hat is None else velocity_hat
        return 0.5 * float(np.sum(self.multiplicity * (modes.real**2 + modes.imag**2)))

    def enstrophy(self) -> float:
        """<|vorticity|^2> / 2, so that an unforced flow loses 2 * viscosity * enstrophy of energy per unit time."""
        return self.energy(self.curl(self.velocity_hat))

    def vorticity(self) -> np.ndarray:
        """(3, n, n, n) vorticity vectors."""
        return to_space(self.curl(self.velocity_hat), self.n)

    def pressure(self) -> np.ndarray:
        """(n, n, n) pressure over density, mean 0, from the Poisson equation of the projection."""
        # rotational form: what the projection removes is the gradient of pressure + |u|^2 / 2
        total_hat = -1j * self.dot_k(self.nonlinear(self.velocity_hat)) * self.inverse_k2
        kinetic = 0.5 * np.sum(to_space(self.velocity_hat, self.n) ** 2, axis=0)
        pressure_hat = total_hat - to_modes(kinetic)
        pressure_hat[0, 0, 0] = 0
        return to_space(pressure_hat, self.n)

    def fields(self) -> dict[str, np.ndarray]:
        """What is saved: (n, n, n) float32 vorticity magnitude and pressure."""
        magnitude = np.sqrt(np.sum(self.vorticity() ** 2, axis=0))
        return {"vorticity": magnitude.astype(np.float32), "pressure": self.pressure().astype(np.float32)}


def cross(a: Sequence[np.ndarray] | np.ndarray, b: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The cross product of two vectors of arrays, without the copies that `np.cross` makes."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def largest_k(n: int) -> int:
    """The largest wave number kept on n points: products of two fields alias only beyond it (the 2/3 rule)."""
    return (n - 1) // 3


def wave_vectors(n: int, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Wave numbers kx, ky, kz, each shaped to broadcast over modes (kz, ky, kx)."""
    half = np.arange(largest_k(n) + 1, dtype=dtype)
    full = np.concatenate([half, -half[:0:-1]])
    return half[None, None, :], full[None, :, None], full[:, None, None]


def to_space(modes: np.ndarray, n: int) -> np.ndarray:
    """(..., n, n, n) values on the points from (..., m, m, h) modes."""
    for axis in (-3, -2):
        modes = scipy.fft.ifft(widen(modes, axis, n), axis=axis, norm="forward", overwrite_x=True, workers=WORKERS)
    return scipy.fft.irfft(modes, n, axis=-1, norm="forward", overwrite_x=True, workers=WORKERS)


def to_modes(values: np.ndarray) -> np.ndarray:
    """(..., m, m, h) modes from (..., n, n, n) values; those beyond the 2/3 rule are dropped."""
    top = largest_k(values.shape[-1])
    modes = scipy.fft.rfft(values, axis=-1, norm="forward", workers=WORKERS)[..., : top + 1]
    for axis in (-2, -3):
        modes = scipy.fft.fft(modes, axis=axis, norm="forward", workers=WORKERS)
        modes = np.take(modes, np.r_[0 : top + 1, -top:0], axis=axis)
    return modes


def widen(modes: np.ndarray, axis: int, n: int) -> np.ndarray:
    """Zeros for the wave numbers that n points have and modes lack, between the positive and the negative ones."""
    half = modes.shape[axis] // 2 + 1
    shape = list(modes.shape)
    shape[axis] = n - modes.shape[axis]
    low, high = np.split(modes, [half], axis=axis)
    return np.concatenate([low, np.zeros(shape, modes.dtype), high], axis=axis)


def refine(modes: np.ndarray, n: int) -> np.ndarray:
    """The same field in the modes of a finer grid of n points."""
    size = 2 * largest_k(n) + 1
    modes = widen(widen(modes, -3, size), -2, size)
    return np.pad(modes, [(0, 0)] * (modes.ndim - 1) + [(0, largest_k(n) + 1 - modes.shape[-1])])


def taylor_green(n: int, dtype: type = np.float32) -> np.ndarray:
    """(3, m, m, h) the Taylor-Green vortex: energy 1/8, enstrophy 3/8."""
    axis = np.arange(n) * (2 * np.pi / n)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    velocity = np.stack([np.sin(x) * np.cos(y) * np.cos(z), -np.cos(x) * np.sin(y) * np.cos(z), np.zeros_like(x)])
    return to_modes(velocity.astype(dtype))


def random_flow(n: int, energy: float, seed: int) -> np.ndarray:
    """(3, m, m, h) a random flow whose energy spectrum falls like k^-5/3 below the largest scales."""
    noise = np.random.default_rng(seed).standard_normal((3, n, n, n)).astype(np.float32)
    flow = Flow(to_modes(noise), n, viscosity=0.0)
    k = np.sqrt(flow.k2)
    # white noise has a spectrum of k^2; amplitude^2 turns it into k^4 / (1 + (k/k0)^2)^(17/6): k^-5/3 far above k0
    amplitude = k / (1 + (k / LARGEST_SCALES) ** 2) ** (17 / 12) * np.exp(-3 * k / n)
    modes = flow.velocity_hat * amplitude
    return modes * np.float32(math.sqrt(energy / flow.energy(modes)))


def developed_flow(n: int, viscosity: float, power: float, seed: int) -> Flow:
    """Turbulence that has forgotten its random start: most of the spin-up is run on a grid half as fine."""
    coarse = Flow(random_flow(n // 2, 1.5 * power ** (2 / 3), seed), n // 2, 2 * viscosity, power)
    coarse.advance(SPIN_UP[0])
    flow = Flow(refine(coarse.velocity_hat, n), n, viscosity, power)
    flow.advance(SPIN_UP[1])
    flow.time = 0.0
    return flow


@dataclass(frozen=True)
class Case:
    """One of the flows that can be made: the time between saved steps, viscosity, forcing."""

    spacing: float
    viscosity: float
    power: float = 0.0


CASES = {
    "forced": Case(spacing=0.06, viscosity=0.015, power=0.36),
    "decaying": Case(spacing=0.06, viscosity=0.015),
    "taylor_green": Case(spacing=0.1, viscosity=0.005),
}


def start(kind: str, n: int = 64, seed: int = 7) -> Flow:
    """The flow of one of `CASES` at time 0."""
    case = CASES[kind]
    if kind == "taylor_green":
        return Flow(taylor_green(n), n, case.viscosity)
    flow = developed_flow(n, case.viscosity, CASES["forced"].power, seed)
    flow.power = case.power
    return flow


def simulate(kind: str, n: int = 64, n_steps: int = 101, seed: int = 7) -> Iterator[tuple[float, dict]]:
    """Yield (time, fields) of each saved step; the fields are (n, n, n) float32, axes z y x."""
    # glibc hands freed arrays back to the kernel and a third of the run goes into getting their pages again; freeing
    # one large block raises the size below which it keeps them
    np.empty(30 << 20, np.uint8)
    flow, spacing = start(kind, n, seed), CASES[kind].spacing
    for step in range(n_steps):
        if step:
            flow.advance(step * spacing - flow.time)
        yield round(step * spacing, 9), flow.fields()


def write_series(folder: Path, kind: str, n: int = 64, n_steps: int = 101, seed: int = 7) -> Path:
    """Simulate into folder/turbulence.pvd and one .vti per step, unless exactly that is there already."""
    from hyperinr.filters.image import to_image, write_image, write_pvd  # needs VTK, which the solver does not

    pvd, made_with = folder / "turbulence.pvd", folder / "turbulence.json"
    case = {"kind": kind, "n": n, "n_steps": n_steps, "seed": seed, **asdict(CASES[kind])}
    if pvd.exists() and made_with.exists() and json.loads(made_with.read_text(encoding="utf-8")) == case:
        print(f"{pvd} is there already")
        return pvd
    folder.mkdir(parents=True, exist_ok=True)
    made_with.unlink(missing_ok=True)
    grid = Grid((n, n, n), spacing=(2 * math.pi / n,) * 3)
    files = {}
    for step, (time, fields) in enumerate(simulate(kind, n, n_steps, seed)):
        files[time] = f"turbulence_{step:03d}.vti"
        write_image(folder / files[time], to_image(grid, fields))
        if step % 10 == 0:
            print(f"step {step} of {n_steps - 1}, time {time:.2f}", flush=True)
    write_pvd(pvd, files.items())
    made_with.write_text(json.dumps(case), encoding="utf-8")  # last, so that an interrupted simulation is made again
    return pvd


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=list(CASES))
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write")
    parser.add_argument("-n", type=int, default=64, help="points along each axis (default 64)")
    parser.add_argument("--steps", type=int, default=101, help="steps to save (default 101)")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print(write_series(options.output, options.kind, options.n, options.steps, options.seed))


if __name__ == "__main__":
    main()
