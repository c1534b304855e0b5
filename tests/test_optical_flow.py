"""The compiled optical flow equals the NumPy one, finds motion that is known, and does not depend on threads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage
from series import waves

from hyperinr_core.backends import native
from hyperinr_core.errors import ParameterError
from hyperinr_core.training.teachers import flow_native, flow_reference
from hyperinr_core.training.teachers.lattice import Lattice
from hyperinr_core.training.teachers.optical_flow import optical_flow

ISAS = [isa for isa in native.supported_isas() if not isa.endswith("bf16")]


def moved(shape, shift, n_channels=1, seed=0):
    """Smooth random channels, and the same moved around the box."""
    rng = np.random.default_rng(seed)
    before = [ndimage.gaussian_filter(rng.standard_normal(shape), 3, mode="wrap") for _ in range(n_channels)]
    before = np.stack([channel / np.ptp(channel) for channel in before]).astype(np.float32)
    after = [ndimage.shift(channel, shift, mode="grid-wrap", order=3) for channel in before]
    return before, np.stack(after).astype(np.float32)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("window, every", [(2.0, 1), (4.0, 1), (2.0, 2)])
@pytest.mark.parametrize(
    ("shape", "shift", "periodic", "n_channels"),
    [
        ((34, 37, 40), (2.3, -1.5, 1.2), (True, True, True), 1),
        ((34, 37, 40), (2.3, -1.5, 1.2), (False, False, False), 1),
        ((20, 33, 17), (0.4, 1.1, -0.7), (True, False, True), 2),
        ((45, 50), (3.1, -1.2), (False, True), 1),
        ((3, 5, 4), (0.0, 0.0, 0.0), (False, False, False), 1),
        ((1, 40, 7), (0.0, 1.0, 0.0), (False, True, False), 1),
    ],
)
def test_the_kernel_equals_numpy(monkeypatch, isa, window, every, shape, shift, periodic, n_channels):
    monkeypatch.setenv("HYPERINR_ISA", isa)
    before, after = moved(shape, shift, n_channels)
    expected = flow_reference.optical_flow(before, after, periodic, window, every)
    values = flow_native.optical_flow(before, after, periodic, window, every)
    assert values.shape == expected.shape and values.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=2e-4)


def test_motion_that_is_known_is_found():
    shift = (2.0, -3.0, 1.5)
    motion = optical_flow(*moved((32, 36, 40), shift), (True,) * 3)
    np.testing.assert_allclose(np.median(motion, axis=(1, 2, 3)), shift, atol=0.02)


@pytest.mark.parametrize("shape", [(32, 36, 40), (33, 12, 47)])
def test_at_every_second_point_it_is_what_it_is_at_all(shape):
    shift, volumes = (2.0, -1.0, 1.5), moved(shape, (2.0, -1.0, 1.5))
    motion, every_point = optical_flow(*volumes, (True,) * 3, every=2), optical_flow(*volumes, (True,) * 3)
    assert motion.shape == (3, *((n + 1) // 2 if n >= 32 else n for n in shape))
    np.testing.assert_allclose(np.median(motion, axis=(1, 2, 3)), shift, atol=0.05)
    spread = [
        part.std() for part in (motion - np.reshape(shift, (3, 1, 1, 1)), every_point - np.reshape(shift, (3, 1, 1, 1)))
    ]
    assert spread[0] < 2 * spread[1] + 0.02


def test_where_no_axis_has_many_points_all_are_searched():
    volumes = moved((20, 31, 12), (1.0, 0.5, 0.0))
    np.testing.assert_array_equal(optical_flow(*volumes, (True,) * 3, every=2), optical_flow(*volumes, (True,) * 3))


@pytest.mark.parametrize("periodic", [(True, True, True), (False, False, False)])
def test_slopes_are_those_of_the_spline(periodic):
    rng = np.random.default_rng(3)
    lattice = Lattice((9, 10, 11), periodic)
    padded = lattice.padded(ndimage.gaussian_filter(rng.random(lattice.shape), 1).astype(np.float32), 3)
    places = rng.uniform(1.5, 6.5, (3, 50)).astype(np.float32)
    found, step = lattice.slopes(padded, places), np.float32(2**-6)
    np.testing.assert_allclose(found[0], lattice.sample(padded, places, 3), atol=1e-5)
    for axis in range(3):
        way = step * np.eye(3, dtype=np.float32)[axis][:, None]
        ahead, back = (lattice.sample(padded, places + side * way, 3) for side in (1, -1))
        np.testing.assert_allclose(found[1 + axis], (ahead - back) / (2 * step), atol=2e-4)


def test_flow_finds_a_known_motion():
    series = waves()
    first, second = (series.read(step, ["w"])[None, ..., 0] for step in (0, 1))
    motion = optical_flow(first, second, (True, True, True))
    assert motion.shape == (3, 32, 32, 32)
    np.testing.assert_allclose(motion.mean(axis=(1, 2, 3)), [1, 0, 2], atol=0.1)


def test_motion_of_many_points_is_found_from_coarse_to_fine():
    n = 64
    x, y, z = np.meshgrid(*[np.arange(n)] * 3, indexing="ij")

    def ball(center):
        return np.exp(-((x - 32) ** 2 + (y - 32) ** 2 + (z - center) ** 2) / 80).astype(np.float32)[None]

    motion = optical_flow(ball(25.0), ball(39.0), (False, False, False))
    inside = ball(32.0)[0] > 0.5
    np.testing.assert_allclose(motion[2][inside].mean(), 14, atol=1)


def test_the_number_of_threads_does_not_change_a_bit(tmp_path):
    script = (
        "import sys, numpy as np; from test_optical_flow import moved, flow_native; "
        "volumes = moved((20, 33, 17), (1, 2, 1)); "
        "found = [flow_native.optical_flow(*volumes, (True, False, True), every=every) for every in (1, 2)]; "
        "np.save(sys.argv[1], np.concatenate([each.ravel() for each in found]))"
    )
    for n in ("1", "2", "3"):
        variables = {**os.environ, "HYPERINR_NUM_THREADS": n, "PYTHONPATH": os.path.dirname(__file__)}
        subprocess.run([sys.executable, "-c", script, str(tmp_path / n)], check=True, env=variables, timeout=60)
    one, two, three = (np.load(tmp_path / f"{n}.npy") for n in ("1", "2", "3"))
    assert (one == two).all() and (one == three).all()


def test_without_a_kernel_numpy_does_it(monkeypatch):
    monkeypatch.setattr(native, "available", lambda: False)
    monkeypatch.setattr(flow_native, "optical_flow", lambda *_: pytest.fail("the kernel was called"))
    before, after = moved((12, 13, 14), (1, 0, 0))
    np.testing.assert_array_equal(
        optical_flow(before, after, (True,) * 3), flow_reference.optical_flow(before, after, (True,) * 3)
    )


def test_what_the_kernel_cannot_do_is_an_error():
    with pytest.raises(Exception, match="outside what the CPU kernel knows") as raised:
        flow_native.optical_flow(np.zeros((1, 4, 4), np.float32), np.zeros((1, 4, 4), np.float32), (True, True), 99.0)
    assert raised.type is not ParameterError
