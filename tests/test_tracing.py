"""The path tracer against closed forms, energy, seeds and threads, and what it does with hostile media."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from hyperinr_core.backends import native
from hyperinr_core.errors import DataError, ParameterError
from hyperinr_core.pictures.camera import Camera
from hyperinr_core.pictures.transfer import TransferFunction
from hyperinr_core.spaces.sphere import direction_of
from hyperinr_core.tracing import film as film_module
from hyperinr_core.tracing.film import MOST_SAMPLES, Film, trace
from hyperinr_core.tracing.medium import Medium, medium_of
from hyperinr_core.tracing.staging import Environment, Light, Scene
from hyperinr_core.volume import Grid

CUBE = Grid((9, 9, 9))
NOTHING = Environment((0, 0, 0), (0, 0, 0))
NO_LIGHT = Light(color=(0, 0, 0))

#: From above, through the middle of the cube, on a square with sides of 2.
ABOVE = Camera((4, 4, 100), (4, 4, 4), (0, 1, 0), 0.0, 1.0)

#: From a corner, the whole cube in view.
CORNER = Camera((20, -14, 16), (4, 4, 4), (0, 0, 1), 30.0)


def fog(sigma: float, albedo: float = 1.0, grid: Grid = CUBE) -> Medium:
    """The same everywhere."""
    return Medium(np.ones(grid.shape, np.float32), grid, np.full((2, 3), albedo), np.array([0.0, sigma]), 0.0, 1.0)


def clouds(grid: Grid = CUBE, seed: int = 0, albedo: float = 1.0) -> Medium:
    """Clouds and gaps of many colours."""
    values = np.random.default_rng(seed).random(grid.shape).astype(np.float32)
    function = TransferFunction(((0, 1, 0.2, 0), (1, 0.3, 1, 1)), ((0.3, 0.0), (1.0, 0.9)))
    return medium_of(values, grid, function, unit_distance=1.5, albedo=albedo)


def shot(
    medium: Medium, scene: Scene, camera: Camera = ABOVE, samples: int = 256, size=(16, 16), seed: int = 0
) -> Film:
    film = Film(size)
    trace(medium, camera, scene, film, samples, seed)
    return film


def radiance(*args, **kwargs) -> float:
    """Of the middle channel, the mean over the picture."""
    return float(shot(*args, **kwargs).means[..., 1].mean())


@pytest.mark.parametrize("isa", native.supported_isas())
def test_a_slab_hides_what_its_thickness_says(isa, monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", isa)
    film = shot(fog(0.2), Scene(light=NO_LIGHT, environment=NOTHING, bounces=1))
    assert film.means[..., 3].mean() == pytest.approx(1 - math.exp(-0.2 * 8), abs=2e-4)


def test_a_slab_of_a_turned_stretched_grid_is_as_thick_as_in_space():
    """Points go down along the axis that the camera looks along, which is the grid's first."""
    grid = Grid((9, 5, 5), (4, 0, 8), (-0.5, 2.0, 2.0), (0, 1, 0, 0, 0, 1, 1, 0, 0))
    camera = Camera((8, 4, 100), (8, 4, 4), (0, 1, 0), 0.0, 1.0)
    film = shot(fog(0.2, grid=grid), Scene(light=NO_LIGHT, environment=NOTHING, bounces=1), camera)
    assert film.means[..., 3].mean() == pytest.approx(1 - math.exp(-0.2 * 4), abs=2e-4)


def test_a_ball_hides_what_its_thickness_says():
    """Its edge is where a smooth field passes a value: cells are interpolated before they are classified."""
    n, radius, sigma = 65, 0.8, 1.5
    x = np.linspace(-1, 1, n, dtype=np.float32)
    squares = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2
    extinction = np.where(np.linspace(0, 3, 4096) < radius**2, sigma, 0.0)
    squares -= (2 / (n - 1)) ** 2 / 2  # what straight lines between points lie above the curve, in the mean
    medium = Medium(squares, Grid((n,) * 3, (-1, -1, -1), (2 / (n - 1),) * 3), np.ones((4096, 3)), extinction, 0.0, 3.0)
    camera = Camera((0, 0, 9), (0, 0, 0), (0, 1, 0), 0.0, 1.0)
    film = shot(medium, Scene(light=NO_LIGHT, environment=NOTHING, bounces=1), camera, 64, (64, 64))
    thickness = 2 * sigma * radius
    share = 1 - 2 / thickness**2 * (1 - (1 + thickness) * math.exp(-thickness))
    assert film.means[..., 3].mean() == pytest.approx(math.pi * radius**2 / 4 * share, rel=2e-3)


