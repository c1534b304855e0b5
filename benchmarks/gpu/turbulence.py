"""The demo's solver on torch tensors, for a GPU: the same modes, steps and forcing. Part of paper.py."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hyperinr.plugin.demo.turbulence import CASES, COURANT, SPIN_UP, Flow, largest_k, random_flow, refine

AXES = (-3, -2, -1)


class DeviceFlow:
    """A `Flow` whose state lies on a device and moves there; every method is the one that Flow has by that name."""

    def __init__(self, flow: Flow, device: torch.device) -> None:
        self.n, self.viscosity, self.power, self.time = flow.n, flow.viscosity, flow.power, flow.time
        self.k = [torch.from_numpy(component).to(device) for component in flow.k]
        self.k2, self.inverse_k2, self.forced, self.multiplicity, self.velocity_hat = (
            torch.from_numpy(np.ascontiguousarray(array)).to(device)
            for array in (flow.k2, flow.inverse_k2, flow.forced, flow.multiplicity, flow.velocity_hat)
        )
        top = largest_k(self.n)
        self._kept = torch.tensor([*range(top + 1), *range(self.n - top, self.n)], device=device)

    def project(self, vector_hat: torch.Tensor) -> torch.Tensor:
        along = sum(k * component for k, component in zip(self.k, vector_hat)) * self.inverse_k2
        return torch.stack([component - k * along for k, component in zip(self.k, vector_hat)])

    def curl(self, vector_hat: torch.Tensor) -> torch.Tensor:
        return 1j * _cross(self.k, vector_hat)

    def energy(self, velocity_hat: torch.Tensor) -> torch.Tensor:
        return 0.5 * (self.multiplicity * (velocity_hat.real**2 + velocity_hat.imag**2)).sum()

    def tendency(self, velocity_hat: torch.Tensor) -> torch.Tensor:
        turning = _cross(self.to_space(velocity_hat), self.to_space(self.curl(velocity_hat)))
        tendency = self.project(self.to_modes(turning))
        if self.power:
            driven = velocity_hat * self.forced
            tendency = tendency + driven * (self.power / (2 * self.energy(driven)))  # nothing waits for the number
        return tendency

    def step(self, dt: float) -> None:
        half = torch.exp(-self.viscosity * self.k2 * dt / 2)
        start = self.velocity_hat
        damped = half * start
        first = self.tendency(start)
        second = self.tendency(damped + half * first * (dt / 2))
        third = self.tendency(damped + second * (dt / 2))
        fourth = self.tendency(half * (damped + third * dt))
        self.velocity_hat = half * (damped + (half * first + 2 * (second + third)) * (dt / 6)) + fourth * (dt / 6)
        self.time += dt

    def advance(self, duration: float) -> None:
        end = self.time + duration
        while end - self.time > 1e-9 * max(1.0, end):
            self.step((end - self.time) / math.ceil((end - self.time) / self.stable_dt()))

    def stable_dt(self) -> float:
        speed = float(self.velocity().abs().sum(0).max())
        return COURANT / max(speed * self.n / 3, 1e-12)

    def velocity(self) -> torch.Tensor:
        """(3, n, n, n) velocity vectors."""
        return self.to_space(self.velocity_hat)

    def vorticity(self) -> torch.Tensor:
        return self.to_space(self.curl(self.velocity_hat))

    def to_space(self, modes: torch.Tensor) -> torch.Tensor:
        whole = modes.new_zeros((*modes.shape[:-3], self.n, self.n, self.n // 2 + 1))
        whole[..., self._kept[:, None], self._kept, : modes.shape[-1]] = modes
        return torch.fft.irfftn(whole, (self.n,) * 3, AXES, norm="forward")

    def to_modes(self, values: torch.Tensor) -> torch.Tensor:
        whole = torch.fft.rfftn(values, dim=AXES, norm="forward")
        return whole[..., self._kept[:, None], self._kept, : largest_k(self.n) + 1]


def _cross(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


@torch.no_grad()
def simulate(n: int, n_steps: int, device: torch.device, seed: int = 7) -> Iterator[tuple[float, DeviceFlow]]:
    """Time and flow at each saved step of the forced case, spun up as `developed_flow` does it."""
    case, (coarse_time, fine_time) = CASES["forced"], SPIN_UP
    beginning = random_flow(n // 2, 1.5 * case.power ** (2 / 3), seed)
    coarse = DeviceFlow(Flow(beginning, n // 2, 2 * case.viscosity, case.power), device)
    coarse.advance(coarse_time)
    finer = refine(coarse.velocity_hat.cpu().numpy(), n)
    flow = DeviceFlow(Flow(finer, n, case.viscosity, case.power), device)
    flow.advance(fine_time)
    flow.time = 0.0
    for step in range(n_steps):
        flow.advance(step * case.spacing - flow.time)
        yield round(step * case.spacing, 9), flow
