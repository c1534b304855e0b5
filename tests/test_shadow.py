"""Transmittance against closed forms and the NumPy twin, for any light, spacing and instruction set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hyperinr_core.backends import native
from hyperinr_core.errors import ParameterError
from hyperinr_core.light import shadow, shadow_native, shadow_reference
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.volume import Grid

LIGHTS = {
    "x": (1, 0, 0), "-x": (-1, 0, 0), "y": (0, 1, 0), "-y": (0, -1, 0), "z": (0, 0, 1), "-z": (0, 0, -1),
    "edge": (1, 1, 0), "corner": (-1, 1, -1), "steep": (0.2, -0.3, 0.9), "flat": (0.8, 0.55, -0.1),
    "sideways": (-0.3, 0.9, 0.25),
}  # fmt: skip
GRIDS = {
    "cubes": Grid((19, 17, 23)),
    "bricks": Grid((19, 17, 23), spacing=(0.5, 2.0, 1.0)),
    "turned": Grid((19, 17, 23), spacing=(1.0, 0.7, 0.4), direction=(0, -1, 0, 1, 0, 0, 0, 0, 1)),
    "thin": Grid((19, 1, 7)),
}


def noise(grid: Grid, seed: int = 0) -> np.ndarray:
    """Clouds and gaps."""
    values = np.random.default_rng(seed).normal(0.0, 0.3, grid.shape)
    return np.maximum(values, 0).astype(np.float32)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
@pytest.mark.parametrize("method", shadow.METHODS)
def test_kernels_equal_their_twin(method, light, grid, monkeypatch):
    tau = noise(grid)
    found = shadow.transmittance(tau, grid, light, method)
    monkeypatch.setattr(shadow, "_kernels", lambda: shadow_reference)
    np.testing.assert_allclose(found, shadow.transmittance(tau, grid, light, method), rtol=0, atol=3e-6)


@pytest.mark.parametrize("isa", native.supported_isas())
@pytest.mark.parametrize("method", shadow.METHODS)
def test_every_instruction_set_gives_the_same(method, isa, monkeypatch):
    grid, light = GRIDS["bricks"], LIGHTS["flat"]
    expected = shadow.transmittance(noise(grid), grid, light, method)
    monkeypatch.setenv("HYPERINR_ISA", isa)
    np.testing.assert_allclose(shadow.transmittance(noise(grid), grid, light, method), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", shadow.METHODS)
@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_threads_change_nothing(method, light, monkeypatch):
    grid = Grid((70, 40, 37))
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        native.set_threads_from_environment()
        results.append(shadow.transmittance(noise(grid), grid, light, method))
    monkeypatch.undo()
    native.set_threads_from_environment()
    np.testing.assert_array_equal(*results)


def test_equal_neighbourhoods_have_equal_bits():
    grid = Grid((61, 12, 12))
    tau = np.tile(noise(Grid((1, 12, 12))), (1, 1, 61))
    for method in shadow.METHODS:
        found = shadow.transmittance(tau, grid, (0.0, 0.3, 1.0), method)
        assert (found == found[..., :1]).all(), f"{method}: a value depends on its place in the row"


def way_out(grid: Grid, direction) -> np.ndarray:
    """(nz, ny, nx) length from each point to where its ray leaves the box."""
    unit = np.array(direction) / np.linalg.norm(direction)
    ways = np.full(grid.shape, np.inf)
    for axis, n in enumerate(grid.dims):
        place = np.arange(n).reshape([-1 if a == 2 - axis else 1 for a in range(3)])
        if unit[axis]:
            left = (n - 1 - place) if unit[axis] > 0 else place
            ways = np.minimum(ways, left * grid.spacing[axis] / abs(unit[axis]))
    return ways


@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
def test_homogeneous_slab(light):
    grid = GRIDS["bricks"]
    truth = np.exp(-0.15 * way_out(grid, light))
    found = shadow.transmittance(np.full(grid.shape, 0.15, np.float32), grid, light, "rays", step=0.05)
    # the last step of a ray is taken whole or not at all: half of it, 0.05 * 0.5 long, may be wrong
    np.testing.assert_allclose(found, truth, rtol=0, atol=0.15 * 0.0125 + 1e-5)


def test_slab_across_the_sweep_is_exact():
    grid = Grid((21, 24, 27), spacing=(0.5, 1.0, 2.0))
    for axis, light in enumerate(np.eye(3)):
        found = shadow.transmittance(np.full(grid.shape, 0.1, np.float32), grid, light)
        np.testing.assert_allclose(found, np.exp(-0.1 * way_out(grid, light)), rtol=0, atol=1e-6, err_msg="xyz"[axis])


@pytest.mark.parametrize("light", LIGHTS.values(), ids=LIGHTS)
@pytest.mark.parametrize("method", shadow.METHODS)
def test_ball(light, method):
    """Behind a ball of constant extinction lies exp(-tau * chord)."""
    n, radius, strength = 65, 14.0, 0.08
    grid = Grid((n, n, n))
    places = np.stack(np.meshgrid(*[np.arange(n) - n // 2] * 3, indexing="ij"))[::-1].astype(float)
    squared = (places**2).sum(axis=0)
    tau = np.float32(strength) * np.clip(radius + 0.5 - np.sqrt(squared), 0, 1).astype(np.float32)
    unit = np.array(light) / np.linalg.norm(light)
    along = np.tensordot(unit, places, 1)
    aside = squared - along**2
    half = np.sqrt(np.maximum(radius**2 - aside, 0))
    truth = np.exp(-strength * np.clip(half - along, 0, 2 * half))
    error = abs(shadow.transmittance(tau, grid, light, method) - truth)
    assert error.mean() < 3e-3
    assert error[aside < (radius - 2) ** 2].max() < 0.05  # away from the edge, whose voxels are blurred


def test_rays_and_sweep_agree_on_smooth_data():
    grid = Grid((48, 48, 48))
    z, y, x = np.meshgrid(*[np.linspace(0, 2 * math.pi, 48)] * 3, indexing="ij")
    tau = (0.05 * (1 + np.sin(x) * np.cos(2 * y) * np.sin(z))).astype(np.float32)
    for light in LIGHTS.values():
        difference = shadow.transmittance(tau, grid, light) - shadow.transmittance(tau, grid, light, "rays", 0.1)
        assert math.sqrt(np.mean(difference[4:-4, 4:-4, 4:-4] ** 2)) < 6e-3


def test_soft_light_is_between_sharp_ones():
    grid = GRIDS["cubes"]
    tau = np.zeros(grid.shape, np.float32)
    tau[12, 8, 9] = 5.0
    sharp = shadow.transmittance(tau, grid, (0, 0, 1))
    soft = shadow.soft_transmittance(tau, grid, (0, 0, 1), 30.0)
    assert sharp[2, 8, 9] < 0.01 < 0.2 < soft[2, 8, 9] < 1 and soft[2, 8, 11] < sharp[2, 8, 11]
    np.testing.assert_allclose(shadow.soft_transmittance(tau, grid, (0, 0, 1), 1e-4, 3), sharp, atol=1e-4)


def test_disc_directions_fill_their_cap():
    axis = direction_of(200.0, -35.0)
    found = shadow.disc_directions(axis, 20.0, 500)
    angles = np.degrees(np.arccos(found @ axis))
    assert 9.8 < angles.max() < 10.0
    mean = found.mean(axis=0)
    assert math.degrees(math.acos(mean @ axis / np.linalg.norm(mean))) < 0.1
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)


def test_unit_distance_does_not_depend_on_the_sampling():
    grid = Grid((33, 17, 65), spacing=(1.0, 2.0, 0.5))
    assert shadow.default_unit_distance(grid) == pytest.approx(math.sqrt(3 * 32**2) / 128)
    assert shadow.default_unit_distance(grid.with_dims((9, 9, 9))) == pytest.approx(shadow.default_unit_distance(grid))


def test_bad_calls_are_one_sentence():
    grid = GRIDS["cubes"]
    tau = noise(grid)
    for light in ((0, 0, 0), (0, math.nan, 1), (1, 0)):
        with pytest.raises(ParameterError, match="direction is"):
            shadow.transmittance(tau, grid, light)
    with pytest.raises(ParameterError, match="expected the grid's"):
        shadow.transmittance(tau[1:], grid, (0, 0, 1))
    with pytest.raises(ParameterError, match="expected one of sweep, rays"):
        shadow.transmittance(tau, grid, (0, 0, 1), "magic")


def test_kernel_refuses_what_would_crash_it():
    with pytest.raises(ParameterError):
        shadow_native.rays(np.zeros((2, 2, 2)), np.zeros(3), 1.0)


def cloud(grid: Grid) -> np.ndarray:
    """A thick ball in a thin mist."""
    places = np.meshgrid(*(np.linspace(-1, 1, n) for n in grid.shape), indexing="ij")
    return (0.02 + 0.3 * (sum(p**2 for p in places) < 0.4)).astype(np.float32)


@pytest.mark.parametrize(
    "grid", [Grid((20, 17, 18)), Grid((12, 19, 10), spacing=(1.5, 0.7, 2.0))], ids=["cubes", "bricks"]
)
@pytest.mark.parametrize("g", [0.0, 0.7, -0.4])
def test_what_scatters_and_never_absorbs_keeps_all_light(grid, g):
    """Under light from everywhere such a medium is nowhere brighter or darker: the mean over all lights is 1."""
    n = 60
    k = np.arange(n) + 0.5
    polar, turn = np.arccos(1 - 2 * k / n), k * math.pi * (3 - math.sqrt(5))
    lights = np.stack([np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)], axis=1)
    tau = cloud(grid)
    total = sum(shadow.scattered(tau, grid, light, 1.0, g, 16, seed) for seed, light in enumerate(lights)) / n
    assert total.mean() == pytest.approx(1, abs=0.015)
    inner = total[grid.shape[0] // 3 : -(grid.shape[0] // 3), 6:-6, 4:-4]
    assert inner.mean() == pytest.approx(1, abs=0.05)


def test_scattering_is_what_is_left_of_direct_light_without_albedo():
    grid = GRIDS["bricks"]
    tau, light = noise(grid), LIGHTS["steep"]
    np.testing.assert_array_equal(
        shadow.scattered(tau, grid, light, 0.0, 0.0, 3, 1), shadow.transmittance(tau, grid, light)
    )
    dim, bright = (shadow.scattered(tau, grid, light, albedo, 0.0, 30, 1) for albedo in (0.5, 0.9))
    assert shadow.transmittance(tau, grid, light).mean() + 0.02 < dim.mean() < bright.mean() - 0.02


def test_scattering_in_thin_mist_is_single():
    """Where hardly anything scatters, the middle of a ball gathers tau * radius of light."""
    n, radius, strength = 25, 9.0, 2e-3
    grid = Grid((n, n, n))
    places = np.stack(np.meshgrid(*[np.arange(n) - n // 2] * 3, indexing="ij")).astype(float)
    tau = np.float32(strength) * np.clip(radius + 0.5 - np.sqrt((places**2).sum(axis=0)), 0, 1).astype(np.float32)
    light = (0.3, -0.5, 0.8)
    found = shadow.scattered(tau, grid, light, 1.0, 0.0, 400, 0) - shadow.transmittance(tau, grid, light)
    middle = found[10:15, 10:15, 10:15].mean()
    assert middle == pytest.approx(strength * radius, rel=0.08)


def test_scattering_forgets_threads_and_remembers_its_seed(monkeypatch):
    grid = Grid((14, 9, 11))
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        native.set_threads_from_environment()
        results.append(shadow.scattered(cloud(grid), grid, LIGHTS["flat"], 0.9, 0.5, 4, 7))
    monkeypatch.undo()
    native.set_threads_from_environment()
    np.testing.assert_array_equal(*results)
    assert abs(results[0] - shadow.scattered(cloud(grid), grid, LIGHTS["flat"], 0.9, 0.5, 4, 8)).max() > 0.01


def test_scattering_refuses_what_no_medium_does():
    grid = Grid((4, 4, 4))
    for albedo, g in ((1.1, 0.0), (-0.1, 0.0), (0.5, 1.0)):
        with pytest.raises(ParameterError, match="albedo is"):
            shadow.scattered(cloud(grid), grid, (0, 0, 1), albedo, g, 1, 0)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS)
def test_occlusion_is_the_mean_of_sweeps_and_its_twin(grid, monkeypatch):
    tau, sky = noise(grid), shadow.disc_directions(np.array([0.0, 0.0, 1.0]), 360.0, 12)
    found = shadow.ambient_occlusion(tau, grid, 12)
    mean = np.mean([shadow.transmittance(tau, grid, light) for light in sky], axis=0)
    np.testing.assert_allclose(found, mean, rtol=0, atol=1e-6)
    monkeypatch.setattr(shadow, "_kernels", lambda: shadow_reference)
    np.testing.assert_allclose(found, shadow.ambient_occlusion(tau, grid, 12), rtol=0, atol=3e-6)


@pytest.mark.parametrize("isa", native.supported_isas())
def test_occlusion_depends_on_no_thread_and_hardly_on_the_unit(isa, monkeypatch):
    grid = Grid((70, 40, 37))
    expected = shadow.ambient_occlusion(noise(grid), grid)
    monkeypatch.setenv("HYPERINR_ISA", isa)
    results = []
    for threads in ("1", "3"):
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        native.set_threads_from_environment()
        results.append(shadow.ambient_occlusion(noise(grid), grid))
    monkeypatch.undo()
    native.set_threads_from_environment()
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0], expected, rtol=0, atol=1e-6)


def test_a_wide_light_from_nowhere_is_refused():
    grid = Grid((4, 4, 4))
    for direction in ((0, 0, 0), (np.inf, 0, 0), (1, 0)):
        with pytest.raises(ParameterError, match="expected three numbers, not all 0"):
            shadow.soft_transmittance(np.zeros(grid.shape, np.float32), grid, np.array(direction), 10.0)
    with pytest.raises(ParameterError, match="n_directions is 0; expected at least 1"):
        shadow.ambient_occlusion(np.zeros(grid.shape, np.float32), grid, 0)


def test_occlusion_of_nothing_of_a_wall_and_within_one():
    grid = Grid((24, 24, 24))
    np.testing.assert_allclose(shadow.ambient_occlusion(np.zeros(grid.shape, np.float32), grid), 1, atol=1e-6)
    wall = np.zeros(grid.shape, np.float32)
    wall[:10] = 50.0
    found = shadow.ambient_occlusion(wall, grid)[:, 12, 12]
    assert abs(found[11] - 0.5) < 0.05 and found[16] > found[12] and found[5] < 1e-6
    with pytest.raises(ParameterError, match="tau has shape"):
        shadow.ambient_occlusion(wall[1:], grid)
