"""Radiance fields: the kernel beside plain arithmetic and autograd, and what a fit finds."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from radiance_models import ball_field

from hyperinr_core.backends import native
from hyperinr_core.errors import ParameterError
from hyperinr_core.pictures.camera import Camera, camera_of
from hyperinr_core.pictures.picture_set import Optics
from hyperinr_core.radiance.field import DENSITY, RadianceField
from hyperinr_core.radiance.fit import Level, fit, levels_for
from hyperinr_core.radiance.grids import refined
from hyperinr_core.radiance.voxels import Shown

#: What the kernel takes for a voxel that is not stored.
EMPTY = -10.0

CAMERAS = (
    Camera((4.0, 1.0, 0.5), (0.1, 0.0, 0.0), (0.0, 0.0, 1.0), 25.0),
    Camera((-1.0, -3.0, 2.0), (0.0, 0.1, 0.0), (0.1, 0.0, 1.0), 40.0),
    Camera((0.2, 0.1, -5.0), (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), 0.0, 1.1),
)


def small_field(seed: int = 0) -> RadianceField:
    """Random voxels, of whose 18 blocks two are empty."""
    rng = np.random.default_rng(seed)
    index = np.arange(18, dtype=np.int32).reshape(2, 3, 3)
    index[0, 1, 1] = index[1, 2, 0] = -1
    values = rng.uniform(-0.3, 0.6, (18, 64, 16)).astype(np.float32)
    values[..., DENSITY] = rng.uniform(-5, -1, (18, 64))
    return RadianceField((-1.0, -0.9, -0.6), 0.2, (11, 10, 8), index, values)


def dense_of(field: RadianceField) -> torch.Tensor:
    """(bz * 4, by * 4, bx * 4, 16) float64 numbers of all voxels, those that are not stored empty."""
    dense = np.zeros((*field.index.shape, 4, 4, 4, 16))
    dense[..., DENSITY] = EMPTY
    stored = field.index >= 0
    dense[stored] = field.values[field.index[stored]].reshape(-1, 4, 4, 4, 16)
    dense = dense.transpose(0, 3, 1, 4, 2, 5, 6).reshape(*(4 * n for n in field.index.shape), 16)
    return torch.from_numpy(dense).requires_grad_()


def seen_by_ray(field, dense, rays, pixel, size, offset):
    """(4,) colours times opacity and opacity, from the definition: a sample at each voxel's length."""
    width, height = size
    u, v = (pixel % width + 0.5 - width / 2) * 2 / height, (pixel // width + 0.5 - height / 2) * 2 / height
    origin = rays[0] + u * rays[1] + v * rays[2]
    direction = rays[3] + u * rays[4] + v * rays[5]
    direction = direction / np.linalg.norm(direction)
    most = np.subtract(field.dims, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = np.sort(np.stack([-origin / direction, (most - origin) / direction]), axis=0)
    begin, end = max(walls[0].max(), 0), walls[1].min()
    basis = torch.tensor([1.0, *rays[6]], dtype=torch.float64)
    clear, color = torch.ones((), dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for t in np.arange(begin + offset, end, 1.0):
        place = np.clip(origin + t * direction, 0, most)
        cell = np.minimum(place.astype(int), most - 1)
        if field.index[tuple(cell[::-1] // 4)] < 0:
            continue
        line = torch.zeros(16, dtype=torch.float64)
        for corner in itertools.product((0, 1), repeat=3):
            weight = np.prod(np.where(corner, place - cell, 1 - (place - cell)))
            line = line + weight * dense[tuple((cell + corner)[::-1])]
        after = clear * torch.exp(-torch.exp(line[DENSITY]))
        color = color + (clear - after) * (basis @ line.reshape(4, 4)[:, :3])
        clear = after
    return torch.cat([color, 1 - clear[None]])


def pictures_of(n_channels: int, width: int = 9, height: int = 7) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(n_channels)
    pictures = [rng.integers(0, 256, (height, width, n_channels), np.uint8) for _ in CAMERAS]
    return pictures, rng.random((height, width, 3), np.float32)


@pytest.mark.parametrize("camera", CAMERAS)
def test_picture_is_what_the_rays_see(camera):
    field = small_field()
    seen = field.render(camera, 9, 7)
    found = np.concatenate([seen.colors, seen.opacity[..., None]], axis=2).reshape(-1, 4)
    dense, rays = dense_of(field), field.rays(camera)
    expected = torch.stack([seen_by_ray(field, dense, rays, pixel, (9, 7), 0.5) for pixel in range(63)])
    assert expected.abs().max() > 0.3
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=2e-5)


@pytest.mark.parametrize("isa", ["generic", "avx2", "avx512", "neon"])
@pytest.mark.parametrize("n_channels", [3, 4])
def test_gradient_is_that_of_autograd(n_channels, isa, monkeypatch):
    if isa not in native.supported_isas():
        pytest.skip("this processor lacks the instruction set")
    monkeypatch.setenv("HYPERINR_ISA", isa)
    field, (pictures, background) = small_field(), pictures_of(n_channels)
    rays = np.stack([field.rays(camera) for camera in CAMERAS])
    shown = Shown(rays, pictures, background)
    found, loss = field.lattice.gradient(shown, 60, 5, 3)
    dense, total = dense_of(field), torch.zeros((), dtype=torch.float64)
    for view, pixel, offset in zip(*shown.draw(60, 5, 3)):
        seen = seen_by_ray(field, dense, rays[view], pixel, (9, 7), offset)
        color = torch.tensor(pictures[view].reshape(-1, n_channels)[pixel] / 255)
        if n_channels == 4:
            target = torch.cat([color[:3] * color[3], color[3:]])
        else:
            seen, target = seen[:3] + (1 - seen[3]) * torch.tensor(background.reshape(-1, 3)[pixel]), color
        total = total + (seen - target).square().sum() / 60
    total.backward()
    gradient = dense.grad.numpy().reshape(2, 4, 3, 4, 3, 4, 16).transpose(0, 2, 4, 1, 3, 5, 6)
    expected = np.zeros_like(found)
    stored = field.index >= 0
    expected[field.index[stored]] = gradient[stored].reshape(-1, 64, 16)
    assert loss == pytest.approx(total.item() / n_channels, rel=1e-4)
    np.testing.assert_allclose(found, expected, atol=1e-5 * abs(expected).max())


def test_colours_change_with_where_the_light_stands():
    """A ball whose colour grows with the direction along z, seen from the side: light from above makes it so."""
    camera, ball = Camera((4.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)), ball_field()
    lit = dataclasses.replace(ball, light=30.0)
    colors = [field.render(camera, 16, 16).colors[8, 8, 2] for field in (ball, lit)]
    assert colors[1] - colors[0] == pytest.approx(0.2 * 0.5, abs=0.01)
    spacing = ball.spacing / 1.5
    finer = lit.resampled(lit.origin, spacing, (30, 30, 30), np.ones((8, 8, 8), bool))
    assert finer.render(camera, 16, 16).colors[8, 8, 2] == pytest.approx(colors[1], abs=0.01)


def test_depth_is_the_way_to_a_wall():
    index = np.zeros((1, 1, 1), np.int32)
    values = np.zeros((1, 64, 16), np.float32)
    values[..., DENSITY] = 4.0
    seen = RadianceField((0.0, 0.0, 0.0), 1.0, (4, 4, 4), index, values).render(
        Camera((1.5, 1.5, -7.0), (1.5, 1.5, 0.0), (0.0, 1.0, 0.0), 0.0, 4.0), 8, 8
    )
    assert seen.depth[4, 4] == pytest.approx(7.5, abs=0.01)
    assert math.isinf(seen.depth[0, 0]) and seen.opacity[0, 0] == 0


def test_camera_of_angles_sees_what_its_optics_say():
    camera = camera_of((90.0, 0.0), Optics(30.0, 1, 1))
    rays = camera.rays()
    np.testing.assert_allclose(rays[6], [0, 1, 0], atol=1e-12)
    top = rays[0] + (rays[3] + rays[5]) * np.linalg.norm(camera.position)
    np.testing.assert_allclose(top, [0, 0, 1], atol=1e-12)


def test_camera_that_looks_along_its_up_direction_is_refused():
    with pytest.raises(ParameterError, match="an up direction across the view"):
        Camera((0.0, 0.0, 3.0), (0.0, 0.0, 0.0), (0.0, 0.0, 1.0))


def cameras_around(n: int, seed: int) -> list[Camera]:
    angles = np.random.default_rng(seed).uniform([0, -70], [360, 70], (n, 2))
    return [camera_of(view, Optics()) for view in angles]


BALL_LEVELS = (Level(17, 100, 512, 2e-4), Level(33, 100, 512, 1e-4))


@pytest.mark.parametrize("background", [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0), None])
def test_fit_shows_new_views(background):
    """On black and white, and with an opacity."""
    truth, cameras = ball_field(), cameras_around(24, 1)

    def picture(camera: Camera) -> np.ndarray:
        seen = truth.render(camera, 32, 32)
        return seen.rgba() if background is None else np.rint(255 * seen.over(background)).astype(np.uint8)

    behind = np.broadcast_to(background or (0.0, 0.0, 0.0), (32, 32, 3))
    field = fit(cameras, [picture(camera) for camera in cameras], behind, BALL_LEVELS)
    shown = background or (0.0, 0.0, 1.0)
    errors = [
        field.render(camera, 32, 32).over(shown) - truth.render(camera, 32, 32).over(shown)
        for camera in cameras_around(5, 2)
    ]
    assert -10 * np.log10(np.mean(np.square(errors))) > 27


def test_threads_do_not_change_a_byte(monkeypatch):
    truth, cameras = ball_field(), cameras_around(6, 1)
    pictures = [truth.render(camera, 32, 32).rgba() for camera in cameras]
    found = []
    for threads in "1", "3":
        monkeypatch.setenv("HYPERINR_NUM_THREADS", threads)
        native.set_threads_from_environment()
        found.append(fit(cameras, pictures, np.zeros((32, 32, 3)), (Level(17, 60, 512, 2e-4),)).values.tobytes())
    monkeypatch.undo()
    native.set_threads_from_environment()
    assert found[0] == found[1]
    assert fit(cameras, pictures, np.zeros((32, 32, 3)), (Level(17, 60, 512, 2e-4),), 1).values.tobytes() != found[0]


def test_levels_are_those_that_pictures_and_rays_resolve():
    longest = [[level.longest for level in levels_for(*asked)] for asked in (((32, 32), 10**7), ((256, 256), 10**7))]
    assert longest == [[33], [33, 65, 129, 193]]
    few = levels_for((256, 256), 10**6)
    assert [level.longest for level in few] == [33, 65]
    assert sum(level.steps * level.rays for level in few) == pytest.approx(10**6, rel=0.01)
    assert [level.steps >= 200 for level in few] == [True, True] and few[0].rays < few[1].rays
    (least,) = levels_for((32, 32), 20_000)
    assert (least.steps, least.rays) == (78, 256)


def test_a_volume_has_the_fields_colours_and_extinction():
    field = ball_field()
    colors, extinction = field.volume()
    assert colors.shape == (24, 24, 24, 3) and extinction.shape == (24, 24, 24)
    np.testing.assert_allclose(colors[12, 12, [2, 21], 0], [0.1, 0.9], atol=1e-6)
    assert extinction[12, 12, 12] == pytest.approx(np.exp(3) / field.spacing, rel=1e-5)


def test_coarse_to_fine_keeps_the_picture():
    field, camera = ball_field(), CAMERAS[0]
    finer = refined(field, 41)
    assert finer.spacing < field.spacing and len(finer.values) < finer.index.size
    difference = finer.render(camera, 40, 40).over((0, 0, 1)) - field.render(camera, 40, 40).over((0, 0, 1))
    assert np.sqrt(np.mean(np.square(difference))) < 0.03
