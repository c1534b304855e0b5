"""The kernel of motion: the compiled functions are what NumPy says, and change no bit with regions, points or threads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from moving_models import TIMES, random_motion
from scipy import ndimage

from hyperinr_core.backends import native as compiled
from hyperinr_core.motion import kernel, native, reference
from hyperinr_core.motion.motion import TRUST
from hyperinr_core.motion.steps import Step

ISAS = [isa for isa in compiled.supported_isas() if not isa.endswith("bf16")]

#: shape -> periodic; with planes, axes of one point, of few, and of more than the kernel is wide.
LATTICES = {
    "periodic along z": ((20, 24, 31), (True, False, False)),
    "periodic": ((17, 16, 19), (True, True, True)),
    "few points": ((33, 2, 9), (False, False, False)),
    "a plane": ((1, 30, 40), (False, True, False)),
    "a line along z": ((25, 1, 1), (False, False, False)),
    "one point along y": ((12, 1, 14), (False, False, True)),
}
CASES = pytest.mark.parametrize("shape, periodic", LATTICES.values(), ids=list(LATTICES))


@pytest.fixture(params=ISAS)
def isa(request, monkeypatch):
    monkeypatch.setenv("HYPERINR_ISA", request.param)


@pytest.fixture
def threads():
    """A function that sets the kernel's threads, which are put back afterwards."""
    yield compiled.library().hinr_set_num_threads
    compiled.set_threads_from_environment()


def steps_of(shape, periodic, n=4, n_components=2, seed=1):
    """Smooth steps, in which every component is its own."""
    rng = np.random.default_rng(seed)
    volumes = [ndimage.gaussian_filter(rng.random((*shape, n_components)), (1, 1, 1, 0)) for _ in range(n)]
    return [Step.of(volume.astype(np.float32), periodic) for volume in volumes]


