"""Models that carry their steps: grids, regions, points, planes, masks, shifted fields and backends say the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from carried import carried_model
from masked import masked_model, wall
from models import random_model
from motion_reader import MotionReader
from moving_models import moving_model

from hyperinr_core import hinr
from hyperinr_core.backends import native
from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import Aborted
from hyperinr_core.mask import filled
from hyperinr_core.motion.steps import NEARLY_ALL
from hyperinr_core.volume import Field

TINY = EncodingConfig(n_levels=2, log2_hashmap_size=6)
FIELDS = (Field("a", 1, ((0.0, 1.0),)), Field("v", 3, ((-1.0, 1.0),) * 3))


def test_at_a_step_a_model_has_what_its_encoder_has_and_between_others():
    model = moving_model()
    for time in model.encoder_positions[:, 0]:
        found = model.generate(time).sample_grid()
        np.testing.assert_array_equal(found, model.generate(time, interpolation="linear").sample_grid())
    between = model.generate(0.7).sample_grid()
    assert abs(between - model.generate(0.7, interpolation="linear").sample_grid()).max() > 0.01


@pytest.mark.parametrize("periodic", [(False, False, False), (False, False, True)])
def test_regions_have_the_bits_of_the_whole_where_blocks_are_cut_out_of_it(periodic):
    model = moving_model(dims=(240, 60, 20), encoding=TINY, periodic=periodic)
    whole = model.generate(0.7).sample_grid()
    regions = [(110, 120, 30, 35, 10, 12), (0, 4, 0, 59, 0, 3), (230, 239, 50, 59, 16, 19), (175, 175, 3, 3, 19, 19)]
    for region in regions:
        part = dataclasses.replace(model)  # nothing decoded yet
        found = part.generate(0.7).sample_grid(region=region)
        x0, x1, y0, y1, z0, z1 = region
        np.testing.assert_array_equal(found, whole[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1])
        box = next(iter(part._decoded["auto"]._kept.values()))[0]
        if region[0] == 110:
            assert box[2][1] - box[2][0] < NEARLY_ALL * 240, "the block was not cut"


REGION = (70, 80, 0, 19, 0, 15)


def long_model():
    return carried_model(lambda t: np.array([10 * t, t, -t]), dims=(160, 20, 16))


@pytest.mark.parametrize(("first", "then"), [(0.2, 0.7), (0.2, 1.2), (1.7, 0.3)])
def test_a_part_is_that_of_the_whole_whatever_was_asked_for_before(first, then):
    model, other = long_model(), long_model()
    whole = other.generate(then).sample_grid()[:, :, 70:81]
    np.testing.assert_array_equal(other.generate(then).sample_grid(region=REGION), whole)
    model.generate(first).sample_grid()
    np.testing.assert_array_equal(model.generate(then).sample_grid(region=REGION), whole)


@pytest.mark.parametrize("region", [None, REGION])
def test_steps_are_decoded_once_while_time_moves(monkeypatch, region):
    model, steps = long_model(), []
    decode = type(model).decoded
    monkeypatch.setattr(type(model), "decoded", lambda self, *args: steps.append(args[1]) or decode(self, *args))
    for time in np.linspace(0.51, 1.49, 9):  # two gaps
        model.generate(time).sample_grid(region=region)
    assert steps == [0, 1, 2, 3, 4]


def test_a_training_step_is_decoded_alone(monkeypatch):
    model, steps = long_model(), []
    decode = type(model).decoded
    monkeypatch.setattr(type(model), "decoded", lambda self, *args: steps.append(args[1]) or decode(self, *args))
    found = model.generate(0.5).sample_grid()
    assert steps == [1]
    np.testing.assert_array_equal(found, model.generate(0.5, interpolation="linear").sample_grid())


def test_points_are_the_grid_and_other_grids_are_between_its_points():
    model = moving_model(fields=FIELDS, anchored=(True, False))
    inr = model.generate(0.7)
    grid = inr.sample_grid()
    axes = np.meshgrid(*model.grid.axes(), indexing="ij")
    points = np.stack([axis.T.ravel() for axis in axes], axis=-1)
    np.testing.assert_array_equal(inr.sample(points).reshape(grid.shape), grid)
    finer = inr.grid.with_dims((23, 19, 15))
    np.testing.assert_array_equal(inr.sample_grid(finer)[::2, ::2, ::2], grid)
    assert inr.sample(np.zeros((0, 3))).shape == (0, 4)


def test_steps_that_are_kept_change_no_bit():
    model = moving_model()
    for time in (0.6, 0.7, 0.8, 0.9, 1.1):
        frame = model.generate(time).sample_grid()
        np.testing.assert_array_equal(frame, dataclasses.replace(model).generate(time).sample_grid())


def test_threads_do_not_change_a_bit():
    results = []
    for n in (1, 2, 5):
        native.library().hinr_set_num_threads(n)
        results.append(moving_model().generate(0.7).sample_grid())
    native.set_threads_from_environment()
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


def test_a_plane():
    model = moving_model(dims=(30, 26, 1), periodic=(False, True, False))
    inr = model.generate(0.7)
    grid = inr.sample_grid()
    assert grid.shape == (1, 26, 30, 1) and np.isfinite(grid).all()
    np.testing.assert_array_equal(inr.sample_grid(region=(5, 9, 4, 7, 0, 0)), grid[:, 4:8, 5:10])
    x, y = np.meshgrid(*model.grid.axes(None, 2), indexing="ij")
    np.testing.assert_array_equal(inr.sample(np.stack([x.T.ravel(), y.T.ravel()], axis=-1)), grid.reshape(-1, 1))


def test_masked_points_are_nan_and_do_not_spoil_what_is_carried_over_them():
    """The network's numbers at points that were never learned are anything."""
    model = moving_model(masked_model(wall, names=("a",), fields=FIELDS))
    wild = dataclasses.replace(model, mask=None)
    found, plain = model.generate(0.7).sample_grid(), wild.generate(0.7).sample_grid()
    valid = model.generate(0.7).valid()["a"]
    assert not valid.all() and (np.isnan(found[..., 0]) == ~valid).all() and np.isfinite(found[..., 1:]).all()
    assert (found[..., 0][valid] != plain[..., 0][valid]).any(), "steps were not filled"
    np.testing.assert_array_equal(found[..., 1:], plain[..., 1:])
    region = model.generate(0.7).sample_grid(region=(2, 9, 1, 8, 3, 6))
    np.testing.assert_array_equal(region, found[3:7, 1:9, 2:10])