@pytest.mark.parametrize("g", [0.0, 0.6, -0.4])
@pytest.mark.parametrize("elevation", [90.0, 50.0])
def test_light_scattered_once_in_a_slab(g, elevation):
    grid, sigma, albedo = Grid((41, 41, 5)), 0.3, 0.7
    light = Light(direction_of(30, elevation), diameter=0.0)
    camera = Camera((20, 20, 100), (20, 20, 4), (0, 1, 0), 0.0, 1.0)
    found = radiance(fog(sigma, albedo, grid), Scene(light, NOTHING, bounces=1, g=g), camera, 1024)
    sine = math.sin(math.radians(elevation))
    # scattered back, by how light and view lie to each other
    phase = (1 - g**2) / (4 * math.pi * (1 + g**2 + 2 * g * sine) ** 1.5)
    both = sigma * (1 + 1 / sine)
    assert found == pytest.approx(math.pi * albedo * phase * sigma / both * (1 - math.exp(-4 * both)), rel=6e-3)


@pytest.mark.parametrize("albedo", [0.5, 0.9])
def test_light_scattered_back_by_a_deep_cloud(albedo):
    """Chandrasekhar's law of diffuse reflection by a half-space, isotropic, light and view along the normal."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    mu, weights, h = (nodes + 1) / 2, weights / 2, np.ones(40)
    for _ in range(300):
        h = 1 / (math.sqrt(1 - albedo) + albedo / 2 * ((weights * mu * h) / (mu[:, None] + mu)).sum(axis=1))
    at_1 = 1 / (math.sqrt(1 - albedo) + albedo / 2 * (weights * mu * h / (1 + mu)).sum())
    found = radiance(fog(3.0, albedo), Scene(Light(diameter=0.0), NOTHING, bounces=500), samples=400)
    assert found == pytest.approx(albedo / 4 / 2 * at_1**2, rel=1e-2)


@pytest.mark.parametrize("scene", [{}, {"g": 0.7}, {"surface": 1.0}], ids=["even", "forward", "surfaces"])
def test_white_things_in_a_white_furnace_are_white(scene):
    values = np.random.default_rng(1).random(CUBE.shape).astype(np.float32)
    medium = Medium(values, CUBE, np.ones((2, 3)), np.array([0.0, 3.0]), 0.0, 1.0)
    means = shot(medium, Scene(NO_LIGHT, bounces=1000, **scene), CORNER, 16).means
    assert means[..., 3].mean() > 0.2
    np.testing.assert_allclose(means[..., :3], means[..., 3:].repeat(3, -1), rtol=0, atol=1e-6)


def test_no_energy_is_won():
    scene = Scene(NO_LIGHT, bounces=100, g=0.5, surface=2.0, gloss=1.0, aperture=2.0)
    means = shot(clouds(), scene, CORNER, 64).means
    assert (means[..., :3] <= means[..., 3:] + 1e-6).all()
    assert means[..., 0].mean() > 0.1 * means[..., 3].mean()


def test_an_opaque_surface_is_as_bright_as_it_faces_the_light():
    """A ramp along z that turns opaque: a matt white plane, lit from 60 degrees beside its normal."""
    grid = Grid((33, 33, 33))
    values = np.broadcast_to(np.linspace(1, 0, 33, dtype=np.float32)[:, None, None], grid.shape)
    medium = Medium(values.copy(), grid, np.ones((2, 3)), np.array([0.0, 1e4]), 0.49, 0.51)
    camera = Camera((16, 16, 100), (16, 16, 16), (0, 1, 0), 0.0, 1.0)
    light = Light(direction_of(10, 30), diameter=0.0)
    assert radiance(medium, Scene(light, NOTHING, bounces=1, surface=1000.0), camera, 64) == pytest.approx(
        0.5, rel=3e-2
    )


def test_a_wide_light_softens_shadows_and_keeps_its_irradiance():
    medium = fog(1e-3)  # thin: what is scattered is in proportion to the irradiance
    sharp, soft = (
        radiance(medium, Scene(Light((0, 1, 2), diameter=d), NOTHING, bounces=1), samples=2048) for d in (0, 90)
    )
    assert soft == pytest.approx(sharp, rel=0.1)


def test_light_from_above_comes_from_above():
    medium = clouds(albedo=0.8)
    views = {z: Camera((4, 4, z), (4, 4, 4), (0, 1, 0), 0.0, 1.0) for z in (100, -92)}
    scene = Scene(NO_LIGHT, Environment((1, 1, 1), (0, 0, 0)))
    assert radiance(medium, scene, views[100]) > 1.3 * radiance(medium, scene, views[-92])


def test_an_image_of_one_color_is_that_environment():
    image = np.full((4, 8, 3), 0.25, np.float32)
    means = [
        shot(clouds(), Scene(NO_LIGHT, environment), CORNER, 8).means
        for environment in (Environment((2, 2, 2), image=image), Environment((0.5,) * 3, (0.5,) * 3))
    ]
    np.testing.assert_allclose(*means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("towards", [(1, 0, 0), (0, 1, 0), (-1, 0.1, 0)])
def test_an_image_shines_from_where_it_is_bright(towards):
    """Azimuth runs from left to right, 0 in the middle column: a surface that faces the bright patch is the brightest."""
    azimuth = math.atan2(towards[1], towards[0])
    columns = (np.arange(64) + 0.5) / 64 * 2 * math.pi - math.pi
    near = np.cos(columns - azimuth) > 0.9
    image = np.where(near[None, :, None], 1.0, 0.0) * np.ones((32, 1, 3))
    scene = Scene(NO_LIGHT, Environment(image=image), bounces=1)
    at = 4 + 96 * np.array(towards, float)
    lit, unlit = (
        radiance(fog(5.0), scene, Camera(tuple(place), (4, 4, 4), (0, 0, 1), 0.0, 1.0)) for place in (at, 8 - at)
    )
    assert lit > 5 * unlit


def test_a_lens_is_sharp_at_its_focus():
    """A thin bright slab: at the focus it is as sharp as without a lens, elsewhere its edge is wide."""
    values = np.zeros((9, 9, 9), np.float32)
    values[4:6, :, :5] = 1
    medium = Medium(values, CUBE, np.ones((2, 3)), np.array([0.0, 50.0]), 0.0, 1.0)
    camera = Camera((4, 4, 20), (4, 4, 5), (0, 1, 0), 20.0)
    pictures = {
        name: shot(medium, Scene(NO_LIGHT, aperture=a, focus=f), camera, 64, (32, 32)).means[8:24, :, 3].mean(axis=0)
        for name, a, f in (("no lens", 0.0, None), ("sharp", 2.0, 15.0), ("blurred", 2.0, 6.0))
    }
    edges = {name: np.abs(np.diff(row)).max() for name, row in pictures.items()}
    assert edges["sharp"] > 0.8 * edges["no lens"] > 3 * edges["blurred"]


def test_equal_seeds_give_equal_pictures_and_others_do_not(monkeypatch):
    scene = Scene(Light((1, -1, 1)), surface=0.5, gloss=0.5)
    monkeypatch.setenv("HYPERINR_NUM_THREADS", "1")
    native.set_threads_from_environment()
    alone = shot(clouds(), scene, CORNER, 3, (70, 50)).sums
    monkeypatch.setenv("HYPERINR_NUM_THREADS", "3")
    native.set_threads_from_environment()
    np.testing.assert_array_equal(shot(clouds(), scene, CORNER, 3, (70, 50)).sums, alone)
    assert not np.array_equal(shot(clouds(), scene, CORNER, 3, (70, 50), seed=1).sums, alone)
    monkeypatch.undo()
    native.set_threads_from_environment()


def test_a_film_goes_on_where_it_was():
    scene = Scene()
    film = shot(clouds(), scene, CORNER, 2, (40, 40))
    trace(clouds(), CORNER, scene, film, 3)
    assert film.n_samples == 5
    np.testing.assert_array_equal(film.sums, shot(clouds(), scene, CORNER, 5, (40, 40)).sums)


@pytest.mark.parametrize("isa", native.supported_isas())
def test_instruction_sets_agree_but_for_rounding(isa, monkeypatch):
    expected = shot(clouds(), Scene(surface=0.5), CORNER, 64).means.mean(axis=(0, 1))
    monkeypatch.setenv("HYPERINR_ISA", isa)
    np.testing.assert_allclose(
        shot(clouds(), Scene(surface=0.5), CORNER, 64).means.mean(axis=(0, 1)), expected, rtol=2e-2
    )


def test_samples_are_spread_evenly():
    """The error of a slab's opacity falls nearly with the number of samples, not with its root."""
    film = shot(fog(0.2), Scene(NO_LIGHT, NOTHING, bounces=1), samples=256)
    alpha = 1 - math.exp(-1.6)
    random = math.sqrt(alpha * (1 - alpha) / 256)
    assert np.std(film.means[..., 3] - alpha) < 0.35 * random


