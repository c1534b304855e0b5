"""Tables that stay in their file until they are needed."""

from __future__ import annotations

import dataclasses
import gc
import json
import os

import numpy as np
import pytest
from models import random_model

from hyperinr_core import hinr, table_coding
from hyperinr_core.errors import FormatError
from hyperinr_core.stored_tables import CodedTables, StoredTables


@pytest.fixture
def path(tmp_path, monkeypatch):
    hinr.save(random_model(), tmp_path / "m.hinr")
    monkeypatch.setattr(hinr, "WORTH_IT", 0)
    return tmp_path / "m.hinr"


@pytest.fixture
def read(monkeypatch):
    """The encoders and their levels that are read from now on."""
    return noted(monkeypatch, StoredTables)


def noted(monkeypatch, kind):
    pairs, original = [], kind._read

    def read(tables, index, level):
        pairs.append((index, level))
        original(tables, index, level)

    monkeypatch.setattr(kind, "_read", read)
    return pairs


N_LEVELS = random_model().encoding.n_levels


def pairs(encoders, levels=range(N_LEVELS)):
    """All levels of some encoders, one encoder after the other."""
    return [(encoder, level) for encoder in encoders for level in levels]


@pytest.mark.parametrize("backend", ["native", "reference"])
def test_a_time_reads_the_encoders_around_it_once(path, read, backend):
    model = hinr.load(path)
    assert read == []
    for _ in range(2):
        found = model.generate(0.6, backend).sample_grid()
    assert read == pairs([1, 2])
    np.testing.assert_array_equal(found, random_model().generate(0.6, backend).sample_grid())


def test_for_all_else_they_are_an_array(path):
    tables, truth = hinr.load(path).encoder_params, random_model().encoder_params
    assert (tables.shape, tables.dtype, tables.nbytes, len(tables)) == (
        truth.shape,
        truth.dtype,
        truth.nbytes,
        len(truth),
    )
    np.testing.assert_array_equal(tables[:, 3:9], truth[:, 3:9])
    np.testing.assert_array_equal(tables[[2, -1]], truth[[2, -1]])
    np.testing.assert_array_equal(tables.astype(np.float32).mean(axis=0), truth.astype(np.float32).mean(axis=0))
    hinr.save(hinr.load(path), path)
    np.testing.assert_array_equal(hinr.load(path).encoder_params, truth)


def test_a_model_that_another_replaces_goes_on(path):
    model = hinr.load(path)
    hinr.save(random_model(seed=9), path)
    np.testing.assert_array_equal(model.generate(1.7).sample_grid(), random_model().generate(1.7).sample_grid())


def test_a_file_that_is_cut_off_meanwhile_is_an_error(path):
    model = hinr.load(path)
    start = path.read_bytes().find(np.ascontiguousarray(random_model().encoder_params[3]).tobytes())
    os.truncate(path, start + 8)
    with pytest.raises(FormatError, match="was cut off while it was in use"):
        model.generate(1.5)


def test_what_is_not_finite_is_found_where_it_is_used(path):
    content = bytearray(path.read_bytes())
    start = content.find(np.ascontiguousarray(random_model().encoder_params[3]).tobytes())
    content[start : start + 2] = np.float16(np.nan).tobytes()
    path.write_bytes(content)
    model = hinr.load(path)
    model.generate(0.2)
    with pytest.raises(FormatError, match="encoder_params holds NaN"):
        model.generate(1.4)


@pytest.fixture
def coded_path(tmp_path, monkeypatch):
    """A model whose encoders have frames of their own."""
    monkeypatch.setattr(table_coding, "WORTH_IT", 0)
    monkeypatch.setattr(hinr, "WORTH_IT", 0)
    model = random_model()
    coded = table_coding.encode_best(model.encoder_params, model.architecture.hash_grid, STEPS, True)
    assert len(coded[0].sizes) == len(STEPS) * len(model.encoder_params) and not any(coded[0].differences)
    hinr.save(model, tmp_path / "c.hinr", coded)
    return tmp_path / "c.hinr"


STEPS = [0.01] * N_LEVELS


def coded_tables():
    return table_coding.rounded(random_model().encoder_params, random_model().architecture.hash_grid, STEPS)


@pytest.mark.parametrize("worth_it", [0, 1 << 25])
def test_coded_ones_are_what_was_rounded(coded_path, monkeypatch, worth_it):
    monkeypatch.setattr(hinr, "WORTH_IT", worth_it)
    found = hinr.load(coded_path).encoder_params
    assert isinstance(found, CodedTables) == (worth_it == 0)
    np.testing.assert_array_equal(found, coded_tables())
    hinr.save(hinr.load(coded_path), coded_path)
    np.testing.assert_array_equal(hinr.load(coded_path).encoder_params, coded_tables())


