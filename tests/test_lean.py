"""What stands beside tables in fewer bytes, and how little that loses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from models import random_model
from moving_models import moving_model

from hyperinr_core import hinr
from hyperinr_core.lean import SHARE, coarser, lean
from hyperinr_core.motion_coding import TRUST_TENSOR, tensors_of
from hyperinr_core.table_coding import encode_best


def carried():
    return moving_model(dims=(14, 12, 10))


def test_a_coarser_motion_leads_to_about_the_same_places():
    motion = carried().motion
    found = coarser(motion, 8)
    assert found.path_step == 8 * motion.path_step
    np.testing.assert_allclose(
        found.paths * found.path_step, motion.paths * motion.path_step, atol=found.path_step / 2 * 1.001
    )
    assert (found.error >= motion.error).all() and set(np.unique(found.error)) <= set(range(0, 256, SHARE))
    assert abs(found.trust.astype(int) - motion.trust).max() <= SHARE // 2 + 1


def test_a_steady_motion_is_believed_alike_in_all_gaps_and_takes_few_bytes():
    motion = carried().motion
    rng = np.random.default_rng(0)
    motion = dataclasses.replace(
        motion, **{name: rng.integers(0, 256, motion.trust.shape, np.uint8) for name in ("trust", "error")}
    )
    found, changing = coarser(motion, 8, steady=True), coarser(motion, 8)
    np.testing.assert_array_equal(found.paths, changing.paths)
    for each in (found.trust, found.error):
        assert (each == each[:, :1]).all()
    assert abs(found.trust - motion.trust.mean(axis=1, keepdims=True)).max() <= SHARE / 2
    assert (found.error >= motion.error).all()
    sizes = [tensors_of(each, True)[TRUST_TENSOR].size for each in (found, changing)]
    assert sizes[0] < 1.2 * sizes[1] / (len(motion.times) - 1)


def test_trust_that_changes_from_gap_to_gap_is_kept_where_it_matters():
    model = carried()
    trust = np.zeros_like(model.motion.trust)
    trust[:, ::2] = 255
    model = model.along(dataclasses.replace(model.motion, trust=trust))
    assert np.ptp(lean(model, 30.0).motion.trust, axis=1).max() == 255
    steady = model.along(dataclasses.replace(model.motion, trust=np.full_like(trust, 255)))
    assert not np.ptp(lean(steady, 30.0).motion.trust, axis=1).any()


@pytest.mark.parametrize("target", [20.0, 50.0])
def test_a_lean_model_loses_less_than_its_tables_may(target):
    model = carried()
    found = lean(model, target)
    np.testing.assert_array_equal(found.mlp_params, model.mlp_params.astype(np.float16))
    times = model.encoder_positions[:, 0]
    middle = [(times[0] + times[1]) / 2]
    whole, small = (each.generate(middle).sample_grid() for each in (model, found))
    (low, high), *_ = model.fields[0].value_range
    assert -10 * np.log10(np.mean((whole - small) ** 2) / (high - low) ** 2 + 1e-20) > target
    assert found.motion.path_step >= lean(model, target + 20).motion.path_step


def test_a_motion_is_mirrored_and_a_network_half_where_tables_are_coded_by_level(tmp_path):
    model = lean(carried(), 20.0)
    coded = encode_best(model.encoder_params, model.architecture.hash_grid, [0.02] * model.encoding.n_levels, True)
    hinr.save(model, tmp_path / "m.hinr", coded)
    hinr.save(model, tmp_path / "plain.hinr")
    found, plain = hinr.load(tmp_path / "m.hinr"), hinr.load(tmp_path / "plain.hinr")
    for name in ("paths", "trust", "error"):
        np.testing.assert_array_equal(getattr(found.motion, name), getattr(model.motion, name))
        np.testing.assert_array_equal(getattr(plain.motion, name), getattr(model.motion, name))
    np.testing.assert_array_equal(found.mlp_params, model.mlp_params)
    assert found.mlp_params.dtype == np.float32
    assert hinr.read_header(tmp_path / "plain.hinr")["version"] == 3
    wide = random_model()
    hinr.save(
        wide,
        tmp_path / "wide.hinr",
        encode_best(wide.encoder_params, wide.architecture.hash_grid, [0.02] * wide.encoding.n_levels, True),
    )
    np.testing.assert_array_equal(hinr.load(tmp_path / "wide.hinr").mlp_params, wide.mlp_params)