def test_what_progress_raises_ends_the_work_and_keeps_the_film():
    film, shares = Film((256, 256)), []

    def stop(share: float) -> None:
        shares.append(share)
        if len(shares) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(clouds(), CORNER, Scene(), film, 1000, progress=stop)
    assert shares == sorted(shares) and 0 < shares[-1] < 0.5
    assert np.isfinite(film.means).all() and film.means[..., 3].max() > 0


def test_time_ends_the_work_after_a_sample():
    film, shares = Film((64, 64)), []
    trace(clouds(), CORNER, Scene(), film, MOST_SAMPLES, seconds=1e-6, progress=shares.append)
    assert film.n_samples == 1 and film.sums[..., 9].min() == 1 and shares[-1] == 1.0


def test_a_film_is_gone_on_with_where_it_was_stopped(monkeypatch):
    monkeypatch.setattr(film_module, "TILES_PER_THREAD", 1)
    monkeypatch.setattr(film_module.path_native, "n_threads", lambda: 1)
    stopped = Film((80, 40))

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trace(clouds(), CORNER, Scene(), stopped, 3, progress=stop)
    assert stopped.n_samples == 0 and 0 < (stopped.sums[..., 9] == 1).mean() < 1
    trace(clouds(), CORNER, Scene(), stopped, 3)
    assert (stopped.sums == shot(clouds(), Scene(), CORNER, 3, (80, 40)).sums).all()


