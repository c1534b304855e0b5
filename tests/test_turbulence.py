"""The solver against closed forms: the demo's data is only worth training on if it is a solution."""

from __future__ import annotations

import numpy as np
import pytest

from hyperinr.filters.readers.series import open_series
from hyperinr.plugin.demo.turbulence import (
    Flow,
    random_flow,
    refine,
    simulate,
    start,
    taylor_green,
    to_modes,
    to_space,
    write_series,
)


def points(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, z of the n^3 points, (n, n, n) each with axes z y x."""
    axis = np.arange(n) * (2 * np.pi / n)
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    return x, y, z


def test_taylor_green_starts_with_its_closed_forms():
    n = 24
    flow = Flow(taylor_green(n, np.float64), n, viscosity=0.01)
    x, y, z = points(n)
    vorticity = [
        -np.cos(x) * np.sin(y) * np.sin(z),
        -np.sin(x) * np.cos(y) * np.sin(z),
        2 * np.sin(x) * np.sin(y) * np.cos(z),
    ]
    pressure = (np.cos(2 * x) + np.cos(2 * y)) * (np.cos(2 * z) + 2) / 16
    np.testing.assert_allclose(flow.vorticity(), vorticity, atol=1e-13)
    np.testing.assert_allclose(flow.pressure(), pressure, atol=1e-13)
    assert flow.energy() == pytest.approx(1 / 8, rel=1e-13)
    assert flow.enstrophy() == pytest.approx(3 / 8, rel=1e-13)


def test_taylor_green_loses_energy_as_taylor_and_green_computed():
    # G. I. Taylor and A. E. Green, Proc. R. Soc. A 158 (1937): the dissipation's power series in time
    viscosity, end = 0.1, 0.5
    flow = Flow(taylor_green(32, np.float64), 32, viscosity)
    reynolds = 1 / viscosity
    series = np.polynomial.Polynomial(
        [
            1,
            -6 / reynolds,
            5 / 48 + 18 / reynolds**2,
            -(5 / 3 + 36 / reynolds**2) / reynolds,
            50 / (99 * 64) + 1835 / (9 * 16 * reynolds**2) + 54 / reynolds**4,
        ]
    )
    loss = 0.75 * viscosity * series.integ()
    flow.advance(end / 2)
    assert 1 / 8 - flow.energy() == pytest.approx(loss(end / 2), rel=1e-4)
    assert 2 * viscosity * flow.enstrophy() == pytest.approx(0.75 * viscosity * series(end / 2), rel=2e-4)
    flow.advance(end / 2)
    assert flow.time == pytest.approx(end)
    assert 1 / 8 - flow.energy() == pytest.approx(loss(end), rel=1e-3)


def test_two_dimensional_vortex_decays_as_the_exact_solution():
    n, viscosity = 16, 0.05
    x, y, _ = points(n)
    velocity = np.stack([np.cos(x) * np.sin(y), -np.sin(x) * np.cos(y), 0 * x])
    flow = Flow(to_modes(velocity), n, viscosity)
    flow.advance(2.0)
    np.testing.assert_allclose(to_space(flow.velocity_hat, n), velocity * np.exp(-2 * viscosity * 2.0), atol=1e-12)
    pressure = -(np.cos(2 * x) + np.cos(2 * y)) / 4 * np.exp(-4 * viscosity * 2.0)
    np.testing.assert_allclose(flow.pressure(), pressure, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 2e-5), (np.float64, 1e-13)])
def test_velocity_stays_free_of_divergence_to_round_off(dtype, tolerance):
    n = 16
    flow = Flow(random_flow(n, 1.0, seed=3).astype(np.result_type(dtype, np.complex64)), n, 0.02, power=0.4)
    flow.advance(0.3)
    divergence = flow.dot_k(flow.velocity_hat)
    assert abs(divergence).max() <= tolerance * abs(flow.curl(flow.velocity_hat)).max()


def test_a_time_step_half_as_long_changes_the_error_sixteenfold():
    n, end = 16, 0.2
    modes = random_flow(n, 1.0, seed=5).astype(np.complex128)

    def velocity(n_steps: int) -> np.ndarray:
        flow = Flow(modes, n, 0.02, power=0.4)
        for _ in range(n_steps):
            flow.step(end / n_steps)
        return flow.velocity_hat

    fine = velocity(64)
    coarse, half = (abs(velocity(n_steps) - fine).max() for n_steps in (4, 8))
    assert coarse / half == pytest.approx(16, rel=0.3)


def test_forcing_feeds_in_its_power():
    n = 16
    flow = Flow(random_flow(n, 1.0, seed=2).astype(np.complex128), n, viscosity=0.0, power=0.4)
    before = flow.energy()
    flow.step(1e-3)
    assert (flow.energy() - before) / 1e-3 == pytest.approx(0.4, rel=1e-3)


def test_refining_the_grid_keeps_the_field():
    coarse = random_flow(16, 1.0, seed=4)
    fine = to_space(refine(coarse, 32), 32)
    np.testing.assert_allclose(fine[:, ::2, ::2, ::2], to_space(coarse, 16), atol=1e-6)


def test_turbulence_is_reproducible_and_follows_its_seed():
    first, again, other = (list(simulate("forced", 16, n_steps=2, seed=seed)) for seed in (1, 1, 2))
    for name in ("vorticity", "pressure"):
        np.testing.assert_array_equal(first[1][1][name], again[1][1][name])
        assert first[1][1][name].shape == (16, 16, 16)
        assert first[1][1][name].dtype == np.float32
        assert abs(first[1][1][name] - other[1][1][name]).max() > 0.1


def test_decaying_flow_only_loses_energy_and_forced_flow_is_steady():
    decaying, forced = start("decaying", 16), start("forced", 16)
    energies = {id(flow): [flow.energy()] for flow in (decaying, forced)}
    for flow in (decaying, forced):
        for _ in range(4):
            flow.advance(0.5)
            energies[id(flow)].append(flow.energy())
    assert (np.diff(energies[id(decaying)]) < 0).all()
    assert energies[id(decaying)][-1] < 0.7 * energies[id(decaying)][0]
    assert energies[id(forced)][-1] == pytest.approx(energies[id(forced)][0], rel=0.4)


def test_the_series_on_disk_is_what_was_simulated_and_is_made_only_once(tmp_path):
    pvd = write_series(tmp_path, "taylor_green", n=16, n_steps=3)
    series, expected = open_series(str(pvd)), list(simulate("taylor_green", 16, n_steps=3))
    assert series.thetas[:, 0].tolist() == [time for time, _ in expected] == [0.0, 0.1, 0.2]
    assert series.grid.spacing == pytest.approx((np.pi / 8,) * 3)
    for step, (_, fields) in enumerate(expected):
        for name, values in fields.items():
            np.testing.assert_array_equal(series.read(step, [name])[..., 0], values)
    written = (tmp_path / "turbulence_002.vti").stat().st_mtime_ns
    write_series(tmp_path, "taylor_green", n=16, n_steps=3)
    assert (tmp_path / "turbulence_002.vti").stat().st_mtime_ns == written
    write_series(tmp_path, "decaying", n=16, n_steps=3)
    assert (tmp_path / "turbulence_002.vti").stat().st_mtime_ns != written