def axes_of(shape, counts=(5, 6, 7), seed=2):
    """Coordinates with the first and the last, a whole one, and others."""
    rng, axes = np.random.default_rng(seed), []
    for n, count in zip(shape, counts):
        places = np.concatenate([[0, n - 1, (n - 1) // 2], rng.random(max(count - 3, 0)) * (n - 1)])
        axes.append(np.sort(places)[: 1 if n == 1 else None].astype(np.float32))
    return axes


def scattered(axes):
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")])


@CASES
def test_splines_are_those_of_numpy(isa, shape, periodic):
    values = np.random.default_rng(0).random([n if n == 1 else n + 24 for n in shape]).astype(np.float32)
    np.testing.assert_allclose(native.spline(values), reference.spline(values), atol=3e-6)


@CASES
def test_channels_are_those_of_numpy(isa, shape, periodic):
    motion = random_motion(shape, periodic)
    padded = motion.gap(0, 1).coefficients
    # far beyond the ends, too
    positions = np.random.default_rng(3).uniform(-1, 2, (3, 50)) * np.reshape(shape, (3, 1))
    positions = np.concatenate([positions, np.zeros((3, 1)), np.reshape(shape, (3, 1)) - 1.0], axis=1)
    positions = positions.astype(np.float32)
    found, expected = (part.channels(motion.lattice, padded, positions) for part in (native, reference))
    np.testing.assert_allclose(found, expected, atol=2e-4)


@CASES
@pytest.mark.parametrize("time", [0.4, 1.7, 2.9])
def test_carrying_is_what_numpy_says_and_points_are_the_grid_bit_for_bit(isa, shape, periodic, time):
    moment = random_motion(shape, periodic).moment(0, time)
    every, axes = steps_of(shape, periodic), axes_of(shape)
    steps = [every[step] for step in moment.steps]
    found = native.carry(moment, steps, axes, False)
    np.testing.assert_allclose(found, reference.carry(moment, steps, axes, False), atol=5e-5)
    points = native.carry(moment, steps, scattered(axes), True)
    np.testing.assert_array_equal(points.reshape(found.shape), found)


@pytest.mark.parametrize("points", [0.1, 1.0, 6.0])
def test_points_have_the_bits_of_the_grid_whatever_is_beside_them(isa, points):
    """Groups in the same cells, in cells side by side and in cells anywhere are sampled in different ways."""
    shape, periodic = (12, 20, 41), (True, False, False)
    moment = random_motion(shape, periodic, points=points).moment(0, 1.7)
    every, axes = steps_of(shape, periodic), [np.arange(n, dtype=np.float32) for n in shape]
    steps = [every[step] for step in moment.steps]
    found = native.carry(moment, steps, axes, False)
    np.testing.assert_allclose(found, reference.carry(moment, steps, axes, False), atol=1e-4)
    places, order = scattered(axes), np.random.default_rng(0).permutation(found[..., 0].size)
    shuffled = native.carry(moment, steps, places[:, order], True)
    np.testing.assert_array_equal(shuffled, found.reshape(-1, 2)[order])
    coarse = [axes[0][::5], axes[1][1::3], axes[2][::4]]
    np.testing.assert_array_equal(native.carry(moment, steps, coarse, False), found[::5, 1::3, ::4])


@CASES
@pytest.mark.parametrize("anchored", [True, False])
def test_the_lattice_of_a_moment_is_that_of_numpy(isa, shape, periodic, anchored):
    motion = random_motion(shape, periodic, points=0.5, anchored=(anchored,))
    for number, weights in ((0, [0.2, -0.3, 0.4]), (1, [0.1, 0.2, -0.3, 0.1])):
        gap = motion.gap(0, number)
        found, expected = (part.now(gap.lattice, gap.coefficients, np.array(weights)) for part in (native, reference))
        np.testing.assert_allclose(found, expected, atol=2e-5)


#: Parametrises a test over two to four steps of one to three components, that bend or not.
STEPS = pytest.mark.parametrize(
    "n_steps, bend, anchored, n_components",
    [(n, *kind) for n in (2, 3, 4) for kind in ((0.0, True, 1), (1.0, False, 3), (0.4, True, 2))],
)


def moments_of(n_steps, bend, anchored, n_components):
    """Moments in the first and the last gap of so many steps, the steps of each, and axes beside the points."""
    shape, periodic = (14, 15, 16), (False, True, False)
    motion = random_motion(shape, periodic, TIMES[:n_steps], anchored=(anchored,), bend=(bend,))
    every = steps_of(shape, periodic, n_steps, n_components)
    for time in (0.3, 0.5 * (TIMES[n_steps - 2] + TIMES[n_steps - 1])):
        moment = motion.moment(0, time)
        yield moment, [every[step] for step in moment.steps], axes_of(shape)


@STEPS
def test_two_to_four_steps_of_any_number_of_components(isa, n_steps, bend, anchored, n_components):
    for moment, steps, axes in moments_of(n_steps, bend, anchored, n_components):
        assert len(steps) == (n_steps if n_steps < 4 else 3)  # a gap at an end has one beside it
        found, expected = (part.carry(moment, steps, axes, False) for part in (native, reference))
        assert found.shape[-1] == n_components
        np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("part", [native, reference])
def test_where_nothing_is_trusted_nothing_moves(part):
    shape, periodic = (10, 11, 12), (False, False, False)
    motion = random_motion(shape, periodic, trust=np.zeros_like(random_motion(shape, periodic).trust), bend=(0.0,))
    every, axes = steps_of(shape, periodic), [np.arange(n, dtype=np.float32) for n in shape]
    moment = motion.moment(0, 1.3)
    found = part.carry(moment, [every[step] for step in moment.steps], axes, False)
    first, last = (np.moveaxis(every[step].values[:, 3:-3, 3:-3, 3:-3], 0, -1) for step in (1, 2))
    np.testing.assert_allclose(found, first + 0.2 * (last - first), atol=1e-6)


@pytest.mark.parametrize("part", [native, reference])
@pytest.mark.parametrize("step", [0, 1, 3])
def test_at_a_step_there_are_its_own_bits(part, step):
    shape, periodic = (10, 11, 12), (True, False, False)
    every = steps_of(shape, periodic)
    every[0] = dataclasses.replace(every[0], splines=every[0].splines * 1e6, values=every[0].values * 1e6)
    moment = random_motion(shape, periodic).moment(0, TIMES[step])
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    found = part.carry(moment, [every[i] for i in moment.steps], axes, False)
    expected = np.moveaxis(every[step].values[:, 3:-3, 3:-3, 3:-3], 0, -1)
    if part is native:
        np.testing.assert_array_equal(found, expected)
    else:  # its splines are evaluated at points, too
        np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_carried_value_lies_between_those_of_its_steps(isa):
    """A front does not ring."""
    shape, periodic = (12, 12, 30), (False, False, False)
    x = np.broadcast_to(np.arange(30), shape)
    every = [Step.of(1.0 * (x < edge)[..., None], periodic) for edge in (8, 11, 14, 17)]
    motion = random_motion(shape, periodic, bend=(1.0,), points=0.0)
    motion = dataclasses.replace(motion, trust=np.full_like(motion.trust, 255))
    moment = motion.moment(0, 1.6)
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    found = native.carry(moment, [every[step] for step in moment.steps], axes, False)
    assert moment.weights.min() < -0.01
    assert found.min() >= -1e-6 and found.max() <= 1 + 1e-6


def test_threads_do_not_change_a_bit(threads):
    shape, periodic = (17, 18, 70), (True, False, False)
    every, results = steps_of(shape, periodic), []
    moment = random_motion(shape, periodic).moment(0, 1.7)
    steps = [every[step] for step in moment.steps]
    axes = axes_of(shape, (17, 18, 70))
    values = np.random.default_rng(0).random((40, 41, 60)).astype(np.float32)
    for n in (1, 2, 5):
        threads(n)
        results.append(
            (
                native.spline(values),
                native.carry(moment, steps, axes, False),
                native.carry(moment, steps, scattered(axes), True),
                native.channels(moment.gap.lattice, moment.coefficients, scattered(axes)),
            )
        )
    for other in results[1:]:
        for found, expected in zip(other, results[0]):
            np.testing.assert_array_equal(found, expected)


def test_a_step_is_sampled_where_its_points_are_and_between_them(isa):
    shape, periodic = (9, 10, 11), (False, False, True)
    step = steps_of(shape, periodic, 1)[0]
    places = scattered(axes_of(shape, (9, 9, 9)))
    found, expected = (part.sample(step, places) for part in (native, reference))
    np.testing.assert_allclose(found, expected, atol=2e-6)
    around = places + np.array([[0], [0], [shape[2]]], np.float32)
    np.testing.assert_allclose(native.sample(step, around), found, atol=2e-5)


def test_positions_that_are_no_numbers_read_nothing_outside(isa):
    shape, periodic = (9, 10, 11), (False, False, True)
    moment = random_motion(shape, periodic).moment(0, 1.7)
    every = steps_of(shape, periodic)
    places = np.array([[np.nan, 1e30, -1e30], [0, np.nan, 1e30], [np.inf, -np.inf, np.nan]], np.float32)
    native.carry(moment, [every[step] for step in moment.steps], places, True)  # a crash would end the process
    native.channels(moment.gap.lattice, moment.coefficients, places)


def test_without_the_kernel_numpy_answers(monkeypatch):
    shape, periodic = (8, 9, 10), (False, False, False)
    every, axes = steps_of(shape, periodic), axes_of(shape)
    moment = random_motion(shape, periodic).moment(0, 0.4)
    steps = [every[step] for step in moment.steps]
    monkeypatch.setattr(compiled, "available", lambda: False)
    np.testing.assert_array_equal(kernel.carry(moment, steps, axes, False), reference.carry(moment, steps, axes, False))
    np.testing.assert_array_equal(kernel.sample(steps[0], scattered(axes)), reference.sample(steps[0], scattered(axes)))


def test_the_channel_of_trust_is_the_kernels():
    assert reference.TRUST == TRUST and native.REACH == reference.REACH
