"""Motion's twin in torch, which GPUs run: on the CPU it says what NumPy says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from moving_models import TIMES, random_motion
from test_motion_native import CASES, LATTICES, STEPS, axes_of, moments_of, scattered, steps_of

torch = pytest.importorskip("torch")

from hyperinr_core.motion import reference  # noqa: E402
from hyperinr_core.motion import torch as twin  # noqa: E402
from hyperinr_core.motion.device import DeviceStep  # noqa: E402
from hyperinr_core.motion.steps import Step  # noqa: E402

CPU = torch.device("cpu")

#: Of the largest value.
TOLERANCE = 1e-5


def there(step: Step) -> DeviceStep:
    """The same step in tensors."""
    arrays = {name: torch.from_numpy(getattr(step, name)) for name in ("splines", "values")}
    return DeviceStep(**{**vars(step), **arrays})


def assert_near(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE * abs(expected).max())


@CASES
def test_splines_are_those_of_numpy(shape, periodic):
    values = np.random.default_rng(0).random([n if n == 1 else n + 24 for n in shape]).astype(np.float32)
    assert_near(twin.spline(torch.from_numpy(values)).numpy(), reference.spline(values))


@CASES
def test_channels_are_those_of_numpy(shape, periodic):
    motion = random_motion(shape, periodic)
    padded = motion.gap(0, 1).coefficients
    # far beyond the ends, too
    positions = np.random.default_rng(3).uniform(-1, 2, (3, 50)) * np.reshape(shape, (3, 1))
    positions = np.concatenate([positions, np.zeros((3, 1)), np.reshape(shape, (3, 1)) - 1.0], axis=1)
    positions = positions.astype(np.float32)
    found = twin.channels(motion.lattice, torch.from_numpy(padded), torch.from_numpy(positions)).numpy().T
    np.testing.assert_allclose(found, reference.channels(motion.lattice, padded, positions), atol=2e-4)


@CASES
@pytest.mark.parametrize("time", [0.4, 1.7, 2.9])
def test_carrying_is_what_numpy_says_on_a_mesh_and_at_points(shape, periodic, time):
    moment = random_motion(shape, periodic).moment(0, time)
    every = steps_of(shape, periodic)
    steps = [every[step] for step in moment.steps]
    for axes in (axes_of(shape), [np.arange(n, dtype=np.float32) for n in shape]):
        expected = reference.carry(moment, steps, axes, False)
        found = twin.carry(moment, list(map(there, steps)), axes, False).numpy()
        np.testing.assert_allclose(found, expected, atol=5e-5)  # offsets turn roundings of places into those of values
        points = twin.carry(moment, list(map(there, steps)), scattered(axes), True).numpy()
        np.testing.assert_allclose(points.reshape(found.shape), expected, atol=5e-5)


@STEPS
def test_two_to_four_steps_of_any_number_of_components(n_steps, bend, anchored, n_components):
    for moment, steps, axes in moments_of(n_steps, bend, anchored, n_components):
        found = twin.carry(moment, list(map(there, steps)), axes).numpy()
        assert found.shape[-1] == n_components
        np.testing.assert_allclose(found, reference.carry(moment, steps, axes, False), atol=5e-5)


@pytest.mark.parametrize("step", [0, 1, 3])
def test_at_a_step_there_are_its_own_bits(step):
    shape, periodic = (10, 11, 12), (True, False, False)
    every = steps_of(shape, periodic)
    moment = random_motion(shape, periodic).moment(0, TIMES[step])
    axes = [np.arange(n, dtype=np.float32) for n in shape]
    steps = [there(every[i]) for i in moment.steps]
    expected = np.moveaxis(every[step].values[:, 3:-3, 3:-3, 3:-3], 0, -1)
    np.testing.assert_array_equal(twin.carry(moment, steps, axes).numpy(), expected)
    points = twin.carry(moment, steps, scattered(axes), True).numpy()
    np.testing.assert_array_equal(points.reshape(expected.shape), expected)


def test_a_carried_value_lies_between_those_of_its_steps():
    """A front does not ring."""
    shape, periodic = (12, 12, 30), (False, False, False)
    x = np.broadcast_to(np.arange(30), shape)
    every = [Step.of(1.0 * (x < edge)[..., None], periodic) for edge in (8, 11, 14, 17)]
    motion = random_motion(shape, periodic, bend=(1.0,), points=0.0)
    moment = dataclasses.replace(motion, trust=np.full_like(motion.trust, 255)).moment(0, 1.6)
    found = twin.carry(moment, [there(every[i]) for i in moment.steps], [np.arange(n, dtype=np.float32) for n in shape])
    assert moment.weights.min() < -0.01
    assert found.min() >= -1e-6 and found.max() <= 1 + 1e-6


BLOCKS = [((0, 0, 0), (40, 44, 48)), ((5, 0, 3), (30, 20, 42)), ((12, 20, 0), (28, 24, 31))]


@pytest.mark.parametrize("start, size", BLOCKS)
@pytest.mark.parametrize("periodic", [(False, False, False), (True, False, False)])
def test_a_step_is_made_there_as_here(start, size, periodic):
    shape = (40, 44, 48)
    values = np.random.default_rng(1).random((*size, 2)).astype(np.float32)
    here, made = Step.of(values, periodic, shape, start), DeviceStep.on(CPU, values, periodic, shape, start)
    assert (made.start, made.limits, made.n_bytes) == (here.start, here.limits, here.n_bytes)
    np.testing.assert_array_equal(made.values, here.values)
    np.testing.assert_allclose(made.splines, here.splines, atol=3e-6)


@pytest.mark.parametrize("name", ["a plane", "few points", "a line along z"])
def test_steps_of_few_points_are_made_there_as_here(name):
    shape, periodic = LATTICES[name]
    values = np.random.default_rng(1).random((*shape, 1)).astype(np.float32)
    here, made = Step.of(values, periodic), DeviceStep.on(CPU, values, periodic, shape, (0, 0, 0))
    np.testing.assert_array_equal(made.values, here.values)
    np.testing.assert_allclose(made.splines, here.splines, atol=3e-6)


def test_a_smaller_box_is_cut_out():
    values, shape, periodic = (
        np.random.default_rng(1).random((40, 44, 48, 1)).astype(np.float32),
        (40, 44, 48),
        (False,) * 3,
    )
    box = ((3, 35), (0, 40), (5, 47))
    here, made = Step.of(values, periodic).cut(box), DeviceStep.on(CPU, values, periodic, shape, (0, 0, 0)).cut(box)
    assert isinstance(made, DeviceStep) and made.values.is_contiguous() and made.start == here.start
    np.testing.assert_array_equal(made.values, here.values)


def test_positions_that_are_no_numbers_read_nothing_outside():
    shape, periodic = (9, 10, 11), (False, False, True)
    moment = random_motion(shape, periodic).moment(0, 1.7)
    every = steps_of(shape, periodic)
    places = np.array([[np.nan, 1e30, -1e30], [0, np.nan, 1e30], [np.inf, -np.inf, np.nan]], np.float32)
    assert twin.carry(moment, [there(every[step]) for step in moment.steps], places, True).shape == (3, 2)
