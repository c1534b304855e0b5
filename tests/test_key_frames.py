"""What stands between key frames: interpolated, and carried along a motion as a model carries its own steps."""

from __future__ import annotations

import numpy as np
import pytest
from moving_models import TIMES, moving_model, random_motion

from hyperinr_core.lean import BELOW, LEAN_PSNR
from hyperinr_core.measure.key_frames import carried, interpolated, stored_motions, suited
from hyperinr_core.motion_coding import tensors_of


def test_between_two_frames_values_go_in_a_line():
    frames = np.arange(3 * 8, dtype=np.float32).reshape(3, 2, 2, 2) ** 2
    found = interpolated(frames, np.array([0.0, 1.0, 3.0]), np.array([0.0, 0.25, 1.0, 2.5, 3.0]))
    expected = [
        frames[0],
        0.75 * frames[0] + 0.25 * frames[1],
        frames[1],
        0.25 * frames[1] + 0.75 * frames[2],
        frames[2],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_frames_are_carried_as_a_model_carries_its_steps():
    model = moving_model(dims=(14, 12, 10))
    at = model.encoder_positions[:, 0]
    frames = np.stack([model.generate(t).sample_grid()[..., 0] for t in at])
    thetas = np.array([at[0], 0.8 * at[0] + 0.2 * at[1], at[1], (at[1] + at[2]) / 2, at[-1]])
    expected = np.stack([model.generate(t).sample_grid()[..., 0] for t in thetas])
    found = carried(frames, model.motion, thetas)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found[2], frames[1])
    assert abs(found[3] - interpolated(frames, at, thetas)[3]).max() > 1e-3


def test_better_frames_get_a_finer_motion():
    motion = random_motion((10, 12, 14))
    frames = np.random.default_rng(1).normal(size=(len(TIMES), 10, 12, 14)).astype(np.float32)
    motions = stored_motions(motion, frames, (-3.0, 3.0))
    assert [each.motion.path_step / motion.path_step for each in motions] == [2**n for n in range(7)]
    for found in (each.n_bytes for each in motions), (each.psnr for each in motions[2:]):
        found = list(found)
        assert found == sorted(found, reverse=True)
    assert motions[0].n_bytes > sum(tensor.nbytes for tensor in tensors_of(motions[0].motion, True).values())
    for psnr_db in (motions[4].psnr - BELOW, motions[4].psnr - BELOW + 1e-6):
        chosen = suited(motions, psnr_db)
        assert chosen.psnr >= psnr_db + BELOW or chosen is motions[0]
        assert all(each.psnr < psnr_db + BELOW for each in motions[motions.index(chosen) + 1 :])
    assert suited(motions, 1e3) is suited(motions, LEAN_PSNR)


@pytest.mark.parametrize("n_frames", [2, 3])
def test_few_frames_have_few_gaps(n_frames):
    motion = random_motion((6, 6, 6), times=TIMES[:n_frames])
    frames = np.random.default_rng(1).normal(size=(n_frames, 6, 6, 6)).astype(np.float32)
    assert len(stored_motions(motion, frames, (-3.0, 3.0))) == 7
