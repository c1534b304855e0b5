"""Models that carry their steps where these were decoded: the way of a GPU, on the CPU where there is none, beside the host's."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
from carried import carried_model
from masked import masked_model, wall
from models import random_base, random_model
from moving_models import moving_model
from test_carried import FIELDS

torch = pytest.importorskip("torch")

from hyperinr_core.backends import device as device_module  # noqa: E402
from hyperinr_core.errors import Aborted  # noqa: E402
from hyperinr_core.motion import device  # noqa: E402

BACKEND = "torch"


def here(model):
    """The model again, whose steps the host carries."""
    other = dataclasses.replace(model)
    other._backend(BACKEND).resident = None
    return other


def there(model):
    """The model again, whose steps stay on the backend's device: the CPU where there is no GPU."""
    other = dataclasses.replace(model)
    backend = other._backend(BACKEND)
    backend.resident = backend.device
    return other


def assert_alike(model, time=0.7, **options):
    """What is carried there is what the kernel carries, of the same decoded steps."""
    twin = there(model)
    expected = here(model).generate(time, BACKEND).sample_grid(**options)
    found = twin.generate(time, BACKEND).sample_grid(**options)
    assert isinstance(found, np.ndarray) and found.dtype == expected.dtype
    assert isinstance(twin._decoded[BACKEND], device.DeviceSteps) and not twin._decoded[BACKEND].failed
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.nanmax(abs(expected)))
    return twin, found


MODELS = {
    "one field": lambda: moving_model(),
    "several fields": lambda: moving_model(fields=FIELDS, anchored=(True, False)),
    "periodic": lambda: moving_model(periodic=(False, True, True)),
    "a plane": lambda: moving_model(dims=(30, 26, 1), periodic=(False, True, False)),
    "a base": lambda: moving_model(_based()),
    "a base of a plane": lambda: moving_model(_based(dims=(30, 26, 1))),
    "masked": lambda: moving_model(masked_model(wall, names=("a",), fields=FIELDS)),
    "a sub-box": lambda: carried_model(lambda t: np.array([10 * t, t, -t]), dims=(160, 20, 16)),
}


def _based(**options):
    model = random_model(**options)
    return dataclasses.replace(model, base=random_base(model))


@pytest.mark.parametrize("name", MODELS)
def test_frames_are_the_kernel_s(name):
    model = MODELS[name]()
    for time in (0.2, 0.7, 1.9):
        assert_alike(model, time)


@pytest.mark.parametrize("name", ["several fields", "a plane", "a sub-box", "masked"])
def test_regions_and_other_grids(name):
    model = MODELS[name]()
    nx, ny, nz = model.grid.dims
    region = (nx // 3, nx // 2, ny // 4, ny // 2, nz // 4, nz // 2)
    twin, found = assert_alike(model, region=region)
    x0, x1, y0, y1, z0, z1 = region
    whole = twin.generate(0.7, BACKEND).sample_grid()[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1]
    np.testing.assert_allclose(found, whole, atol=2e-5 * np.nanmax(abs(whole)))
    finer = model.grid.with_dims((2 * nx - 1, 2 * ny - 1, 2 * nz - 1 if nz > 1 else 1))
    assert_alike(model, grid=finer)


def test_points_are_the_grid():
    twin = there(MODELS["several fields"]())
    inr = twin.generate(0.7, BACKEND)
    grid = inr.sample_grid()
    axes = np.meshgrid(*twin.grid.axes(), indexing="ij")
    points = np.stack([axis.T.ravel() for axis in axes], axis=-1)
    np.testing.assert_allclose(inr.sample(points).reshape(grid.shape), grid, atol=2e-5 * abs(grid).max())
    assert inr.sample(np.zeros((0, 3))).shape == (0, 4)


@pytest.mark.parametrize("name", ["several fields", "a plane"])
@pytest.mark.parametrize("slab", [50, 1000])
def test_slabs_of_rows_and_of_planes_change_nothing(name, slab, monkeypatch):
    _, expected = assert_alike(MODELS[name]())
    monkeypatch.setattr(device.DeviceSteps, "most_points", slab)
    _, found = assert_alike(MODELS[name]())
    np.testing.assert_allclose(found, expected, atol=2e-6 * abs(expected).max())


def test_steps_are_decoded_once_and_stay(monkeypatch):
    twin, steps = there(MODELS["a sub-box"]()), []
    decode = type(twin).decoded
    monkeypatch.setattr(
        type(twin), "decoded", lambda self, *args, **how: steps.append(args[1]) or decode(self, *args, **how)
    )
    for time in np.linspace(0.51, 1.49, 9):  # two gaps
        twin.generate(time, BACKEND).sample_grid()
    assert steps == [0, 1, 2, 3, 4]
    kept = [step for _, step in twin._decoded[BACKEND]._kept.values()]
    assert all(isinstance(step.splines, torch.Tensor) for step in kept)


def test_decoding_leaves_values_on_the_device():
    twin = there(moving_model())
    found = twin.decoded(BACKEND, 1, ((0, 7), (0, 9), (0, 11)), None, True)
    assert isinstance(found, torch.Tensor)
    np.testing.assert_array_equal(found.cpu().numpy(), twin.decoded(BACKEND, 1, ((0, 7), (0, 9), (0, 11))))


@pytest.mark.parametrize("where", ["decoding", "splines", "carrying"])
def test_full_memory_is_one_sentence_and_the_cpu(where, monkeypatch, caplog):
    def full(*arguments, **options):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    model = here(moving_model())
    twin = there(model)
    if where == "decoding":
        monkeypatch.setattr(twin._backend(BACKEND), "empty_there", full)
    elif where == "splines":
        monkeypatch.setattr(device.DeviceStep, "on", full)
    else:
        monkeypatch.setattr(device.DeviceSteps, "values", full)
        monkeypatch.setattr(device_module, "LEAST_POINTS", 1 << 30)
    for time in (0.7, 0.8):
        found = twin.generate(time, BACKEND).sample_grid()
        np.testing.assert_array_equal(found, model.generate(time, BACKEND).sample_grid())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "training steps are not carried on the GPU" in caplog.text and "memory is full" in caplog.text


def test_slabs_shrink_while_something_fits(monkeypatch, caplog):
    monkeypatch.setattr(device_module, "LEAST_POINTS", 16)
    values, model = device.DeviceSteps.values, moving_model()

    def small(self, moment, steps, axes, *others):
        if np.prod([len(axis) for axis in axes]) > 300:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return values(self, moment, steps, axes, *others)

    monkeypatch.setattr(device.DeviceSteps, "values", small)
    assert_alike(model)
    assert "fewer points at a time" in caplog.text


def test_a_caller_may_stop():
    twin = there(moving_model())
    with pytest.raises(Aborted):
        twin.generate(0.7, BACKEND).sample_grid(progress=lambda share: True)
    assert not twin._decoded[BACKEND].failed
    assert np.isfinite(twin.generate(0.7, BACKEND).sample_grid()).all()
