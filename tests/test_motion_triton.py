"""The fused kernels that carry steps say what NumPy says: interpreted on the CPU here, compiled where there is a GPU."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from moving_models import moving_model, random_motion
from test_motion_native import CASES, STEPS, axes_of, moments_of, steps_of

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from hyperinr_core.backends.triton import kernel_device  # noqa: E402
from hyperinr_core.motion import device, reference  # noqa: E402
from hyperinr_core.motion import triton as fused  # noqa: E402
from hyperinr_core.motion.device import DeviceStep  # noqa: E402

DEVICE = kernel_device()


def there(step):
    """The same step on the device."""
    arrays = {name: torch.from_numpy(getattr(step, name)).to(DEVICE) for name in ("splines", "values")}
    return DeviceStep(**{**vars(step), **arrays})


def carried(moment, steps, axes):
    """What the kernels make of steps."""
    lattice = torch.from_numpy(np.ascontiguousarray(np.moveaxis(moment.coefficients, -1, 0))).to(DEVICE)
    return fused.carry(moment, list(map(there, steps)), axes, lattice).cpu().numpy()


@CASES
def test_the_lattice_of_a_moment_is_that_of_numpy(shape, periodic):
    anchored, time = (True, 1.7) if shape[0] > 12 else (False, 0.3)
    moment = random_motion(shape, periodic, points=0.5, anchored=(anchored,)).moment(0, time)
    found = fused.now(moment, fused.channels_first(moment.gap, DEVICE)).cpu().numpy()
    expected = reference.now(moment.gap.lattice, moment.gap.coefficients, moment.on_path)
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, atol=2e-5)


@CASES
@pytest.mark.parametrize("whole, time", [(False, 1.7), (True, 0.4)])
def test_carrying_is_what_numpy_says(shape, periodic, whole, time):
    moment = random_motion(shape, periodic).moment(0, time)
    every = steps_of(shape, periodic)
    steps = [every[step] for step in moment.steps]
    axes = [np.arange(n, dtype=np.float32)[-9:] for n in shape] if whole else axes_of(shape)
    assert fused.fits(moment.gap.lattice, axes) == (shape[2] > 1)
    if shape[2] > 1:
        expected = reference.carry(moment, steps, axes, False)
        np.testing.assert_allclose(carried(moment, steps, axes), expected, atol=5e-5)


@STEPS
def test_two_to_four_steps_of_any_number_of_components(n_steps, bend, anchored, n_components):
    *_, (moment, steps, axes) = moments_of(n_steps, bend, anchored, n_components)
    found = carried(moment, steps, axes)
    assert found.shape[-1] == n_components
    np.testing.assert_allclose(found, reference.carry(moment, steps, axes, False), atol=5e-5)


def resident(model):
    """The model again, whose steps stay on the device and are carried by the kernels, and those steps."""
    other = dataclasses.replace(model)
    other._backend("torch").resident = DEVICE
    steps = other._steps(other.motion, "torch")
    steps._fused = fused
    return other, steps


def test_a_model_s_frames_are_the_cpu_s():
    model = moving_model(dims=(8, 7, 6), periodic=(False, True, False))
    model._backend("torch").resident = None
    other, steps = resident(model)
    for time, region in ((0.7, None), (0.7, (3, 6, 2, 4, 1, 3))):
        found = other.generate(time, "torch").sample_grid(region=region)
        expected = model.generate(time, "torch").sample_grid(region=region)
        np.testing.assert_allclose(found, expected, atol=2e-5 * abs(expected).max())
    assert steps._fused is fused and not steps.failed and not steps._coefficients


def test_where_the_kernels_do_not_run_torch_carries(monkeypatch, caplog):
    def broken(*arguments):
        raise RuntimeError("PTX was refused,\nfor this test")

    model = moving_model()
    model._backend("torch").resident = None
    other, steps = resident(model)
    monkeypatch.setattr(fused, "now", broken)
    for time in (0.7, 0.8):
        expected = model.generate(time, "torch").sample_grid()
        np.testing.assert_allclose(
            other.generate(time, "torch").sample_grid(), expected, atol=2e-5 * abs(expected).max()
        )
    assert steps._fused is None and not steps.failed
    assert [record.message for record in caplog.records] == [
        "the GPU kernels that carry steps do not run here (PTX was refused, for this test); going on in torch"
    ]


def test_full_memory_is_not_taken_for_a_kernel_that_does_not_run(monkeypatch, caplog):
    def full(*arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    other, steps = resident(moving_model())
    monkeypatch.setattr(fused, "now", full)
    monkeypatch.setattr(device.Slabs, "most_points", 1)
    steps._slab = 1
    assert np.isfinite(other.generate(0.7, "torch").sample_grid()).all()
    assert steps.failed and "do not run" not in caplog.text