def test_parts_of_a_film_without_noise_are_those_of_the_whole():
    film = shot(clouds(), Scene(), CORNER, 4, (48, 50))
    parts = [film.denoised(first, first + 20) for first in (0, 20, 40)]
    assert [len(part) for part in parts] == [20, 20, 10]
    np.testing.assert_array_equal(np.concatenate(parts), film.denoised())


def test_masked_points_are_empty():
    medium = clouds()
    values = medium.values.copy()
    values[:, :, :4] = np.nan
    masked = Medium(values, CUBE, medium.colors, medium.extinction, medium.low, medium.high)
    left, right = np.split(shot(masked, Scene(), ABOVE, 64).means[..., 3], 2, axis=1)
    assert left.max() == 0
    assert right[:, -1].min() > 0
    everything = Medium(np.full(CUBE.shape, np.nan, np.float32), CUBE, medium.colors, medium.extinction, 0.0, 1.0)
    assert shot(everything, Scene(), CORNER, 2).means.max() == 0


def test_hostile_media_give_pictures():
    clear, opaque = (TransferFunction(((0, 1, 1, 1),), ((0.0, alpha),)) for alpha in (0.0, 1.0))
    values = clouds().values
    assert shot(medium_of(values, CUBE, clear), Scene(), CORNER, 2).means.max() == 0
    assert shot(medium_of(values, CUBE, opaque, unit_distance=1e-30), Scene(), ABOVE, 2).means[..., 3].min() == 1
    flat = Grid(CUBE.dims, spacing=(1e3, 1e3, 1.0))
    camera = Camera((4e3, 4e3, 100), (4e3, 4e3, 4), (0, 1, 0), 0.0, 1.0)
    assert np.isfinite(shot(medium_of(values, flat, opaque), Scene(), camera, 2).means).all()
    huge = medium_of(
        values.astype(np.float64) * 1e-3 + 1e9, CUBE, TransferFunction(((1e9, 1, 1, 1),), ((1e9, 0), (1e9 + 1e-3, 1)))
    )
    assert 0 < shot(huge, Scene(), ABOVE, 16).means[..., 3].mean() <= 1
    huge = medium_of(values.astype(np.float64) * 1e300, CUBE, TransferFunction(((0, 1, 1, 1),), ((0, 0), (1e300, 1))))
    assert 0 < shot(huge, Scene(), ABOVE, 16).means[..., 3].mean() <= 1


