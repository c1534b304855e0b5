"""Coded tables: what is decoded is what was rounded, and no bytes claim more than they may."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
import zstandard
from models import based_model, random_model
from safetensors.numpy import load_file

from hyperinr_core import hinr
from hyperinr_core.compression import Compression
from hyperinr_core.config import EncodingConfig
from hyperinr_core.errors import FormatError, ParameterError
from hyperinr_core.hash_grid import hash_grid
from hyperinr_core.table_coding import MOST_STEPS, TableCoding, decode, encode, encode_best, rounded

CONFIG = EncodingConfig(n_levels=4, log2_hashmap_size=9)


GRID = hash_grid(CONFIG)


def tables(n=5, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, (n, GRID.n_params)).astype(np.float16)


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("step", [1e-4, 0.01, 0.1])
def test_decoded_is_rounded(step, differences):
    coding = TableCoding((step, step / 2, step, step * 3), differences)
    found = decode(encode(tables(), GRID, coding), 5, GRID, coding)
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, rounded(tables(), GRID, coding.steps))
    assert abs(found.astype(np.float32) - tables()).max() <= 1.51 * step + 1e-3


def test_numbers_at_the_ends_of_the_range_survive_differences():
    signs = np.random.default_rng(3).choice([-1.0, 1.0], (3, GRID.n_params))
    extreme = signs * (MOST_STEPS // 16 * 16)  # which float16 holds exactly
    coding = TableCoding((1.0,) * 4, True)
    np.testing.assert_array_equal(decode(encode(extreme.astype(np.float16), GRID, coding), 3, GRID, coding), extreme)


def test_neighbours_that_are_alike_are_coded_as_differences_and_zeros_cost_nothing():
    rng = np.random.default_rng(2)
    alike = np.repeat(tables(1), 8, axis=0) + rng.choice([-0.001, 0, 0.001], (8, GRID.n_params))
    coding, codes = encode_best(alike, GRID, [0.001] * 4, True)
    assert all(coding.differences) and len(codes) < 0.6 * len(encode_best(alike, GRID, [0.001] * 4, False)[1])
    assert not any(encode_best(alike, GRID, [0.001] * 4, False)[0].differences)
    sparse = tables() * (np.random.default_rng(1).random((5, GRID.n_params)) < 0.1)
    dense, thin = (len(encode_best(values, GRID, [0.001] * 4, True)[1]) for values in (tables(), sparse))
    assert thin < 0.25 * dense


def test_a_step_that_is_too_small_is_named():
    with pytest.raises(ParameterError, match=r"level 0 has numbers of .* expected at most 16383"):
        encode(tables(), GRID, TableCoding((1e-6,) * 4, False))


@pytest.mark.parametrize("largest, per_byte", [(1, 4), (7, 2), (100, 1), (9000, 0)])
@pytest.mark.parametrize("n_encoders", [1, 5])
def test_small_numbers_share_a_byte(largest, per_byte, n_encoders):
    rng = np.random.default_rng(4)
    numbers = rng.integers(-largest, largest + 1, (n_encoders, GRID.n_params))
    numbers *= rng.random(numbers.shape) < 0.2
    numbers[0, :2] = -largest, largest
    coding, codes = encode_best(numbers.astype(np.float16), GRID, [1.0] * 4, True)
    assert max(coding.per_byte) == per_byte and codes.size == sum(coding.sizes)
    np.testing.assert_array_equal(
        decode(codes, n_encoders, GRID, coding), rounded(numbers.astype(np.float16), GRID, [1.0] * 4)
    )
    whole = encode(numbers.astype(np.float16), GRID, TableCoding((1.0,) * 4, False))
    assert codes.size < (0.95 if per_byte == 4 else 1.02 if n_encoders > 1 else 1.1) * whole.size


@pytest.mark.parametrize(
    "spoil", ["cut", "longer", "flipped", "another size", "bomb", "empty", "a frame of another size"]
)
def test_damaged_levels_are_refused(spoil):
    coding, codes = encode_best(tables(), GRID, [0.01] * 4, True)
    count = {"another size": 6, "bomb": 10**9}.get(spoil, 5)
    if spoil == "cut":
        codes = codes[:-1]
    elif spoil == "longer":
        codes = np.append(codes, np.uint8(0))
    elif spoil == "flipped":
        codes = codes ^ np.uint8(255)
    elif spoil == "empty":
        codes = codes[:0]
    elif spoil == "a frame of another size":
        coding = dataclasses.replace(coding, per_byte=(0, *coding.per_byte[1:]))
    with pytest.raises(FormatError, match="get the file again"):
        decode(codes, count, GRID, coding)


@pytest.mark.parametrize("spoil", ["cut", "flipped", "another size", "bomb", "empty", "no frame"])
def test_damaged_codes_are_refused(spoil):
    coding = TableCoding((0.01,) * 4, True)
    codes, count = encode(tables(), GRID, coding).copy(), 5
    if spoil == "cut":
        codes = codes[: len(codes) // 2]
    elif spoil == "flipped":
        codes[len(codes) // 2 :] ^= 255
    elif spoil == "another size":
        count = 6
    elif spoil == "bomb":
        count = 10**9
    elif spoil == "empty":
        codes = codes[:0]
    else:
        codes = np.frombuffer(os.urandom(len(codes)), np.uint8)
    with pytest.raises(FormatError, match="get the file again"):
        decode(codes, count, GRID, coding)


def test_a_coded_model_opens_like_any_other(tmp_path):
    model = based_model(encoding=CONFIG)
    coded = encode_best(model.encoder_params, GRID, [0.02] * 4, True)
    hinr.save(model, tmp_path / "m.hinr", coded)
    assert "encoder_params" not in load_file(tmp_path / "m.hinr")
    found = hinr.load(tmp_path / "m.hinr")
    np.testing.assert_array_equal(found.encoder_params, rounded(model.encoder_params, GRID, [0.02] * 4))
    document = hinr.read_header(tmp_path / "m.hinr")
    assert document["version"] == 6 and document["tables"] == coded[0].to_dict()
    hinr.save(found, tmp_path / "plain.hinr")
    assert "tables" not in hinr.read_header(tmp_path / "plain.hinr")


def test_steps_of_their_own_take_fewer_bytes_than_one_for_all():
    model = random_model((16, 14, 12), encoding=CONFIG, n_encoders=9)
    compression = Compression(model)
    steps = compression.coarsest_above(40)
    assert steps[0] < steps[-1] / 2  # of 64 numbers, each of which matters to many points, and of 512
    one = max(step for step in np.geomspace(1e-4, 1, 200) if compression.psnr([step] * 4) >= compression.psnr(steps))
    assert len(compression.coded(steps)[1]) < len(compression.coded([one] * 4)[1])


def test_the_coarsest_steps_leave_something_to_write():
    model = random_model((16, 14, 12), encoding=EncodingConfig(n_levels=4, log2_hashmap_size=12), n_encoders=9)
    compression = Compression(model)
    steps = compression.coarsest_above(-60)  # which tables of zeros would reach
    assert len(compression.coded(steps)[1]) > 0
    assert compression.psnr(steps) < 30


def test_without_zstandard_plain_files_open_and_coded_ones_say_what_is_missing(tmp_path):
    model = random_model(encoding=CONFIG)
    hinr.save(model, tmp_path / "plain.hinr")
    hinr.save(model, tmp_path / "coded.hinr", encode_best(model.encoder_params, GRID, [0.02] * 4, True))
    code = (
        "import sys\nsys.modules['zstandard'] = None\nfrom hyperinr_core import hinr\nhinr.load(sys.argv[1])\n"
        "try:\n    hinr.load(sys.argv[2])\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "plain.hinr"), str(tmp_path / "coded.hinr")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0 and result.stdout.startswith("BackendError"), result.stderr
    assert "pip install zstandard" in result.stdout


def test_the_largest_expansion_is_beyond_any_trained_model():
    zeros = np.zeros((2, GRID.n_params), np.float16)
    with pytest.raises(ParameterError, match="next to nothing"):  # nothing but zeros is not written ...
        encode(zeros, GRID, TableCoding((1.0,) * 4, False))
    codes = np.frombuffer(zstandard.ZstdCompressor().compress(zeros.tobytes()), np.uint8)
    with pytest.raises(FormatError, match="claim to be"):  # ... and not read
        decode(codes, 2, GRID, TableCoding((1.0,) * 4, False))
    few = tables() * (np.random.default_rng(1).random((5, GRID.n_params)) < 0.02)
    coding = TableCoding((0.01,) * 4, False)  # what has one number in fifty is
    np.testing.assert_array_equal(decode(encode(few, GRID, coding), 5, GRID, coding), rounded(few, GRID, coding.steps))