def test_a_time_decodes_the_encoders_around_it_once(coded_path, monkeypatch):
    decoded = noted(monkeypatch, CodedTables)
    model = hinr.load(coded_path)
    assert decoded == []
    for _ in range(2):
        found = model.generate(0.6).sample_grid()
    assert decoded == pairs([1, 2])
    truth = dataclasses.replace(random_model(), encoder_params=coded_tables())
    np.testing.assert_array_equal(found, truth.generate(0.6).sample_grid())


def test_a_damaged_frame_is_found_where_it_is_used(coded_path):
    content = bytearray(coded_path.read_bytes())
    content[-3000:] = bytes(3000)
    coded_path.write_bytes(content)
    model = hinr.load(coded_path)
    model.generate(0.0)
    with pytest.raises(FormatError, match=r"c.hinr cannot be used: the tables are .*; get the file again"):
        model.generate(2.0)


# The coarsest levels.


@pytest.mark.parametrize("coded", [False, True])
def test_of_the_first_levels_alone_no_other_is_read_and_none_twice(path, coded_path, monkeypatch, coded):
    tables = hinr.load(coded_path if coded else path).encoder_params
    truth = coded_tables() if coded else random_model().encoder_params
    read, length = noted(monkeypatch, type(tables)), LEVELS[1].stop
    few = tables.first(2)
    assert read == [] and (few.shape, few.dtype, few.nbytes) == ((5, length), truth.dtype, 5 * length * 2)
    for _ in range(2):
        np.testing.assert_array_equal(few[[1, 3]], truth[[1, 3], :length])
    assert read == pairs([1, 3], [0, 1])
    np.testing.assert_array_equal(tables.first(3)[1], truth[1, : LEVELS[2].stop])
    np.testing.assert_array_equal(tables[[1, 2]], truth[[1, 2]])
    assert read[4:] == [(1, 2), (1, 3), *pairs([2])]
    np.testing.assert_array_equal(few, truth[:, :length])


LEVELS = table_coding.levels(random_model().architecture.hash_grid)


def test_the_file_stays_open_as_long_as_anybody_reads_it_and_no_longer(path):
    tables = hinr.load(path).encoder_params
    file, few = tables._file, tables.first(2)
    del tables
    gc.collect()
    np.testing.assert_array_equal(few[4], random_model().encoder_params[4, : LEVELS[1].stop])
    del few
    gc.collect()
    assert file.closed


def test_first_levels_of_a_file_that_is_cut_off_meanwhile_are_an_error(path):
    few = hinr.load(path).encoder_params.first(2)
    os.truncate(path, path.read_bytes().find(np.ascontiguousarray(random_model().encoder_params[3]).tobytes()) + 8)
    np.testing.assert_array_equal(few[1], random_model().encoder_params[1, : LEVELS[1].stop])
    for _ in range(2):
        with pytest.raises(FormatError, match=r"m\.hinr was cut off while it was in use"):
            few[3]


def test_what_is_wrong_with_a_fine_level_is_said_to_whoever_asks_for_it(path, coded_path):
    third = path.read_bytes().find(np.ascontiguousarray(random_model().encoder_params[4, LEVELS[2]]).tobytes())
    for file, start, said in [
        (path, third, "encoder_params holds NaN"),
        (coded_path, coded_path.stat().st_size - 3000, "c.hinr cannot be used: the tables are"),
    ]:
        content = bytearray(file.read_bytes())
        content[start : start + 3000] = bytes([0xFF]) * 3000
        file.write_bytes(content)
        tables = hinr.load(file).encoder_params
        assert np.isfinite(tables.first(2)[4]).all()
        with pytest.raises(FormatError, match=said):
            tables.having(np.array([4]))


@pytest.mark.parametrize(
    "spoil, said",
    [
        ("fewer", r"the tables have \d+ frames; expected 4 or \d+"),
        ("differences", "beside frames of one encoder each"),
        ("bytes", r"the tables have \d+ bytes; expected the \d+ of its levels"),
    ],
)
def test_frames_that_are_none_of_the_encoders_are_refused(coded_path, spoil, said):
    whole = coded_path.read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    document = json.loads(header["__metadata__"]["hinr"])
    tables = document["tables"]
    if spoil == "fewer":
        *others, last = tables["sizes"]
        tables["sizes"] = [*others[:-4], sum(others[-4:]) + last]
    elif spoil == "differences":
        tables["differences"][1] = True
    else:
        tables["sizes"][3] += 1
    header["__metadata__"]["hinr"] = json.dumps(document)
    text = json.dumps(header).encode()
    coded_path.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    with pytest.raises(FormatError, match=said):
        hinr.load(coded_path)