def test_a_camera_inside_sees_what_surrounds_it():
    inside = Camera((4, 4, 4), (4, 8, 4), (0, 0, 1), 60.0)
    means = shot(fog(0.5), Scene(NO_LIGHT, bounces=1000), inside, 64).means
    np.testing.assert_allclose(means[..., :3], means[..., 3:].repeat(3, -1), rtol=0, atol=1e-6)
    assert 0.8 < means[..., 3].mean() < 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda: trace(fog(1.0), ABOVE, Scene(), Film((4, 4)), 10**9),
        lambda: trace(fog(1.0), ABOVE, Scene(), Film((4, 4)), 0),
        lambda: Film((10**6, 10**6)),
        lambda: Film((0, 5)),
        lambda: fog(1.0, grid=Grid((5, 1, 5))),
        lambda: fog(1.0, grid=Grid((5, 5, 5), spacing=(1, 1e7, 1))),
        lambda: fog(math.nan),
        lambda: fog(1.0, albedo=1.1),
        lambda: Medium(np.full(CUBE.shape, np.inf, np.float32), CUBE, np.ones((1, 3)), np.ones(1), 0, 1),
        lambda: Light((0, 0, 0)),
        lambda: Light(color=(math.inf, 0, 0)),
        lambda: Environment(above=(-1, 0, 0)),
        lambda: Environment(image=np.ones((4, 4))),
        lambda: Scene(bounces=0),
        lambda: Scene(g=1.0),
        lambda: Scene(surface=-1.0),
        lambda: Scene(aperture=math.nan),
        lambda: Scene(focus=0.0),
        lambda: medium_of(np.ones(CUBE.shape), CUBE, TransferFunction(((0, 1, 1, 1),), ((0, 1),)), unit_distance=0.0),
    ],
)
def test_what_makes_no_sense_is_said_in_a_sentence(ask):
    with pytest.raises((DataError, ParameterError), match="expected"):
        ask()


def test_the_most_samples_are_counted_over_calls():
    film = Film((1, 1))
    film.n_samples = MOST_SAMPLES
    with pytest.raises(ParameterError, match="expected 1 to"):
        trace(fog(1.0), ABOVE, Scene(), film)


def test_without_noise_nothing_is_smoothed():
    """A chessboard whose samples are all alike."""
    film = Film((32, 24))
    board = (np.add.outer(np.arange(24), np.arange(32)) % 2).astype(np.float32)
    film.sums[..., :3], film.sums[..., 3], film.sums[..., 8], film.sums[..., 9] = board[..., None] * 8, 8, board * 8, 8
    np.testing.assert_allclose(film.denoised()[..., :3], board[..., None].repeat(3, -1), atol=0.02)


def test_noise_goes_and_edges_stay():
    """The picture is nearer to the truth than it was, on both sides of an edge in the opacity."""
    values = np.zeros((17, 17, 17), np.float32)
    values[:, :, 9:] = 1
    medium = Medium(values, Grid((17,) * 3), np.full((2, 3), 0.9), np.array([0.0, 5.0]), 0.0, 1.0)
    camera = Camera((8.5, 8, 100), (8.5, 8, 8), (0, 1, 0), 0.0, 7.0)  # the edge is between two columns
    truth = shot(medium, Scene(), camera, 400, (48, 48)).means
    film = shot(medium, Scene(), camera, 8, (48, 48), seed=1)
    noisy, clean = (np.sqrt(np.mean((found - truth)[..., :3] ** 2)) for found in (film.means, film.denoised()))
    assert clean < 0.5 * noisy
    assert np.abs(np.diff(film.denoised()[..., 3], axis=1)).max(axis=1).min() > 0.9


def test_every_size_is_smoothed():
    for size in ((1, 1), (3, 40), (40, 2)):
        film = shot(clouds(), Scene(), CORNER, 2, size)
        assert film.denoised().shape == (*size[::-1], 4) and np.isfinite(film.denoised()).all()


def test_the_python_of_the_page_runs():
    text = (Path(__file__).parent.parent / "docs" / "pictures.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import numpy.*?)```", text, re.S)
    names = {"values": clouds().values, "grid": CUBE, "position": CORNER.position, "focal_point": CORNER.focal_point}
    exec(compile(block, "docs/pictures.md", "exec"), names)
    assert names["film"].n_samples == 8 and names["pixels"].shape == (120, 160, 3)