def test_fields_that_float32_does_not_tell_apart_keep_their_digits():
    """The same numbers, from an offset."""
    model = moving_model(fields=(Field("p", 1, ((0.0, 1.0),)),))
    shifted = dataclasses.replace(model, fields=(Field("p", 1, ((101325.0, 101325.01),)),))
    plain, found = (m.generate(0.7).sample_grid() for m in (model, shifted))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, 101325 + 0.01 * plain.astype(np.float64), rtol=0, atol=1e-8)


def test_backends_agree_and_keep_their_own_steps():
    model = moving_model()
    found, expected = (model.generate(0.7, backend).sample_grid() for backend in ("native", "reference"))
    np.testing.assert_allclose(found, expected, atol=0.05)  # the one rounds to bfloat16 where it can
    assert set(model._decoded) == {"native", "reference"}


def test_progress_hears_of_the_steps_too_and_may_stop_them():
    heard = []
    moving_model().generate(0.7).sample_grid(progress=heard.append)
    assert len(heard) > 4 and heard[-1] == 1
    model = moving_model()
    with pytest.raises(Aborted):
        model.generate(0.7).sample_grid(progress=lambda share: True)
    assert np.isfinite(model.generate(0.7).sample_grid()).all()


def test_another_value_of_the_model_has_no_steps_of_this_one():
    model = moving_model()
    before = model.generate(0.7).sample_grid()
    other = dataclasses.replace(model, encoder_params=random_model(seed=5).encoder_params)
    assert not np.array_equal(other.generate(0.7).sample_grid(), before)


@pytest.mark.parametrize("theta, masks", [(0.3, False), (1.1, True), (1.5, False), (1.9, False)])
def test_another_reader_finds_the_same(tmp_path, theta, masks):
    """One that was written from the documented format."""
    plain = (
        masked_model(wall, names=("a",), dims=(9, 8, 6), fields=FIELDS)
        if masks
        else random_model((9, 8, 6), fields=FIELDS)
    )
    model = moving_model(plain, (False, True, False), (True, False))
    hinr.save(model, tmp_path / "m.hinr")
    steps = np.stack(
        [plain.generate(t, "reference", interpolation="linear").unmasked().sample_grid() for t in (0, 0.5, 1, 1.5, 2)]
    )
    if masks:
        for step, t in zip(steps, (0, 0.5, 1, 1.5, 2)):
            valid = plain.generate(t).valid()["a"]
            step[..., :1] = filled(step[..., :1], valid)
    reader = MotionReader((tmp_path / "m.hinr").read_bytes(), steps)
    inr = model.generate(theta, "reference").unmasked()
    rng = np.random.default_rng(0)
    whole = rng.integers(0, [6, 8, 9], (3, 3))
    places = np.concatenate([whole, rng.random((3, 3)) * [5, 7, 8], [[0, 0, 0], [5, 7, 8]]])
    found = inr.sample(places[:, ::-1] / [8, 7, 5])
    expected = np.concatenate([reader.values(theta, places, field) for field in (0, 1)], axis=1)
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_size_of_a_model_counts_its_motion():
    model = moving_model()
    assert model.n_bytes == random_model().n_bytes + model.motion.n_bytes
